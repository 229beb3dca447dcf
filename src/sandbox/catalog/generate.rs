//! Generates the index of a catalog from its options: ids with gaps, skewed counters, very uneven dates.

use super::dates::{DAY, FIRST, LAST};
use super::entry::{Entry, Mode, Removed};
use super::options::CatalogOptions;
use super::random::{Random, Stream};
use super::seed::Generator;
use super::words::{self, KINDS};
use crate::sandbox::traps::Trap;

const SLOT: i64 = 30 * DAY;
/// The share of all models that a 30-day slot gets, in turn.
const BUSYNESS: &[i64] = &[3, 9, 1, 14, 5, 2, 11, 7];
/// Models that share one date under the trap `big-ties`: more than any page holds.
const BIG_TIE: usize = 130;
/// Models dated in the future under the trap `future-dates`: more than a small page holds.
const FUTURE: usize = 40;
const TEN_YEARS: i64 = 3652 * DAY;
/// Position in [`KINDS`] and share in a thousand; the rest is spread evenly.
const KIND_SHARES: &[(u8, u32)] = &[(4, 680), (0, 140), (1, 50), (5, 45), (16, 20)];
/// Level mask, share in a thousand.
const LEVELS: &[(u8, u32)] = &[(1, 450), (3, 150), (7, 100), (31, 150), (28, 100), (2, 50)];

/// Returns the entries of a generated catalog, ids ascending, and the generator of their items.
pub(super) fn catalog(options: &CatalogOptions<'_>) -> (Vec<Entry>, Generator) {
    let users = options.creators.map_or(options.models / 6 + 2, |creators| creators.max(1));
    let tags = options.tags.unwrap_or_else(|| words::tag_count().max(options.models / 3 * 2));
    let generator = Generator {
        seed: options.seed,
        traps: options.traps,
        users: (0..users).map(|number| words::username(options.seed, number)).collect(),
        tags: (0..tags).map(words::tag).collect(),
    };
    let mut id = 0;
    let mut entries: Vec<Entry> = (0..options.models)
        .map(|rank| {
            let mut random = Random::new(options.seed, Stream::Index, u64::from(rank));
            id += 1 + random.below(5);
            let person = options.traps.has(Trap::HiddenPersons);
            let person = person && Random::new(options.seed, Stream::Person, u64::from(id)).chance(8);
            Entry { person, ..entry(&mut random, id, users) }
        })
        .collect();
    date(&mut entries, options);
    mark_removed(&mut entries);
    (entries, generator)
}

/// Returns a model published for the first time at an instant; its id is behind all others.
pub(super) fn newcomer(generator: &Generator, entries: &[Entry], at: i64) -> Entry {
    let mut random = Random::new(generator.seed, Stream::Index, entries.len() as u64);
    let id = entries.last().map_or(0, |last| last.id) + 1 + random.below(5);
    let users = u32::try_from(generator.users.len()).unwrap_or(u32::MAX);
    Entry { created_at: at, last_version_at: Some(at), late: true, ..entry(&mut random, id, users) }
}

fn entry(random: &mut Random, id: u32, users: u32) -> Entry {
    let downloads = random.skewed(19);
    let thumbs_up = downloads / (8 + random.below(40));
    let level = random.weighted(LEVELS).unwrap_or(1);
    let kind = random.weighted(KIND_SHARES).unwrap_or_else(|| random.below(KINDS.len() as u32) as u8);
    let versions = version_count(random);
    let mode = match random.below(1000) {
        0..12 => Mode::Archived,
        12..18 => Mode::TakenDown,
        _ => Mode::Normal,
    };
    let early_access = match random.below(1000) {
        0..12 => (1u16 << versions) - 1,
        12..50 => 1,
        _ => 0,
    };
    Entry {
        id,
        thumbs_up,
        thumbs_down: thumbs_up / (20 + random.below(60)),
        downloads,
        comments: thumbs_up / (5 + random.below(50)),
        collected: thumbs_up / (1 + random.below(4)),
        images: random.skewed(8),
        tips: random.skewed(12),
        kind,
        level,
        mode,
        minor: level & 3 != 0 && random.chance(20),
        supports_generation: random.chance(600),
        user: random.below(users).min(random.below(users)),
        versions,
        early_access,
        ..Entry::default()
    }
}

/// Draws a number of versions: about 2.2 on average, at most 12.
fn version_count(random: &mut Random) -> u8 {
    let mut count = 1;
    while count < 12 && random.chance(550) {
        count += 1;
    }
    count
}

