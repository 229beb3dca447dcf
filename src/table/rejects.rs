//! `rejects`: one row per item that no table could take, or that differs from what came before it on its page; its text is kept.

/// The `position` of what stands for a whole page.
pub const WHOLE_PAGE: i64 = -1;

table! {
    /// One row per item that no table could take, or that differs from what came before it on its page; its text is kept.
    "rejects", key ["pass", "walk", "page", "position"];
    position: Id, "Place on the page, counted from 0; -1 for a page that could not be read as a whole.";
    reason: Name, "Why it is here.";
    item: Long, "Its text as received.";
}
