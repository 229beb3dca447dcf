//! Entities that earlier passes of a walk saw and a full one did not: their number, some of their names, and entities to try
//! look-ups on.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::columns::{Columns, Key};
use super::error::Error;
use super::layout::Layout;
use super::scan::{Scan, each_batch};
use crate::storage::Storage;
use crate::table::{Table, pages};

/// Prefix of the partition in which an entity was looked up because its list did not show it; its name follows.
pub const GONE: &str = "gone/";
/// Prefix of the partition in which an entity was looked up although its list did show it; its name follows.
pub const CONTROL: &str = "recheck/control/";

/// Entities held in memory together; bounds it by some 30 MB.
const SLICE: usize = 250_000;
/// One entity in so many is counted to estimate their number.
const SAMPLED: u64 = 64;
/// The most entities that are looked up to check that look-ups show what lists show.
const CONTROLS: usize = 3;

/// A walk and its earlier passes.
#[derive(Debug, Clone, Copy)]
pub struct MissingQuery<'a> {
    /// The table of the listed entities; the first column of its key is their name.
    pub table: &'static Table,
    /// The walk.
    pub walk: &'a str,
    /// The current pass.
    pub pass: i64,
    /// Earlier passes of the same question.
    pub earlier: &'a BTreeSet<i64>,
    /// The believed ones among them, each with the entities that it did not find gone.
    pub believed: &'a BTreeMap<i64, BTreeSet<String>>,
    /// The passes since the last believed one that saw the end of the list and are not believed.
    pub doubtful: &'a [i64],
    /// The most names to return.
    pub names: usize,
}

/// The entities that no walk saw in the current pass.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Entities that the list was expected to show.
    pub expected: u64,
    /// The number of them that are missing.
    pub missing: u64,
    /// The number of missing entities that a doubtful pass still showed, the least over all of them; `None` without one.
    pub lately: Option<u64>,
    /// The names of some missing entities in random order, without those looked up already.
    pub names: Vec<String>,
    /// The number of missing entities that a look-up of the current pass answered with 404.
    pub absent: u64,
    /// The names of entities that this walk looked up in the current pass without an answer.
    pub unknown: BTreeSet<String>,
    /// Missing entities that only a look-up has shown before, not the list.
    pub outside: Vec<String>,
    /// Entities that a list did show in the current pass.
    pub seen: Vec<String>,
    /// True if a look-up of the current pass showed one of them.
    pub controlled: bool,
}

/// The name of an entity.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Name {
    Number(i64),
    Text(Box<str>),
}

/// The passes in which an entity was seen; 0 for never.
#[derive(Debug, Default)]
struct SeenIn {
    listed: i64,
    singly: i64,
    now: bool,
    now_listed: bool,
    /// The doubtful passes that listed it, as bits.
    doubtful: u64,
}

/// A random sample of names.
struct Drawn {
    most: usize,
    names: Vec<(u64, String)>,
}

impl Drawn {
    fn new(most: usize) -> Self {
        Self { most, names: Vec::new() }
    }

    fn take(&mut self, draw: u64, name: &Name) {
        self.names.push((draw, name.text()));
        if self.names.len() >= self.most.saturating_mul(2) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.names.sort_unstable();
        self.names.truncate(self.most);
    }

    fn names(mut self) -> Vec<String> {
        self.cut();
        self.names.into_iter().map(|(_, name)| name).collect()
    }
}

impl From<Key<'_>> for Name {
    fn from(key: Key<'_>) -> Self {
        match key {
            Key::Number(number) => Self::Number(number),
            Key::Text(text) => Self::Text(text.into()),
        }
    }
}

impl Name {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.to_string(),
        }
    }

    /// Returns its random rank in the samples of a pass.
    fn draw(&self, pass: i64) -> u64 {
        let mut hasher = DefaultHasher::new();
        (pass, self).hash(&mut hasher);
        hasher.finish()
    }
}

