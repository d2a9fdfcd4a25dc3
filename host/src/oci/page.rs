//! Paging: which part of a list is asked for, and the `Link` to the next.

use std::fmt::Write as _;
use std::str::FromStr;

use http::HeaderValue;

use super::error::{ProtocolError, clip};
use super::headers::printable;
use super::percent::Encoded;
use super::query::Query;
use super::route::Route;

/// A page of a list whose entries are `T`: tags, repository names, or digests of referrers.
///
/// Source: distribution specification, "Listing Tags".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The most entries to answer with. Zero asks for an empty list, which has no `Link`.
    pub limit: usize,
    /// The entry after which the page begins; it need not exist.
    pub after: Option<T>,
}

impl<T> Page<T>
where
    T: FromStr,
    T::Err: Into<ProtocolError>,
{
    /// Reads `n` and `last`. Without `n` the page has `default` entries, and never more than `max`: the `Link` tells the client where the
    /// rest is.
    ///
    /// # Errors
    /// [`PageError`] if `n` is no count, or `last` could not be an entry.
    pub fn parse(query: &Query<'_>, default: usize, max: usize) -> Result<Self, PageError> {
        let limit = query.n.as_deref().map_or(Ok(default), count)?.min(max);
        let after = query.last.as_deref().map(str::parse).transpose();
        let after = after.map_err(|fault: T::Err| PageError::Last(Box::new(fault.into())))?;
        Ok(Self { limit, after })
    }
}

impl<T> Page<T> {
    /// The value of the `Link` header for the page after this one, which ended with `last`. A `filter` of referrers goes along.
    ///
    /// Source: RFC 8288; the target is relative, so it is right behind any proxy.
    #[must_use]
    pub fn next_link(&self, list: &Route, last: &str, filter: Option<&str>) -> HeaderValue {
        let mut link = format!("<{list}?n={}&last={}", self.limit, Encoded(last));
        if let Some(artifact_type) = filter {
            // Writing to a string cannot fail.
            let _ = write!(link, "&artifactType={}", Encoded(artifact_type));
        }
        link.push_str(">; rel=\"next\"");
        printable(link)
    }
}

/// A page size; one too large for a number is still a number, and means as much as there may be.
fn count(text: &str) -> Result<usize, PageError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PageError::Number { given: clip(text) });
    }
    Ok(text.parse().unwrap_or(usize::MAX))
}

/// What is wrong with the parameters of a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// `n` is negative or no number at all.
    #[error("parameter n is {given:?}; it must be a whole number, 0 or more")]
    Number {
        /// The value, clipped.
        given: String,
    },
    /// `last` is nothing that the list could hold.
    #[error("parameter last is wrong: {0}")]
    Last(Box<ProtocolError>),
}

#[cfg(test)]
mod tests {
    use super::super::error::ErrorCode;
    use super::super::name::RepositoryName;
    use super::super::reference::Tag;
    use super::*;

    fn tags(query: &str) -> Result<Page<Tag>, PageError> {
        Page::parse(&Query::parse(Some(query)).expect("a query"), 100, 1000)
    }

    #[test]
    fn page_without_a_word_is_the_first_of_the_default_size() {
        assert_eq!(tags(""), Ok(Page { limit: 100, after: None }));
        assert_eq!(tags("n=&last="), Ok(Page { limit: 100, after: None }));
    }

    #[test]
    fn page_size_is_clamped_and_may_be_zero() {
        for (query, limit) in [("n=0", 0), ("n=007", 7), ("n=1000", 1000), ("n=1001", 1000), ("n=99999999999999999999999", 1000)] {
            assert_eq!(tags(query).map(|page| page.limit), Ok(limit), "{query}");
        }
    }

    #[test]
    fn page_size_that_is_no_count_is_refused() {
        for query in ["n=-1", "n=1.5", "n=ten", "n=+1", "n=%20", "n=0x10", "n=%D9%A1"] {
            let error = ProtocolError::from(tags(query).expect_err(query));
            assert_eq!((error.code, error.status().as_u16()), (ErrorCode::PaginationNumberInvalid, 400), "{query}");
        }
    }

    #[test]
    fn page_begins_after_an_entry_of_the_list() {
        assert_eq!(tags("last=v1").map(|page| page.after.map(|tag| tag.to_string())), Ok(Some("v1".to_owned())));
        assert_eq!(ProtocolError::from(tags("last=a/b").expect_err("no tag")).code, ErrorCode::TagInvalid);
        let catalog = Page::<RepositoryName>::parse(&Query::parse(Some("last=a%2Fb")).expect("a query"), 100, 1000);
        assert_eq!(catalog.map(|page| page.after.map(|name| name.to_string())), Ok(Some("a/b".to_owned())));
    }

    #[test]
    fn link_is_relative_and_escaped() {
        let page: Page<RepositoryName> = Page { limit: 2, after: None };
        assert_eq!(page.next_link(&Route::Catalog, "a/b", None), "</v2/_catalog?n=2&last=a%2Fb>; rel=\"next\"");
        let name: RepositoryName = "a/b".parse().expect("a name");
        assert_eq!(
            page.next_link(&Route::Tags { name }, "v1", Some("x/y+z\"")),
            "</v2/a/b/tags/list?n=2&last=v1&artifactType=x%2Fy%2Bz%22>; rel=\"next\""
        );
    }
}
