//! Checks that no page of a walk is missing, by the numbers that the rows of `pages` have. Pure.
//!
//! Commits are looked at from the last to the first, so that a partition is forgotten as soon as its first page was seen: memory
//! grows with the partitions that were open at one time, not with all that there ever were.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::RangeInclusive;

use arrow::array::RecordBatch;

use super::columns::Columns;
use super::history::PassSummary;

/// A partition: its pass, and its name as in the `walk` column.
type Partition = (u64, String);

/// The page numbers found so far.
#[derive(Debug)]
pub(super) struct PageNumbers<'a> {
    passes: &'a BTreeMap<u64, PassSummary>,
    /// Pages that were given up.
    lost: BTreeMap<Partition, BTreeSet<u64>>,
    /// The number of pages found of each walk, without those that were given up.
    found: BTreeMap<Partition, u64>,
    /// The pages of partitions that lack some, as far as they were seen.
    open: BTreeMap<Partition, Runs>,
    /// The partition of the last rows, and the pages that they were.
    current: Option<(Partition, RangeInclusive<u64>)>,
}

impl<'a> PageNumbers<'a> {
    /// Returns the check of these passes, before any page was seen.
    pub(super) fn of(passes: &'a BTreeMap<u64, PassSummary>) -> Self {
        let mut lost: BTreeMap<Partition, BTreeSet<u64>> = BTreeMap::new();
        for (pass, summary) in passes {
            for (walk, state) in &summary.walks {
                for page in &state.given_up {
                    let name =
                        if page.partition.is_empty() { walk.clone() } else { format!("{walk}/{}", page.partition) };
                    lost.entry((*pass, name)).or_default().insert(page.page);
                }
            }
        }
        Self { passes, lost, found: BTreeMap::new(), open: BTreeMap::new(), current: None }
    }

    /// Adds rows of `pages`, in the order of their part.
    pub(super) fn add(&mut self, rows: &RecordBatch) {
        for (pass, walk, page) in pages(rows) {
            let of_last = |((of, name), run): &mut (Partition, RangeInclusive<u64>)| {
                let follows = *of == pass && name == walk && run.end() + 1 == page;
                if follows {
                    *run = *run.start()..=page;
                }
                follows
            };
            if !self.current.as_mut().is_some_and(of_last) {
                self.end_part();
                self.current = Some(((pass, walk.to_owned()), page..=page));
            }
        }
    }

    /// Ends the part whose rows were added. The next one is of an earlier commit.
    pub(super) fn end_part(&mut self) {
        let Some((partition, run)) = self.current.take() else { return };
        let lost = self.lost.get(&partition).map_or(0, |lost| lost.range(run.clone()).count() as u64);
        let walk = (partition.0, walk_of(&partition.1).to_owned());
        *self.found.entry(walk).or_default() += run.end() - run.start() + 1 - lost;
        let mut runs = self.open.remove(&partition).unwrap_or_default();
        runs.add(run);
        if !runs.are_whole() {
            self.open.insert(partition, runs);
        }
    }

    /// Returns the partitions that may lack pages. Only all their rows show it, because a replay commits pages in another order.
    pub(super) fn doubtful(&self) -> HashSet<Partition> {
        let gap = |(partition, runs): &(&Partition, &Runs)| runs.gap(self.lost.get(*partition)).is_some();
        self.open.iter().filter(gap).map(|(partition, _)| partition.clone()).collect()
    }

    /// Returns a sentence for each partition with a gap, and for each walk that has not exactly the pages that the last record of
    /// its pass counts. `doubtful` has all pages of the doubtful partitions.
    pub(super) fn faults(&self, doubtful: &Doubtful) -> Vec<String> {
        let mut faults = Vec::new();
        for (pass, summary) in self.passes {
            for (name, walk) in &summary.walks {
                let ahead = walk.partitions.values().any(|partition| !partition.done_beyond.is_empty());
                let of_walk = |(of, partition): &Partition| of == pass && walk_of(partition) == name;
                for (partition, runs) in doubtful.0.iter().filter(|(partition, _)| !ahead && of_walk(partition)) {
                    if let Some(gap) = runs.gap(self.lost.get(partition)) {
                        let (name, last) = (&partition.1, runs.last());
                        faults.push(format!("pass {pass}, walk `{name}`: page {gap} of {last} is missing"));
                    }
                }
                let found = self.found.get(&(*pass, name.clone())).copied().unwrap_or_default();
                let (found, counted) = (found + walk.given_up.len() as u64, walk.pages);
                if found != counted {
                    faults.push(format!("pass {pass}, walk `{name}`: {found} pages are there; {counted} were counted"));
                }
            }
        }
        faults
    }
}

