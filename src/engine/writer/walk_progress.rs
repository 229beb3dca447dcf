//! One walk in motion: the state that the next record gets, and what is needed to move it on. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use super::density::Density;
use super::message::{BOUNDARY, GivenUpPage, Next, Other, PageRequest, RECHECK, is_single};
use super::{clamp, unknown_values};
use crate::api::endpoint::{NextCursor, Paging, Windows};
use crate::api::page::Page;
use crate::dataset::commit::{
    BoundaryPage, End, GivenUp, Longest, PartitionState, TROUBLES_MAX, Trouble, UnknownKey, WalkState, Why, fingerprint,
};
use crate::dataset::manifest::SeenCursors;
use crate::definition::Beginning;
use crate::fetch::{is_masked, printable};
use crate::table::{Provenance, unknown};

/// Ids remembered per partition: two of the largest pages.
const TAIL_MAX: usize = 400;

/// Most models remembered to be asked for at the end of the walk, of each kind.
const IDS_MAX: usize = 20_000;
/// A list of so many catalogs is one without end, whatever it shows.
const CATALOGS_MAX: u64 = 20;

/// The instant of the cursor at which a walk from the beginning of its list begins, where it needs one.
const BEGINNING: i64 = 0;

/// Two clocks that differ by no more milliseconds count as the same.
const CLOCKS_APART: i64 = 60_000;

/// The handover of a window within which the list ended.
pub(crate) const NOTHING_BEHIND: &str = "";

/// A walk in motion.
#[derive(Debug, Default)]
pub(crate) struct WalkProgress {
    state: WalkState,
    /// Seen cursors, by partition.
    seen_cursors: HashMap<String, HashSet<String>>,
    /// Of a fan-out: partitions begun and not yet behind `done_through`, in the order of their values; true for those over.
    begun: VecDeque<(String, bool)>,
    /// Single look-ups that showed their thing.
    shown: HashSet<String>,
    /// Single look-ups that brought no answer.
    lost: BTreeSet<String>,
    /// Numbered pages of this run without items, and the last one with some.
    empty: BTreeSet<u64>,
    filled: u64,
    /// The first numbered page that is being asked for again.
    asked_again: Option<u64>,
    /// The density of its windows.
    density: Density,
    /// The fewest items that its list may have without being much shorter than it was.
    pub(super) least: u64,
    /// True when the user says that the list is as short as the server shows it.
    pub(super) trusted: bool,
    /// Its `from`.
    pub(super) beginning: Option<Beginning>,
}

impl WalkProgress {
    /// The walks of a pass as its last record left them.
    pub(super) fn all(walks: BTreeMap<String, WalkState>, seen_cursors: SeenCursors) -> BTreeMap<String, Self> {
        let progress = |state| Self { state, ..Self::default() };
        let mut all: BTreeMap<String, Self> = walks.into_iter().map(|(name, state)| (name, progress(state))).collect();
        for (walk, partitions) in seen_cursors {
            let partitions = partitions.into_iter().map(|(partition, seen)| (partition, seen.into_iter().collect()));
            all.entry(walk).or_default().seen_cursors = partitions.collect();
        }
        all
    }

    /// Returns the walk's state for the next commit record. Clears the list of cursors not yet recorded.
    pub(super) fn record(&mut self) -> WalkState {
        let over = self.begun.iter().filter(|(_, over)| *over);
        let done_beyond = over.map(|(key, _)| key.clone()).collect();
        let state = WalkState { done_beyond, ..self.state.clone() };
        for partition in self.state.partitions.values_mut() {
            partition.new_cursors.clear();
        }
        state
    }

    /// Returns the density of its windows.
    pub(crate) fn density(&self) -> &Density {
        &self.density
    }

    /// Returns the state as it is now. Its `done_beyond` stays what earlier runs left.
    pub(crate) fn state(&self) -> &WalkState {
        &self.state
    }

    /// Returns the state of a partition; that of one without pages if it has not begun.
    pub(crate) fn partition_state(&self, key: &str) -> PartitionState {
        self.state.partitions.get(key).cloned().unwrap_or_default()
    }

    /// Begins a partition, unless it is `over` already. Those of a fan-out must begin in the order of their values.
    pub(crate) fn begin(&mut self, key: &str, over: bool) {
        if !key.is_empty() {
            self.begun.push_back((key.to_owned(), over));
        }
        if !over {
            self.partition(key);
        }
    }

    /// Makes a partition without pages begin at the beginning of its list with a forged cursor, unless the server refuses those.
    pub(crate) fn enter(&mut self, key: &str, windows: Windows) {
        let refused = self.state.forging_refused;
        let partition = self.partition(key);
        if !refused && *partition == PartitionState::default() {
            (partition.cursor, partition.from) = (Some((windows.forge)(BEGINNING)), Some(BEGINNING));
        }
    }

    fn partition(&mut self, key: &str) -> &mut PartitionState {
        self.state.partitions.entry(key.to_owned()).or_default()
    }

