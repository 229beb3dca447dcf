//! Where a walk stands in memory: what a record will say of it, and what is needed to move it on. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use super::clamp;
use super::message::{BOUNDARY, Came, Next, PageRequest, Recheck, is_single};
use crate::api::endpoint::{NextCursor, Paging};
use crate::api::page::Page;
use crate::dataset::commit::{
    BoundaryPage, End, GivenUp, Longest, PartitionState, TROUBLES_MAX, Trouble, UnknownKey, WalkState, Why,
};
use crate::dataset::manifest::SeenCursors;
use crate::fetch::{is_masked, printable};
use crate::table::unknown;

mod bounds;

/// How many of the last ids are remembered: two of the largest pages.
const TAIL_MAX: usize = 400;

/// What a window hands over when the list ended within it.
pub(crate) const NOTHING_BEHIND: &str = "";

/// A walk in motion.
#[derive(Debug, Default)]
pub(crate) struct WalkProgress {
    walk: WalkState,
    /// Cursors met, by partition.
    seen_cursors: HashMap<String, HashSet<String>>,
    /// Of a fan-out: partitions begun and not yet behind `through`, in the order of their values, and whether they are over.
    begun: VecDeque<(String, bool)>,
    /// Single look-ups that showed their thing, and those of which nothing was learnt.
    shown: HashSet<String>,
    lost: BTreeSet<String>,
    /// The fewest items that its list may have without being much shorter than it was.
    pub(crate) least: u64,
    /// True when the user says that the list is as short as the server shows it.
    pub(crate) trusted: bool,
}

impl WalkProgress {
    /// The walks of a pass as its last record left them.
    pub(crate) fn all(walks: BTreeMap<String, WalkState>, seen_cursors: SeenCursors) -> BTreeMap<String, Self> {
        let progress = |walk| Self { walk, ..Self::default() };
        let mut all: BTreeMap<String, Self> = walks.into_iter().map(|(name, walk)| (name, progress(walk))).collect();
        for (walk, partitions) in seen_cursors {
            let partitions = partitions.into_iter().map(|(partition, met)| (partition, met.into_iter().collect()));
            all.entry(walk).or_default().seen_cursors = partitions.collect();
        }
        all
    }

    /// What a record says of the walk; what was new is new no longer.
    pub(crate) fn record(&mut self) -> WalkState {
        self.walk.done_beyond = self.begun.iter().filter(|(_, over)| *over).map(|(key, _)| key.clone()).collect();
        let walk = self.walk.clone();
        for partition in self.walk.partitions.values_mut() {
            partition.new_cursors.clear();
        }
        walk
    }

    /// A partition begins, goes on, or is over already.
    pub(crate) fn begin(&mut self, key: &str, over: bool) {
        if !key.is_empty() {
            self.begun.push_back((key.to_owned(), over));
        }
        if !over {
            self.walk.partitions.entry(key.to_owned()).or_default();
        }
    }

    fn partition(&mut self, key: &str) -> &mut PartitionState {
        self.walk.partitions.entry(key.to_owned()).or_default()
    }

    /// Notes when the walk began, unless it did before.
    pub(crate) fn began(&mut self, at: i64) {
        self.walk.began.get_or_insert(at);
    }

    /// Notes values of the crawl file's own list, of which the server shows nothing.
    pub(crate) fn note_unknown_values(&mut self, values: &[&str]) {
        self.walk.unknown_values_count += values.len() as u64;
        let room = TROUBLES_MAX.saturating_sub(self.walk.unknown_values.len());
        self.walk.unknown_values.extend(values.iter().take(room).map(|value| (*value).to_owned()));
    }

