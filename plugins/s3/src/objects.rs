//! Requests for objects and their names.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use longshore_bucket::{Facts, Fetched, Mark, Names, Payload, Query, Span};
use longshore_plugin_api::{DriverError, ErrorClass, Method, ObjectInfo};

use crate::opening::not_found_or_missing;
use crate::refusal::refused;
use crate::{S3, body};

/// The metadata in which an object carries its mark.
pub(super) const MARK: &str = "longshore-mark";
/// How long S3 signs for at the most.
const PRESIGN_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

pub(super) async fn head(s3: &S3, name: &str) -> Result<Facts, DriverError> {
    let answer = s3.client.head_object().bucket(&s3.bucket).key(name).send().await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Err(not_found_or_missing(s3, refused(&format!("look at {name:?}"), &error)).await),
    };
    s3.seen.now();
    let info = info(answer.content_length, answer.last_modified.as_ref(), answer.e_tag.as_deref());
    Ok(Facts { info, mark: answer.metadata.and_then(|mut metadata| metadata.remove(MARK)) })
}

pub(super) async fn get(s3: &S3, name: &str, span: &Span) -> Result<Fetched, DriverError> {
    let range = match (span.offset, span.length) {
        (0, None) => None,
        (offset, None) => Some(format!("bytes={offset}-")),
        (offset, Some(length)) => Some(format!("bytes={offset}-{}", offset.saturating_add(length - 1))),
    };
    let same = span.version.as_deref().map(|version| format!("\"{version}\""));
    let answer = s3.client.get_object().bucket(&s3.bucket).key(name).set_range(range).set_if_match(same).send().await;
    let answer = answer.map_err(|error| {
        let error = refused(&format!("read {name:?}"), &error);
        match error.class() {
            ErrorClass::AlreadyExists => DriverError::new(ErrorClass::Broken, format!("{name:?} was replaced while it was read")),
            _ => error,
        }
    })?;
    s3.seen.now();
    // `bytes 0-9/100`; without it the answer is the whole object.
    let total = answer.content_range.as_deref().and_then(|range| range.rsplit_once('/')?.1.parse().ok());
    let info = info(total.or(answer.content_length), answer.last_modified.as_ref(), answer.e_tag.as_deref());
    Ok(Fetched { info, body: body::incoming(answer.body) })
}

pub(super) async fn put(s3: &S3, name: &str, payload: Payload, only_new: Option<&Mark>) -> Result<ObjectInfo, DriverError> {
    if only_new.is_some() && !s3.creates {
        return Err(DriverError::new(ErrorClass::Unsupported, "this store cannot create an object only where there is none"));
    }
    let size = payload.len() as u64;
    let mut put = s3.client.put_object().bucket(&s3.bucket).key(name).body(body::outgoing(&payload, s3.sign_payloads));
    if let Some(mark) = only_new {
        put = put.if_none_match("*").metadata(MARK, mark.as_str());
    }
    let put = put.customize();
    let put = if s3.sign_payloads { put } else { put.disable_payload_signing() };
    let answer = put.send().await.map_err(|error| refused(&format!("write {name:?}"), &error))?;
    s3.seen.now();
    Ok(written(size, answer.e_tag()))
}

/// Facts of what was written now: most stores do not tell the time in their answer.
pub(super) fn written(size: u64, tag: Option<&str>) -> ObjectInfo {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    info(i64::try_from(size).ok(), Some(&DateTime::from_secs(now.cast_signed())), tag)
}

pub(super) fn info(size: Option<i64>, modified: Option<&DateTime>, tag: Option<&str>) -> ObjectInfo {
    // Whole seconds, as headers tell them; the bodies of some answers tell more.
    let modified = modified.map_or(0, |time| time.secs() * 1000);
    let version = tag.map(|tag| tag.trim_matches('"')).filter(|tag| !tag.is_empty() && tag.len() <= 128).map(Into::into);
    ObjectInfo { size: size.unwrap_or_default().unsigned_abs(), modified, version }
}