    /// Counts a page that was taken and returns the next step. `now` is the time of its answer.
    pub(super) fn take(&mut self, request: &PageRequest, page: &Page, at: &Provenance<'_>, now: i64) -> Next {
        self.state.began.get_or_insert(now);
        self.count(request, page);
        self.note_unknown_values(&unknown_values::values(request, page));
        self.note_unknown_keys(request, page, at);
        if let Some(reason) = &page.foreign {
            let detail = Some(format!("the server ignores what page {} asks for: {reason}", request.page));
            return self.finish(request, &End { why: Why::FilterIgnored, detail });
        }
        if is_single(&request.partition) {
            // It has one page. A full one of things with similar names may lack this one for that reason.
            let full = request.limit > 0 && page.items >= request.limit.into();
            let why = if full { Why::Doubtful } else { Why::Complete };
            return self.finish(request, &End { why, detail: None });
        }
        match request.endpoint.paging {
            Paging::Cursor { .. } => self.follow(request, page),
            Paging::Number { .. } => {
                let endless = self.watch(request, page);
                if request.partition.is_empty() {
                    self.doubt_numbered(request.page, page);
                }
                Next::Taken { empty: page.items == 0, reported_pages: page.reported_pages, endless }
            }
            Paging::Lookup => self.finish(request, &End { why: Why::Complete, detail: None }),
            Paging::Single => {
                let end = self.last(request, page);
                self.finish(request, &end)
            }
        }
    }

    /// Records a page that cannot be had and returns the next step. `salvaged` is the next cursor that its text names.
    pub(super) fn give_up(&mut self, page: GivenUpPage, salvaged: Option<String>) -> Next {
        let GivenUpPage { request, reason, behind, .. } = page;
        let page = Page { rejects: 1, ..Page::default() };
        self.count(&request, &page);
        self.partition(&request.partition).novelty.count_given_up();
        self.state.given_up.push(GivenUp {
            partition: request.partition.to_string(),
            page: request.page,
            cursor: request.cursor.clone(),
            reason,
            pass: None,
        });
        let endless = self.is_endless(&request);
        match (request.endpoint.paging, behind, salvaged) {
            (Paging::Number { .. }, ..) => Next::Taken { empty: false, reported_pages: None, endless },
            (Paging::Cursor { .. }, Some(behind), _) => {
                let next = endless.map_or_else(|| self.move_on(&request, behind), Err);
                self.or_finish(&request, next)
            }
            (Paging::Cursor { .. }, None, next_cursor @ Some(_)) => {
                self.follow(&request, &Page { next_cursor, ..page })
            }
            _ => {
                let detail = Some(format!("page {} could not be read, nor what is behind it", request.page));
                self.finish(&request, &End { why: Why::Unreadable, detail })
            }
        }
    }

    /// Follows the cursor that the server named, or ends the partition.
    fn follow(&mut self, request: &PageRequest, page: &Page) -> Next {
        if let Paging::Cursor { windows: Some(windows), .. } = request.endpoint.paging
            && let Some((_, last)) = page.dates.filter(|_| (windows.fits)(&request.params))
        {
            self.reach(last);
        }
        let next = self.watch(request, page).map_or_else(|| self.step(request, page), Err);
        self.or_finish(request, next)
    }

    fn or_finish(&mut self, request: &PageRequest, next: Result<Next, End>) -> Next {
        next.unwrap_or_else(|end| self.finish(request, &end))
    }

    /// Ends the partition of a request.
    pub(super) fn finish(&mut self, request: &PageRequest, end: &End) -> Next {
        if request.listed && end.why == Why::NotFound {
            self.note_unknown_values(&[&request.partition]);
        }
        self.forget(request);
        // Behind a window that did not reach its end no other can begin without a forged cursor.
        if end.why != Why::Complete || self.handover(&request.partition).as_deref() == Some(NOTHING_BEHIND) {
            self.hand_over(&request.partition, NOTHING_BEHIND);
        }
        self.end(&request.partition, end);
        Next::Over
    }

    /// Records values of the crawl file's own list for which the server shows nothing.
    fn note_unknown_values(&mut self, values: &[&str]) {
        self.state.unknown_values_count += values.len() as u64;
        let room = TROUBLES_MAX.saturating_sub(self.state.unknown_values.len());
        self.state.unknown_values.extend(values.iter().take(room).map(|value| (*value).to_owned()));
    }

