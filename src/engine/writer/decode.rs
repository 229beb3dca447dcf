//! Decodes the bytes of an answer into rows, for crawls and replays alike.

use std::borrow::Cow;

use crate::api::endpoint::Endpoint;
use crate::api::page::{Page, Query};
use crate::api::pseudonym::Pseudonyms;
use crate::fetch::{self, Encoding, INFLATED_CAP, Unreadable, inflate};
use crate::table::Tables;

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
    let hidden = hide.map_or(Cow::Borrowed(text.as_str()), |pseudonyms| pseudonyms.hide(&text));
    let read = (endpoint.read)(&hidden, query, into);
    let page = read.map_err(|unreadable| Unreadable::Damaged(unreadable.reason))?;
    Ok(Reading { page, bytes: text.len() })
}

/// Returns the text of an answer that cannot be read, as far as it can be decompressed.
pub(crate) fn lossy_text(encoding: Encoding, body: &[u8], hide: Option<&Pseudonyms>) -> String {
    let body = inflate(encoding, body, INFLATED_CAP);
    let text = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
    hide.map(|pseudonyms| pseudonyms.hide(&text).into_owned()).unwrap_or(text)
}
