//! Bounds a strand: an end that may come early, a list that goes on and brings nothing new, and a cursor that the server
//! goes on with no more. Pure.

use super::Standing;
use crate::api::endpoint::Paging;
use crate::api::envelope::Page;
use crate::dataset::commit::{End, Why, fingerprint};
use crate::engine::writer::message::{AGAIN, Asked, EDGE, Step};

impl Standing {
    /// Counts what a page brought to its strand; gives why the list must be taken for one without end, once it must.
    pub(in crate::engine) fn watch(&mut self, asked: &Asked, page: &Page) -> Option<End> {
        let moves = match asked.endpoint.paging {
            // What is behind its last page, or a look-up, cannot be endless.
            Paging::Cursor { .. } if page.next_cursor.is_none() => return None,
            Paging::Cursor { place, .. } => {
                let behind = place(&asked.params, page.next_cursor.as_deref());
                let here = place(&asked.params, asked.cursor.as_deref());
                behind.zip(here).is_some_and(|(behind, here)| behind.is_behind(&here))
            }
            Paging::Number { .. } => true,
            Paging::Lookup => return None,
        };
        if page.items > 0 || matches!(asked.endpoint.paging, Paging::Cursor { .. }) {
            self.strand(&asked.strand).novelty.count(&page.keys, page.items, moves);
        }
        self.is_endless(asked)
    }

    /// Why the list of a strand must be taken for one without end, once it must.
    pub(in crate::engine) fn is_endless(&self, asked: &Asked) -> Option<End> {
        let strand = self.walk.strands.get(&*asked.strand)?;
        strand.novelty.is_endless().map(|detail| End { why: Why::Endless, detail: Some(detail) })
    }

    /// Sends a strand back to where it began, once; `Err` is why it is over. What it meets again are repeats.
    pub(in crate::engine) fn begin_anew(&mut self, asked: &Asked, reason: String) -> Result<Step, End> {
        let strand = self.strand(&asked.strand);
        if strand.anew || asked.strand.starts_with(AGAIN) {
            return Err(End { why: Why::CursorRefused, detail: Some(reason) });
        }
        let first = match asked.endpoint.paging {
            Paging::Cursor { windows: Some(windows), .. } => strand.from.map(windows.forge),
            _ => None,
        };
        (strand.anew, strand.larger, strand.cursor) = (true, false, first.clone());
        strand.novelty = Default::default();
        Ok(Step::Anew(first))
    }

    /// What a cursor is remembered by. Those met before a strand was begun anew are met again, and say nothing.
    pub(crate) fn fingerprint(&self, strand: &str, cursor: &str) -> String {
        let anew = self.walk.strands.get(strand).is_some_and(|strand| strand.anew);
        if anew { fingerprint(&format!("anew {cursor}")) } else { fingerprint(cursor) }
    }

    /// Fewer items than these on a page that ends its list come early. One value of a fan-out may have none; a list may not
    /// end long before it did the last time, and a window not before the one behind it begins.
    pub(in crate::engine) fn early(&self, asked: &Asked) -> u64 {
        let numbered = matches!(asked.endpoint.paging, Paging::Number { .. });
        let until = self.walk.strands.get(&*asked.strand).and_then(|strand| strand.until);
        let short = asked.strand.is_empty() && self.walk.items + u64::from(asked.limit) < self.least;
        match (until, short, asked.strand.is_empty() && asked.page == 1) {
            (None, false, first) => u64::from(first),
            _ if numbered => 1,
            _ => u64::MAX,
        }
    }

    /// Why a strand is over whose page names no cursor, also when it was asked for again.
    pub(crate) fn last(&self, asked: &Asked, page: &Page) -> End {
        let until = self.walk.strands.get(&*asked.strand).and_then(|strand| strand.until);
        // The edge was an end before: that it is full is no news.
        let more = if page.full && &*asked.strand != EDGE {
            "it has as many items as were asked for"
        } else if page.promising {
            "its metadata says that there is a next page"
        } else if until.is_some_and(|until| self.walk.reached >= Some(until)) {
            "there is more behind the end of its time window"
        } else if page.items < asked.shown {
            "the answer before had more items"
        } else {
            return End { why: Why::Complete, detail: None };
        };
        let cursor = asked.cursor.as_deref().unwrap_or("none");
        let (page, items) = (asked.page, page.items);
        let detail =
            format!("page {page} (cursor `{cursor}`, {items} items) names no cursor to go on with, but {more}");
        End {
            why: if self.trusted { Why::Complete } else { Why::Doubtful },
            detail: Some(detail).filter(|_| !self.trusted),
        }
    }
}
