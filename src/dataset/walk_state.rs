//! The checkpoint state of a walk, as commit records store it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::novelty::Novelty;

/// The state of a walk. A walk has one partition or many: time windows, or one for each value of a fan-out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalkState {
    /// Pages taken in all partitions.
    pub pages: u64,
    /// Items on these pages, rejects included.
    pub items: u64,
    /// Items that no table could take.
    pub rejects: u64,
    /// Items that a page showed twice; each was taken once, so nothing is missing.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub twins: u64,
    /// Items without the name that is their key. They are in the table `rejects` too, and nothing is missing without them.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub nameless: u64,
    /// The most of them on one page. At least so many exist, because different pages may show the same one.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub nameless_per_page_max: u64,
    /// Items that a page shortly before had shown too, because the server's pages overlap; kept once per page.
    pub repeats: u64,
    /// Items above PG13, or of unknown level: a server that clamps a region sends none.
    #[serde(default)]
    pub above_pg13: u64,
    /// Items of PG or PG13 in a walk that asked for higher levels too.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub mild: u64,
    /// Items of PG or PG13 in a walk that asked for higher levels only.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub unasked_mild: u64,
    /// Set in a walk that started within its list: the instant (milliseconds since 1970).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<i64>,
    /// Set in a walk with `from`: the instant at which its first pass began (milliseconds since 1970). No later pass begins
    /// before it, unless the server refuses to start there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<i64>,
    /// Arrival of its first answer (milliseconds since 1970), by the earlier of the server's clock and this machine's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub began: Option<i64>,
    /// The latest instant in the server's cursors (milliseconds since 1970), if they contain one; never later than `began`.
    /// An incremental walk starts with the value of the pass on which it builds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reached: Option<i64>,
    /// True once the server refused a cursor made for an instant: none is sent any more in this pass.
    #[serde(skip_serializing_if = "is_false", default)]
    pub forging_refused: bool,
    /// The number of items that the server reports, if it reports it truly.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reported_total: Option<u64>,
    /// Ids of models listed without versions that are still to be looked up.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub without_versions: BTreeSet<i64>,
    /// Ids of models listed without the versions of a base model they name that are still to be requested by id.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub missing_versions: BTreeSet<i64>,
    /// Models that still lack these versions after that.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub withheld_versions: u64,
    /// The page at the end of the list where new rows appear. It is read again before the walk closes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub boundary: Option<BoundaryPage>,
    /// Items that appeared on that page during the walk.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub late_items: u64,
    /// The open partitions, by key. The only partition of an undivided walk has an empty key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub partitions: BTreeMap<String, PartitionState>,
    /// Set in a walk over the values of a table: the last commit when it began. Rows of later ones, its own for example, bring it
    /// no values.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub values_at: Option<u64>,
    /// Set in a walk over values: all partitions up to this value have ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub done_through: Option<String>,
    /// In a walk over values: the ended partitions after `done_through`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub done_beyond: Vec<String>,
    /// The number of ended partitions by reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub ends: BTreeMap<Why, u64>,
    /// In a walk over a list in the crawl file: the first [`TROUBLES_MAX`] values for which the server shows nothing.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub unknown_values: Vec<String>,
    /// The number of all such values.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub unknown_values_count: u64,
    /// The first [`TROUBLES_MAX`] troubles.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub troubles: Vec<Trouble>,
    /// Pages whose rows could not be read. The walk continued after them or ended there.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub given_up: Vec<GivenUp>,
    /// Entities, by the first column of their key, that the list does not show any more and that could not be looked up. This
    /// pass does not find them gone.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub withheld: BTreeSet<String>,
    /// In an incremental walk: pages before its start that earlier passes gave up. The next walk through the whole list
    /// requests them again.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub holes: Vec<GivenUp>,
    /// Unknown JSON keys by table: the first [`KEYS_MAX`](crate::table::unknown::KEYS_MAX) of each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub unknown: BTreeMap<String, BTreeMap<String, UnknownKey>>,
    /// Set in a walk over values: the longest list that has ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub longest: Option<Longest>,
    /// Set when the walk has ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end: Option<End>,
}

