//! Things that earlier passes of a walk met and a full one did not: how many, some of them by name, and what to try look-ups on.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;

use super::error::Error;
use super::layout::Layout;
use super::scan::each_batch;
use crate::storage::Storage;
use crate::table::{Table, pages};

/// The partition of a thing that was asked for singly because its list did not show it, before its name.
pub const GONE: &str = "gone/";
/// The partition of a thing that was asked for singly although its list did show it, before its name.
pub const CONTROL: &str = "recheck/control/";

/// Things looked at together: bounds the memory by some 30 MB.
const SLICE: usize = 250_000;
/// One thing in so many is counted to tell how many there are.
const SAMPLED: u64 = 64;
/// Things that are tried, at most, to see whether look-ups show what lists show.
const CONTROLS: usize = 3;

/// The question of a walk, and what became of it before.
#[derive(Debug, Clone, Copy)]
pub struct MissingQuery<'a> {
    /// What the list is of; the first column of its key is a thing's name.
    pub table: &'static Table,
    /// The walk.
    pub walk: &'a str,
    /// This pass.
    pub pass: i64,
    /// Earlier passes that asked the same.
    pub earlier: &'a BTreeSet<i64>,
    /// Those of them that are believed, each with the things that it did not find gone.
    pub believed: &'a BTreeMap<i64, BTreeSet<String>>,
    /// Those since the last believed one that saw an end and are not believed.
    pub doubtful: &'a [i64],
    /// The most names to give.
    pub names: usize,
}

/// What nobody met in this pass.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Things that the list was to show.
    pub expected: u64,
    /// Those of them that are missing.
    pub missing: u64,
    /// Those of the missing that the doubtful pass still showed which showed fewest of them; `None` without such a pass.
    pub lately: Option<u64>,
    /// The names of some of the missing, in random order; without those asked for singly already.
    pub names: Vec<String>,
    /// Those of the missing that were asked for singly in this pass, and are not there.
    pub absent: u64,
    /// Those that this walk asked for singly in this pass, without learning anything.
    pub unknown: BTreeSet<String>,
    /// Missing things that the list did not show before either, but a look-up did.
    pub outside: Vec<String>,
    /// Things that a list did show in this pass.
    pub met: Vec<String>,
    /// True when one of them was looked up in this pass, and shown.
    pub controlled: bool,
}

/// A thing's name.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Name {
    Number(i64),
    Text(Box<str>),
}

/// The passes in which a thing was seen; 0 for never.
#[derive(Debug, Default)]
struct Seen {
    listed: i64,
    singly: i64,
    now: bool,
    now_listed: bool,
    /// The doubtful passes, as bits, that listed it.
    doubtful: u64,
}

/// Names in the order of a draw, no more than are wanted.
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

impl Name {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.to_string(),
        }
    }

    /// Its place in the draws of this pass.
    fn draw(&self, pass: i64) -> u64 {
        let mut hasher = DefaultHasher::new();
        (pass, self).hash(&mut hasher);
        hasher.finish()
    }
}

/// What the list of a walk was to show, and nobody met in this pass. Expected is what its own walks met and no believed pass
/// since found gone.
///
/// # Errors
/// [`Error::Disk`].
pub fn missing(layout: &Layout, storage: &dyn Storage, asked: &MissingQuery<'_>) -> Result<Missing, Error> {
    let mut missing = Missing::default();
    let singles = singles(layout, storage, asked, &mut missing)?;
    let (mut names, mut outside, mut met) = (Drawn::new(asked.names), Drawn::new(asked.names), Drawn::new(CONTROLS));
    let mut lately = vec![0; asked.doubtful.len()];
    let slices = slices(layout, storage, asked)?;
    for slice in 0..slices {
        let mut all: HashMap<Name, Seen> = HashMap::new();
        each_row(layout, storage, asked.table, &mut |name, pass, walk| {
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
                met.take(name.draw(asked.pass), name);
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
    (missing.names, missing.outside, missing.met) = (names.names(), outside.names(), met.names());
    missing.lately = lately.into_iter().min();
    let unknown = std::mem::take(&mut missing.unknown);
    missing.names.retain(|name| !unknown.contains(name));
    missing.outside.retain(|name| !unknown.contains(name));
    Ok(Missing { unknown, ..missing })
}

/// Those of some things that this pass met.
///
/// # Errors
/// [`Error::Disk`].
pub fn met(
    layout: &Layout,
    storage: &dyn Storage,
    table: &Table,
    pass: i64,
    names: &[String],
) -> Result<BTreeSet<String>, Error> {
    let wanted: HashSet<&str> = names.iter().map(String::as_str).collect();
    let mut met = BTreeSet::new();
    each_row(layout, storage, table, &mut |name, of_pass, _| {
        if of_pass == pass && wanted.contains(name.text().as_str()) {
            met.insert(name.text());
        }
    })?;
    Ok(met)
}

/// Items that a walk met in a pass, on pages whose cursor counts.
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
        let (Some(passes), Some(items)) = (numbers(batch, "pass"), numbers(batch, "items")) else { return };
        let own: HashSet<usize> = texts(batch, "walk")
            .filter(|(row, name)| passes[*row] == pass && list_of(name) == Some(walk))
            .map(|(row, _)| row)
            .collect();
        let behind = texts(batch, "cursor").filter(|(row, cursor)| own.contains(row) && counts(cursor));
        all += behind.filter_map(|(row, _)| u64::try_from(items[row]).ok()).sum::<u64>();
    })?;
    Ok(all)
}

