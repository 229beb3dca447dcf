//! `snapshot` and `history`: the snapshot taken at the end of a pass, its form, and the time it is kept.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;

use super::mistake::{Findings, clip};
use super::value::{Section, whole};
use super::{quantity, suggestion};
use crate::table::snapshot::Role;
use crate::table::{self, Table};

/// `snapshot`: the snapshot taken at the end of a pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// True to take one (default true).
    pub take: bool,
    /// The snapshots to keep (default the newest 3).
    pub keep: Keep,
    /// True to remove parts whose rows it holds (default false).
    pub prune: bool,
    /// Tables that it keeps in ranges of ids (default those with images, and posts), with the tables that belong to them.
    pub split: Vec<&'static Table>,
    /// The whole dataset is read and verified at the end of each pass whose number is a multiple of this (1 to 1000); `None` for
    /// never.
    pub verify_every: Option<u32>,
}

/// The snapshots to keep; the newest is always kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// This many of the newest.
    Count(u32),
    /// Snapshots up to this age.
    Age(Duration),
}

impl Default for Keep {
    fn default() -> Self {
        Self::Count(3)
    }
}

impl Keep {
    /// True to keep a snapshot with this many newer ones and this age.
    pub fn keeps(self, newer: usize, age: SignedDuration) -> bool {
        match self {
            Self::Count(count) => newer < count as usize,
            Self::Age(most) => Duration::try_from(age).is_ok_and(|age| age <= most) || age.is_negative(),
        }
    }
}

impl FromStr for Keep {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let count = text.parse().ok().filter(|count| (1..=1000).contains(count)).map(Self::Count);
        let age = || quantity::duration(text).filter(|age| *age >= Duration::from_secs(1)).map(Self::Age);
        count.or_else(age).ok_or("write how many, from `1` to `1000`, or an age such as `30d` or `12h`")
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Age(age) => f.write_str(&quantity::duration_text(*age)),
        }
    }
}

/// Reads `snapshot`.
pub(super) fn read_snapshot(file: &mut Section<'_>, found: &mut Findings<'_>) -> Snapshot {
    let mut section = file.section("snapshot", found);
    let take = section.bool("take", found).unwrap_or(true);
    let expected = "how many, from `1` to `1000`, or an age such as `\"30d\"`";
    let keep = section.read("keep", expected, found, |value| match value.as_str() {
        Some(text) => text.parse().ok().filter(|keep| matches!(keep, Keep::Age(_))),
        None => whole(value)?.to_string().parse().ok(),
    });
    let prune = section.bool("prune", found).unwrap_or(false);
    let expected = "how many passes, from `1` to `1000`";
    let verify_every = section.read("verify_every", expected, found, |value| {
        u32::try_from(whole(value)?).ok().filter(|passes| (1..=1000).contains(passes))
    });
    let can_be = |table: &Table| table.is_splittable();
    let split = read_tables(&mut section, "split", can_be, ["cannot be split by itself", "that can be"], found);
    section.finish(found);
    let by_default = || table::ALL.iter().copied().filter(|table| table.is_split_by_default()).collect();
    let split = split.unwrap_or_else(by_default);
    Snapshot { take, keep: keep.unwrap_or_default(), prune, split, verify_every }
}

/// Reads `history`: a list of tables whose rows are things of the catalog.
pub(super) fn read_history(file: &mut Section<'_>, found: &mut Findings<'_>) -> Vec<&'static Table> {
    let can_have = |table: &Table| table.role() == Role::Entity;
    let words = ["is no table with a history", "with a history"];
    read_tables(file, "history", can_have, words, found).unwrap_or_default()
}

/// Reads a list of tables that are `fit`. The words are the ends of "which …", about another table, and of "those …".
fn read_tables(
    section: &mut Section<'_>,
    key: &'static str,
    fit: fn(&Table) -> bool,
    [unfit, fitting]: [&str; 2],
    found: &mut Findings<'_>,
) -> Option<Vec<&'static Table>> {
    let known = || table::ALL.iter().copied().filter(|table| fit(table));
    let mut tables: Vec<&'static Table> = Vec::new();
    for name in section.texts(key, found)? {
        match known().find(|table| table.name == name) {
            Some(table) if tables.contains(&table) => {}
            Some(table) => tables.push(table),
            None => {
                let names = || known().map(|table| table.name);
                let otherwise = format!("Those {fitting} are {}.", suggestion::list(names()));
                let ending = suggestion::did_you_mean(&name, names(), &otherwise);
                let text = format!("`{}` names `{}`, which {unfit}.{ending}", section.full_name(key), clip(&name));
                found.mistake(section.at_key(key), text);
            }
        }
    }
    Some(tables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_and_the_young_stay() {
        let hours = |hours: i64| SignedDuration::from_hours(hours);
        let cases: &[(&str, usize, i64, bool)] = &[
            ("3", 2, 1000, true),
            ("3", 3, 0, false),
            ("1", 1, 0, false),
            ("30d", 100, 30 * 24, true),
            ("30d", 1, 30 * 24 + 1, false),
            ("12h", 5, 11, true),
            // A clock that was set back makes nothing old.
            ("12h", 5, -100, true),
        ];
        for (keep, newer, age, stays) in cases {
            let keep: Keep = keep.parse().unwrap();
            assert_eq!(keep.keeps(*newer, hours(*age)), *stays, "{keep}: {newer} newer, {age} h old");
        }
        for text in ["0", "1001", "", "many", "0s", "-3d", "3.5"] {
            assert!(text.parse::<Keep>().is_err(), "{text}");
        }
    }
}
