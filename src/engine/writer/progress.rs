//! Where a walk stands in memory: what a record will say of it, and what is needed to move it on. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use super::clamp;
use super::message::{Asked, Came, EDGE, Rest, Step, is_single};
use crate::api::endpoint::{Next, Paging};
use crate::api::envelope::Page;
use crate::dataset::commit::{Edge, End, GivenUp, Longest, Strand, TROUBLES_MAX, Trouble, UnknownKey, Walk, Why};
use crate::dataset::manifest::Met;
use crate::fetch::{is_masked, printable};
use crate::table::unknown;

mod bounds;

/// How many of the last ids are remembered: two of the largest pages.
const TAIL_MAX: usize = 400;

/// What a window hands over when the list ended within it.
pub(crate) const NOTHING_BEHIND: &str = "";

/// A walk in motion.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    walk: Walk,
    /// Cursors met, by strand.
    met: HashMap<String, HashSet<String>>,
    /// Of a fan-out: strands begun and not yet behind `through`, in the order of their values, and whether they are over.
    begun: VecDeque<(String, bool)>,
    /// Single look-ups that showed their thing, and those of which nothing was learnt.
    shown: HashSet<String>,
    lost: BTreeSet<String>,
    /// The fewest items that its list may have without being much shorter than it was.
    pub(crate) least: u64,
    /// True when the user says that the list is as short as the server shows it.
    pub(crate) trusted: bool,
}

impl Standing {
    /// The walks of a pass as its last record left them.
    pub(crate) fn all(walks: BTreeMap<String, Walk>, met: Met) -> BTreeMap<String, Self> {
        let standing = |walk| Self { walk, ..Self::default() };
        let mut all: BTreeMap<String, Self> = walks.into_iter().map(|(name, walk)| (name, standing(walk))).collect();
        for (walk, strands) in met {
            let strands = strands.into_iter().map(|(strand, met)| (strand, met.into_iter().collect()));
            all.entry(walk).or_default().met = strands.collect();
        }
        all
    }

    /// What a record says of the walk; what was new is new no longer.
    pub(crate) fn record(&mut self) -> Walk {
        self.walk.ahead = self.begun.iter().filter(|(_, over)| *over).map(|(key, _)| key.clone()).collect();
        let walk = self.walk.clone();
        for strand in self.walk.strands.values_mut() {
            strand.met.clear();
        }
        walk
    }

    /// A strand begins, goes on, or is over already.
    pub(crate) fn begin(&mut self, key: &str, over: bool) {
        if !key.is_empty() {
            self.begun.push_back((key.to_owned(), over));
        }
        if !over {
            self.walk.strands.entry(key.to_owned()).or_default();
        }
    }

