//! Links to further pages, made as the server makes them: from the incoming query and the request's own host.

use url::form_urlencoded::Serializer;

use crate::sandbox::traps::{Trap, Traps};

/// The parts of a request that links are made from.
pub(crate) struct Links<'a> {
    pub(crate) traps: Traps,
    /// Scheme and host of the request.
    pub(crate) origin: &'a str,
    /// Below `/api/v1/`.
    pub(crate) path: &'a str,
    pub(crate) pairs: &'a [(String, String)],
}

impl Links<'_> {
    /// Returns the same query with one parameter replaced and empty parameters dropped.
    pub(crate) fn to(&self, key: &str, value: &str) -> String {
        let start = format!("{}/api/v1/{}?", self.origin(), self.path);
        let after = start.len();
        let mut serializer = Serializer::for_suffix(start, after);
        let kept = self.pairs.iter().filter(|(name, value)| name != key && !value.is_empty());
        serializer.extend_pairs(kept).append_pair(key, value);
        serializer.finish()
    }

    /// Returns the models list under one filter, whose value is not encoded.
    pub(crate) fn models(&self, filter: &str, value: &str) -> String {
        format!("{}/api/v1/models?{filter}={value}", self.origin)
    }

    fn origin(&self) -> &str {
        if self.traps.has(Trap::ForeignLinks) { "https://elsewhere.invalid" } else { self.origin }
    }
}
