//! Decodes the bytes of an answer into rows, for crawls and replays alike.

use std::borrow::Cow;

use crate::api::endpoint::Endpoint;
use crate::api::envelope::salvage_cursor;
use crate::api::page::{Page, Query};
use crate::api::pseudonym::Pseudonyms;
use crate::fetch::{self, Encoding, INFLATED_CAP, Unreadable, head};
use crate::table::{Provenance, Tables};

/// The body of an answer, as received.
#[derive(Clone, Copy)]
pub(crate) struct Body<'a> {
    pub(crate) encoding: Encoding,
    pub(crate) bytes: &'a [u8],
}

/// A decoded answer.
pub(crate) struct Reading {
    /// The facts that its walk needs.
    pub(crate) page: Page,
    /// Bytes after decompression.
    pub(crate) bytes: usize,
}

/// Appends the rows of an answer to the tables, with people's names hidden if `hide` is given. On `Err` nothing is appended.
pub(crate) fn read(
    endpoint: &Endpoint,
    body: Body<'_>,
    query: &Query<'_>,
    hide: Option<&Pseudonyms>,
    into: &mut Tables,
) -> Result<Reading, Unreadable> {
    let text = fetch::text(body.encoding, body.bytes)?;
    let bytes = text.len();
    let hidden = match hide.map(|pseudonyms| pseudonyms.hide(&text)).transpose() {
        Ok(Some(Cow::Owned(hidden))) => Some(hidden),
        Ok(_) => None,
        Err(error) => return Err(Unreadable::TooLarge(error.to_string())),
    };
    // The text with the names is dropped here.
    let text = hidden.map_or(text, Cow::Owned);
    if text.len() > INFLATED_CAP {
        return Err(Unreadable::TooLarge(String::from("with pseudonyms the page is larger than allowed")));
    }
    let page =
        (endpoint.read)(&text, query, into).map_err(|unreadable| match (unreadable.too_large, unreadable.failure) {
            (true, _) => Unreadable::TooLarge(unreadable.reason),
            (false, true) => Unreadable::Failure(unreadable.reason),
            (false, false) => Unreadable::Damaged(unreadable.reason),
        })?;
    Ok(Reading { page, bytes })
}

/// Returns true if an answer can be read as a page of an endpoint, whatever it shows.
pub(crate) fn is_page(endpoint: &Endpoint, body: Body<'_>) -> bool {
    let query = Query::believed(Provenance { pass: 0, walk: "", page: 0, fetched_at: 0 });
    read(endpoint, body, &query, None, &mut Tables::default()).is_ok()
}

/// The remains of an answer that cannot be read as a page.
pub(crate) struct Remains {
    /// Its beginning, as far as it can be decompressed.
    pub(crate) text: String,
    /// Bytes of that beginning, and of all that can be decompressed.
    pub(crate) kept: usize,
    pub(crate) bytes: usize,
    /// The cursor of the next page, if its end names one.
    pub(crate) next_cursor: Option<String>,
}

/// Most bytes of such an answer that are kept.
const KEPT_MAX: usize = 1 << 20;
/// Bytes at the end of an answer in which its metadata are.
const TAIL: usize = 64 << 10;

/// Returns the remains of an answer, with people's names hidden if `hide` is given.
pub(crate) fn remains(body: Body<'_>, hide: Option<&Pseudonyms>) -> Remains {
    let bytes = head(body.encoding, body.bytes, INFLATED_CAP);
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        // A text that cannot be searched for names is not kept.
        let hidden = hide.map_or(Ok(text.clone()), |pseudonyms| pseudonyms.hide(&text));
        hidden.map_or_else(|_| String::new(), Cow::into_owned)
    };
    let is_inside = |at: &usize| bytes.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let kept = (0..=KEPT_MAX.min(bytes.len())).rev().find(|at| !is_inside(at)).unwrap_or_default();
    let tail = &bytes[bytes.len().saturating_sub(TAIL)..];
    Remains { text: text(&bytes[..kept]), kept, bytes: bytes.len(), next_cursor: salvage_cursor(&text(tail)) }
}