/// So many items of PG and PG13 without any of a higher level look like a clamp.
const CLAMP_ITEMS: u64 = 1000;

/// The most troubles recorded in full; the others are only counted.
pub const TROUBLES_MAX: usize = 100;

/// The state of a partition, which is one sequence of pages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionState {
    /// The cursor to send next; `None` before the first page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cursor: Option<String>,
    /// True if the next page is requested with the largest page size, because more rows share its instant than a page of the
    /// usual size shows.
    #[serde(skip_serializing_if = "is_false", default)]
    pub larger: bool,
    /// True if the partition was begun anew because the server refused its cursor; that is done once.
    #[serde(skip_serializing_if = "is_false", default)]
    pub anew: bool,
    /// Counts the pages that brought nothing new.
    #[serde(skip_serializing_if = "Novelty::is_fresh", default)]
    pub novelty: Novelty,
    /// Pages taken without a gap.
    pub pages: u64,
    /// Items on all pages taken.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub items: u64,
    /// In numbered paging: the pages taken after a gap.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", default)]
    pub done_beyond: BTreeSet<u64>,
    /// Set where it begins with a forged cursor: its first instant (milliseconds since 1970).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<i64>,
    /// In a window: the instant at which the next one begins; `None` in the latest window.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<i64>,
    /// In a window without a page: the cursor at which the previous window ended, used if the forged one is refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub handover: Option<String>,
    /// Ids of the last items, to recognize repeats.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tail: Vec<i64>,
    /// Fingerprints of the cursors seen first in this commit.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub new_cursors: Vec<String>,
}

/// A page to be read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundaryPage {
    /// The cursor that requests it; `None` for the first page, whose new rows all come before the known ones.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cursor: Option<String>,
    /// The ids that it showed.
    pub ids: Vec<i64>,
}

/// A JSON key that no column stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnknownKey {
    /// The number of rows with the key in `extra`.
    pub rows: u64,
    /// The walk that saw it first, as in the column `walk`.
    pub walk: String,
    /// The page of that walk.
    pub page: u64,
    /// Arrival of that page (milliseconds since 1970).
    pub at: i64,
}

impl UnknownKey {
    /// Adds the rows of the same key in another place.
    pub fn add(&mut self, other: &Self) {
        let first = if other.at < self.at { other } else { &*self };
        *self = Self { rows: self.rows.saturating_add(other.rows), ..first.clone() };
    }
}

/// The longest list of a walk over values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Longest {
    /// The partition's key.
    pub partition: String,
    /// The number of items.
    pub items: u64,
}

/// A page that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenUp {
    /// The partition's key.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub partition: String,
    /// The page number in the partition.
    pub page: u64,
    /// The cursor that requests it; `None` for the first page.
    pub cursor: Option<String>,
    /// The reason, as a sentence.
    pub reason: String,
    /// Set if an earlier pass gave it up: that pass.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pass: Option<u64>,
}

/// A failure of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// The partition's key.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub partition: String,
    /// The page that failed; 0 if none was requested.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub page: u64,
    /// The cursor that requests that page; `None` for the first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cursor: Option<String>,
    /// The reason.
    pub why: Why,
    /// A description.
    pub detail: String,
}

