//! Where the walks of a pass stand, as a commit record tells it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Where a walk stands. A walk is one strand of pages, or many: time windows, or one for each value it fans out over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Walk {
    /// Pages taken, all strands.
    pub pages: u64,
    /// Items on them, rejects included.
    pub items: u64,
    /// Items no table could take.
    pub rejects: u64,
    /// Items without a name to be known by: they are in `rejects` too, and nothing is missing without them.
    #[serde(skip_serializing_if = "is_none", default)]
    pub nameless: u64,
    /// The most of them on one page. So many there are at least: on different pages the same one may be met.
    #[serde(skip_serializing_if = "is_none", default)]
    pub nameless_together: u64,
    /// Items that a page shortly before had shown already (the server's pages overlap); kept, once per page that showed them.
    pub repeats: u64,
    /// Items that show anything above PG13, or do not tell.
    #[serde(default)]
    pub mature: u64,
    /// Of an incremental walk: the instant it began at (milliseconds since 1970); `None` of one through the whole list.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<i64>,
    /// When its first answer came (milliseconds since 1970), by the server's clock where it tells the time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub began: Option<i64>,
    /// The latest instant that the server's cursors reached (milliseconds since 1970), where they tell one; never later than
    /// when the walk began. An incremental walk starts with what the pass it builds on had reached.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reached: Option<i64>,
    /// How many items the server says there are, where it tells it truly.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub told: Option<u64>,
    /// Ids of models that came without versions and are still to be looked up.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub hollow: BTreeSet<i64>,
    /// Ids of models that came without the versions of a base model they name, and are still to be asked for by id.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub short: BTreeSet<i64>,
    /// Models that lack versions they tell of also after that.
    #[serde(skip_serializing_if = "is_none", default)]
    pub lacking: u64,
    /// The page at the edge where new rows appear, to be read once more before the walk closes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub edge: Option<Edge>,
    /// Items that appeared there while the rest was walked.
    #[serde(skip_serializing_if = "is_none", default)]
    pub appeared: u64,
    /// The strands that were begun and are not over, by key; the only strand of an undivided walk has an empty key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub strands: BTreeMap<String, Strand>,
    /// Of a walk over values: the value up to which all strands are over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub through: Option<String>,
    /// Of a walk over values: strands behind `through` that are over already.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub ahead: Vec<String>,
    /// How many strands ended for which reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub ends: BTreeMap<Why, u64>,
    /// What went wrong: the first [`TROUBLES_MAX`] of them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub troubles: Vec<Trouble>,
    /// Pages whose rows could not be had; the walk went on behind them or ended there.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub given_up: Vec<GivenUp>,
    /// Keys that no column knows, by table: the first [`KEYS_MAX`](crate::table::unknown::KEYS_MAX) of each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub unknown: BTreeMap<String, BTreeMap<String, UnknownKey>>,
    /// Of a walk over values: the longest list that is over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub longest: Option<Longest>,
    /// Why the walk is over; `None` while it is not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end: Option<End>,
}

/// Troubles told in full; the others are only counted.
pub const TROUBLES_MAX: usize = 100;

/// One sequence of pages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strand {
    /// The cursor to send next; `None` before the first page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cursor: Option<String>,
    /// Whether the next page is to have as many items as the server gives: more rows share its instant than a page of the
    /// walk's own size shows.
    #[serde(skip_serializing_if = "is_false", default)]
    pub larger: bool,
    /// Pages taken without a gap.
    pub pages: u64,
    /// Items on all pages taken.
    #[serde(skip_serializing_if = "is_none", default)]
    pub items: u64,
    /// Of numbered pages: those taken behind a gap.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub ahead: BTreeSet<u64>,
    /// Of a window: the instant it begins at (milliseconds since 1970); `None` for the earliest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<i64>,
    /// Of a window: the instant at which the next one takes over; `None` for the latest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<i64>,
    /// Of a window that has no page yet: the cursor at which the window before it ended, should the forged one be refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub handover: Option<String>,
    /// Ids of the last items, by which repeats are told.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tail: Vec<i64>,
    /// Fingerprints of the cursors this commit added to those already met.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub met: Vec<String>,
}

/// A page to be read once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// The cursor that asks for it; `None` for the first page, whose new rows are all before those it had.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cursor: Option<String>,
    /// The ids it had.
    pub ids: Vec<i64>,
}

