//! Where the walks of a pass stand, as a commit record tells it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::novelty::Novelty;

/// Where a walk stands. A walk is one partition of pages, or many: time windows, or one for each value it fans out over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalkState {
    /// Pages taken, all partitions.
    pub pages: u64,
    /// Items on them, rejects included.
    pub items: u64,
    /// Items no table could take.
    pub rejects: u64,
    /// Things that came twice on one page and were taken once; nothing is missing without the others.
    #[serde(skip_serializing_if = "is_none", default)]
    pub twins: u64,
    /// Items without a name to be known by: they are in `rejects` too, and nothing is missing without them.
    #[serde(skip_serializing_if = "is_none", default)]
    pub nameless: u64,
    /// The most of them on one page. So many there are at least: on different pages the same one may be met.
    #[serde(skip_serializing_if = "is_none", default)]
    pub nameless_per_page_max: u64,
    /// Items that a page shortly before had shown already (the server's pages overlap); kept, once per page that showed them.
    pub repeats: u64,
    /// Items that show nothing of PG or PG13, or do not tell: a server that clamps a region sends none.
    #[serde(default)]
    pub above_pg13: u64,
    /// Items of PG or PG13 that came although levels above were asked for too.
    #[serde(skip_serializing_if = "is_none", default)]
    pub mild: u64,
    /// Items of PG or PG13 that came although only levels above were asked for.
    #[serde(skip_serializing_if = "is_none", default)]
    pub unasked_mild: u64,
    /// Of an incremental walk: the instant it began at (milliseconds since 1970); `None` of one through the whole list.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<i64>,
    /// When its first answer came (milliseconds since 1970), by the server's clock or this machine's, whichever is behind.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub began: Option<i64>,
    /// The latest instant that the server's cursors reached (milliseconds since 1970), where they tell one; never later than
    /// when the walk began. An incremental walk starts with what the pass it builds on had reached.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reached: Option<i64>,
    /// How many items the server says there are, where it tells it truly.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reported_total: Option<u64>,
    /// Ids of models that came without versions and are still to be looked up.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub without_versions: BTreeSet<i64>,
    /// Ids of models that came without the versions of a base model they name, and are still to be asked for by id.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub missing_versions: BTreeSet<i64>,
    /// Models that lack versions they tell of also after that.
    #[serde(skip_serializing_if = "is_none", default)]
    pub withheld_versions: u64,
    /// The page at the edge where new rows appear, to be read once more before the walk closes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub boundary: Option<BoundaryPage>,
    /// Items that appeared there while the rest was walked.
    #[serde(skip_serializing_if = "is_none", default)]
    pub late_items: u64,
    /// The partitions that were begun and are not over, by key; the only partition of an undivided walk has an empty key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub partitions: BTreeMap<String, PartitionState>,
    /// Of a walk over values: the value up to which all partitions are over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub done_through: Option<String>,
    /// Of a walk over values: partitions behind `through` that are over already.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub done_beyond: Vec<String>,
    /// How many partitions ended for which reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub ends: BTreeMap<Why, u64>,
    /// Of a walk over a list that the crawl file holds: values of it that the server shows nothing of, the first
    /// [`TROUBLES_MAX`] of them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub unknown_values: Vec<String>,
    /// The number of all such values.
    #[serde(skip_serializing_if = "is_none", default)]
    pub unknown_values_count: u64,
    /// What went wrong: the first [`TROUBLES_MAX`] of them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub troubles: Vec<Trouble>,
    /// Pages whose rows could not be had; the walk went on behind them or ended there.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub given_up: Vec<GivenUp>,
    /// Things, by the first column of their key, that the list does not show any more and that could not be asked for singly:
    /// this pass does not find them gone.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub withheld: BTreeSet<String>,
    /// Of an incremental walk: pages that earlier passes gave up before the instant at which it begins. The next walk through
    /// the whole list asks for them again.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub holes: Vec<GivenUp>,
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