    /// Counts a page.
    pub(super) fn count(&mut self, request: &PageRequest, page: &Page) {
        let boundary = self.state.boundary.clone();
        let partition = self.partition(&request.partition);
        partition.items += page.items;
        partition.done_beyond.insert(request.page);
        while partition.done_beyond.remove(&(partition.pages + 1)) {
            partition.pages += 1;
        }
        if &*request.partition == BOUNDARY && partition.tail.is_empty() {
            partition.tail.extend(boundary.iter().flat_map(|boundary| &boundary.ids));
        }
        let repeats = page.ids.iter().filter(|id| partition.tail.contains(id)).count() as u64;
        partition.tail.extend(&page.ids);
        partition.tail.drain(..partition.tail.len().saturating_sub(TAIL_MAX));
        partition.handover = None;
        self.state.pages += 1;
        self.state.items += page.items;
        self.state.rejects += page.rejects;
        self.state.twins += page.twins;
        self.state.nameless += page.nameless;
        self.state.nameless_per_page_max = self.state.nameless_per_page_max.max(page.nameless);
        self.state.withheld_versions += page.withheld_versions;
        self.state.repeats += repeats;
        self.state.above_pg13 += page.above_pg13;
        clamp::count(&mut self.state, request, page);
        self.state.reported_total = page.reported_total.or(self.state.reported_total);
        let id = request.partition.rsplit_once('/').and_then(|(_, id)| id.parse().ok());
        if is_single(&request.partition)
            && page.items > 0
            && (page.ids.is_empty() || id.is_some_and(|id| page.ids.contains(&id)))
        {
            self.shown.insert(request.partition.to_string());
        }
        if request.key.is_none() {
            self.keep_ids(page);
        }
        if &*request.partition == BOUNDARY {
            self.state.late_items += page.ids.len() as u64 - repeats;
        }
        self.note_first_page(request, page);
        self.note_density(request, page);
    }

    /// Counts a page of a window for estimates of what is left of others.
    fn note_density(&mut self, request: &PageRequest, page: &Page) {
        let window = self.state.partitions.get(&*request.partition).filter(|_| !request.partition.starts_with(RECHECK));
        if let Some((from, is_first)) = window.and_then(|window| Some((window.from?, window.items == page.items)))
            && let Some(dates) = page.dates
        {
            self.density.count(&request.partition, Some(from).filter(|_| is_first), &page.ids, dates);
        }
    }

    /// Remembers the models to be asked for at the end of the walk; those beyond [`IDS_MAX`] are counted and doubted, since
    /// each record has all of them.
    fn keep_ids(&mut self, page: &Page) {
        let mut left_out = 0;
        for (known, ids) in [
            (&mut self.state.without_versions, &page.without_versions),
            (&mut self.state.missing_versions, &page.missing_versions),
        ] {
            for id in ids {
                match known.len() < IDS_MAX {
                    true => drop(known.insert(*id)),
                    false => left_out += u64::from(!known.contains(id)),
                }
            }
        }
        if left_out > 0 {
            self.state.withheld_versions += left_out;
            self.doubt_once(format!("more than {IDS_MAX} models lack versions; the others were not asked for singly"));
        }
    }

    /// Records keys that no column knows.
    fn note_unknown_keys(&mut self, request: &PageRequest, page: &Page, at: &Provenance<'_>) {
        for (table, key, rows) in page.unknown.iter() {
            let found = UnknownKey { rows, walk: at.walk.to_owned(), page: request.page, at: at.fetched_at };
            unknown::add(self.state.unknown.entry(table.to_owned()).or_default(), key, found.clone(), |known| {
                known.add(&found);
            });
        }
    }

    /// Remembers page 1 for a second reading at the end: unless the list is sorted by `Oldest`, new rows appear before it.
    fn note_first_page(&mut self, request: &PageRequest, page: &Page) {
        let by_age = request.params.iter().any(|(name, value)| name == "sort" && value == "Oldest");
        let drifts = matches!(request.endpoint.paging, Paging::Cursor { .. }) && !by_age;
        if request.partition.is_empty() && request.page == 1 && drifts && !page.ids.is_empty() {
            self.state.boundary = Some(BoundaryPage { cursor: None, ids: page.ids.clone() });
        }
    }

    /// Remembers the last page of the last window for a second reading at the end: with `sort=Oldest` new rows, and models
    /// with a new version, appear there, and the last window may finish early.
    fn note_last_page(&mut self, request: &PageRequest, page: &Page) {
        let window = self.state.partitions.get(&*request.partition).filter(|_| !request.partition.is_empty());
        if window.is_some_and(|window| window.from.is_some()) {
            self.state.boundary = Some(BoundaryPage { cursor: request.cursor.clone(), ids: page.ids.clone() });
        }
    }

    /// Returns true when the second reading of page 1 has reached rows that were on it at first.
    fn is_past_boundary(&self, request: &PageRequest, page: &Page) -> bool {
        let boundary = self.state.boundary.as_ref().filter(|_| &*request.partition == BOUNDARY);
        let first = boundary.filter(|boundary| boundary.cursor.is_none());
        first.is_some_and(|first| page.ids.iter().any(|id| first.ids.contains(id)))
    }

    /// Doubts a list that had to begin without a forged cursor, once a page names a cursor of the path that cuts lists off.
    fn doubt_older_path(&mut self, request: &PageRequest, windows: Option<Windows>, named: &str) {
        let Some(Windows { at, without: Some(doubt), .. }) = windows else { return };
        let is_whole = at(named).is_some() || request.endpoint.shows_whole(&request.params);
        if self.state.forging_refused && !is_whole {
            self.doubt_once(doubt.to_owned());
        }
    }

