//! The type of an endpoint: its path, its parameters, its paging and its reader.

use super::page::{Page, Query, Unreadable};
use super::place::Place;
use crate::table::{Table, Tables};

/// An endpoint, declared once in its own file and listed in [`super::ENDPOINTS`].
#[derive(Debug)]
pub struct Endpoint {
    /// The word used in crawl files, for example `models`.
    pub name: &'static str,
    /// The path below the server's base URL, without a leading slash; `{}` is the place of the id or hash looked up.
    pub path: &'static str,
    /// The tables its items become rows of; tables whose parent is one of these are filled too.
    pub tables: &'static [&'static Table],
    /// Every query parameter that the server knows, and every documented one that it ignores.
    pub params: &'static [Param],
    /// The largest page size, in items; also the default of crawl files. 0 for look-ups. Where one answer is all, the most ids
    /// of a request, or 0.
    pub limit_max: u32,
    /// Rows of the public catalog when this was written, roughly: an upper bound for plans.
    pub catalog_rows: u64,
    /// Unless one of these parameters is set, the server cuts the list off: it ends early as if that were all. Empty if it
    /// shows every list to its end.
    pub whole_with: &'static [&'static str],
    /// The requests a minute that the server allows of this endpoint, where it publishes a limit of its own.
    pub a_minute: Option<u32>,
    /// The way from one page to the next.
    pub paging: Paging,
    /// Reads one page: appends its rows to the tables and returns its facts. Appends nothing on `Err`.
    pub read: fn(body: &str, query: &Query<'_>, into: &mut Tables) -> Result<Page, Unreadable>,
}

impl Endpoint {
    /// True if the server shows a list with these parameters to its end, on whatever path it is answered.
    pub fn shows_whole(&self, params: &[(String, String)]) -> bool {
        self.whole_with.is_empty() || params.iter().any(|(name, _)| self.whole_with.contains(&name.as_str()))
    }
}

/// Reads a cursor of a walk with these parameters; `None` if its form is unknown.
pub type PlaceOf = fn(params: &[(String, String)], cursor: Option<&str>) -> Option<Place>;

/// The way from one page to the next.
#[derive(Debug, Clone, Copy)]
pub enum Paging {
    /// Each page names the cursor of the next.
    Cursor {
        /// Returns the cursor to send after a page with this `nextCursor`, for a walk with these parameters.
        next: fn(params: &[(String, String)], next_cursor: &str) -> NextCursor,
        /// Returns the position in the list of the page requested with this cursor, or without one.
        place: PlaceOf,
        /// Time windows, if the server accepts forged cursors.
        windows: Option<Windows>,
    },
    /// Pages are requested by number, from 1.
    Number {
        /// The sign of the last page.
        last: LastPage,
    },
    /// One answer, looked up by an id or hash in the path; 404 is an answer too, not a failure.
    Lookup,
    /// One request has one answer, and no page follows it.
    Single,
}

/// The sign that a numbered page is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastPage {
    /// Only a page without items; the totals are dummies.
    Empty,
    /// The number of pages that each page reports.
    Reported,
}

/// Forged cursors: a walk can begin at any instant.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// True if a walk with these parameters can be split into time windows.
    pub fits: fn(params: &[(String, String)]) -> bool,
    /// Returns the cursor behind which all rows of this instant and later are (milliseconds since 1970), in whatever order the
    /// rows of one instant are.
    pub forge: fn(at: i64) -> String,
    /// Returns the instant of a cursor (milliseconds since 1970).
    pub at: fn(cursor: &str) -> Option<i64>,
    /// Set if a list without such cursors may be cut off, so that a walk sends one from its first page on: the sentence about
    /// a walk whose first one was refused.
    pub without: Option<&'static str>,
}

/// The step of a cursor walk after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextCursor {
    /// Request the next page with this cursor: the server's own, or its repaired form.
    Cursor(String),
    /// The list cannot be continued, for the given reason; rows beyond need another walk.
    Unlistable(&'static str),
}

/// One query parameter.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its exact spelling.
    pub name: &'static str,
    /// The values it takes.
    pub kind: ParamKind,
    /// A side effect that users should know; `None` if there is none.
    pub warning: Option<ParamWarning>,
}

/// A side effect of an accepted parameter.
#[derive(Debug, Clone, Copy)]
pub struct ParamWarning {
    /// True for the values that have the side effect, as they are sent.
    pub about: fn(value: &str) -> bool,
    /// The warning after the parameter's name and a colon: lower case, no full stop.
    pub text: &'static str,
}

/// The values a parameter takes, as the server really treats it, not as it is documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    /// A whole number in this inclusive range.
    Int {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// `true` or `false`.
    Bool,
    /// Only `true`: to the server any non-empty text means true, even `false`.
    OnlyTrue,
    /// Exactly one of these words.
    Word(&'static [&'static str]),
    /// Any of these words; sent by repeating the key, since the server reads a comma list as one unknown word.
    Words(&'static [&'static str]),
    /// Text that is not empty.
    Text,
    /// A list of texts; sent by repeating the key.
    Texts {
        /// The smallest number of texts.
        min: usize,
    },
    /// Whole numbers; sent as one comma-separated value.
    Ids,
    /// Set by civitrawl itself, so a crawl file may not set it. The text says why.
    Managed(&'static str),
    /// Refused or silently ignored by the server. The text says what would happen and what to do instead.
    Refused(&'static str),
}

/// A parameter without a warning.
pub(super) const fn param(name: &'static str, kind: ParamKind) -> Param {
    Param { name, kind, warning: None }
}

/// A parameter that is accepted with a warning.
pub(super) const fn warned(name: &'static str, kind: ParamKind, warning: &'static str) -> Param {
    warned_if(name, kind, |_| true, warning)
}

/// A parameter that is accepted with a warning about some of its values.
pub(super) const fn warned_if(
    name: &'static str,
    kind: ParamKind,
    about: fn(&str) -> bool,
    warning: &'static str,
) -> Param {
    Param { name, kind, warning: Some(ParamWarning { about, text: warning }) }
}