/// The end of a walk or partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The reason.
    pub why: Why,
    /// The server's message, or another description.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl WalkState {
    /// True if rows are missing, or may be.
    pub fn is_doubtful(&self) -> bool {
        let complete = self.end.as_ref().is_some_and(|end| end.why == Why::Complete);
        let known = self.given_up.is_empty() && self.holes.is_empty() && self.withheld.is_empty();
        let lost = self.rejects > 0 || !known;
        !complete || lost || !self.troubles.is_empty() || self.is_clamped()
    }

    /// True if the list was walked from its beginning to an end that is believed, so that entities missing from it may be gone.
    /// Pages given up, rejects and unlistable rows do not matter: entities that may be among them are looked up.
    pub fn is_believed(&self) -> bool {
        self.is_of_all() && self.ends_are_believed() && !self.is_clamped()
    }

    /// True if the walk is about its list from the beginning on.
    pub fn is_of_all(&self) -> bool {
        self.since.is_none() && self.from.is_none()
    }

    /// True if every end so far is the believed end of a list.
    pub fn ends_are_believed(&self) -> bool {
        self.end.as_ref().is_none_or(|end| end.why.is_end_of_list()) && self.ends.keys().all(|why| why.is_end_of_list())
    }

    /// True if the server seems to hide items above PG13 from this region, because none arrived. On some hosts an image counts
    /// by the level of its model too, so a few mild items alone prove nothing.
    pub fn is_clamped(&self) -> bool {
        self.above_pg13 == 0 && (self.unasked_mild > 0 || self.mild >= CLAMP_ITEMS)
    }

    /// True if every page up to the end of the list was taken or given up, and nothing is hidden. Pages given up, rejects and
    /// unlistable rows do not matter: an earlier start would request everything after them again every night.
    pub fn saw_the_end(&self) -> bool {
        self.end.is_some() && self.ends.keys().all(|why| why.is_end_of_list()) && !self.is_clamped()
    }
}

/// Defines [`Why`]: each reason with its code and its meaning.
macro_rules! reasons {
    ($($name:ident $code:literal $meaning:literal)*) => {
        /// The reasons for which a walk or partition ends, from good to bad.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Why {
            $(#[doc = $meaning] #[serde(rename = $code)] $name,)*
        }

        impl Why {
            /// All reasons, from good to bad.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the code in records and reports.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// Returns the meaning, and the remedy.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

reasons! {
    Complete "complete"
        "the server named no next page: everything it lists was seen."
    NotFound "not_found"
        "the server knows no such thing; for a look-up that is an answer like any other."
    Unlistable "unlistable"
        "the rest has no cursor that the server takes, such as models without a date. Look them up by id, or list them with \
        another sort."
    Doubtful "doubtful"
        "the list ended earlier than can be believed: it was empty or much shorter than before, a full page named no next \
        one, or the answer says that there is more. It was asked again and stayed so. What came is kept, and nothing counts \
        as gone. The next pass asks again; where the list is right, run that one with --believe-shorter WALK. `[absence]` in \
        the crawl file says what much shorter is."
    CursorLoop "cursor_loop"
        "the server named a cursor for the second time, so the walk would have gone round for ever. What came before is kept; \
        the next pass begins anew."
    Endless "endless"
        "the list went on and brought nothing new: 20 pages in a row with items that the walk had all shown before in this \
        pass, more than 600 empty pages, or more than 100 whose cursors do not move on. What came before is kept; the next \
        pass begins anew."
    PagingCap "paging_cap"
        "the server gives no pages this deep, and will not later. Divide the walk with `split` or `for_each`."
    CursorRefused "cursor_refused"
        "the server refused the cursor, as when it belongs to another sort. The next pass begins anew."
    KeyInCursor "key_in_cursor"
        "the server repeated the API key in the cursor of the next page. The key is masked in whatever the server sends, and \
        a masked cursor leads nowhere. Crawl without a key, or ask another server."
    Refused "refused"
        "the server refused the request: one of the parameters is wrong."
    FilterIgnored "filter_ignored"
        "the server answered with other things than were asked for, as when it ignores a filter. Those that tell so are kept \
        in `rejects`; of a list that is the same without the filter nothing is taken. The next pass asks again."
    Unreadable "unreadable"
        "a page could not be read, however few items it was asked for, and nothing behind it could be reached. It is kept in \
        `rejects`; the next pass asks again."
}

impl Why {
    /// True if the server refused to return a page.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::NotFound | Self::PagingCap | Self::CursorRefused | Self::Refused)
    }

    /// True if it is the end of a list, and believed.
    fn is_end_of_list(self) -> bool {
        matches!(self, Self::Complete | Self::NotFound | Self::Unlistable)
    }
}
