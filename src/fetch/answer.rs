//! An answer as received, and its text.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::inflate::{Encoding, INFLATED_CAP, InflateError, head, inflate, without_mark};
use super::memory::Claim;

/// An answer as received. A clone shares the body.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The compression of `body`.
    pub encoding: Encoding,
    /// The body as received, still compressed. If it repeated the API key, it is inflated and the key is masked.
    pub body: Bytes,
    /// Time from sending the request to the body's last byte.
    pub latency: Duration,
    /// Requests made for the page so far, this one included.
    pub attempts: u32,
    /// The `cf-cache-status` header: `HIT` if a cache answered.
    pub cache_status: Option<String>,
    /// The `Age` header: seconds the answer spent in a cache.
    pub age_s: Option<i64>,
    /// The `Date` header: the server's clock.
    pub date: Option<Timestamp>,
    /// The memory that the body takes.
    pub(super) claim: Claim,
}

/// Bytes of an abridged body: of its beginning, and of its end, where a page names the next one.
const BEGINNING: usize = 4 << 20;
const END: usize = 64 << 10;

impl Answer {
    /// Returns the decompressed body as text.
    ///
    /// # Errors
    /// When it is damaged, larger than allowed, or not UTF-8.
    pub fn text(&self) -> Result<Cow<'_, str>, Unreadable> {
        text(self.encoding, &self.body)
    }

    /// Returns true when the body has more than its share of the memory.
    pub fn is_large(&self) -> bool {
        self.claim.is_large()
    }

    /// Returns the answer with only the beginning and the end of a large body, which no longer counts as one.
    pub(super) fn abridged(self) -> Answer {
        if !self.is_large() {
            return self;
        }
        let body = head(self.encoding, &self.body, INFLATED_CAP);
        let (beginning, rest) = body.split_at(BEGINNING.min(body.len()));
        let body = [beginning, &rest[rest.len().saturating_sub(END)..]].concat().into();
        Answer { encoding: Encoding::Identity, body, claim: Claim::default(), ..self }
    }

    /// Returns true when a cache in front of the server gave the answer, which may be minutes old.
    pub fn is_cached(&self) -> bool {
        // All other words, `EXPIRED` and `BYPASS` among them, mean that the server itself answered.
        const FROM_CACHE: [&str; 4] = ["HIT", "STALE", "UPDATING", "REVALIDATED"];
        let status = self.cache_status.as_deref().unwrap_or_default().trim();
        FROM_CACHE.iter().any(|word| status.eq_ignore_ascii_case(word))
    }
}

/// Why an answer that looked like a page could not be read as one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is damaged, or no page: requesting it again may help.
    #[error("{0}")]
    Damaged(String),
    /// It is the server's own report of a failure: requesting it again may help.
    #[error("{0}")]
    Failure(String),
    /// It is larger than allowed: requesting it again cannot help.
    #[error("{0}")]
    TooLarge(String),
}

impl From<InflateError> for Unreadable {
    fn from(error: InflateError) -> Unreadable {
        match error {
            InflateError::TooLarge { .. } => Unreadable::TooLarge(error.to_string()),
            InflateError::Damaged(_) => Unreadable::Damaged(error.to_string()),
        }
    }
}

impl From<String> for Unreadable {
    fn from(why: String) -> Unreadable {
        Unreadable::Damaged(why)
    }
}

/// Returns a body as text, borrowed if it was not compressed: decompressed, without the byte order mark that some servers put before it.
///
/// # Errors
/// When it is damaged, larger than [`INFLATED_CAP`], or not UTF-8.
pub fn text(encoding: Encoding, body: &[u8]) -> Result<Cow<'_, str>, Unreadable> {
    let text = match inflate(encoding, body, INFLATED_CAP)? {
        Cow::Borrowed(body) => std::str::from_utf8(without_mark(body)).ok().map(Cow::Borrowed),
        Cow::Owned(mut body) => {
            body.drain(..body.len() - without_mark(&body).len());
            String::from_utf8(body).ok().map(Cow::Owned)
        }
    };
    text.ok_or_else(|| Unreadable::Damaged(String::from("the body is not UTF-8")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_no_byte_order_mark_and_is_utf8() {
        let marked = "\u{feff}{\"a\":\"\u{feff}\"}";
        assert_eq!(text(Encoding::Identity, marked.as_bytes()), Ok("{\"a\":\"\u{feff}\"}".into()));
        assert!(text(Encoding::Identity, b"{\xff}").is_err());
    }
}