    /// Counts a page that was taken.
    pub(crate) fn count(&mut self, request: &PageRequest, page: &Page) {
        let edge = self.walk.boundary.clone();
        let partition = self.partition(&request.partition);
        partition.items += page.items;
        partition.done_beyond.insert(request.page);
        while partition.done_beyond.remove(&(partition.pages + 1)) {
            partition.pages += 1;
        }
        if &*request.partition == BOUNDARY && partition.tail.is_empty() {
            partition.tail.extend(edge.iter().flat_map(|edge| &edge.ids));
        }
        let repeats = page.ids.iter().filter(|id| partition.tail.contains(id)).count() as u64;
        partition.tail.extend(&page.ids);
        partition.tail.drain(..partition.tail.len().saturating_sub(TAIL_MAX));
        partition.handover = None;
        self.walk.pages += 1;
        self.walk.items += page.items;
        self.walk.rejects += page.rejects;
        self.walk.twins += page.twins;
        self.walk.nameless += page.nameless;
        self.walk.nameless_per_page_max = self.walk.nameless_per_page_max.max(page.nameless);
        self.walk.withheld_versions += page.withheld_versions;
        self.walk.repeats += repeats;
        self.walk.above_pg13 += page.above_pg13;
        clamp::count(&mut self.walk, request, page);
        self.walk.reported_total = page.reported_total.or(self.walk.reported_total);
        let id = request.partition.rsplit_once('/').and_then(|(_, id)| id.parse().ok());
        if is_single(&request.partition)
            && page.items > 0
            && (page.ids.is_empty() || id.is_some_and(|id| page.ids.contains(&id)))
        {
            self.shown.insert(request.partition.to_string());
        }
        if request.key.is_none() {
            self.walk.without_versions.extend(&page.without_versions);
            self.walk.missing_versions.extend(&page.missing_versions);
        }
        if &*request.partition == BOUNDARY {
            self.walk.late_items += page.ids.len() as u64 - repeats;
        }
        self.watch_the_edge(request, page);
    }

    /// Notes keys that no column knows, as met on a page that arrived at this instant.
    pub(crate) fn note_unknown_keys(&mut self, page: &Page, walk: &str, number: u64, at: i64) {
        for (table, key, rows) in page.unknown.iter() {
            let met = UnknownKey { rows, walk: walk.to_owned(), page: number, at };
            unknown::add(self.walk.unknown.entry(table.to_owned()).or_default(), key, met.clone(), |known| {
                known.add(&met);
            });
        }
    }

    /// In every order but that of age new rows may appear before those a walk has shown: its first page is read once more.
    fn watch_the_edge(&mut self, request: &PageRequest, page: &Page) {
        let by_age = request.params.iter().any(|(name, value)| name == "sort" && value == "Oldest");
        let drifts = matches!(request.endpoint.paging, Paging::Cursor { .. }) && !by_age;
        if request.partition.is_empty() && request.page == 1 && drifts && !page.ids.is_empty() {
            self.walk.boundary = Some(BoundaryPage { cursor: None, ids: page.ids.clone() });
        }
    }

    /// In the order of age new rows appear at the end. A walk in windows may be there long before it is through with the
    /// others, and models that got a new version meanwhile moved to it: the last page is read once more.
    fn note_the_end(&mut self, request: &PageRequest, page: &Page) {
        let window = self.walk.partitions.get(&*request.partition).filter(|_| !request.partition.is_empty());
        if window.is_some_and(|window| window.from.is_some()) {
            self.walk.boundary = Some(BoundaryPage { cursor: request.cursor.clone(), ids: page.ids.clone() });
        }
    }

    /// Whether a partition that reads the first page once more has come to rows that the walk began with.
    fn is_past_the_edge(&self, request: &PageRequest, page: &Page) -> bool {
        let first = self.walk.boundary.as_ref().filter(|edge| &*request.partition == BOUNDARY && edge.cursor.is_none());
        first.is_some_and(|edge| page.ids.iter().any(|id| edge.ids.contains(id)))
    }

    /// Moves a partition to the cursor the server named; `Err` is why it is over.
    pub(crate) fn step(&mut self, request: &PageRequest, page: &Page) -> Result<Next, End> {
        let complete = || End { why: Why::Complete, detail: None };
        let Paging::Cursor { next, .. } = request.endpoint.paging else { return Err(complete()) };
        if self.is_past_the_edge(request, page) {
            return Err(complete());
        }
        let Some(named) = &page.next_cursor else {
            self.hand_over(&request.partition, NOTHING_BEHIND);
            self.note_the_end(request, page);
            return Err(self.last(request, page));
        };
        if is_masked(named) {
            let detail = format!("the server repeated the API key in the cursor behind page {}", request.page);
            return Err(End { why: Why::KeyInCursor, detail: Some(detail) });
        }
        let cursor = match next(&request.params, named) {
            NextCursor::Cursor(cursor) => cursor,
            NextCursor::Unlistable(reason) => {
                self.hand_over(&request.partition, NOTHING_BEHIND);
                self.note_the_end(request, page);
                return Err(End { why: Why::Unlistable, detail: Some(reason.to_owned()) });
            }
        };
        self.move_on(request, cursor)
    }