/// True when no believed pass since found a thing gone that was last seen then.
fn is_expected(asked: &MissingQuery<'_>, name: &Name, last: i64) -> bool {
    let since = || asked.believed.range(last.saturating_add(1)..).map(|(_, withheld)| withheld);
    since().next().is_none() || since().all(|withheld| withheld.contains(&name.text()))
}

/// Names of things that were asked for singly in this pass and are not there, and what was not learnt of others.
fn singles(
    layout: &Layout,
    storage: &dyn Storage,
    asked: &MissingQuery<'_>,
    missing: &mut Missing,
) -> Result<HashSet<String>, Error> {
    let mut absent = HashSet::new();
    each_batch(layout, storage, &pages::TABLE, &["pass", "walk", "status"], &mut |batch| {
        let (Some(passes), Some(statuses)) = (numbers(batch, "pass"), numbers(batch, "status")) else { return };
        for (row, name) in texts(batch, "walk").filter(|(row, _)| passes[*row] == asked.pass) {
            let (walk, partition) = walk_and_partition(name);
            missing.controlled |= partition.starts_with(CONTROL) && walk == asked.walk && statuses[row] == 200;
            match partition.strip_prefix(GONE) {
                Some(name) if statuses[row] == 404 => drop(absent.insert(name.to_owned())),
                Some(name) if walk == asked.walk => drop(missing.unknown.insert(name.to_owned())),
                _ => {}
            }
        }
    })?;
    Ok(absent)
}

/// In how many parts the things are to be looked at.
fn slices(layout: &Layout, storage: &dyn Storage, asked: &MissingQuery<'_>) -> Result<u64, Error> {
    let mut sampled = HashSet::new();
    each_row(layout, storage, asked.table, &mut |name, _, _| {
        let draw = name.draw(0);
        if draw % SAMPLED == 0 {
            sampled.insert(draw);
        }
    })?;
    Ok((sampled.len() as u64 * SAMPLED).div_ceil(SLICE as u64).max(1))
}

/// Shows name, pass and walk of every row.
fn each_row(
    layout: &Layout,
    storage: &dyn Storage,
    table: &Table,
    show: &mut dyn FnMut(Name, i64, &str),
) -> Result<(), Error> {
    let key = table.key[0];
    each_batch(layout, storage, table, &[key, "pass", "walk"], &mut |batch| {
        let (Some(names), Some(passes)) = (batch.column_by_name(key), numbers(batch, "pass")) else { return };
        let (ids, words) = (names.as_primitive_opt::<Int64Type>(), names.as_string_opt::<i32>());
        for (row, walk) in texts(batch, "walk").filter(|(row, _)| names.is_valid(*row)) {
            let number = ids.map(|ids| Name::Number(ids.value(row)));
            let name = number.or_else(|| words.map(|words| Name::Text(words.value(row).into())));
            if let Some(name) = name {
                show(name, passes[row], walk);
            }
        }
    })
}

/// The walk whose list rows of this name are from; `None` for what was looked at once more.
fn list_of(name: &str) -> Option<&str> {
    let (walk, partition) = walk_and_partition(name);
    let again = partition.starts_with(GONE) || partition.starts_with("recheck/");
    (!again).then_some(walk)
}

/// What a name tells: the walk, and behind a slash the partition.
fn walk_and_partition(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or((name, ""))
}

fn numbers<'a>(batch: &'a RecordBatch, column: &str) -> Option<&'a [i64]> {
    Some(batch.column_by_name(column)?.as_primitive_opt::<Int64Type>()?.values())
}

fn texts<'a>(batch: &'a RecordBatch, column: &str) -> impl Iterator<Item = (usize, &'a str)> {
    let texts = batch.column_by_name(column).and_then(|column| column.as_string_opt::<i32>());
    texts.into_iter().flat_map(|texts| texts.iter().enumerate()).filter_map(|(row, text)| Some((row, text?)))
}
