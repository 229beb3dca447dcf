//! The contract between an endpoint and a walk: the query that a page answers, and the facts that a page returns beside its
//! rows.

use crate::table::Provenance;
use crate::table::unknown::Unknown;

/// The request that a page answers: its rows are stamped with it, and its items are checked against it.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Pass, walk, page and time of the answer: the last four columns of each row.
    pub at: Provenance<'a>,
    /// The query parameters sent, without `limit` and cursor.
    pub params: &'a [(String, String)],
    /// The cursor sent; `None` for a first page.
    pub cursor: Option<&'a str>,
    /// Items requested; 0 for numbered pages and look-ups, where a full page without a next one is nothing special.
    pub limit: u64,
    /// A last page with fewer items than this ends early: it is doubtful. For a second request, the items of the first answer.
    pub early: u64,
    /// The id or hash looked up.
    pub key: Option<&'a str>,
    /// True for the second request of a doubtful page: this answer is believed.
    pub again: bool,
    /// True if the first answer was empty. This one may then be a full last page, which is as doubtful as a first answer.
    pub first_shown: bool,
    /// True if the answer was compared with the one to the same query without filters, and differs: the filters work.
    pub compared: bool,
}

impl<'a> Query<'a> {
    /// A request without parameters whose answer is believed, whatever it shows.
    pub const fn believed(at: Provenance<'a>) -> Self {
        Self {
            at,
            params: &[],
            cursor: None,
            limit: 0,
            early: 0,
            key: None,
            again: true,
            first_shown: false,
            compared: true,
        }
    }

    /// The value of a query parameter.
    pub fn param(&self, name: &str) -> Option<&'a str> {
        value_of(self.params, name)
    }

    /// The id in a query parameter.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.param(name)?.parse().ok()
    }
}

/// The value of a query parameter; the first value of a repeated one.
pub(super) fn value_of<'p>(params: &'p [(String, String)], name: &str) -> Option<&'p str> {
    params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// A page that could not be read as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the page cannot be read: {reason}")]
pub struct Unreadable {
    /// The parser's message.
    pub reason: String,
    /// True if it has more than can be read at once: requesting it again cannot help.
    pub too_large: bool,
    /// True if it reports that the server failed, and shows nothing.
    pub failure: bool,
}

impl Unreadable {
    pub(super) fn damaged(reason: &str) -> Self {
        Self { reason: reason.to_owned(), too_large: false, failure: false }
    }

    /// The server's own report, in place of a page.
    pub(super) fn failure(report: &str) -> Self {
        Self { failure: true, ..Self::damaged(report) }
    }
}

impl From<&str> for Unreadable {
    fn from(reason: &str) -> Self {
        Self::damaged(reason)
    }
}

/// The facts of a page whose rows were taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Items on the page, rejects included.
    pub items: u64,
    /// Items that no table could take; their text is in `rejects`.
    pub rejects: u64,
    /// Repeated items, and repeated parts of items, left out because the page had them before. If the content differs, the
    /// item's text is in `rejects`. Nothing is missing without them.
    pub twins: u64,
    /// Items without the name that would be their key; their text is in `rejects`, and nothing is missing without them.
    pub nameless: u64,
    /// The ids of the items taken; empty where items have no id.
    pub ids: Vec<i64>,
    /// One number per item that recognizes it on another page: its id, or a hash of its name or text.
    pub keys: Vec<i64>,
    /// The dates of the first and the last item that have one, by which lists by age are sorted (milliseconds since 1970).
    pub dates: Option<(i64, i64)>,
    /// The cursor of the next page, as the server wrote it; `None` if it sent none.
    pub next_cursor: Option<String>,
    /// The number of pages, at endpoints that report it truly; `None` while unknown.
    pub reported_pages: Option<u64>,
    /// The number of items on all pages, at endpoints that report it truly.
    pub reported_total: Option<u64>,
    /// Items that show nothing of level PG or PG13, or report no level.
    pub above_pg13: u64,
    /// Models listed without any version; a look-up may return some.
    pub without_versions: Vec<i64>,
    /// Models with a base model that none of their listed versions has; requested by `ids`, the list shows more of them.
    pub missing_versions: Vec<i64>,
    /// Models that lack versions in either way, and no other request shows more of them.
    pub withheld_versions: u64,
    /// True if the page looks like a false end: it is requested once more before it is believed.
    pub doubtful: bool,
    /// True if the page has as many items as requested, but no next page.
    pub full: bool,
    /// True if the page has no cursor, but its metadata says that more pages follow.
    pub promising: bool,
    /// Set if every item failed the filter: the server ignored it.
    pub foreign: Option<String>,
    /// True if the server ignored the cursor: the page is of another part of the list. Then nothing of it was taken.
    pub elsewhere: bool,
    /// Filters that the items do not show to be in force. Unless empty, nothing of the page was taken.
    pub unshown: Vec<&'static str>,
    /// Keys of the items that no column has.
    pub unknown: Unknown,
    /// Control bytes and broken escapes repaired before the page could be read.
    pub repairs: u32,
}

impl Page {
    /// Counts one item that became rows.
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

/// An item that became rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Taken {
    /// Its id, at endpoints whose items have one.
    pub(super) id: Option<i64>,
    /// A hash of its name, at endpoints whose items are identified by name.
    pub(super) name: Option<i64>,
    /// True if it shows nothing of level PG or PG13, or reports no level.
    pub(super) above_pg13: bool,
    /// The versions it lacks; `Nothing` for anything but a model.
    pub(super) lack: Lack,
}

/// The versions that a model lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Lack {
    /// None, as far as it says.
    #[default]
    Nothing,
    /// All: it was listed without versions, and a look-up may return some.
    All,
    /// Versions of a base model it names; the list shows them only if the model is requested by id.
    Some,
    /// Either kind, in answer to the request that shows most.
    ForGood,
}
