//! An answer as it was received, and a page with what was read from it.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::fault::Unreadable;
use super::inflate::{Encoding, text};

/// An answer as it was received. Cloning it copies no body.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// How `body` is compressed.
    pub encoding: Encoding,
    /// The body as received, still compressed; where the server repeated the API key, inflated and without it.
    pub body: Bytes,
    /// Time from sending the request to the body's last byte.
    pub latency: Duration,
    /// Requests made for the page so far, this one included.
    pub attempts: u32,
    /// The `cf-cache-status` header: whether a cache answered.
    pub cache_status: Option<String>,
    /// The `Age` header: seconds the answer lay in a cache.
    pub age_s: Option<i64>,
    /// The `Date` header: what the server's clock said.
    pub date: Option<Timestamp>,
}

impl Answer {
    /// The body as text, decompressed.
    ///
    /// # Errors
    /// When it is damaged, larger than allowed, or no UTF-8.
    pub fn text(&self) -> Result<String, Unreadable> {
        text(self.encoding, &self.body)
    }

    /// Returns true when a cache in front of the server gave the answer, which may be minutes old.
    pub fn is_cached(&self) -> bool {
        // All other words, `EXPIRED` and `BYPASS` among them, mean that the server itself was asked.
        const FROM_CACHE: [&str; 4] = ["HIT", "STALE", "UPDATING", "REVALIDATED"];
        let status = self.cache_status.as_deref().unwrap_or_default().trim();
        FROM_CACHE.iter().any(|word| status.eq_ignore_ascii_case(word))
    }
}

/// A page: what was read from its answer, and the answer.
#[derive(Debug)]
pub struct Fetched<T> {
    /// What the reader made of it.
    pub value: T,
    /// The answer it was read from.
    pub answer: Answer,
}
