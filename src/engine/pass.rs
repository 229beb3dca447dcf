//! Chooses the pass of a run: the unfinished one, or the next. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::api::endpoint::{Paging, Windows};
use crate::dataset::commit::{GivenUp, PartitionState, WalkState, Why};
use crate::dataset::manifest::{Manifest, SeenCursors};
use crate::definition::{self, Crawl, Partitioning, asks_the_same, difference, fingerprint, identity};

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
        } else if walk.since.is_none() && walk.ends.keys().all(|why| *why <= Why::Doubtful) {
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
    /// The definition changed in the middle of a pass.
    #[error(
        "the crawl file changed while pass {pass} is unfinished:{}\nundo the change to finish the pass, start a new one with `--restart` (its rows are added to the same dataset), or give it another `--dataset`",
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
/// may be `owed`. `restart` gives up an unfinished pass and starts a full one.
///
/// # Errors
/// A [`Refusal`] if the dataset is another crawl's or of another server, or the definition changed in the middle of a pass.
pub fn choose(crawl: &Crawl, manifest: &Manifest, restart: bool, owed: bool) -> Result<Pass, Refusal> {
    let definition = fingerprint(crawl);
    let before = if restart { &Manifest::default() } else { manifest };
    let fresh = |number| Pass {
        number,
        resumed: false,
        walks: begin(crawl, &definition, before),
        seen_cursors: SeenCursors::new(),
        definition: definition.clone(),
        earlier: earlier(crawl, &definition, number, manifest),
    };
    let Some(last) = &manifest.last else { return Ok(fresh(1)) };
    if last.crawl != crawl.name {
        return Err(Refusal::OtherCrawl { theirs: last.crawl.clone(), ours: crawl.name.clone() });
    }
    let server = identity(crawl);
    if last.server != server {
        return Err(Refusal::OtherServer { theirs: last.server.clone(), ours: server });
    }
    let is_finished = last.is_pass_over() && !(owed && last.definition == definition);
    if restart || is_finished {
        return Ok(fresh(last.pass + 1));
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

/// Returns the walks of a new pass. A full walk begins at its list's beginning, an incremental one by its overlap before the
/// instant that the last pass reached which walked the same list to its end.
///
/// All incremental walks of an endpoint start at the earliest of their starting points; otherwise a narrow walk's newer row
/// would replace a fuller walk's. No clock is read: the dates are those in the server's cursors, none later than its walk.
fn begin(crawl: &Crawl, definition: &Value, before: &Manifest) -> BTreeMap<String, WalkState> {
    let mut begins: BTreeMap<&str, Option<i64>> = BTreeMap::new();
    for walk in crawl.walks.iter().filter(|walk| walk.later.incremental.is_some()) {
        let since = since(walk, definition, before);
        let first = begins.entry(walk.endpoint.name).or_insert(since);
        *first = first.zip(since).map(|(first, since)| first.min(since));
    }
    let begun = |walk: &definition::Walk| {
        let since = begins.get(walk.endpoint.name).copied().flatten().filter(|_| walk.later.incremental.is_some());
        since.map_or_else(WalkState::default, |since| begun_at(walk, since, to_the_end(walk, definition, before)))
    };
    crawl.walks.iter().map(|walk| (walk.name.clone(), begun(walk))).collect()
}

/// Returns the instant at which an incremental walk would begin by itself.
fn since(walk: &definition::Walk, definition: &Value, before: &Manifest) -> Option<i64> {
    let overlap = i64::try_from(walk.later.incremental?.as_millis()).unwrap_or(i64::MAX);
    Some(to_the_end(walk, definition, before)?.1.reached?.saturating_sub(overlap))
}

/// Returns the last pass that walked the same list to its end, with the state of that walk.
fn to_the_end<'m>(walk: &definition::Walk, definition: &Value, before: &'m Manifest) -> Option<(u64, &'m WalkState)> {
    before.history.passes.iter().rev().find_map(|(number, pass)| {
        let same = before.definition(*number).is_some_and(|old| asks_the_same(old, definition, &walk.name));
        let walk = pass.walks.get(&walk.name).filter(|walk| same && walk.saw_the_end());
        walk.map(|walk| (*number, walk))
    })
}

/// Returns a walk that begins at an instant.
fn begun_at(walk: &definition::Walk, since: i64, last: Option<(u64, &WalkState)>) -> WalkState {
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
