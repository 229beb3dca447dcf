//! `rejects`: one row per item that no table could take, or that repeats an earlier item of its page with other content.

/// The `position` of a row for a whole page.
pub const WHOLE_PAGE: i64 = -1;

table! {
    /// One row per item that no table could take, or that repeats an earlier item of its page with other content.
    "rejects", key ["pass", "walk", "page", "position"];
    position: Id, "Place on the page, counted from 0; -1 for a page that could not be read as a whole.";
    reason: Name, "A code that `civitrawl explain` knows, a colon, and a sentence.";
    item: Long, "Its text as received.";
}
