//! Chooses the pass of a run: the unfinished one, or the next. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::api::CATALOG_BEGAN;
use crate::api::endpoint::{Paging, Windows};
use crate::dataset::commit::{GivenUp, PartitionState, WalkState, Why};
use crate::dataset::manifest::{Manifest, SeenCursors};
use crate::definition::{self, Beginning, Crawl, Partitioning, asks_the_same, difference, fingerprint, identity};

/// The pass a run works on.
#[derive(Debug)]
pub struct Pass {
    /// Its number, counted from 1.
    pub number: u64,
    /// True when an earlier run began it.
    pub resumed: bool,
    /// The state of each walk, by name.
    pub walks: BTreeMap<String, WalkState>,
    /// Fingerprints of the cursors seen so far.
    pub seen_cursors: SeenCursors,
    /// The definition's fingerprint: everything that decides which rows the pass gets.
    pub definition: Value,
    /// The earlier passes, as far as walks build on them.
    pub earlier: Earlier,
}

/// The earlier passes, as far as walks build on them.
#[derive(Debug, Clone, Default)]
pub struct Earlier {
    /// The number of this pass, as rows carry it.
    pub pass: i64,
    /// The history of each walk's list.
    pub lists: BTreeMap<String, List>,
    /// The passes in which each walk was not left unfinished: rows of those are not new to it.
    pub known: BTreeMap<String, BTreeSet<i64>>,
}

/// Doubtful passes remembered per list.
const DOUBTFUL_MAX: usize = 64;

/// The history of one walk's list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// The passes that walked it to an end.
    pub walked: BTreeSet<i64>,
    /// The passes among them that walked all of it and are believed, each with the missing things that it did not find gone.
    pub believed: BTreeMap<i64, BTreeSet<String>>,
    /// Items in the last of these; of an incremental walk those in the overlap, once they are counted.
    pub items: u64,
    /// The last pass that saw the list's end; an incremental walk builds on it.
    pub ended: Option<i64>,
    /// The last few passes since then in which it ended and is not believed.
    pub doubtful: Vec<i64>,
}

impl List {
    /// Adds a pass; one that was given up finds nothing gone.
    fn add(&mut self, pass: i64, walk: &WalkState, is_over: bool) {
        self.walked.insert(pass);
        if walk.saw_the_end() {
            self.ended = Some(pass);
        }
        if is_over && walk.is_believed() {
            self.believed.insert(pass, walk.withheld.clone());
            (self.items, self.doubtful) = (walk.items, Vec::new());
        } else if walk.is_of_all() && walk.ends.keys().all(|why| *why <= Why::Doubtful) {
            self.doubtful.push(pass);
            self.doubtful.drain(..self.doubtful.len().saturating_sub(DOUBTFUL_MAX));
        }
    }
}

/// A reason why a crawl may not write to a dataset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It belongs to another crawl.
    #[error("the dataset belongs to the crawl `{theirs}`, and this is `{ours}`; give this one another `--dataset`")]
    OtherCrawl {
        /// The crawl that made it.
        theirs: String,
        /// This crawl.
        ours: String,
    },
    /// It holds rows of another server.
    #[error("the dataset holds rows of `{theirs}`, and this crawl asks `{ours}`; give it another `--dataset`")]
    OtherServer {
        /// The server of its rows.
        theirs: String,
        /// The server of this crawl.
        ours: String,
    },
    /// A walk is to begin at an instant that cannot be right.
    #[error(
        "walk `{walk}` begins at `{from}`, and by this machine's clock it is {now}: {fault}; set the clock, or write another date"
    )]
    Misdated {
        /// The walk.
        walk: String,
        /// Its `from`, as written.
        from: Beginning,
        /// The time by this machine's clock.
        now: Timestamp,
        /// The reason.
        fault: &'static str,
    },
    /// The last pass asked the same, and is over.
    #[error(
        "nothing to do: pass {pass} ended at {}{}",
        ended_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        if *is_complete { "" } else { ", but rows are missing; `civitrawl status` names them" }
    )]
    Done {
        /// The pass.
        pass: u64,
        /// Its end.
        ended_at: Timestamp,
        /// True if no row is known to be missing.
        is_complete: bool,
    },
    /// The definition changed in the middle of a pass.
    #[error(
        "the crawl file changed while pass {pass} is unfinished:{}\nundo the change (in the file, in `--set` or in `--each`) to finish the pass, start a new one with `--restart` (its rows are added to the same dataset), or give it another `--dataset`",
        differences.iter().map(|line| format!("\n  {line}")).collect::<String>()
    )]
    Changed {
        /// The unfinished pass.
        pass: u64,
        /// The differences, a line each.
        differences: Vec<String>,
    },
}

