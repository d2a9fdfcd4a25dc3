//! Redirects: a client fetches a blob from where the driver keeps it, by a URL that the driver signs.

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderValue, Uri};
use longshore_loader::api::{Driver, Method};

use super::{Blob, Repository, StoreError, layout};

/// The longest URL that is passed on, in bytes: proxies refuse longer header lines. A signature takes about one thousand, a session's
/// token up to two more.
const URL_MAX_BYTES: usize = 8 * 1024;

/// For which repositories a client is sent away.
type Rule = dyn Fn(&str, &Client<'_>) -> bool + Send + Sync;

/// Which blobs clients fetch from where the driver keeps them.
pub struct Redirect {
    blob_min_bytes: u64,
    expires: Duration,
    takes: Box<Rule>,
}

/// A client, as far as a rule looks at it.
#[derive(Debug, Clone, Copy)]
pub struct Client<'r> {
    /// The other end of its connection.
    pub address: IpAddr,
    /// What it calls itself, empty if it does not say.
    pub user_agent: &'r [u8],
}

/// A URL that reads one blob without credentials until it expires. It is a secret of whoever may read the blob, and its `Debug` hides it.
#[derive(Debug)]
pub struct SignedUrl(HeaderValue);

impl Redirect {
    /// Blobs of `blob_min_bytes` and more, by URLs that are good for `expires`, where `takes` agrees to a repository's name and a client.
    pub fn new(blob_min_bytes: u64, expires: Duration, takes: impl Fn(&str, &Client<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self { blob_min_bytes, expires, takes: Box::new(takes) }
    }
}

impl SignedUrl {
    /// The value of `Location`.
    pub fn into_location(self) -> HeaderValue {
        self.0
    }

    /// Takes what a driver answers, if a client can follow it. The text is in no error: it may be a secret all the same.
    fn checked(url: &str) -> Result<Self, String> {
        let uri = url.parse::<Uri>().ok().filter(|uri| url.len() <= URL_MAX_BYTES && is_of_a_server(uri));
        let mut value = uri
            .and_then(|_| HeaderValue::try_from(url).ok())
            .ok_or_else(|| format!("the driver signed something that is no http or https URL of at most {URL_MAX_BYTES} bytes"))?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

fn is_of_a_server(url: &Uri) -> bool {
    matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty())
}

impl Repository {
    /// Whether this client is sent away for large blobs of this repository. No driver call.
    pub fn redirects(&self, client: &Client<'_>) -> bool {
        self.storage.redirect.as_ref().is_some_and(|redirect| (redirect.takes)(self.name.as_str(), client))
    }

    /// Where a client finds the bytes of a blob; `None` if they are to be served here: because they are few, or because the driver cannot
    /// sign now, which is logged. One driver call at most.
    ///
    /// That the client may read the blob is proved by the [`Blob`], which only a repository that links it gives out.
    /// If another host has removed the bytes since they were last seen here (`cache.ttl_secs`), the URL leads to nothing.
    pub async fn signed_url(&self, blob: &Blob) -> Option<SignedUrl> {
        let redirect = self.storage.redirect.as_ref().filter(|redirect| blob.size >= redirect.blob_min_bytes)?;
        let expires_ms = u64::try_from(redirect.expires.as_millis()).unwrap_or(u64::MAX);
        let url = self.driver().presign(&self.call(), &layout::blob(&blob.stored), Method::Get, expires_ms).await;
        let url = url.map_err(|error| StoreError::driver("sign a URL")(error).with_cause());
        match url.and_then(|url| SignedUrl::checked(&url)) {
            Ok(url) => Some(url),
            Err(error) => {
                let (request, repository) = (format_args!("{:032x}", self.trace_id), &self.name);
                tracing::warn!(%request, %repository, blob = %blob.digest, "{error}; serving the blob instead of a redirect");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_that_a_client_can_follow_is_passed_on_as_it_is() {
        for url in ["https://s3.test/bucket/a%2Bb?X-Amz-Signature=0a&x=%20", "http://127.0.0.1:9000/a", "http://[::1]:9000/a?b"] {
            assert_eq!(SignedUrl::checked(url).unwrap().into_location(), url);
        }
    }

    #[test]
    fn url_that_no_client_can_follow_is_refused() {
        let long = format!("https://s3.test/{}", "a".repeat(URL_MAX_BYTES));
        for url in ["", "/a", "s3.test/a", "sound:///a", "ftp://s3.test/a", "https:///a", "https://s3.test/a b", "http://h/\r\nx: y", &long]
        {
            assert!(SignedUrl::checked(url).is_err(), "{url:?}");
        }
    }

    #[test]
    fn url_is_not_shown_by_debug() {
        let url = SignedUrl::checked("https://s3.test/a?signature=hunter2").unwrap();
        assert!(!format!("{url:?}").contains("hunter2"));
        assert!(!format!("{:?}", url.into_location()).contains("hunter2"), "nor by that of a header");
    }
}