    /// Moves a partition to the cursor the server named; `Err` is why it is over.
    fn step(&mut self, request: &PageRequest, page: &Page) -> Result<Next, End> {
        let complete = || End { why: Why::Complete, detail: None };
        let Paging::Cursor { next, windows, .. } = request.endpoint.paging else { return Err(complete()) };
        if self.is_past_boundary(request, page) {
            return Err(complete());
        }
        let Some(named) = &page.next_cursor else {
            self.hand_over(&request.partition, NOTHING_BEHIND);
            self.note_last_page(request, page);
            return Err(self.last(request, page));
        };
        if is_masked(named) {
            let detail = format!("the server repeated the API key in the cursor behind page {}", request.page);
            return Err(End { why: Why::KeyInCursor, detail: Some(detail) });
        }
        self.doubt_older_path(request, windows, named);
        let cursor = match next(&request.params, named) {
            NextCursor::Cursor(cursor) => cursor,
            NextCursor::Unlistable(reason) => {
                self.hand_over(&request.partition, NOTHING_BEHIND);
                self.note_last_page(request, page);
                return Err(End { why: Why::Unlistable, detail: Some(reason.to_owned()) });
            }
        };
        self.move_on(request, cursor)
    }

    /// Moves a partition to a cursor as it is to be sent; `Err` is why the partition is over.
    fn move_on(&mut self, request: &PageRequest, mut cursor: String) -> Result<Next, End> {
        let complete = || End { why: Why::Complete, detail: None };
        let Paging::Cursor { windows, .. } = request.endpoint.paging else { return Err(complete()) };
        let instant =
            windows.filter(|windows| (windows.fits)(&request.params)).and_then(|w| Some((w, (w.at)(&cursor)?)));
        if let Some((windows, at)) = instant {
            self.reach(at);
            if request.cursor.as_deref() == Some(cursor.as_str()) {
                // A page full of rows of one instant: the server would name this cursor for ever.
                if request.limit < request.endpoint.limit_max {
                    return Ok(self.larger(&request.partition, cursor));
                }
                let detail = format!(
                    "more than {} rows share the instant of cursor `{cursor}`; the others cannot be listed by date",
                    request.limit
                );
                self.trouble(&request.partition, Why::Unlistable, detail);
                cursor = (windows.forge)(at + 1);
            }
            if self.partition(&request.partition).until.is_some_and(|until| at >= until) {
                self.hand_over(&request.partition, &cursor);
                return Err(complete());
            }
        }
        let here = |windows: Windows| request.cursor.as_deref().and_then(windows.at);
        // A page that leads back to an earlier instant is noticed, so the cursors of millions need not be remembered.
        let is_later = instant.is_some_and(|(windows, at)| windows.without.is_some() && here(windows) < Some(at));
        if !(is_later && request.cursor.is_some()) {
            let fingerprint = self.fingerprint(&request.partition, &cursor);
            let seen = self.seen_cursors.get(&*request.partition).is_some_and(|seen| seen.contains(&fingerprint));
            if seen && request.limit < request.endpoint.limit_max {
                // A page smaller than a group of equal rows may lead back among them; only the largest page proves a loop.
                return Ok(self.larger(&request.partition, cursor));
            }
            if !self.seen_cursors.entry(request.partition.to_string()).or_default().insert(fingerprint.clone()) {
                let detail = Some(format!("the cursor `{}` came round again", printable(&cursor)));
                return Err(End { why: Why::CursorLoop, detail });
            }
            self.partition(&request.partition).new_cursors.push(fingerprint);
        }
        let partition = self.partition(&request.partition);
        (partition.cursor, partition.larger) = (Some(cursor.clone()), false);
        Ok(Next::Page(cursor))
    }

    /// Records an instant of the list. Nothing is dated later than now, whatever the server says: one such date would hide
    /// everything before it.
    fn reach(&mut self, at: i64) {
        let reached = self.state.reached.max(Some(at));
        self.state.reached = reached.min(self.state.began.or(reached));
    }

    /// Counts what is new on a page; returns the reason once the list must be taken for one without end.
    fn watch(&mut self, request: &PageRequest, page: &Page) -> Option<End> {
        let moves = match request.endpoint.paging {
            // Nothing is behind a last page.
            Paging::Cursor { .. } if page.next_cursor.is_none() => return None,
            Paging::Cursor { place, .. } => {
                let behind = place(&request.params, page.next_cursor.as_deref());
                let here = place(&request.params, request.cursor.as_deref());
                behind.zip(here).is_some_and(|(behind, here)| behind.is_after(&here))
            }
            Paging::Number { .. } => true,
            Paging::Lookup | Paging::Single => return None,
        };
        if page.items > 0 || matches!(request.endpoint.paging, Paging::Cursor { .. }) {
            self.partition(&request.partition).novelty.count(&page.keys, page.items, moves);
        }
        self.is_endless(request)
    }

