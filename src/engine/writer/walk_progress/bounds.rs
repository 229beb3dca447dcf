//! Bounds a partition: an end that may be early, a list without end, and a cursor that the server no longer accepts. Pure.

use super::WalkProgress;
use crate::api::endpoint::Paging;
use crate::api::page::Page;
use crate::dataset::commit::{End, Why, fingerprint};
use crate::engine::writer::message::{BOUNDARY, Next, PageRequest, RECHECK};

impl WalkProgress {
    /// Counts what is new on a page; returns the reason once the list must be taken for one without end.
    pub(super) fn watch(&mut self, request: &PageRequest, page: &Page) -> Option<End> {
        let moves = match request.endpoint.paging {
            // Nothing is behind a last page.
            Paging::Cursor { .. } if page.next_cursor.is_none() => return None,
            Paging::Cursor { place, .. } => {
                let behind = place(&request.params, page.next_cursor.as_deref());
                let here = place(&request.params, request.cursor.as_deref());
                behind.zip(here).is_some_and(|(behind, here)| behind.is_behind(&here))
            }
            Paging::Number { .. } => true,
            Paging::Lookup => return None,
        };
        if page.items > 0 || matches!(request.endpoint.paging, Paging::Cursor { .. }) {
            self.partition(&request.partition).novelty.count(&page.keys, page.items, moves);
        }
        self.is_endless(request)
    }

    /// Returns the reason once the list of a partition must be taken for one without end.
    pub(super) fn is_endless(&self, request: &PageRequest) -> Option<End> {
        let partition = self.state.partitions.get(&*request.partition)?;
        partition.novelty.is_endless().map(|detail| End { why: Why::Endless, detail: Some(detail) })
    }

    /// Starts a partition over, once; a second time ends it for this reason. Items that come again are repeats.
    pub(in crate::engine::writer) fn begin_anew(&mut self, request: &PageRequest, reason: String) -> Next {
        let partition = self.partition(&request.partition);
        if partition.anew || request.partition.starts_with(RECHECK) {
            return self.finish(request, &End { why: Why::CursorRefused, detail: Some(reason) });
        }
        let first = match request.endpoint.paging {
            Paging::Cursor { windows: Some(windows), .. } => partition.from.map(windows.forge),
            _ => None,
        };
        (partition.anew, partition.larger, partition.cursor) = (true, false, first.clone());
        partition.novelty = Default::default();
        Next::Anew(first)
    }

    /// Returns the fingerprint of a cursor. A partition that started over sees its cursors again, which is no loop.
    pub(super) fn fingerprint(&self, partition: &str, cursor: &str) -> String {
        let anew = self.state.partitions.get(partition).is_some_and(|partition| partition.anew);
        if anew { fingerprint(&format!("anew {cursor}")) } else { fingerprint(cursor) }
    }

    /// Returns the number of items below which a last page ends its list early. One value of a fan-out may have none, but a
    /// list may not end long before it did last time, nor a window before the next one begins.
    pub(in crate::engine::writer) fn early(&self, request: &PageRequest) -> u64 {
        let numbered = matches!(request.endpoint.paging, Paging::Number { .. });
        let until = self.state.partitions.get(&*request.partition).and_then(|partition| partition.until);
        let short = request.partition.is_empty() && self.state.items + u64::from(request.limit) < self.least;
        match (until, short, request.partition.is_empty() && request.page == 1) {
            (None, false, first) => u64::from(first),
            _ if numbered => 1,
            _ => u64::MAX,
        }
    }

    /// Returns why a partition is over whose page names no cursor.
    pub(super) fn last(&self, request: &PageRequest, page: &Page) -> End {
        let until = self.state.partitions.get(&*request.partition).and_then(|partition| partition.until);
        // The boundary page was the last one before: that it is full says nothing.
        let more = if page.full && &*request.partition != BOUNDARY {
            "it has as many items as were asked for"
        } else if page.promising {
            "its metadata says that there is a next page"
        } else if until.is_some_and(|until| self.state.reached >= Some(until)) {
            "there is more behind the end of its time window"
        } else if page.items < request.shown {
            "the answer before had more items"
        } else {
            return End { why: Why::Complete, detail: None };
        };
        let cursor = request.cursor.as_deref().unwrap_or("none");
        let (page, items) = (request.page, page.items);
        let detail =
            format!("page {page} (cursor `{cursor}`, {items} items) names no cursor to go on with, but {more}");
        End {
            why: if self.trusted { Why::Complete } else { Why::Doubtful },
            detail: Some(detail).filter(|_| !self.trusted),
        }
    }
}