/// Items of PG and PG13, of all levels asked for, that come without any other before that looks like a clamp.
const CLAMP_ITEMS: u64 = 1000;

/// Troubles told in full; the others are only counted.
pub const TROUBLES_MAX: usize = 100;

/// One sequence of pages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionState {
    /// The cursor to send next; `None` before the first page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cursor: Option<String>,
    /// Whether the next page is to have as many items as the server gives: more rows share its instant than a page of the
    /// walk's own size shows.
    #[serde(skip_serializing_if = "is_false", default)]
    pub larger: bool,
    /// True when it was begun anew because the server would not go on with its cursor; that is done once.
    #[serde(skip_serializing_if = "is_false", default)]
    pub anew: bool,
    /// True when it still brings anything new.
    #[serde(skip_serializing_if = "Novelty::is_fresh", default)]
    pub novelty: Novelty,
    /// Pages taken without a gap.
    pub pages: u64,
    /// Items on all pages taken.
    #[serde(skip_serializing_if = "is_none", default)]
    pub items: u64,
    /// Of numbered pages: those taken behind a gap.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub done_beyond: BTreeSet<u64>,
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
    pub new_cursors: Vec<String>,
}

/// A page to be read once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundaryPage {
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
    /// Its partition's key.
    pub partition: String,
    /// Its items.
    pub items: u64,
}

/// A page that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenUp {
    /// Its partition's key.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub partition: String,
    /// Its number in the partition.
    pub page: u64,
    /// The cursor that asks for it; `None` for the first page.
    pub cursor: Option<String>,
    /// Why.
    pub reason: String,
    /// The pass that gave it up, where that is an earlier one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pass: Option<u64>,
}

/// Something that went wrong with a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// Its key.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub partition: String,
    /// The page it had come to, where it had.
    #[serde(skip_serializing_if = "is_none", default)]
    pub page: u64,
    /// The cursor that asks for that page; `None` for the first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cursor: Option<String>,
    /// The reason's name.
    pub why: Why,
    /// What is known of it.
    pub detail: String,
}

/// Why a walk or partition is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The reason's name.
    pub why: Why,
    /// What the server said, or what is known besides.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
}

/// The reasons a walk or partition may be over, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The server named no next page.
    Complete,
    /// The server knows no such thing.
    NotFound,
    /// The rest has no cursor the server takes.
    Unlistable,
    /// The list ended, and that is not believed: more of it must follow, or was there before.
    Doubtful,
    /// A cursor came round again.
    CursorLoop,
    /// The list went on without bringing anything new.
    Endless,
    /// The server's paging cap, which is permanent.
    PagingCap,
    /// The server refused the cursor.
    CursorRefused,
    /// The server put the API key into the cursor.
    KeyInCursor,
    /// The server refused the request.
    Refused,
    /// The server answered with other things than were asked for.
    FilterIgnored,
    /// A page could not be read, and nothing behind it could be reached.
    Unreadable,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl WalkState {
    /// Whether rows are missing, or may be.
    pub fn is_doubtful(&self) -> bool {
        let complete = self.end.as_ref().is_some_and(|end| end.why == Why::Complete);
        let known = self.given_up.is_empty() && self.holes.is_empty() && self.withheld.is_empty();
        let lost = self.rejects > 0 || !known;
        !complete || lost || !self.troubles.is_empty() || self.is_clamped()
    }

    /// Whether the list was walked from its beginning to an end that is believed, so that what it does not show may be gone.
    /// What was given up, rejected or cannot be listed costs nothing but itself: what may lie there is asked for singly.
    pub fn is_believed(&self) -> bool {
        self.since.is_none() && self.ends_are_believed() && !self.is_clamped()
    }

    /// True when every end that it saw is one of a list, and believed.
    pub fn ends_are_believed(&self) -> bool {
        let to_the_end = |why: &Why| matches!(why, Why::Complete | Why::NotFound | Why::Unlistable);
        self.end.as_ref().is_none_or(|end| to_the_end(&end.why)) && self.ends.keys().all(to_the_end)
    }

    /// True when the server seems to hide what is above PG13 from this region: of all that was asked for, nothing above came.
    /// On some hosts an image counts by the level of its model too, so that a mild one alone proves nothing.
    pub fn is_clamped(&self) -> bool {
        self.above_pg13 == 0 && (self.unasked_mild > 0 || self.mild >= CLAMP_ITEMS)
    }

    /// Whether every page up to the list's end was taken or given up by name, and nothing hidden. What is given up, what no table
    /// takes and what no list shows does not count against it: beginning earlier would ask for all that lies behind once more,
    /// every night.
    pub fn saw_the_end(&self) -> bool {
        let to_the_end = |why: &Why| matches!(why, Why::Complete | Why::NotFound | Why::Unlistable);
        self.end.is_some() && self.ends.keys().all(to_the_end) && !self.is_clamped()
    }
}