/// Returns the pass for a run of `crawl` on a dataset with these records. A pass is finished when its snapshot is taken, which
/// may be `owed`. `restart` gives up an unfinished pass and starts one that builds on no other. A walk with `from` whose beginning
/// no pass has recorded takes it from `now`.
///
/// # Errors
/// A [`Refusal`] if the dataset is another crawl's or of another server, the definition changed in the middle of a pass, or a walk
/// is to begin at an instant that cannot be right.
pub fn choose(crawl: &Crawl, manifest: &Manifest, restart: bool, owed: bool, now: Timestamp) -> Result<Pass, Refusal> {
    let definition = fingerprint(crawl);
    let fresh = |number| {
        Ok(Pass {
            number,
            resumed: false,
            walks: Beginnings { crawl, definition: &definition, manifest, restart, now }.walks()?,
            seen_cursors: SeenCursors::new(),
            definition: definition.clone(),
            earlier: earlier(crawl, &definition, number, manifest),
        })
    };
    let Some(last) = &manifest.last else { return fresh(1) };
    if last.crawl != crawl.name {
        return Err(Refusal::OtherCrawl { theirs: last.crawl.clone(), ours: crawl.name.clone() });
    }
    let server = identity(crawl);
    if last.server != server {
        return Err(Refusal::OtherServer { theirs: last.server.clone(), ours: server });
    }
    let is_finished = last.is_pass_over() && !(owed && last.definition == definition);
    if restart || is_finished {
        return fresh(last.pass + 1);
    }
    if last.definition != definition {
        let differences = difference(&last.definition, &definition);
        return Err(Refusal::Changed { pass: last.pass, differences });
    }
    let mut walks = last.walks.clone();
    for partition in walks.values_mut().flat_map(|walk| walk.partitions.values_mut()) {
        partition.new_cursors.clear();
    }
    let earlier = earlier(crawl, &definition, last.pass, manifest);
    Ok(Pass {
        number: last.pass,
        resumed: true,
        walks,
        seen_cursors: manifest.history.seen_cursors.clone(),
        definition,
        earlier,
    })
}

/// Refuses a new pass if the last one, of the same definition, ended less than `within` before `now`; ever, for
/// [`Duration::MAX`]. A pass that ended in the future is not believed.
///
/// # Errors
/// [`Refusal::Done`].
pub fn refuse_repetition(pass: &Pass, manifest: &Manifest, within: Duration, now: Timestamp) -> Result<(), Refusal> {
    let same = manifest.last.as_ref().filter(|last| !pass.resumed && last.definition == pass.definition);
    let Some(summary) = same.and_then(|last| manifest.history.passes.get(&last.pass)) else { return Ok(()) };
    let Some(ended_at) = summary.ended_at else { return Ok(()) };
    let age = Duration::try_from(now.duration_since(ended_at));
    if within == Duration::MAX || age.is_ok_and(|age| age < within) {
        return Err(Refusal::Done { pass: manifest.last_pass(), ended_at, is_complete: summary.is_complete() });
    }
    Ok(())
}

/// Collects the earlier passes, as far as walks build on them.
fn earlier(crawl: &Crawl, definition: &Value, number: u64, manifest: &Manifest) -> Earlier {
    let column = |pass: u64| i64::try_from(pass).unwrap_or(i64::MAX);
    let mut earlier = Earlier { pass: column(number), ..Earlier::default() };
    for (pass, summary) in manifest.history.passes.range(..number) {
        for definition::Walk { name, .. } in &crawl.walks {
            let walk = summary.walks.get(name);
            if walk.is_none_or(|walk| walk.end.is_some()) {
                earlier.known.entry(name.clone()).or_default().insert(column(*pass));
            }
            let same = manifest.definition(*pass).is_some_and(|old| asks_the_same(old, definition, name));
            if let Some(walk) = walk.filter(|walk| same && walk.end.is_some()) {
                earlier.lists.entry(name.clone()).or_default().add(column(*pass), walk, summary.ended_at.is_some());
            }
        }
    }
    earlier
}

/// Returns the key of the partition that a cursor walk begins with.
pub(super) fn first_partition(partitioning: &Partitioning) -> &'static str {
    match partitioning {
        Partitioning::Windows { .. } => "1",
        Partitioning::One | Partitioning::Each(_) => "",
    }
}

/// The data that decide where the walks of a new pass begin.
struct Beginnings<'a> {
    crawl: &'a Crawl,
    definition: &'a Value,
    manifest: &'a Manifest,
    /// True if the pass builds on no other.
    restart: bool,
    now: Timestamp,
}

