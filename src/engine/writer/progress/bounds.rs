//! Bounds a partition: an end that may come early, a list that goes on and brings nothing new, and a cursor that the server
//! goes on with no more. Pure.

use super::WalkProgress;
use crate::api::endpoint::Paging;
use crate::api::envelope::Page;
use crate::dataset::commit::{End, Why, fingerprint};
use crate::engine::writer::message::{BOUNDARY, Next, PageRequest, RECHECK};

impl WalkProgress {
    /// Counts what a page brought to its partition; gives why the list must be taken for one without end, once it must.
    pub(in crate::engine) fn watch(&mut self, request: &PageRequest, page: &Page) -> Option<End> {
        let moves = match request.endpoint.paging {
            // What is behind its last page, or a look-up, cannot be endless.
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

    /// Why the list of a partition must be taken for one without end, once it must.
    pub(in crate::engine) fn is_endless(&self, request: &PageRequest) -> Option<End> {
        let partition = self.walk.partitions.get(&*request.partition)?;
        partition.novelty.is_endless().map(|detail| End { why: Why::Endless, detail: Some(detail) })
    }

    /// Sends a partition back to where it began, once; `Err` is why it is over. What it meets again are repeats.
    pub(in crate::engine) fn begin_anew(&mut self, request: &PageRequest, reason: String) -> Result<Next, End> {
        let partition = self.partition(&request.partition);
        if partition.anew || request.partition.starts_with(RECHECK) {
            return Err(End { why: Why::CursorRefused, detail: Some(reason) });
        }
        let first = match request.endpoint.paging {
            Paging::Cursor { windows: Some(windows), .. } => partition.from.map(windows.forge),
            _ => None,
        };
        (partition.anew, partition.larger, partition.cursor) = (true, false, first.clone());
        partition.novelty = Default::default();
        Ok(Next::Anew(first))
    }

    /// What a cursor is remembered by. Those met before a partition was begun anew are met again, and say nothing.
    pub(crate) fn fingerprint(&self, partition: &str, cursor: &str) -> String {
        let anew = self.walk.partitions.get(partition).is_some_and(|partition| partition.anew);
        if anew { fingerprint(&format!("anew {cursor}")) } else { fingerprint(cursor) }
    }

    /// Fewer items than these on a page that ends its list come early. One value of a fan-out may have none; a list may not
    /// end long before it did the last time, and a window not before the one behind it begins.
    pub(in crate::engine) fn early(&self, request: &PageRequest) -> u64 {
        let numbered = matches!(request.endpoint.paging, Paging::Number { .. });
        let until = self.walk.partitions.get(&*request.partition).and_then(|partition| partition.until);
        let short = request.partition.is_empty() && self.walk.items + u64::from(request.limit) < self.least;
        match (until, short, request.partition.is_empty() && request.page == 1) {
            (None, false, first) => u64::from(first),
            _ if numbered => 1,
            _ => u64::MAX,
        }
    }

    /// Why a partition is over whose page names no cursor, also when it was asked for again.
    pub(crate) fn last(&self, request: &PageRequest, page: &Page) -> End {
        let until = self.walk.partitions.get(&*request.partition).and_then(|partition| partition.until);
        // The edge was an end before: that it is full is no news.
        let more = if page.full && &*request.partition != BOUNDARY {
            "it has as many items as were request for"
        } else if page.promising {
            "its metadata says that there is a next page"
        } else if until.is_some_and(|until| self.walk.reached >= Some(until)) {
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