pub(super) async fn list(s3: &S3, query: &Query) -> Result<Names, DriverError> {
    let mut list = s3.client.list_objects_v2().bucket(&s3.bucket).prefix(&query.prefix).max_keys(query.limit.cast_signed());
    list = match &query.token {
        Some(token) => list.continuation_token(token),
        None => list.set_start_after(query.after.clone()),
    };
    if query.joined {
        list = list.delimiter("/");
    }
    let answer = list.send().await.map_err(|error| refused(&format!("list {:?}", query.prefix), &error))?;
    s3.seen.now();
    let objects = answer.contents.unwrap_or_default().into_iter().filter_map(|object| {
        let info = info(object.size, object.last_modified.as_ref(), object.e_tag.as_deref());
        Some((object.key?, Some(info)))
    });
    let joined = answer.common_prefixes.unwrap_or_default().into_iter().filter_map(|common| common.prefix);
    Ok(Names {
        objects: objects.collect(),
        joined: joined.collect(),
        token: answer.next_continuation_token.filter(|_| answer.is_truncated.unwrap_or_default()),
    })
}

/// S3 does not tell whether there was anything to delete: that is asked first.
pub(super) async fn delete(s3: &S3, name: &str) -> Result<(), DriverError> {
    head(s3, name).await?;
    let answer = s3.client.delete_object().bucket(&s3.bucket).key(name).send().await;
    answer.map(drop).map_err(|error| refused(&format!("delete {name:?}"), &error))
}

pub(super) async fn delete_all(s3: &S3, names: &[String]) -> Result<(), DriverError> {
    // One name is one plain request, which every store has.
    if let [name] = names {
        let answer = s3.client.delete_object().bucket(&s3.bucket).key(name).send().await;
        return answer.map(drop).map_err(|error| refused(&format!("delete {name:?}"), &error));
    }
    let invalid =
        |error: &dyn std::fmt::Display| DriverError::new(ErrorClass::Internal, format!("a request to delete cannot be made: {error}"));
    let objects = names.iter().map(|name| ObjectIdentifier::builder().key(name).build()).collect::<Result<Vec<_>, _>>();
    let delete = Delete::builder().set_objects(Some(objects.map_err(|error| invalid(&error))?)).quiet(true).build();
    let delete = delete.map_err(|error| invalid(&error))?;
    let answer = s3.client.delete_objects().bucket(&s3.bucket).delete(delete).send().await;
    let answer = answer.map_err(|error| refused(&format!("delete {} objects", names.len()), &error))?;
    // Each object has an answer of its own.
    let failed = answer.errors().iter().find(|error| !matches!(error.code(), Some("NoSuchKey")));
    let Some(error) = failed else { return Ok(()) };
    let (name, code, why) = (error.key().unwrap_or_default(), error.code().unwrap_or_default(), error.message().unwrap_or_default());
    let class = if code == "AccessDenied" { ErrorClass::Unauthorized } else { ErrorClass::Broken };
    Err(DriverError::new(class, format!("cannot delete {name:?}: the store answers {code}: {why}")).caused_by("code", code))
}

pub(super) async fn presign(s3: &S3, name: &str, method: Method, expires_ms: u64) -> Result<String, DriverError> {
    let Some(signer) = &s3.signer else {
        return Err(DriverError::unsupported("presign without credentials, or with a customer's key,"));
    };
    let expires = Duration::from_millis(expires_ms);
    let seconds = Duration::from_secs(expires_ms.div_ceil(1000));
    if expires.is_zero() || expires > PRESIGN_MAX {
        return Err(DriverError::new(ErrorClass::InvalidArgument, "S3 signs for 1 ms to 7 days"));
    }
    let signing = PresigningConfig::expires_in(seconds)
        .map_err(|error| DriverError::new(ErrorClass::InvalidArgument, format!("S3 does not sign for so long: {error}")))?;
    let action = format!("sign a URL for {name:?}");
    let signed = match method {
        Method::Get => signer.get_object().bucket(&s3.bucket).key(name).presigned(signing).await.map_err(|error| refused(&action, &error)),
        Method::Head => {
            signer.head_object().bucket(&s3.bucket).key(name).presigned(signing).await.map_err(|error| refused(&action, &error))
        }
        Method::Put => signer.put_object().bucket(&s3.bucket).key(name).presigned(signing).await.map_err(|error| refused(&action, &error)),
    };
    Ok(signed?.uri().to_owned())
}