/// Returns the entities that the list of a walk was expected to show and that no walk saw in the current pass. Expected are
/// those that the walk saw in an earlier pass and that no believed pass found gone since.
///
/// # Errors
/// [`Error::Disk`].
pub fn missing(layout: &Layout, storage: &dyn Storage, asked: &MissingQuery<'_>) -> Result<Missing, Error> {
    let mut missing = Missing::default();
    let singles = singles(layout, storage, asked, &mut missing)?;
    let (mut names, mut outside, mut seen_now) =
        (Drawn::new(asked.names), Drawn::new(asked.names), Drawn::new(CONTROLS));
    let mut lately = vec![0; asked.doubtful.len()];
    let rows = Scan::open(layout, storage, asked.table)?;
    let slices = slices(&rows, asked)?;
    for slice in 0..slices {
        let mut all: HashMap<Name, SeenIn> = HashMap::new();
        each_row(&rows, asked.table, &mut |name, pass, walk| {
            let (own, partition) = walk_and_partition(walk);
            let counts = pass == asked.pass || (own == asked.walk && asked.earlier.contains(&pass));
            if !counts || (slices > 1 && name.draw(asked.pass) % slices != slice) {
                return;
            }
            let (seen, singly) = (all.entry(name).or_default(), partition.starts_with(GONE));
            if let Some(doubtful) = asked.doubtful.iter().position(|doubtful| *doubtful == pass).filter(|_| !singly) {
                seen.doubtful |= 1 << (doubtful % 64);
            }
            let last = if singly { &mut seen.singly } else { &mut seen.listed };
            match pass == asked.pass {
                true => (seen.now, seen.now_listed) = (true, seen.now_listed || !singly),
                false => *last = pass.max(*last),
            }
        })?;
        for (name, seen) in &all {
            if seen.now_listed {
                seen_now.take(name.draw(asked.pass), name);
            }
            let last = seen.listed.max(seen.singly);
            if last == 0 || !is_expected(asked, name, last) {
                continue;
            }
            if seen.singly >= seen.listed {
                if !seen.now && !singles.contains(&name.text()) {
                    outside.take(name.draw(asked.pass), name);
                }
                continue;
            }
            missing.expected += 1;
            if seen.now {
                continue;
            }
            missing.missing += 1;
            lately.iter_mut().enumerate().for_each(|(bit, count)| *count += seen.doubtful >> (bit % 64) & 1);
            match singles.contains(&name.text()) {
                true => missing.absent += 1,
                false => names.take(name.draw(asked.pass), name),
            }
        }
    }
    (missing.names, missing.outside, missing.seen) = (names.names(), outside.names(), seen_now.names());
    missing.lately = lately.into_iter().min();
    let unknown = std::mem::take(&mut missing.unknown);
    missing.names.retain(|name| !unknown.contains(name));
    missing.outside.retain(|name| !unknown.contains(name));
    Ok(Missing { unknown, ..missing })
}

/// Returns the names of those entities among these that some walk saw in a pass.
///
/// # Errors
/// [`Error::Disk`].
pub fn seen(
    layout: &Layout,
    storage: &dyn Storage,
    table: &Table,
    pass: i64,
    names: &[String],
) -> Result<BTreeSet<String>, Error> {
    let wanted: HashSet<&str> = names.iter().map(String::as_str).collect();
    let mut seen = BTreeSet::new();
    each_row(&Scan::open(layout, storage, table)?, table, &mut |name, of_pass, _| {
        if of_pass == pass && wanted.contains(name.text().as_str()) {
            seen.insert(name.text());
        }
    })?;
    Ok(seen)
}