    /// Moves a partition to a cursor as it is to be sent; `Err` is why the partition is over.
    pub(crate) fn move_on(&mut self, request: &PageRequest, mut cursor: String) -> Result<Next, End> {
        let complete = || End { why: Why::Complete, detail: None };
        let Paging::Cursor { windows, .. } = request.endpoint.paging else { return Err(complete()) };
        let instant =
            windows.filter(|windows| (windows.fits)(&request.params)).and_then(|w| Some((w, (w.at)(&cursor)?)));
        if let Some((windows, at)) = instant {
            // Nothing is dated later than now, whatever the server says: one such date would hide all that comes before it.
            let reached = self.walk.reached.max(Some(at));
            self.walk.reached = reached.min(self.walk.began.or(reached));
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
        let fingerprint = self.fingerprint(&request.partition, &cursor);
        let met = self.seen_cursors.get(&*request.partition).is_some_and(|met| met.contains(&fingerprint));
        if met && request.limit < request.endpoint.limit_max {
            // A page smaller than a group of equal rows may lead back among them; only the largest page proves a loop.
            return Ok(self.larger(&request.partition, cursor));
        }
        if !self.seen_cursors.entry(request.partition.to_string()).or_default().insert(fingerprint.clone()) {
            let detail = Some(format!("the cursor `{}` came round again", printable(&cursor)));
            return Err(End { why: Why::CursorLoop, detail });
        }
        let partition = self.partition(&request.partition);
        partition.new_cursors.push(fingerprint);
        (partition.cursor, partition.larger) = (Some(cursor.clone()), false);
        Ok(Next::Page(cursor))
    }

    /// Moves a partition to a cursor at which a page of the largest size is to be asked for.
    fn larger(&mut self, key: &str, cursor: String) -> Next {
        let partition = self.partition(key);
        (partition.cursor, partition.larger) = (Some(cursor.clone()), true);
        Next::Larger(cursor)
    }

    /// Tells the window behind this one the cursor at which it begins, should it not have begun.
    fn hand_over(&mut self, key: &str, cursor: &str) {
        let until = self.walk.partitions.get(key).and_then(|partition| partition.until);
        let next =
            self.walk.partitions.values_mut().find(|partition| partition.from.is_some() && partition.from == until);
        if let Some(next) = next.filter(|next| next.pages == 0) {
            next.handover = Some(cursor.to_owned());
        }
    }

    /// The cursor that the window before this one ended at, or [`NOTHING_BEHIND`]; the partition begins there instead of at
    /// its forged one.
    pub(crate) fn handover(&mut self, key: &str) -> Option<String> {
        let partition = self.walk.partitions.get_mut(key)?;
        let cursor = partition.handover.take()?;
        partition.cursor = Some(cursor.clone());
        Some(cursor)
    }

    /// The server refuses the cursor that an incremental walk begins at: it is walked from the list's beginning.
    pub(crate) fn whole(&mut self, key: &str) {
        self.walk.since = None;
        self.walk.partitions.insert(key.to_owned(), PartitionState::default());
    }

    /// Makes the later part of a window a window of its own; `None` when the partition is over or has passed that instant.
    pub(crate) fn split(&mut self, key: &str, at: i64, cursor: String) -> Option<String> {
        let new_key = (self.walk.ends.values().sum::<u64>() + self.walk.partitions.len() as u64 + 1).to_string();
        let partition = self.walk.partitions.get_mut(key)?;
        if partition.until.is_some_and(|until| at >= until) || partition.from.is_some_and(|from| at <= from) {
            return None;
        }
        let until = partition.until.replace(at);
        let window = PartitionState { cursor: Some(cursor), from: Some(at), until, ..PartitionState::default() };
        self.walk.partitions.insert(new_key.clone(), window);
        Some(new_key)
    }

    /// A partition is over.
    pub(crate) fn end(&mut self, key: &str, end: &End) {
        let partition = self.walk.partitions.get(key);
        let (pages, items) = partition.map_or((0, 0), |partition| (partition.pages, partition.items));
        if key == BOUNDARY || (key.is_empty() && (pages <= 1 || end.why != Why::Complete)) {
            self.walk.boundary = None;
        }
        self.seen_cursors.remove(key);
        let good = matches!(end.why, Why::Complete | Why::NotFound);
        if is_single(key) && !good {
            self.lost.insert(key.to_owned());
            return;
        }
        *self.walk.ends.entry(end.why).or_default() += 1;
        if !good || (key.is_empty() && end.why != Why::Complete) {
            self.trouble(key, end.why, end.detail.clone().unwrap_or_default());
        }
        self.walk.partitions.remove(key);
        if let Some((_, over)) = self.begun.iter_mut().find(|(begun, _)| begun == key) {
            *over = true;
            if self.walk.longest.as_ref().is_none_or(|longest| items > longest.items) {
                self.walk.longest = Some(Longest { partition: key.to_owned(), items });
            }
        }
        while self.begun.front().is_some_and(|(_, over)| *over) {
            self.walk.done_through = self.begun.pop_front().map(|(key, _)| key);
        }
    }

    fn trouble(&mut self, partition: &str, why: Why, detail: String) {
        if self.walk.troubles.len() < TROUBLES_MAX {
            let (page, cursor) = match self.walk.partitions.get(partition) {
                // What was refused is the page behind the last one taken; all else shows on that one.
                Some(at) => (at.pages + u64::from(why.is_refusal()), at.cursor.clone()),
                None => (0, None),
            };
            self.walk.troubles.push(Trouble { partition: partition.to_owned(), page, cursor, why, detail });
        }
    }

    /// Models that lacked versions were asked for by id: whatever came of it is all there is.
    pub(crate) fn forget(&mut self, request: &PageRequest) {
        if let Some(Ok(id)) = request.key.as_deref().map(str::parse) {
            self.walk.without_versions.remove(&id);
        }
        let ids = request.params.iter().filter(|(name, _)| name == "ids");
        for id in ids.flat_map(|(_, ids)| ids.split(',')).filter_map(|id| id.parse().ok()) {
            self.walk.missing_versions.remove(&id);
        }
    }

    /// What the walk's partitions left open so far.
    pub(crate) fn recheck(&self) -> Recheck {
        Recheck {
            boundary: self.walk.boundary.clone(),
            missing_versions: self.walk.missing_versions.iter().copied().collect(),
            without_versions: self.walk.without_versions.iter().copied().collect(),
            lost: self.lost.clone(),
        }
    }

    /// What came of the list, where its ends are believed.
    pub(crate) fn came(&self) -> Option<Came> {
        let WalkState { items, rejects, since, .. } = self.walk;
        self.walk.ends_are_believed().then_some(Came {
            items,
            rejects,
            whole: since.is_none(),
            given_up: self.walk.given_up.len() as u64,
        })
    }

    /// True when a single look-up showed its thing.
    pub(crate) fn shown(&self, partition: &str) -> bool {
        self.shown.contains(partition)
    }

    /// Its list is not believed.
    pub(crate) fn doubt(&mut self, detail: String) {
        *self.walk.ends.entry(Why::Doubtful).or_default() += 1;
        self.trouble("", Why::Doubtful, detail);
    }

    /// Notes what it does not find gone.
    pub(crate) fn withhold(&mut self, things: BTreeSet<String>) {
        self.walk.withheld = things;
    }

    /// Notes a page that could not be had.
    pub(crate) fn give_up(&mut self, page: GivenUp) {
        let partition = self.partition(&page.partition);
        partition.novelty.count_given_up();
        self.walk.given_up.push(page);
    }

    /// All partitions are over: so is the walk, for the worst of their reasons.
    pub(crate) fn close(&mut self) -> End {
        let worst = self.walk.troubles.iter().max_by_key(|trouble| trouble.why);
        let end = worst.map_or(End { why: Why::Complete, detail: None }, |trouble| End {
            why: trouble.why,
            detail: Some(trouble.detail.clone()),
        });
        self.walk.end = Some(end.clone());
        self.begun.clear();
        (self.walk.done_through, self.walk.partitions) = (None, BTreeMap::new());
        end
    }
}
