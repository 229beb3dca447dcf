//! Words for the place in a list where something stopped. Pure.

use super::writer::message::partition_name;
use crate::fetch::printable;

/// Returns the words for a page of a list: `page 3 (cursor `2024-01-02 03:04:05.678|7`)`.
pub(super) fn at_page(page: u64, cursor: Option<&str>) -> String {
    match cursor {
        Some(cursor) => format!("page {page} (cursor `{}`)", printable(cursor)),
        None => format!("page {page}"),
    }
}

/// Returns the words for a page of a partition: `page 3 (cursor `…`) of `images/17``.
pub(super) fn at_page_of(walk: &str, partition: &str, page: u64, cursor: Option<&str>) -> String {
    format!("{} of `{}`", at_page(page, cursor), printable(&partition_name(walk, partition)))
}
