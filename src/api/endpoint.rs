//! What one endpoint of the server is: where it lives, what it may be asked, how its answers are read.

use super::page::{Page, Query, Unreadable};
use super::place::Place;
use crate::table::{Table, Tables};

/// An endpoint, declared once in its own file and listed in [`super::ENDPOINTS`].
#[derive(Debug)]
pub struct Endpoint {
    /// The word used in crawl files, for example `models`.
    pub name: &'static str,
    /// The path below the server's base URL, without a leading slash; `{}` in it stands for the id or hash looked up.
    pub path: &'static str,
    /// The tables that its items become rows of; those whose rows belong to these are filled too.
    pub tables: &'static [&'static Table],
    /// Every query parameter the server knows, and those it pretends to know.
    pub params: &'static [Param],
    /// The most items one page may be asked for; also what is asked for when a crawl file says nothing. 0 for lookups.
    pub limit_max: u32,
    /// Roughly how many rows the public catalog held when this was written: an upper bound for plans, not a fact.
    pub catalog_rows: u64,
    /// Parameters without any of which the server cuts a list off: it shows so many rows, and ends as if there were no more.
    /// None where it shows every list to its end.
    pub whole_with: &'static [&'static str],
    /// How one page follows another.
    pub paging: Paging,
    /// Reads one page: appends its rows to the tables and returns what the walk needs. All or nothing on `Err`.
    pub read: fn(body: &str, query: &Query<'_>, into: &mut Tables) -> Result<Page, Unreadable>,
}

/// Reads a cursor of a walk with these parameters.
pub type PlaceOf = fn(params: &[(String, String)], cursor: Option<&str>) -> Option<Place>;

/// How one page follows another.
#[derive(Debug, Clone, Copy)]
pub enum Paging {
    /// Each page names the cursor of the next.
    Cursor {
        /// What to ask after a page of a walk with these parameters that ended with the given `nextCursor`.
        next: fn(params: &[(String, String)], next_cursor: &str) -> NextCursor,
        /// Where a page stands that is asked for with this cursor, or without one; `None` where its form is not known.
        place: PlaceOf,
        /// How a walk may be split by time, where the server lets cursors be forged.
        windows: Option<Windows>,
    },
    /// Pages are asked for by number, from 1.
    Number {
        /// What says that there is no further page.
        last: LastPage,
    },
    /// One answer, looked up by an id or hash in the path; 404 is an answer too.
    Lookup,
}

/// What says that a numbered page is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastPage {
    /// Only a page without items (totals are dummies).
    Empty,
    /// The number of pages that each page tells.
    Told,
}

/// Forged cursors: a walk that begins at any instant.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// Whether a walk with these parameters can be split so.
    pub fits: fn(params: &[(String, String)]) -> bool,
    /// The cursor that begins at this instant (milliseconds since 1970).
    pub forge: fn(at: i64) -> String,
    /// The instant a cursor stands at.
    pub at: fn(cursor: &str) -> Option<i64>,
}

/// Where a cursor walk goes after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextCursor {
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
    pub warning: Option<Warning>,
}

/// What a user of an accepted parameter should know.
#[derive(Debug, Clone, Copy)]
pub struct Warning {
    /// The values it is about, as they are sent.
    pub about: fn(value: &str) -> bool,
    /// The end of a sentence that begins with the parameter's name.
    pub text: &'static str,
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
    warned_if(name, kind, |_| true, warning)
}

/// Shorthand for a parameter that is accepted with a warning about some of its values.
pub(super) const fn warned_if(name: &'static str, kind: Kind, about: fn(&str) -> bool, warning: &'static str) -> Param {
    Param { name, kind, warning: Some(Warning { about, text: warning }) }
}
