//! From the bytes of an answer to rows: the one way in which a crawl and a replay read.

use crate::api::endpoint::{Asked, Endpoint};
use crate::api::envelope::Page;
use crate::fetch::{Encoding, INFLATED_CAP, Unreadable, inflate};
use crate::table::Tables;

/// What an answer's bytes say.
pub(super) struct Reading {
    /// What its walk needs to know.
    pub(super) page: Page,
    /// Bytes after decompression.
    pub(super) bytes: usize,
}

/// Appends the rows of an answer to the tables. All or nothing on `Err`.
pub(super) fn read(
    endpoint: &Endpoint,
    encoding: Encoding,
    body: &[u8],
    question: &Asked<'_>,
    into: &mut Tables,
) -> Result<Reading, Unreadable> {
    let body = inflate(encoding, body, INFLATED_CAP)?;
    let text = String::from_utf8(body).map_err(|_| Unreadable::Damaged(String::from("the body is not UTF-8")))?;
    let read = (endpoint.read)(&text, question, into);
    let page = read.map_err(|unreadable| Unreadable::Damaged(unreadable.reason))?;
    Ok(Reading { page, bytes: text.len() })
}

/// The text of an answer that cannot be read, as far as it goes.
pub(super) fn lossy_text(encoding: Encoding, body: &[u8]) -> String {
    let body = inflate(encoding, body, INFLATED_CAP);
    String::from_utf8_lossy(&body.unwrap_or_default()).into_owned()
}
