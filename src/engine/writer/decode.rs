//! From the bytes of an answer to rows: the one way in which a crawl and a replay read.

use std::borrow::Cow;

use crate::api::endpoint::Endpoint;
use crate::api::page::{Page, Query};
use crate::api::pseudonym::Pseudonyms;
use crate::fetch::{self, Encoding, INFLATED_CAP, Unreadable, inflate};
use crate::table::Tables;

/// What an answer's bytes say.
pub(crate) struct Reading {
    /// What its walk needs to know.
    pub(crate) page: Page,
    /// Bytes after decompression.
    pub(crate) bytes: usize,
}

/// Appends the rows of an answer to the tables, without names where they are to be hidden. All or nothing on `Err`.
pub(crate) fn read(
    endpoint: &Endpoint,
    encoding: Encoding,
    body: &[u8],
    question: &Query<'_>,
    hide: Option<&Pseudonyms>,
    into: &mut Tables,
) -> Result<Reading, Unreadable> {
    let text = fetch::text(encoding, body)?;
    let hidden = hide.map_or(Cow::Borrowed(text.as_str()), |pseudonyms| pseudonyms.hide(&text));
    let read = (endpoint.read)(&hidden, question, into);
    let page = read.map_err(|unreadable| Unreadable::Damaged(unreadable.reason))?;
    Ok(Reading { page, bytes: text.len() })
}

/// The text of an answer that cannot be read, as far as it goes.
pub(crate) fn lossy_text(encoding: Encoding, body: &[u8], hide: Option<&Pseudonyms>) -> String {
    let body = inflate(encoding, body, INFLATED_CAP);
    let text = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
    hide.map(|pseudonyms| pseudonyms.hide(&text).into_owned()).unwrap_or(text)
}