/// Gives every model its dates, all different unless a trap wants ties.
fn date(entries: &mut [Entry], options: &CatalogOptions<'_>) {
    let count = entries.len() as i64;
    for (rank, entry) in (0i64..).zip(entries.iter_mut()) {
        let mut random = Random::new(options.seed, Stream::Calendar, u64::from(entry.id));
        entry.created_at = created_at(&mut random, rank, count);
        entry.last_version_at = Some(last_version_at(&mut random, entry.created_at));
    }
    if options.traps.has(Trap::NullDates) {
        let step = (entries.len() / 3).clamp(1, 400);
        entries.iter_mut().skip(step / 2).step_by(step).for_each(|entry| entry.last_version_at = None);
    }
    let mut order: Vec<usize> = (0..entries.len()).filter(|i| entries[*i].last_version_at.is_some()).collect();
    order.sort_by_key(|i| (entries[*i].last_version_at, entries[*i].id));
    let mut random = Random::new(options.seed, Stream::Calendar, 0);
    let (mut previous, mut to_tie) = (i64::MIN, 0);
    for (place, i) in order.iter().enumerate() {
        let forced = place == order.len() / 3;
        if to_tie > 0 {
            to_tie -= 1;
        } else {
            let own = entries[*i].last_version_at.unwrap_or(FIRST);
            previous = own.max(previous.saturating_add(1));
            if options.traps.has(Trap::TiedDates) && (forced || random.chance(6)) {
                to_tie = 1 + random.below(39).min(order.len() as u32 / 4);
            }
        }
        entries[*i].last_version_at = Some(previous);
    }
    if options.traps.has(Trap::BigTies) {
        let tied = order.len() / 2..(order.len() / 2 + BIG_TIE).min(order.len());
        let shared = tied.clone().next().and_then(|place| entries[order[place]].last_version_at);
        tied.for_each(|place| entries[order[place]].last_version_at = shared);
    }
    if options.traps.has(Trap::FutureDates) {
        for place in order.iter().rev().take(FUTURE) {
            entries[*place].last_version_at = entries[*place].last_version_at.map(|at| at + TEN_YEARS);
        }
    }
}

fn created_at(random: &mut Random, rank: i64, count: i64) -> i64 {
    let slots = (LAST - FIRST) / SLOT;
    let busyness = |slot: i64| BUSYNESS[(slot * 5 % 8) as usize];
    let total: i64 = (0..slots).map(busyness).sum();
    let mut left = rank * total / count.max(1);
    let mut slot = 0;
    while slot < slots - 1 && left >= busyness(slot) {
        left -= busyness(slot);
        slot += 1;
    }
    let minutes = if random.chance(350) {
        i64::from(random.below(40)) * 1080 + i64::from(random.below(12))
    } else {
        i64::from(random.below(30 * 24 * 60))
    };
    FIRST + slot * SLOT + minutes * 60_000 + i64::from(random.below(60_000))
}

fn last_version_at(random: &mut Random, created: i64) -> i64 {
    let later = if random.chance(600) {
        i64::from(random.below(2 * DAY as u32))
    } else {
        let part = i64::from(random.below(1000));
        (LAST - created) / 1_000_000 * part * part + i64::from(random.below(1000))
    };
    (created + later).min(LAST)
}

/// Marks the rows that the traps `short-pages` and `empty-pages` remove: some scattered, some in runs longer than two pages.
fn mark_removed(entries: &mut [Entry]) {
    for entry in entries.iter_mut().filter(|entry| entry.id % 37 == 5) {
        entry.removed = Removed::Scattered;
    }
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|i| (entries[*i].last_version_at, entries[*i].id));
    let length = (entries.len() / 6).min(230);
    let stride = (order.len() / (entries.len() / 2500).max(1)).max(1);
    for run in order.chunks(stride) {
        for i in run.iter().skip(run.len() / 2).take(length) {
            entries[*i].removed = Removed::InBlock;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn entries(traps: &str) -> Vec<Entry> {
        let options =
            CatalogOptions { seed: 1, models: 3000, traps: traps.parse().unwrap(), ..CatalogOptions::default() };
        catalog(&options).0
    }

    fn groups(entries: &[Entry]) -> Vec<usize> {
        let mut counts: HashMap<i64, usize> = HashMap::new();
        entries.iter().filter_map(|e| e.last_version_at).for_each(|at| *counts.entry(at).or_default() += 1);
        counts.into_values().collect()
    }

    #[test]
    fn dates_are_distinct_unless_tied() {
        assert!(groups(&entries("none")).iter().all(|size| *size == 1));
        let tied = groups(&entries("tied-dates"));
        assert!(tied.iter().any(|size| *size > 1) && tied.iter().all(|size| *size < 50));
        assert!(groups(&entries("big-ties")).contains(&BIG_TIE));
    }

    #[test]
    fn ids_rise_with_gaps_and_dates_lie_in_range() {
        let entries = entries("none");
        assert!(entries.windows(2).all(|pair| pair[0].id < pair[1].id));
        assert!(entries.windows(2).any(|pair| pair[0].id + 1 < pair[1].id));
        assert!(entries.iter().all(|e| { e.last_version_at.is_some_and(|at| (FIRST..=LAST + 5000).contains(&at)) }));
    }

    #[test]
    fn versions_average_a_little_over_two() {
        let entries = entries("none");
        let total: usize = entries.iter().map(|e| usize::from(e.versions)).sum();
        assert!((6000..7200).contains(&total), "{total}");
    }

    #[test]
    fn a_few_models_lack_a_date_under_the_trap() {
        let undated = entries("null-dates").iter().filter(|e| e.last_version_at.is_none()).count();
        assert!((3..30).contains(&undated), "{undated}");
    }
}
