//! `tags/list`: the tags of a repository in byte order, paged.

use bytes::Bytes;
use http::header::LINK;
use serde_json::json;

use super::{Answer, Api, Request, json as document};
use crate::oci::{Page, RepositoryName, Route, Tag};

impl Api {
    /// Source: distribution specification, "Listing Tags".
    pub(super) async fn tags(&self, request: &Request<'_>, route: &Route, name: &RepositoryName) -> Answer {
        let max = self.options.tags_page_max;
        let page: Page<Tag> = Page::parse(&request.query, max, max)?;
        let (tags, more) = self.repository(request, name)?.tags(&page).await?;
        let body = Bytes::from(json!({ "name": name, "tags": tags }).to_string());
        let mut answer = document(request.is_head(), body);
        if let Some(last) = tags.last().filter(|_| more) {
            answer.headers_mut().insert(LINK, page.next_link(route, last, None));
        }
        Ok(answer)
    }
}