    fn strand(&mut self, key: &str) -> &mut Strand {
        self.walk.strands.entry(key.to_owned()).or_default()
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
    pub(crate) fn count(&mut self, asked: &Asked, page: &Page) {
        let edge = self.walk.edge.clone();
        let strand = self.strand(&asked.strand);
        strand.items += page.items;
        strand.ahead.insert(asked.page);
        while strand.ahead.remove(&(strand.pages + 1)) {
            strand.pages += 1;
        }
        if &*asked.strand == EDGE && strand.tail.is_empty() {
            strand.tail.extend(edge.iter().flat_map(|edge| &edge.ids));
        }
        let repeats = page.ids.iter().filter(|id| strand.tail.contains(id)).count() as u64;
        strand.tail.extend(&page.ids);
        strand.tail.drain(..strand.tail.len().saturating_sub(TAIL_MAX));
        strand.handover = None;
        self.walk.pages += 1;
        self.walk.items += page.items;
        self.walk.rejects += page.rejects;
        self.walk.twins += page.twins;
        self.walk.nameless += page.nameless;
        self.walk.nameless_together = self.walk.nameless_together.max(page.nameless);
        self.walk.lacking += page.lacking;
        self.walk.repeats += repeats;
        self.walk.mature += page.mature;
        clamp::count(&mut self.walk, asked, page);
        self.walk.told = page.items_told.or(self.walk.told);
        let id = asked.strand.rsplit_once('/').and_then(|(_, id)| id.parse().ok());
        if is_single(&asked.strand)
            && page.items > 0
            && (page.ids.is_empty() || id.is_some_and(|id| page.ids.contains(&id)))
        {
            self.shown.insert(asked.strand.to_string());
        }
        if asked.key.is_none() {
            self.walk.hollow.extend(&page.hollow);
            self.walk.short.extend(&page.short);
        }
        if &*asked.strand == EDGE {
            self.walk.appeared += page.ids.len() as u64 - repeats;
        }
        self.watch_the_edge(asked, page);
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
    fn watch_the_edge(&mut self, asked: &Asked, page: &Page) {
        let by_age = asked.params.iter().any(|(name, value)| name == "sort" && value == "Oldest");
        let drifts = matches!(asked.endpoint.paging, Paging::Cursor { .. }) && !by_age;
        if asked.strand.is_empty() && asked.page == 1 && drifts && !page.ids.is_empty() {
            self.walk.edge = Some(Edge { cursor: None, ids: page.ids.clone() });
        }
    }

    /// In the order of age new rows appear at the end. A walk in windows may be there long before it is through with the
    /// others, and models that got a new version meanwhile moved to it: the last page is read once more.
    fn note_the_end(&mut self, asked: &Asked, page: &Page) {
        let window = self.walk.strands.get(&*asked.strand).filter(|_| !asked.strand.is_empty());
        if window.is_some_and(|window| window.from.is_some()) {
            self.walk.edge = Some(Edge { cursor: asked.cursor.clone(), ids: page.ids.clone() });
        }
    }

    /// Whether a strand that reads the first page once more has come to rows that the walk began with.
    fn is_past_the_edge(&self, asked: &Asked, page: &Page) -> bool {
        let first = self.walk.edge.as_ref().filter(|edge| &*asked.strand == EDGE && edge.cursor.is_none());
        first.is_some_and(|edge| page.ids.iter().any(|id| edge.ids.contains(id)))
    }

    /// Moves a strand to the cursor the server named; `Err` is why it is over.
    pub(crate) fn step(&mut self, asked: &Asked, page: &Page) -> Result<Step, End> {
        let complete = || End { why: Why::Complete, detail: None };
        let Paging::Cursor { next, .. } = asked.endpoint.paging else { return Err(complete()) };
        if self.is_past_the_edge(asked, page) {
            return Err(complete());
        }
        let Some(named) = &page.next_cursor else {
            self.hand_over(&asked.strand, NOTHING_BEHIND);
            self.note_the_end(asked, page);
            return Err(self.last(asked, page));
        };
        if is_masked(named) {
            let detail = format!("the server repeated the API key in the cursor behind page {}", asked.page);
            return Err(End { why: Why::KeyInCursor, detail: Some(detail) });
        }
        let cursor = match next(&asked.params, named) {
            Next::Cursor(cursor) => cursor,
            Next::Unlistable(reason) => {
                self.hand_over(&asked.strand, NOTHING_BEHIND);
                self.note_the_end(asked, page);
                return Err(End { why: Why::Unlistable, detail: Some(reason.to_owned()) });
            }
        };
        self.move_on(asked, cursor)
    }

    /// Moves a strand to a cursor as it is to be sent; `Err` is why the strand is over.
    pub(crate) fn move_on(&mut self, asked: &Asked, mut cursor: String) -> Result<Step, End> {
        let complete = || End { why: Why::Complete, detail: None };
        let Paging::Cursor { windows, .. } = asked.endpoint.paging else { return Err(complete()) };
        let instant = windows.filter(|windows| (windows.fits)(&asked.params)).and_then(|w| Some((w, (w.at)(&cursor)?)));
        if let Some((windows, at)) = instant {
            // Nothing is dated later than now, whatever the server says: one such date would hide all that comes before it.
            let reached = self.walk.reached.max(Some(at));
            self.walk.reached = reached.min(self.walk.began.or(reached));
            if asked.cursor.as_deref() == Some(cursor.as_str()) {
                // A page full of rows of one instant: the server would name this cursor for ever.
                if asked.limit < asked.endpoint.limit_max {
                    return Ok(self.larger(&asked.strand, cursor));
                }
                let detail = format!(
                    "more than {} rows share the instant of cursor `{cursor}`; the others cannot be listed by date",
                    asked.limit
                );
                self.trouble(&asked.strand, Why::Unlistable, detail);
                cursor = (windows.forge)(at + 1);
            }
            if self.strand(&asked.strand).until.is_some_and(|until| at >= until) {
                self.hand_over(&asked.strand, &cursor);
                return Err(complete());
            }
        }
        let fingerprint = self.fingerprint(&asked.strand, &cursor);
        let met = self.met.get(&*asked.strand).is_some_and(|met| met.contains(&fingerprint));
        if met && asked.limit < asked.endpoint.limit_max {
            // A page smaller than a group of equal rows may lead back among them; only the largest page proves a loop.
            return Ok(self.larger(&asked.strand, cursor));
        }
        if !self.met.entry(asked.strand.to_string()).or_default().insert(fingerprint.clone()) {
            let detail = Some(format!("the cursor `{}` came round again", printable(&cursor)));
            return Err(End { why: Why::CursorLoop, detail });
        }
        let strand = self.strand(&asked.strand);
        strand.met.push(fingerprint);
        (strand.cursor, strand.larger) = (Some(cursor.clone()), false);
        Ok(Step::Next(cursor))
    }

    /// Moves a strand to a cursor at which a page of the largest size is to be asked for.
    fn larger(&mut self, key: &str, cursor: String) -> Step {
        let strand = self.strand(key);
        (strand.cursor, strand.larger) = (Some(cursor.clone()), true);
        Step::Larger(cursor)
    }

    /// Tells the window behind this one the cursor at which it begins, should it not have begun.
    fn hand_over(&mut self, key: &str, cursor: &str) {
        let until = self.walk.strands.get(key).and_then(|strand| strand.until);
        let next = self.walk.strands.values_mut().find(|strand| strand.from.is_some() && strand.from == until);
        if let Some(next) = next.filter(|next| next.pages == 0) {
            next.handover = Some(cursor.to_owned());
        }
    }

    /// The cursor that the window before this one ended at, or [`NOTHING_BEHIND`]; the strand begins there instead of at
    /// its forged one.
    pub(crate) fn handover(&mut self, key: &str) -> Option<String> {
        let strand = self.walk.strands.get_mut(key)?;
        let cursor = strand.handover.take()?;
        strand.cursor = Some(cursor.clone());
        Some(cursor)
    }

    /// The server refuses the cursor that an incremental walk begins at: it is walked from the list's beginning.
    pub(crate) fn whole(&mut self, key: &str) {
        self.walk.since = None;
        self.walk.strands.insert(key.to_owned(), Strand::default());
    }

    /// Makes the later part of a window a window of its own; `None` when the strand is over or has passed that instant.
    pub(crate) fn split(&mut self, key: &str, at: i64, cursor: String) -> Option<String> {
        let new_key = (self.walk.ends.values().sum::<u64>() + self.walk.strands.len() as u64 + 1).to_string();
        let strand = self.walk.strands.get_mut(key)?;
        if strand.until.is_some_and(|until| at >= until) || strand.from.is_some_and(|from| at <= from) {
            return None;
        }
        let until = strand.until.replace(at);
        let window = Strand { cursor: Some(cursor), from: Some(at), until, ..Strand::default() };
        self.walk.strands.insert(new_key.clone(), window);
        Some(new_key)
    }

    /// A strand is over.
    pub(crate) fn end(&mut self, key: &str, end: &End) {
        let strand = self.walk.strands.get(key);
        let (pages, items) = strand.map_or((0, 0), |strand| (strand.pages, strand.items));
        if key == EDGE || (key.is_empty() && (pages <= 1 || end.why != Why::Complete)) {
            self.walk.edge = None;
        }
        self.met.remove(key);
        let good = matches!(end.why, Why::Complete | Why::NotFound);
        if is_single(key) && !good {
            self.lost.insert(key.to_owned());
            return;
        }
        *self.walk.ends.entry(end.why).or_default() += 1;
        if !good || (key.is_empty() && end.why != Why::Complete) {
            self.trouble(key, end.why, end.detail.clone().unwrap_or_default());
        }
        self.walk.strands.remove(key);
        if let Some((_, over)) = self.begun.iter_mut().find(|(begun, _)| begun == key) {
            *over = true;
            if self.walk.longest.as_ref().is_none_or(|longest| items > longest.items) {
                self.walk.longest = Some(Longest { strand: key.to_owned(), items });
            }
        }
        while self.begun.front().is_some_and(|(_, over)| *over) {
            self.walk.through = self.begun.pop_front().map(|(key, _)| key);
        }
    }

    fn trouble(&mut self, strand: &str, why: Why, detail: String) {
        if self.walk.troubles.len() < TROUBLES_MAX {
            let (page, cursor) = match self.walk.strands.get(strand) {
                // What was refused is the page behind the last one taken; all else shows on that one.
                Some(at) => (at.pages + u64::from(why.is_refusal()), at.cursor.clone()),
                None => (0, None),
            };
            self.walk.troubles.push(Trouble { strand: strand.to_owned(), page, cursor, why, detail });
        }
    }

    /// Models that lacked versions were asked for by id: whatever came of it is all there is.
    pub(crate) fn forget(&mut self, asked: &Asked) {
        if let Some(Ok(id)) = asked.key.as_deref().map(str::parse) {
            self.walk.hollow.remove(&id);
        }
        let ids = asked.params.iter().filter(|(name, _)| name == "ids");
        for id in ids.flat_map(|(_, ids)| ids.split(',')).filter_map(|id| id.parse().ok()) {
            self.walk.short.remove(&id);
        }
    }

    /// What the walk's strands left open so far.
    pub(crate) fn rest(&self) -> Rest {
        Rest {
            edge: self.walk.edge.clone(),
            short: self.walk.short.iter().copied().collect(),
            hollow: self.walk.hollow.iter().copied().collect(),
            lost: self.lost.clone(),
        }
    }

    /// What came of the list, where its ends are believed.
    pub(crate) fn came(&self) -> Option<Came> {
        let Walk { items, rejects, since, .. } = self.walk;
        self.walk.ends_are_believed().then_some(Came {
            items,
            rejects,
            whole: since.is_none(),
            given_up: self.walk.given_up.len() as u64,
        })
    }

    /// True when a single look-up showed its thing.
    pub(crate) fn shown(&self, strand: &str) -> bool {
        self.shown.contains(strand)
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
        let strand = self.strand(&page.strand);
        strand.novelty.count_given_up();
        self.walk.given_up.push(page);
    }

    /// All strands are over: so is the walk, for the worst of their reasons.
    pub(crate) fn close(&mut self) -> End {
        let worst = self.walk.troubles.iter().max_by_key(|trouble| trouble.why);
        let end = worst.map_or(End { why: Why::Complete, detail: None }, |trouble| End {
            why: trouble.why,
            detail: Some(trouble.detail.clone()),
        });
        self.walk.end = Some(end.clone());
        self.begun.clear();
        (self.walk.through, self.walk.strands) = (None, BTreeMap::new());
        end
    }
}