impl Why {
    /// All of them, from good to bad.
    pub const ALL: [Self; 12] = [
        Self::Complete,
        Self::NotFound,
        Self::Unlistable,
        Self::Doubtful,
        Self::CursorLoop,
        Self::Endless,
        Self::PagingCap,
        Self::CursorRefused,
        Self::KeyInCursor,
        Self::Refused,
        Self::FilterIgnored,
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
            Self::Doubtful => {
                "the list ended earlier than can be believed: it was empty or much shorter than before, a full page named no \
                 next one, or the answer says that there is more. It was asked again and stayed so. What came is kept, and \
                 nothing counts as gone. The next pass asks again; where the list is right, run that one with \
                 --believe-shorter WALK. `[absence]` in the crawl file says what much shorter is."
            }
            Self::CursorLoop => {
                "the server named a cursor for the second time, so the walk would have gone round for ever. What came \
                 before is kept; the next pass begins anew."
            }
            Self::Endless => {
                "the list went on and brought nothing new: 20 pages in a row with items that the walk had all shown before in \
                 this pass, more than 600 empty pages, or more than 100 whose cursors do not move on. What came \
                 before is kept; the next pass begins anew."
            }
            Self::PagingCap => {
                "the server gives no pages this deep, and will not later. Divide the walk with `split` or `for_each`."
            }
            Self::CursorRefused => {
                "the server refused the cursor, as when it belongs to another sort. The next pass begins anew."
            }
            Self::KeyInCursor => {
                "the server repeated the API key in the cursor of the next page. The key is masked in whatever the server \
                 sends, and a masked cursor leads nowhere. Crawl without a key, or ask another server."
            }
            Self::Refused => "the server refused the request: one of the parameters is wrong.",
            Self::FilterIgnored => {
                "the server answered with other things than were asked for, as when it ignores a filter. Those that tell so are \
                 kept in `rejects`; of a list that is the same without the filter nothing is taken. The next pass asks again."
            }
            Self::Unreadable => {
                "a page could not be read, however few items it was asked for, and nothing behind it could be reached. It \
                 is kept in `rejects`; the next pass asks again."
            }
        }
    }

    /// True when the server refused to give a page.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::NotFound | Self::PagingCap | Self::CursorRefused | Self::Refused)
    }

    /// The reason's name, as records and reports have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Unlistable => "unlistable",
            Self::Doubtful => "doubtful",
            Self::CursorLoop => "cursor_loop",
            Self::Endless => "endless",
            Self::PagingCap => "paging_cap",
            Self::CursorRefused => "cursor_refused",
            Self::KeyInCursor => "key_in_cursor",
            Self::Refused => "refused",
            Self::FilterIgnored => "filter_ignored",
            Self::NotFound => "not_found",
            Self::Unreadable => "unreadable",
        }
    }
}