impl Beginnings<'_> {
    /// Returns the walks of a new pass. A full walk begins at its list's beginning, one with `from` there, and an incremental one
    /// by its overlap before the instant that the last pass reached which walked the same list to its end, but not before `from`.
    ///
    /// All incremental walks of an endpoint start at the earliest of their starting points; otherwise a narrow walk's newer row
    /// would replace a fuller walk's. The dates reached are those in the server's cursors, none later than its walk; the clock
    /// is read only to fix a beginning that no pass has recorded.
    fn walks(&self) -> Result<BTreeMap<String, WalkState>, Refusal> {
        let mut together: BTreeMap<&str, Option<i64>> = BTreeMap::new();
        let mut walks = Vec::new();
        for walk in &self.crawl.walks {
            let from = walk.later.from.map(|from| self.fixed(walk, from)).transpose()?;
            let last = self.built_upon(walk);
            if let Some(overlap) = walk.later.incremental {
                let overlap = i64::try_from(overlap.as_millis()).unwrap_or(i64::MAX);
                let since = last.and_then(|(_, last)| Some(last.reached?.saturating_sub(overlap))).max(from);
                let first = together.entry(walk.endpoint.name).or_insert(since);
                *first = first.zip(since).map(|(first, since)| first.min(since));
            }
            walks.push((walk, from, last));
        }
        let begun = |(walk, from, last): (&definition::Walk, Option<i64>, Option<(u64, &WalkState)>)| {
            let incremental = together.get(walk.endpoint.name).filter(|_| walk.later.incremental.is_some());
            let since = incremental.copied().flatten().max(from);
            let state = since.map_or_else(WalkState::default, |since| begun_at(walk, since, last));
            (walk.name.clone(), WalkState { from, ..state })
        };
        Ok(walks.into_iter().map(begun).collect())
    }

    /// Returns the instant that `from` means: the one that an earlier pass of the same list has recorded, else the one it is now.
    fn fixed(&self, walk: &definition::Walk, from: Beginning) -> Result<i64, Refusal> {
        let recorded = self.same_lists(walk).find_map(|(_, state)| state.from);
        let fault = match from {
            _ if recorded.is_some() => None,
            Beginning::Date(date) => (date > self.now.as_millisecond()).then_some("that is still to come"),
            Beginning::Ago(_) => (self.now.as_millisecond() < CATALOG_BEGAN).then_some("the catalog is younger"),
        };
        match fault {
            Some(fault) => Err(Refusal::Misdated { walk: walk.name.clone(), from, now: self.now, fault }),
            None => Ok(recorded.unwrap_or_else(|| from.at(self.now.as_millisecond()))),
        }
    }

    /// Returns the last pass that walked the same list to its end, with the state of that walk, if the new pass builds on it.
    fn built_upon(&self, walk: &definition::Walk) -> Option<(u64, &WalkState)> {
        let builds = !self.restart && walk.later.incremental.is_some();
        self.same_lists(walk).filter(|_| builds).find(|(_, state)| state.saw_the_end())
    }

    /// Returns the passes that walked the same list, the last first, with the state of that walk.
    fn same_lists(&self, walk: &definition::Walk) -> impl Iterator<Item = (u64, &WalkState)> {
        self.manifest.history.passes.iter().rev().filter_map(|(number, pass)| {
            let old = self.manifest.definition(*number)?;
            let same = asks_the_same(old, self.definition, &walk.name);
            Some((*number, pass.walks.get(&walk.name).filter(|_| same)?))
        })
    }
}

/// Returns a walk that begins at an instant, and builds on the `last` that saw the end of its list.
pub(super) fn begun_at(walk: &definition::Walk, since: i64, last: Option<(u64, &WalkState)>) -> WalkState {
    let Paging::Cursor { windows: Some(windows), .. } = walk.endpoint.paging else { return WalkState::default() };
    let partition =
        PartitionState { cursor: Some((windows.forge)(since)), from: Some(since), ..PartitionState::default() };
    let partitions = BTreeMap::from([(first_partition(&walk.partitioning).to_owned(), partition)]);
    let reached = last.and_then(|(_, walk)| walk.reached);
    let holes = last.map(|(pass, walk)| holes(pass, walk, since, windows)).unwrap_or_default();
    WalkState { since: Some(since), reached, partitions, holes, ..WalkState::default() }
}

/// Returns the pages given up before the instant at which a walk begins: it does not request them, so it must remember them.
fn holes(pass: u64, last: &WalkState, since: i64, windows: Windows) -> Vec<GivenUp> {
    let given_up = last.given_up.iter().map(|page| GivenUp { pass: Some(pass), ..page.clone() });
    let is_before = |page: &GivenUp| page.cursor.as_deref().and_then(windows.at).is_none_or(|at| at < since);
    last.holes.iter().cloned().chain(given_up).filter(is_before).collect()
}

#[cfg(test)]
mod tests;