    /// Returns the reason once the list of a partition must be taken for one without end.
    fn is_endless(&self, request: &PageRequest) -> Option<End> {
        let partition = self.state.partitions.get(&*request.partition)?;
        let most = CATALOGS_MAX * request.endpoint.catalog_rows;
        let is_long = partition.items > most;
        let long = || is_long.then(|| format!("it has more than {most} items, {CATALOGS_MAX} times the catalog"));
        let detail = partition.novelty.is_endless().or_else(long)?;
        Some(End { why: Why::Endless, detail: Some(detail) })
    }

    /// Starts a partition over, once; a second time ends it for this reason. Items that come again are repeats.
    pub(super) fn begin_anew(&mut self, request: &PageRequest, reason: String) -> Next {
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
    fn fingerprint(&self, partition: &str, cursor: &str) -> String {
        let anew = self.state.partitions.get(partition).is_some_and(|partition| partition.anew);
        if anew { fingerprint(&format!("anew {cursor}")) } else { fingerprint(cursor) }
    }

    /// Doubts a list of numbered pages whose page was asked for twice and is not what it should be.
    fn doubt_numbered(&mut self, number: u64, page: &Page) {
        self.asked_again = self.asked_again.filter(|asked| *asked != number);
        match page.items {
            0 => drop(self.empty.insert(number)),
            _ => self.filled = self.filled.max(number),
        }
        if let Some(empty) = self.empty.first().filter(|empty| **empty < self.filled) {
            self.doubt_once(format!("page {empty} was empty, and page {} behind it was not", self.filled));
        } else if page.promising {
            self.doubt_once(format!(
                "page {number} reports a failure, or that it is another page, or that more follow"
            ));
        }
    }

    /// Notes that a page is asked for again. Those behind it need not be, as long as it is.
    pub(super) fn ask_again(&mut self, request: &PageRequest) {
        if request.partition.is_empty() && matches!(request.endpoint.paging, Paging::Number { .. }) {
            self.asked_again = Some(self.asked_again.map_or(request.page, |asked| asked.min(request.page)));
        }
    }

    /// Returns the number of items below which a last page ends its list early. One value of a fan-out may have none, but a
    /// list may not end long before it did last time, nor a window before the next one begins; an empty page ends one of numbers.
    pub(super) fn early(&self, request: &PageRequest) -> u64 {
        let numbered = matches!(request.endpoint.paging, Paging::Number { .. });
        let partition = self.state.partitions.get(&*request.partition);
        let until = partition.and_then(|partition| partition.until);
        // Those behind an empty one are empty too.
        let first_empty = self.empty.first().into_iter().chain(&self.asked_again).min();
        let is_first = numbered && first_empty.is_none_or(|empty| request.page < *empty);
        let short = request.partition.is_empty() && self.state.items + u64::from(request.limit) < self.least;
        match (until, short, is_first || (request.partition.is_empty() && request.page == 1)) {
            (None, false, first) => u64::from(first),
            _ if numbered => 1,
            _ => u64::MAX,
        }
    }

    /// Returns why a partition is over whose page names no cursor.
    fn last(&self, request: &PageRequest, page: &Page) -> End {
        let until = self.state.partitions.get(&*request.partition).and_then(|partition| partition.until);
        // The rows behind the window's end that this page shows are none that it leaves out.
        let shows = |until| page.dates.is_some_and(|(_, last)| last >= until);
        // The boundary page was the last one before: that it is full says nothing.
        let disputed = match &request.other {
            Some(Other::Items(other)) if *other > page.items || other * 10 < page.items * 9 => {
                Some(format!("another answer to the same question had {other}"))
            }
            Some(Other::Refusal(reason)) => Some(format!("asked for it once more, past its cache, {reason}")),
            Some(Other::Items(_)) | None => None,
        };
        let more = if page.full && &*request.partition != BOUNDARY {
            "it has as many items as were asked for".to_owned()
        } else if page.promising {
            "it says that there is a next page, or that it failed".to_owned()
        } else if until.is_some_and(|until| self.state.reached >= Some(until) && !shows(until)) {
            "there is more behind the end of its time window".to_owned()
        } else if let Some(disputed) = disputed {
            disputed
        } else {
            return End { why: Why::Complete, detail: None };
        };
        let cursor = request.cursor.as_deref().unwrap_or("none");
        let (page, items) = (request.page, page.items);
        let detail =
            format!("page {page} (cursor `{cursor}`, {items} items) names no cursor to continue with, but {more}");
        End {
            why: if self.trusted { Why::Complete } else { Why::Doubtful },
            detail: Some(detail).filter(|_| !self.trusted),
        }
    }

    /// Moves a partition to a cursor at which a page of the largest size is to be requested.
    fn larger(&mut self, key: &str, cursor: String) -> Next {
        let partition = self.partition(key);
        (partition.cursor, partition.larger) = (Some(cursor.clone()), true);
        Next::Larger(cursor)
    }

    /// Hands the next window the cursor at which it begins, unless it has items already.
    fn hand_over(&mut self, key: &str, cursor: &str) {
        let until = self.state.partitions.get(key).and_then(|partition| partition.until);
        let next =
            self.state.partitions.values_mut().find(|partition| partition.from.is_some() && partition.from == until);
        if let Some(next) = next.filter(|next| next.items == 0) {
            next.handover = Some(cursor.to_owned());
        }
    }

    /// Returns the cursor at which the window before this one ended, or [`NOTHING_BEHIND`]; `None` until it has ended.
    pub(crate) fn handover(&self, key: &str) -> Option<String> {
        self.state.partitions.get(key)?.handover.clone()
    }

    /// Moves a walk whose relative `from` was fixed by a clock that is ahead to where it begins by the server's clock, and returns
    /// the cursor there. Does so only at the first answer of a pass, before anything is taken.
    pub(super) fn begin_earlier(&mut self, request: &PageRequest, servers: i64) -> Option<String> {
        let Some(beginning @ Beginning::Ago(_)) = self.beginning else { return None };
        let Paging::Cursor { windows: Some(windows), .. } = request.endpoint.paging else { return None };
        let from = beginning.at(servers);
        let is_first = self.state.began.is_none() && self.state.since.is_some();
        if !is_first || self.state.from? <= from.saturating_add(CLOCKS_APART) {
            return None;
        }
        let first = (windows.forge)(from);
        let partition = self.partition(&request.partition);
        (partition.cursor, partition.from) = (Some(first.clone()), Some(from));
        (self.state.since, self.state.from) = (Some(from), Some(from));
        Some(first)
    }

    /// Returns true for a window that no worker has split off, and that was to begin at a forged cursor.
    fn is_first(&self, window: &PartitionState) -> bool {
        window.from.is_some_and(|from| from == self.state.since.unwrap_or(BEGINNING))
    }

    /// Records that the server refuses the forged cursor of a partition. The first one becomes one without a cursor, and an
    /// incremental walk a full one; false for any other, which must wait for the cursor at which the window before it ends.
    pub(crate) fn refuse_forged(&mut self, key: &str) -> bool {
        self.state.forging_refused = true;
        let Some(window) = self.state.partitions.get(key).filter(|window| self.is_first(window)) else { return false };
        let full = PartitionState { pages: window.pages, until: window.until, ..PartitionState::default() };
        self.state.partitions.insert(key.to_owned(), full);
        self.state.since = None;
        true
    }

    /// Makes the part of a window from `at` on, which begins at `cursor`, a window of its own and returns its key; `None` when
    /// the window is over or does not include that instant.
    pub(crate) fn split(&mut self, key: &str, at: i64, cursor: String) -> Option<String> {
        let new_key = (self.state.ends.values().sum::<u64>() + self.state.partitions.len() as u64 + 1).to_string();
        let partition = self.state.partitions.get_mut(key)?;
        if partition.until.is_some_and(|until| at >= until) || partition.from.is_some_and(|from| at <= from) {
            return None;
        }
        let until = partition.until.replace(at);
        let window = PartitionState { cursor: Some(cursor), from: Some(at), until, ..PartitionState::default() };
        self.state.partitions.insert(new_key.clone(), window);
        Some(new_key)
    }

    /// Ends a partition. A single look-up without an answer leaves no trace but that.
    fn end(&mut self, key: &str, end: &End) {
        let partition = self.state.partitions.get(key);
        let (pages, items) = partition.map_or((0, 0), |partition| (partition.pages, partition.items));
        if key == BOUNDARY || (key.is_empty() && (pages <= 1 || end.why != Why::Complete)) {
            self.state.boundary = None;
        }
        self.seen_cursors.remove(key);
        self.density.end(key);
        let good = matches!(end.why, Why::Complete | Why::NotFound);
        if is_single(key) && !good {
            self.lost.insert(key.to_owned());
            self.state.partitions.remove(key);
            return;
        }
        *self.state.ends.entry(end.why).or_default() += 1;
        if !good || (key.is_empty() && end.why != Why::Complete) {
            self.trouble(key, end.why, end.detail.clone().unwrap_or_default());
        }
        self.state.partitions.remove(key);
        if let Some((_, over)) = self.begun.iter_mut().find(|(begun, _)| begun == key) {
            *over = true;
            if self.state.longest.as_ref().is_none_or(|longest| items > longest.items) {
                self.state.longest = Some(Longest { partition: key.to_owned(), items });
            }
        }
        while self.begun.front().is_some_and(|(_, over)| *over) {
            self.state.done_through = self.begun.pop_front().map(|(key, _)| key);
        }
    }

    fn trouble(&mut self, partition: &str, why: Why, detail: String) {
        if self.state.troubles.len() < TROUBLES_MAX {
            let (page, cursor) = match self.state.partitions.get(partition) {
                // A refusal is about the page behind the last one taken, all else about that one.
                Some(at) => (at.pages + u64::from(why.is_refusal()), at.cursor.clone()),
                None => (0, None),
            };
            self.state.troubles.push(Trouble { partition: partition.to_owned(), page, cursor, why, detail });
        }
    }

    /// Forgets models without versions once they were requested by id: the answer is all there is.
    fn forget(&mut self, request: &PageRequest) {
        if let Some(Ok(id)) = request.key.as_deref().map(str::parse) {
            self.state.without_versions.remove(&id);
        }
        let ids = request.params.iter().filter(|(name, _)| name == "ids");
        for id in ids.flat_map(|(_, ids)| ids.split(',')).filter_map(|id| id.parse().ok()) {
            self.state.missing_versions.remove(&id);
        }
    }

    /// Returns the single look-ups that brought no answer.
    pub(crate) fn lost(&self) -> &BTreeSet<String> {
        &self.lost
    }

    /// Returns true when a single look-up, by its partition, showed its thing.
    pub(crate) fn was_shown(&self, partition: &str) -> bool {
        self.shown.contains(partition)
    }

    /// Records a reason why the walk's list is not believed, unless it is recorded already.
    fn doubt_once(&mut self, detail: String) {
        if self.state.troubles.iter().all(|trouble| trouble.detail != detail) {
            self.doubt(detail);
        }
    }

    /// Records the commit whose rows, and those before, bring the walk its values.
    pub(crate) fn take_values_at(&mut self, commit: u64) {
        self.state.values_at = Some(commit);
    }

    /// Records why the walk's list is not believed.
    pub(crate) fn doubt(&mut self, detail: String) {
        *self.state.ends.entry(Why::Doubtful).or_default() += 1;
        self.trouble("", Why::Doubtful, detail);
    }

    /// Records things that the walk does not find gone, although they are missing.
    pub(crate) fn withhold(&mut self, things: BTreeSet<String>) {
        self.state.withheld = things;
    }

    /// Closes the walk, all of whose partitions are over, and returns the worst of their reasons.
    pub(super) fn close(&mut self) -> End {
        let worst = self.state.troubles.iter().max_by_key(|trouble| trouble.why);
        let end = worst.map_or(End { why: Why::Complete, detail: None }, |trouble| End {
            why: trouble.why,
            detail: Some(trouble.detail.clone()),
        });
        self.state.end = Some(end.clone());
        self.begun.clear();
        (self.state.values_at, self.state.done_through, self.state.partitions) = (None, None, BTreeMap::new());
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::endpoint::Windows;
    use crate::api::images::IMAGES;
    use crate::api::models::MODELS;
    use crate::fetch::PageUrl;

    fn windows() -> Windows {
        let Paging::Cursor { windows: Some(windows), .. } = MODELS.paging else { unreachable!() };
        windows
    }

    fn request(partition: &str, cursor: Option<String>) -> PageRequest {
        let base = "http://127.0.0.1/api/v1".parse().unwrap();
        PageRequest {
            walk: "w".into(),
            partition: partition.into(),
            endpoint: &MODELS,
            params: [(String::from("sort"), String::from("Oldest"))].into(),
            key: None,
            page: 1,
            cursor,
            limit: 10,
            again: false,
            shown: 0,
            other: None,
            first_shown: false,
            compared: false,
            listed: false,
            url: PageUrl::new(&base, &["models"], std::iter::empty::<(&str, &str)>()).unwrap(),
        }
    }

    /// Takes a page of a partition that names this cursor as the next one.
    fn take(walk: &mut WalkProgress, partition: &str, next_cursor: Option<String>) -> Next {
        let page = Page { items: 1, ids: vec![7], next_cursor, ..Page::default() };
        let at = Provenance { pass: 1, walk: "w", page: 1, fetched_at: 0 };
        walk.take(&request(partition, None), &page, &at, i64::MAX)
    }

    #[test]
    fn a_window_split_while_it_is_walked_ends_at_the_split_and_hands_over_its_cursor() {
        let (mut walk, cursor) = (WalkProgress::default(), |at| (windows().forge)(at));
        walk.begin("1", false);
        assert_eq!(take(&mut walk, "1", Some(cursor(1000))), Next::Page(cursor(1000)));
        let second = walk.split("1", 5000, cursor(5000)).unwrap();
        assert_eq!(walk.split("1", 5000, cursor(5000)), None, "it is split there already");
        assert_eq!(walk.handover(&second), None);

        assert_eq!(take(&mut walk, "1", Some(cursor(6000))), Next::Over);
        assert_eq!(walk.handover(&second), Some(cursor(6000)));
        assert_eq!(walk.handover(&second), Some(cursor(6000)), "it stays until the window has a page");
        assert_eq!(walk.split("1", 2000, cursor(2000)), None, "it is over");

        assert_eq!(take(&mut walk, &second, Some(cursor(7000))), Next::Page(cursor(7000)));
        assert_eq!(walk.handover(&second), None);
    }

    #[test]
    fn a_feed_remembers_the_cursors_of_one_instant_only_and_notices_a_loop_among_them() {
        let mut walk = WalkProgress::default();
        walk.begin("1", false);
        let mut step = |from: &str, to: &str| {
            let request =
                PageRequest { endpoint: &IMAGES, limit: IMAGES.limit_max, ..request("1", Some(from.to_owned())) };
            let page = Page { items: 1, ids: vec![7], next_cursor: Some(to.to_owned()), ..Page::default() };
            let at = Provenance { pass: 1, walk: "w", page: 1, fetched_at: 0 };
            let next = walk.take(&request, &page, &at, i64::MAX);
            (next, walk.state().partitions.get("1").map_or(0, |partition| partition.new_cursors.len()))
        };
        let cursors: Vec<String> = (1..=50).map(|at| format!("feed:{at}:9")).collect();
        for pair in cursors.windows(2) {
            assert_eq!(step(&pair[0], &pair[1]), (Next::Page(pair[1].clone()), 0));
        }
        let (a, b) = ("feed:50:9", "feed:50:7");
        assert_eq!(step(a, b), (Next::Page(String::from(b)), 1));
        assert_eq!(step(b, a), (Next::Page(String::from(a)), 2));
        assert_eq!(step(a, b).0, Next::Over);
        assert_eq!(walk.state().troubles[0].why, Why::CursorLoop);
    }

    #[test]
    fn a_list_that_ends_in_a_window_leaves_nothing_to_the_next_one() {
        let mut walk = WalkProgress::default();
        walk.begin("1", false);
        let second = walk.split("1", 5000, (windows().forge)(5000)).unwrap();
        assert_eq!(take(&mut walk, "1", None), Next::Over);
        assert_eq!(walk.handover(&second), Some(String::from(NOTHING_BEHIND)));
    }

    #[test]
    fn a_list_that_ends_behind_a_window_on_its_last_page_leaves_no_doubt() {
        for (last, expected) in [(4999, Why::Doubtful), (9000, Why::Complete)] {
            let mut walk = WalkProgress::default();
            walk.begin("1", false);
            walk.split("1", 5000, (windows().forge)(5000)).unwrap();
            // Another window has seen what is behind the end of this one.
            walk.state.reached = Some(9000);
            let page = Page { items: 1, ids: vec![7], dates: Some((1000, last)), ..Page::default() };
            let at = Provenance { pass: 1, walk: "w", page: 1, fetched_at: 0 };
            assert_eq!(walk.take(&request("1", None), &page, &at, i64::MAX), Next::Over);
            assert_eq!(walk.state().ends, BTreeMap::from([(expected, 1)]), "{last}");
        }
    }

    #[test]
    fn models_to_be_asked_for_are_bounded_and_the_others_doubted_once() {
        let mut walk = WalkProgress::default();
        let many = IDS_MAX as i64;
        for first in [0, many / 2, many] {
            let without_versions: Vec<i64> = (first..first + many / 2 + 1).collect();
            walk.keep_ids(&Page { without_versions, missing_versions: vec![first], ..Page::default() });
        }
        let state = walk.state();
        assert_eq!((state.without_versions.len(), state.missing_versions.len()), (IDS_MAX, 3));
        assert_eq!((state.withheld_versions, state.troubles.len()), (many as u64 / 2 + 2, 1));
        assert_eq!(state.ends[&Why::Doubtful], 1);
    }

    #[test]
    fn a_list_of_many_catalogs_ends() {
        let mut walk = WalkProgress::default();
        walk.begin("", false);
        walk.partition("").items = CATALOGS_MAX * MODELS.catalog_rows - 1;
        assert_eq!(take(&mut walk, "", Some(String::from("a"))), Next::Page(String::from("a")));
        assert_eq!(take(&mut walk, "", Some(String::from("b"))), Next::Over);
        assert_eq!(walk.state().troubles[0].why, Why::Endless);
    }

    #[test]
    fn a_look_up_without_an_answer_leaves_no_partition() {
        let mut walk = WalkProgress::default();
        let reason = String::from("it cannot be read");
        let request = request("gone/7", None);
        walk.give_up(GivenUpPage { request, answer: None, reason, behind: None }, None);
        assert!(walk.lost().contains("gone/7"));
        assert!(walk.state().partitions.is_empty() && walk.state().ends.is_empty());
    }

    #[test]
    fn a_record_has_the_values_that_are_over_and_the_live_state_those_of_earlier_runs() {
        let state = WalkState { done_beyond: vec![String::from("c")], ..WalkState::default() };
        let mut walk = WalkProgress { state, ..WalkProgress::default() };
        for (key, over) in [("a", false), ("b", false)] {
            walk.begin(key, over);
        }
        take(&mut walk, "b", None);
        let record = walk.record();
        assert_eq!((record.done_through, record.done_beyond), (None, vec![String::from("b")]));
        assert_eq!(walk.state().done_beyond, ["c"], "it is begun later");
        walk.begin("c", true);
        take(&mut walk, "a", None);
        let record = walk.record();
        assert_eq!((record.done_through.as_deref(), record.done_beyond.len()), (Some("c"), 0));
    }
}