/// All pages of the partitions that may lack some.
#[derive(Debug, Default)]
pub(super) struct Doubtful(BTreeMap<Partition, Runs>);

impl Doubtful {
    /// Adds the rows of these partitions.
    pub(super) fn add(&mut self, rows: &RecordBatch, partitions: &HashSet<Partition>) {
        for (pass, walk, page) in pages(rows) {
            let partition = (pass, walk.to_owned());
            if partitions.contains(&partition) {
                self.0.entry(partition).or_default().add(page..=page);
            }
        }
    }
}

/// Page numbers: the first and the last of each run without a gap.
#[derive(Debug, Default)]
struct Runs(BTreeMap<u64, u64>);

impl Runs {
    fn add(&mut self, run: RangeInclusive<u64>) {
        let (mut first, mut last) = run.into_inner();
        // Those that overlap it or are next to it become one with it.
        while let Some((from, to)) = self.0.range(..=last.saturating_add(1)).next_back().map(|(from, to)| (*from, *to))
        {
            if to.saturating_add(1) < first {
                break;
            }
            self.0.remove(&from);
            (first, last) = (first.min(from), last.max(to));
        }
        self.0.insert(first, last);
    }

    /// True if no page is missing before the last one seen.
    fn are_whole(&self) -> bool {
        self.0.len() == 1 && self.0.contains_key(&1)
    }

    /// Returns the first page that is neither there nor lost, before the last that is there.
    fn gap(&self, lost: Option<&BTreeSet<u64>>) -> Option<u64> {
        let mut next = 1;
        for (first, last) in &self.0 {
            let gap = (next..*first).find(|page| !lost.is_some_and(|lost| lost.contains(page)));
            if gap.is_some() {
                return gap;
            }
            next = last + 1;
        }
        None
    }

    fn last(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(_, last)| *last)
    }
}

/// Returns the pass, the partition and the page number of each row.
fn pages(rows: &RecordBatch) -> impl Iterator<Item = (u64, &str, u64)> {
    let (passes, walks, pages) = (rows.numbers("pass"), rows.texts("walk"), rows.numbers("page"));
    (0..rows.num_rows()).filter_map(move |row| {
        Some((passes.get(row)?.unsigned_abs(), walks.array()?.value(row), pages.get(row)?.unsigned_abs()))
    })
}