/// Returns the number of items that a walk took in a pass from pages for whose cursor `counts` is true.
///
/// # Errors
/// [`Error::Disk`].
pub fn items_behind(
    layout: &Layout,
    storage: &dyn Storage,
    walk: &str,
    pass: i64,
    counts: &dyn Fn(&str) -> bool,
) -> Result<u64, Error> {
    let mut all = 0;
    each_batch(layout, storage, &pages::TABLE, &["pass", "walk", "cursor", "items"], &mut |batch| {
        let (passes, walks) = (batch.numbers("pass"), batch.texts("walk"));
        let (cursors, items) = (batch.texts("cursor"), batch.numbers("items"));
        let own = |row: &usize| passes.get(*row) == Some(pass) && walks.get(*row).and_then(list_of) == Some(walk);
        let behind = |row: &usize| cursors.get(*row).is_some_and(counts);
        let rows = (0..batch.num_rows()).filter(own).filter(behind);
        all += rows.filter_map(|row| u64::try_from(items.get(row)?).ok()).sum::<u64>();
    })?;
    Ok(all)
}

/// True if no believed pass found an entity gone since the pass that saw it last.
fn is_expected(asked: &MissingQuery<'_>, name: &Name, last: i64) -> bool {
    let since = || asked.believed.range(last.saturating_add(1)..).map(|(_, withheld)| withheld);
    since().next().is_none() || since().all(|withheld| withheld.contains(&name.text()))
}

/// Returns the names of entities that a look-up of the current pass answered with 404. Notes the other look-ups in `missing`.
fn singles(
    layout: &Layout,
    storage: &dyn Storage,
    asked: &MissingQuery<'_>,
    missing: &mut Missing,
) -> Result<HashSet<String>, Error> {
    let mut absent = HashSet::new();
    each_batch(layout, storage, &pages::TABLE, &["pass", "walk", "status"], &mut |batch| {
        let (passes, walks, statuses) = (batch.numbers("pass"), batch.texts("walk"), batch.numbers("status"));
        for row in (0..batch.num_rows()).filter(|row| passes.get(*row) == Some(asked.pass)) {
            let Some((walk, partition)) = walks.get(row).map(walk_and_partition) else { continue };
            let status = statuses.get(row);
            missing.controlled |= partition.starts_with(CONTROL) && walk == asked.walk && status == Some(200);
            match partition.strip_prefix(GONE) {
                Some(name) if status == Some(404) => drop(absent.insert(name.to_owned())),
                Some(name) if walk == asked.walk => drop(missing.unknown.insert(name.to_owned())),
                _ => {}
            }
        }
    })?;
    Ok(absent)
}

/// Returns the number of slices in which the entities fit into memory.
fn slices(rows: &Scan<'_>, asked: &MissingQuery<'_>) -> Result<u64, Error> {
    let mut sampled = HashSet::new();
    each_row(rows, asked.table, &mut |name, _, _| {
        let draw = name.draw(0);
        if draw % SAMPLED == 0 {
            sampled.insert(draw);
        }
    })?;
    Ok((sampled.len() as u64 * SAMPLED).div_ceil(SLICE as u64).max(1))
}

/// Calls `show` with name, pass and walk of every row.
fn each_row(rows: &Scan<'_>, table: &Table, show: &mut dyn FnMut(Name, i64, &str)) -> Result<(), Error> {
    let key = table.key[0];
    rows.each(&[key, "pass", "walk"], &mut |batch| {
        let (names, passes, walks) = (batch.keys(key), batch.numbers("pass"), batch.texts("walk"));
        for row in 0..batch.num_rows() {
            if let (Some(name), Some(pass), Some(walk)) = (names.get(row), passes.get(row), walks.get(row)) {
                show(name.into(), pass, walk);
            }
        }
    })
}

/// Returns the walk whose list a row is from; `None` for a look-up or a recheck.
fn list_of(name: &str) -> Option<&str> {
    let (walk, partition) = walk_and_partition(name);
    let again = partition.starts_with(GONE) || partition.starts_with("recheck/");
    (!again).then_some(walk)
}

/// Splits the `walk` column of a row into the walk and the partition behind the slash.
fn walk_and_partition(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or((name, ""))
}
