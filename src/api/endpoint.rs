//! What one endpoint of the server is: where it lives, what it may be asked, how its answers are read.

use super::envelope::{Page, Unreadable};
use crate::table::{Provenance, Tables};

/// An endpoint, declared once in its own file and listed in [`super::ENDPOINTS`].
#[derive(Debug)]
pub struct Endpoint {
    /// The word used in crawl files, for example `models`.
    pub name: &'static str,
    /// The path below the server's base URL, without a leading slash.
    pub path: &'static str,
    /// Every query parameter the server knows, and those it pretends to know.
    pub params: &'static [Param],
    /// The most items one page may be asked for; also what is asked for when a crawl file says nothing.
    pub limit_max: u32,
    /// Roughly how many rows the public catalog held when this was written: an upper bound for plans, not a fact.
    pub catalog_rows: u64,
    /// Reads one page: appends its rows to the tables and returns what the walk needs. All or nothing on `Err`.
    pub read: fn(body: &str, at: &Provenance<'_>, into: &mut Tables) -> Result<Page, Unreadable>,
    /// What to ask after a page of a walk with these parameters that ended with the given `nextCursor`.
    pub next: fn(params: &[(String, String)], next_cursor: &str) -> Next,
}

/// Where a cursor walk goes after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Ask again with this cursor (the server's own, or its repaired form).
    Cursor(String),
    /// Nothing more can be listed this way, for the reason given; rows beyond it, if any, need another walk.
    Unlistable(&'static str),
}

/// One query parameter.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its exact spelling.
    pub name: &'static str,
    /// Which values it takes.
    pub kind: Kind,
    /// What a user of it should know although it is accepted; `None` when there is nothing to warn of.
    pub warning: Option<&'static str>,
}

/// Which values a parameter takes, as the server really treats it (not as it is documented).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number in this inclusive range.
    Int {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// `true` or `false`; both are understood.
    Bool,
    /// Any non-empty text, even `false`, means true to the server: only `true` may be written, or nothing.
    OnlyTrue,
    /// Exactly one of these words.
    Word(&'static [&'static str]),
    /// Any number of these words; sent by repeating the key (a comma list is one unknown word to the server).
    Words(&'static [&'static str]),
    /// Any text that is not empty.
    Text,
    /// Any number of free texts; sent by repeating the key. At least this many.
    Texts {
        /// How many there must be.
        min: usize,
    },
    /// Whole numbers; sent as one comma-separated value.
    Ids,
    /// Set by civitrawl itself while it walks; a crawl file may not set it. The text says why.
    Managed(&'static str),
    /// The server refuses or silently ignores it; the text says what would happen and what to do instead.
    Refused(&'static str),
}

/// Shorthand for a parameter without a warning.
pub(super) const fn param(name: &'static str, kind: Kind) -> Param {
    Param { name, kind, warning: None }
}

/// Shorthand for a parameter that is accepted with a warning.
pub(super) const fn warned(name: &'static str, kind: Kind, warning: &'static str) -> Param {
    Param { name, kind, warning: Some(warning) }
}