/// A key that no column knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnknownKey {
    /// Rows that have it in `extra`.
    pub rows: u64,
    /// The walk that met it first, as rows name it.
    pub walk: String,
    /// The page of that walk.
    pub page: u64,
    /// When that page arrived (milliseconds since 1970).
    pub at: i64,
}

impl UnknownKey {
    /// Takes in the same key as met elsewhere.
    pub fn add(&mut self, other: &Self) {
        let first = if other.at < self.at { other } else { &*self };
        *self = Self { rows: self.rows.saturating_add(other.rows), ..first.clone() };
    }
}

/// The longest list of a walk over values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Longest {
    /// Its strand's key.
    pub strand: String,
    /// Its items.
    pub items: u64,
}

/// A page that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenUp {
    /// Its strand's key.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub strand: String,
    /// Its number in the strand.
    pub page: u64,
    /// The cursor that asks for it; `None` for the first page.
    pub cursor: Option<String>,
    /// Why.
    pub reason: String,
}

/// Something that went wrong with a strand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// Its key.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub strand: String,
    /// The reason's name.
    pub why: Why,
    /// What is known of it.
    pub detail: String,
}

/// Why a walk or strand is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The reason's name.
    pub why: Why,
    /// What the server said, or what is known besides.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
}

/// The reasons a walk or strand may be over, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The server named no next page.
    Complete,
    /// The server knows no such thing.
    NotFound,
    /// The rest has no cursor the server takes.
    Unlistable,
    /// A cursor came round again.
    CursorLoop,
    /// The server's paging cap, which is permanent.
    PagingCap,
    /// The server refused the cursor.
    CursorRefused,
    /// The server refused the request.
    Refused,
    /// The server answered with other things than were asked for.
    Unheeded,
    /// A page could not be read, and nothing behind it could be reached.
    Unreadable,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Walk {
    /// Whether rows are missing, or may be.
    pub fn is_doubtful(&self) -> bool {
        let complete = self.end.as_ref().is_some_and(|end| end.why == Why::Complete);
        !complete || self.rejects > 0 || !self.given_up.is_empty() || !self.troubles.is_empty()
    }

    /// Whether every page up to the list's end was taken. Items that no table takes, or that no list shows, do not count
    /// against it: walking the list again would not find them.
    pub fn saw_the_end(&self) -> bool {
        let to_the_end = |why: &Why| matches!(why, Why::Complete | Why::NotFound | Why::Unlistable);
        self.end.is_some() && self.given_up.is_empty() && self.ends.keys().all(to_the_end)
    }
}

impl Why {
    /// All of them, from good to bad.
    pub const ALL: [Self; 9] = [
        Self::Complete,
        Self::NotFound,
        Self::Unlistable,
        Self::CursorLoop,
        Self::PagingCap,
        Self::CursorRefused,
        Self::Refused,
        Self::Unheeded,
        Self::Unreadable,
    ];

    /// What it means, and what to do.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Complete => "the server named no next page: everything it lists was seen.",
            Self::NotFound => "the server knows no such thing; for a look-up that is an answer like any other.",
            Self::Unlistable => {
                "the rest has no cursor that the server takes, such as models without a date. Look them up by id, or list \
                 them with another sort."
            }
            Self::CursorLoop => {
                "the server named a cursor for the second time, so the walk would have gone round for ever. What came \
                 before is kept; the next pass begins anew."
            }
            Self::PagingCap => {
                "the server gives no pages this deep, and will not later. Divide the walk with `split` or `for_each`."
            }
            Self::CursorRefused => {
                "the server refused the cursor, as when it belongs to another sort. The next pass begins anew."
            }
            Self::Refused => "the server refused the request: one of the parameters is wrong.",
            Self::Unheeded => {
                "the server answered with other things than were asked for, as when it ignores a filter. They are kept in \
                 `rejects`; the next pass asks again."
            }
            Self::Unreadable => {
                "a page could not be read, however few items it was asked for, and nothing behind it could be reached. It \
                 is kept in `rejects`; the next pass asks again."
            }
        }
    }

    /// The reason's name, as records and reports have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Unlistable => "unlistable",
            Self::CursorLoop => "cursor_loop",
            Self::PagingCap => "paging_cap",
            Self::CursorRefused => "cursor_refused",
            Self::Refused => "refused",
            Self::Unheeded => "unheeded",
            Self::NotFound => "not_found",
            Self::Unreadable => "unreadable",
        }
    }
}
