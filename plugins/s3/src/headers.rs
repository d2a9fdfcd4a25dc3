//! Headers that the operator's choices add, in one place for all requests: encryption, storage class, owner; and MD5 where S3 asks for it.

use std::fmt;

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use base64::prelude::{BASE64_STANDARD, Engine};
use md5::{Digest, Md5};

use crate::settings::{Encryption, S3Settings};

/// Which requests carry what: headers for requests that make an object, for those that touch an object's bytes or facts, and for all.
pub(super) struct Headers {
    making: Vec<(&'static str, String)>,
    touching: Vec<(&'static str, String)>,
    copying: Vec<(&'static str, String)>,
    all: Vec<(&'static str, String)>,
}

impl Headers {
    pub(super) fn new(settings: &S3Settings) -> Self {
        let mut headers = Self { making: Vec::new(), touching: Vec::new(), copying: Vec::new(), all: Vec::new() };
        match settings.encryption {
            Encryption::Bucket => {}
            Encryption::S3 => headers.making.push(("x-amz-server-side-encryption", "AES256".into())),
            Encryption::Kms => {
                headers.making.push(("x-amz-server-side-encryption", "aws:kms".into()));
                headers.making.extend(settings.kms_key.clone().map(|key| ("x-amz-server-side-encryption-aws-kms-key-id", key)));
            }
            Encryption::Customer => headers.encrypt_with(settings.customer_key.as_deref().unwrap_or_default()),
        }
        headers.making.extend(settings.storage_class.clone().map(|class| ("x-amz-storage-class", class)));
        headers.all.extend(settings.bucket_owner.clone().map(|owner| ("x-amz-expected-bucket-owner", owner)));
        headers.copying.extend(settings.bucket_owner.clone().map(|owner| ("x-amz-source-expected-bucket-owner", owner)));
        headers
    }

    fn encrypt_with(&mut self, key: &str) {
        let md5 = customer_key(key).map(|bytes| BASE64_STANDARD.encode(Md5::digest(bytes))).unwrap_or_default();
        self.touching = vec![
            ("x-amz-server-side-encryption-customer-algorithm", "AES256".into()),
            ("x-amz-server-side-encryption-customer-key", key.to_owned()),
            ("x-amz-server-side-encryption-customer-key-md5", md5.clone()),
        ];
        self.copying = vec![
            ("x-amz-copy-source-server-side-encryption-customer-algorithm", "AES256".into()),
            ("x-amz-copy-source-server-side-encryption-customer-key", key.to_owned()),
            ("x-amz-copy-source-server-side-encryption-customer-key-md5", md5),
        ];
    }

    fn of(&self, operation: &str) -> impl Iterator<Item = &(&'static str, String)> {
        let makes = matches!(operation, "PutObject" | "CreateMultipartUpload" | "CopyObject");
        let touches = makes || matches!(operation, "GetObject" | "HeadObject" | "UploadPart" | "UploadPartCopy");
        let copies = matches!(operation, "CopyObject" | "UploadPartCopy");
        let some = |wanted: bool, headers: &'_ [(&'static str, String)]| if wanted { headers.len() } else { 0 };
        let making = &self.making[..some(makes, &self.making)];
        let touching = &self.touching[..some(touches, &self.touching)];
        let copying = &self.copying[..some(copies, &self.copying)];
        making.iter().chain(touching).chain(copying).chain(&self.all)
    }
}

impl Intercept for Headers {
    fn name(&self) -> &'static str {
        "Headers"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().map(|metadata| metadata.name().to_owned()).unwrap_or_default();
        let request = context.request_mut();
        for (name, value) in self.of(&operation) {
            request.headers_mut().try_insert(*name, value.clone())?;
        }
        if operation == "DeleteObjects"
            && let Some(body) = request.body().bytes()
        {
            let md5 = BASE64_STANDARD.encode(Md5::digest(body));
            request.headers_mut().try_insert("content-md5", md5)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Headers {
    /// Without values: a customer's key is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Headers")
    }
}

/// The bytes of a customer's key; `None` if it is no key.
pub(super) fn customer_key(text: &str) -> Option<[u8; 32]> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(headers: &Headers, operation: &str) -> Vec<&'static str> {
        headers.of(operation).map(|(name, _)| name.trim_start_matches("x-amz-")).collect()
    }

    #[test]
    fn a_customers_key_goes_with_every_request_that_touches_bytes() {
        let mut headers = Headers { making: Vec::new(), touching: Vec::new(), copying: Vec::new(), all: Vec::new() };
        headers.encrypt_with(&BASE64_STANDARD.encode([7; 32]));
        for operation in ["PutObject", "GetObject", "HeadObject", "CreateMultipartUpload", "UploadPart"] {
            assert_eq!(names(&headers, operation).len(), 3, "{operation}");
        }
        for operation in ["CopyObject", "UploadPartCopy"] {
            assert_eq!(names(&headers, operation).len(), 6, "{operation}");
        }
        for operation in ["ListObjectsV2", "DeleteObject", "CompleteMultipartUpload"] {
            assert_eq!(names(&headers, operation), [""; 0], "{operation}");
        }
        assert_eq!(format!("{headers:?}"), "Headers", "no key is printed");
    }

    #[test]
    fn a_storage_class_goes_only_with_what_makes_an_object() {
        let making = vec![("x-amz-storage-class", "COLD".to_owned())];
        let headers = Headers { making, touching: Vec::new(), copying: Vec::new(), all: vec![("x-amz-expected-bucket-owner", "1".into())] };
        assert_eq!(names(&headers, "PutObject"), ["storage-class", "expected-bucket-owner"]);
        assert_eq!(names(&headers, "UploadPart"), ["expected-bucket-owner"]);
    }
}
