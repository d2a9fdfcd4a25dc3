//! Preconditions.
//!
//! Source: <https://cloud.google.com/storage/docs/request-preconditions>.

use crate::object::Object;
use crate::refusal::Refusal;
use crate::request::Request;

/// What must hold of the object that is there, for a request to be done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    generation_match: Option<u64>,
    generation_not_match: Option<u64>,
    metageneration_match: Option<u64>,
    metageneration_not_match: Option<u64>,
    /// ETags, of reads in the XML interface.
    if_match: Option<String>,
    if_none_match: Option<String>,
}

impl Conditions {
    /// Those in a query of the JSON interface.
    pub(crate) fn in_query(request: &Request) -> Result<Self, Refusal> {
        Ok(Self {
            generation_match: request.number("ifGenerationMatch")?,
            generation_not_match: request.number("ifGenerationNotMatch")?,
            metageneration_match: request.number("ifMetagenerationMatch")?,
            metageneration_not_match: request.number("ifMetagenerationNotMatch")?,
            ..Self::default()
        })
    }

    /// Those about the source of a rewrite.
    pub(crate) fn of_source(request: &Request) -> Result<Self, Refusal> {
        Ok(Self {
            generation_match: request.number("ifSourceGenerationMatch")?,
            generation_not_match: request.number("ifSourceGenerationNotMatch")?,
            metageneration_match: request.number("ifSourceMetagenerationMatch")?,
            metageneration_not_match: request.number("ifSourceMetagenerationNotMatch")?,
            ..Self::default()
        })
    }

    /// Those in the fields of the XML interface.
    pub(crate) fn in_fields(request: &Request) -> Result<Self, Refusal> {
        let is_read = matches!(request.method.as_str(), "GET" | "HEAD");
        let etag = |name| request.header(name).filter(|_| is_read).map(str::to_owned);
        Ok(Self {
            generation_match: request.header_number("x-goog-if-generation-match")?,
            metageneration_match: request.header_number("x-goog-if-metageneration-match")?,
            if_match: etag("if-match"),
            if_none_match: etag("if-none-match"),
            ..Self::default()
        })
    }

    /// A condition on the generation alone.
    pub(crate) fn generation(generation: Option<u64>) -> Self {
        Self { generation_match: generation, ..Self::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        let numbers = [self.generation_match, self.generation_not_match, self.metageneration_match, self.metageneration_not_match];
        numbers.iter().all(Option::is_none) && self.if_match.is_none() && self.if_none_match.is_none()
    }

    /// # Errors
    /// A condition does not hold; a reader that has the object already is told `not modified`.
    pub(crate) fn check(&self, object: Option<&Object>, is_read: bool) -> Result<(), Refusal> {
        // An object that is absent has the generation 0.
        let generation = object.map_or(0, |object| object.generation);
        let metageneration = object.map_or(0, |object| object.metageneration);
        let etag = object.map(Object::xml_etag).unwrap_or_default();
        let matches = |wanted: Option<u64>, is: u64| wanted.is_none_or(|wanted| wanted == is);
        let differs = |unwanted: Option<u64>, is: u64| unwanted.is_none_or(|unwanted| unwanted != is);
        if !matches(self.generation_match, generation)
            || !matches(self.metageneration_match, metageneration)
            || self.if_match.as_ref().is_some_and(|wanted| *wanted != etag)
        {
            return Err(Refusal::condition());
        }
        if !differs(self.generation_not_match, generation)
            || !differs(self.metageneration_not_match, metageneration)
            || self.if_none_match.as_ref().is_some_and(|unwanted| *unwanted == etag)
        {
            return Err(if is_read { Refusal::not_modified() } else { Refusal::condition() });
        }
        Ok(())
    }
}