/// Returns the walk of a partition, without what is behind the slash.
fn walk_of(partition: &str) -> &str {
    partition.split_once('/').map_or(partition, |(walk, _)| walk)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::commit::{GivenUp, WalkState};

    /// Rows of `pages` as a part has them, sorted.
    fn rows(mut pages: Vec<(u64, String, u64)>) -> RecordBatch {
        pages.sort();
        let number = |name| Field::new(name, DataType::Int64, false);
        let schema = Schema::new(vec![number("pass"), Field::new("walk", DataType::Utf8, false), number("page")]);
        let numbers = |of: fn(&(u64, String, u64)) -> u64| {
            Arc::new(pages.iter().map(|page| of(page) as i64).collect::<Int64Array>())
        };
        let walks = Arc::new(StringArray::from_iter_values(pages.iter().map(|(_, walk, _)| walk)));
        RecordBatch::try_new(Arc::new(schema), vec![numbers(|row| row.0), walks, numbers(|row| row.2)]).unwrap()
    }

    /// Returns the passes that count these pages and gave up those.
    fn passes(counted: &BTreeMap<(u64, String), u64>, lost: &[(u64, String, u64)]) -> BTreeMap<u64, PassSummary> {
        let mut passes = BTreeMap::new();
        for ((pass, walk), pages) in counted {
            let empty = PassSummary { definition: String::new(), ended_at: None, walks: BTreeMap::new() };
            let given_up = lost.iter().filter(|(of, name, _)| of == pass && walk_of(name) == walk);
            let given_up = given_up.map(|(_, name, page)| GivenUp {
                partition: name.split_once('/').map_or(String::new(), |(_, key)| key.to_owned()),
                page: *page,
                cursor: None,
                reason: String::new(),
                pass: None,
            });
            let state = WalkState { pages: *pages, given_up: given_up.collect(), ..WalkState::default() };
            passes.entry(*pass).or_insert(empty).walks.insert(walk.clone(), state);
        }
        passes
    }

    /// Checks commits, oldest first; returns the faults, and the most partitions that were held at once.
    fn check(
        passes: &BTreeMap<u64, PassSummary>,
        commits: &[Vec<(u64, String, u64)>],
        batch: usize,
    ) -> (Vec<String>, usize) {
        let (mut numbers, mut most) = (PageNumbers::of(passes), 0);
        for commit in commits.iter().rev().map(|commit| rows(commit.clone())) {
            for at in (0..commit.num_rows()).step_by(batch) {
                numbers.add(&commit.slice(at, batch.min(commit.num_rows() - at)));
            }
            numbers.end_part();
            most = most.max(numbers.open.len());
        }
        let (doubtful, mut all) = (numbers.doubtful(), Doubtful::default());
        commits.iter().for_each(|commit| all.add(&rows(commit.clone()), &doubtful));
        (numbers.faults(&all), most)
    }

    /// The same faults, from a set of all pages.
    fn expected(passes: &BTreeMap<u64, PassSummary>, commits: &[Vec<(u64, String, u64)>]) -> Vec<String> {
        let mut all: BTreeMap<(u64, String), Vec<u64>> = BTreeMap::new();
        for (pass, walk, page) in commits.iter().flatten() {
            all.entry((*pass, walk.clone())).or_default().push(*page);
        }
        let mut faults = Vec::new();
        for (pass, summary) in passes {
            for (walk, state) in &summary.walks {
                let mut found = state.given_up.len();
                for ((_, name), pages) in all.iter().filter(|((of, name), _)| of == pass && walk_of(name) == walk) {
                    let key = name.split_once('/').map_or("", |(_, key)| key);
                    let is_lost =
                        |page: &u64| state.given_up.iter().any(|lost| lost.partition == key && lost.page == *page);
                    found += pages.iter().filter(|page| !is_lost(page)).count();
                    let last = *pages.iter().max().unwrap();
                    if let Some(gap) = (1..=last).find(|page| !pages.contains(page) && !is_lost(page)) {
                        faults.push(format!("pass {pass}, walk `{name}`: page {gap} of {last} is missing"));
                    }
                }
                if found as u64 != state.pages {
                    let counted = state.pages;
                    faults.push(format!("pass {pass}, walk `{walk}`: {found} pages are there; {counted} were counted"));
                }
            }
        }
        faults
    }

    #[test]
    fn partitions_that_are_over_are_not_held() {
        // Each value has three pages; a commit ends within one value, and the next goes on there.
        let page = |n: u64| (1, format!("images/{}", n / 3), n % 3 + 1);
        let commits: Vec<Vec<_>> =
            (0..200).map(|commit| (commit * 100..commit * 100 + 100).map(page).collect()).collect();
        let passes = passes(&BTreeMap::from([((1, String::from("images")), 20_000)]), &[]);
        // The last value lacks its last page, which nobody can know but by the count.
        assert_eq!(check(&passes, &commits, 64), (Vec::new(), 1));
        let mut without = commits;
        without[70].remove(50);
        let faults = [
            "pass 1, walk `images/2350`: page 1 of 3 is missing",
            "pass 1, walk `images`: 19999 pages are there; 20000 were counted",
        ];
        assert_eq!(check(&passes, &without, 64), (faults.map(str::to_owned).to_vec(), 2));
    }

    proptest! {
        #[test]
        fn the_faults_are_those_of_a_set_of_all_pages(
            pages in prop::collection::vec((1..3_u64, prop::sample::select(vec!["a", "a/1", "a/2", "b/1", "b/1/x"]), 1..8_u64, 0..5_usize), 0..40),
            lost in prop::collection::vec((1..3_u64, prop::sample::select(vec!["a", "a/1", "b/1"]), 1..8_u64), 0..4),
            counted in prop::collection::vec(0..9_u64, 4),
            batch in 1..4_usize,
        ) {
            // A page is in one commit, once.
            let unique: BTreeMap<_, usize> = pages.into_iter().map(|(pass, walk, page, commit)| ((pass, walk.to_owned(), page), commit)).collect();
            let of = |at: usize| unique.iter().filter(|(_, commit)| **commit == at).map(|(page, _)| page.clone()).collect::<Vec<_>>();
            let commits: Vec<Vec<_>> = (0..5).map(of).collect();
            let walks = [(1, "a"), (1, "b"), (2, "a"), (2, "b")].map(|(pass, walk)| (pass, walk.to_owned()));
            let lost: BTreeSet<_> = lost.into_iter().map(|(pass, walk, page)| (pass, walk.to_owned(), page)).collect();
            let passes = passes(&walks.into_iter().zip(counted).collect(), &lost.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(check(&passes, &commits, batch).0, expected(&passes, &commits));
        }
    }
}
