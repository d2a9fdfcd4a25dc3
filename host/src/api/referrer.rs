//! `referrers/<digest>`: who refers to a manifest, filtered and paged.

use http::HeaderValue;
use http::header::LINK;

use super::{Answer, Api, Request, document};
use crate::oci::descriptor::referrers_body;
use crate::oci::headers::{FILTERED_BY_ARTIFACT_TYPE, OCI_FILTERS_APPLIED};
use crate::oci::{Digest, ErrorCode, Page, ProtocolError, RepositoryName, Route, media_type};

impl Api {
    /// Never 404: what does not exist has no referrers.
    ///
    /// Source: distribution specification, "Listing Referrers".
    pub(super) async fn referrers(&self, request: &Request<'_>, route: &Route, name: &RepositoryName, subject: &Digest) -> Answer {
        let max = self.options.referrers_page_max;
        let page: Page<Digest> = Page::parse(&request.query, max, max)?;
        let artifact_type = request.query.artifact_type.as_deref();
        let (referrers, more) = self.repository(request, name)?.referrers(subject, &page, artifact_type).await?;
        let body = referrers_body(&referrers).map_err(|error| ProtocolError::new(ErrorCode::Unknown, error.to_string()))?;
        let mut answer = document(request.is_head(), HeaderValue::from_static(media_type::OCI_INDEX), body);
        if artifact_type.is_some() {
            answer.headers_mut().insert(OCI_FILTERS_APPLIED, FILTERED_BY_ARTIFACT_TYPE);
        }
        if let Some(last) = referrers.last().filter(|_| more) {
            answer.headers_mut().insert(LINK, page.next_link(route, &last.digest.to_string(), artifact_type));
        }
        Ok(answer)
    }
}
