//! Carries what a walk learns from a page, and from an item on it, once their rows were taken.

use crate::table::unknown::Unknown;

/// A page whose rows were taken, as its walk sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Items on the page, rejects included.
    pub items: u64,
    /// Items that no table could take; their text is in `rejects`.
    pub rejects: u64,
    /// Things, items and parts of them, that came before on the page and were left out; the text of an item is in `rejects` where
    /// such a one differs from what came first. Nothing is missing without them.
    pub twins: u64,
    /// Items without a name to be known by; their text is in `rejects` too, but nothing is missing without them.
    pub nameless: u64,
    /// The ids of the items taken; none where items have no id.
    pub ids: Vec<i64>,
    /// One number for each item, by which it is known again on another page: its id, else a hash of its name or text.
    pub keys: Vec<i64>,
    /// The cursor of the next page as the server wrote it; `None` when it named none.
    pub next_cursor: Option<String>,
    /// How many pages there are, where the endpoint tells it truly; `None` when it is not known (yet).
    pub reported_pages: Option<u64>,
    /// How many items there are on all pages, where the endpoint tells it truly.
    pub reported_total: Option<u64>,
    /// Items that show nothing of PG or PG13, or do not tell.
    pub above_pg13: u64,
    /// Models that came without any version, which a look-up may still have.
    pub without_versions: Vec<i64>,
    /// Models that name a base model which none of their versions has: asked for by `ids`, the list shows more of them.
    pub missing_versions: Vec<i64>,
    /// Models that lack versions in either way although nothing shows more of them.
    pub withheld_versions: u64,
    /// True when it looks like a false end: to be asked for once more before it is believed.
    pub doubtful: bool,
    /// True when it has as many items as were asked for, and yet names no next page.
    pub full: bool,
    /// True when it names no cursor, although its metadata says that there is more.
    pub promising: bool,
    /// Why no item of it was among what was asked for, when none was: the server does not heed the question.
    pub foreign: Option<String>,
    /// Filters of the question that its items do not show to be in force; none where they do. Nothing of the page was taken.
    pub unshown: Vec<&'static str>,
    /// Keys of its items that no column knows.
    pub unknown: Unknown,
    /// Control bytes and broken escapes repaired before the page could be read.
    pub repairs: u32,
}

impl Page {
    pub(super) fn note(&mut self, taken: Taken) {
        self.ids.extend(taken.id);
        self.keys.extend(taken.id.or(taken.name));
        self.above_pg13 += u64::from(taken.above_pg13);
        match taken.lack {
            Lack::Nothing => {}
            Lack::All => self.without_versions.extend(taken.id),
            Lack::Some => self.missing_versions.extend(taken.id),
            Lack::ForGood => self.withheld_versions += 1,
        }
    }
}

/// An item that became rows, as its page counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::api) struct Taken {
    /// Its id, where it has one.
    pub(super) id: Option<i64>,
    /// A hash of its name, where that is what it is known by.
    pub(super) name: Option<i64>,
    /// True when it shows nothing of PG or PG13, or does not tell.
    pub(super) above_pg13: bool,
    /// Which versions it lacks, if it is a model.
    pub(super) lack: Lack,
}

/// The versions that a model lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Lack {
    /// None that it tells of.
    #[default]
    Nothing,
    /// It has none, which a look-up may know better.
    All,
    /// Those of a base model it names, which the list keeps back unless it is asked for by id.
    Some,
    /// Those it tells of in either way, after the question that shows most.
    ForGood,
}
