//! `_catalog`: the repositories in byte order, paged.

use bytes::Bytes;
use http::header::LINK;
use serde_json::json;

use super::{Answer, Api, Request, json as document};
use crate::oci::{Page, RepositoryName, Route};
use crate::store::StoreError;

impl Api {
    /// Source: distribution's API; the specification reserves the name.
    pub(super) async fn catalog(&self, request: &Request<'_>) -> Answer {
        let page: Page<RepositoryName> = Page::parse(&request.query, self.options.catalog_page_default, self.options.catalog_page_max)?;
        let listed = self.store.catalog(&page, request.trace_id).await;
        let (names, more) = listed.map_err(|source| StoreError::Driver { action: "list repositories", source })?;
        let body = Bytes::from(json!({ "repositories": names }).to_string());
        let mut answer = document(request.is_head(), body);
        if let Some(last) = names.last().filter(|_| more) {
            answer.headers_mut().insert(LINK, page.next_link(&Route::Catalog, last, None));
        }
        Ok(answer)
    }
}
