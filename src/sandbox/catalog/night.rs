//! A night: a share of the models and of the images changes, fixed by the seed.
//!
//! Of the models a quarter each is published, published again with a new version, edited and unpublished; some that were
//! unpublished earlier are published again. As many images as the share says are posted, half as many are deleted and moved
//! to another level. Every night is a day later than the one before it.

use std::ops::Range;

use serde_json::{Value, json};

use super::dates::{DAY, LAST};
use super::entry::{Change, Entry};
use super::random::{Random, Stream};

/// Keeps the draws of nights apart from those of the schedule, which has one a model.
const APART: u64 = 1 << 40;
/// A share is drawn as a count out of a million.
const MILLION: f64 = 1e6;

/// One night.
#[derive(Clone, Copy)]
pub(crate) struct Night {
    pub(crate) seed: u64,
    /// Counted from 1.
    pub(crate) number: u32,
    /// The part of the catalog that changes, 0 to 1.
    pub(crate) share: f64,
}

impl Night {
    /// The changes of existing models: their positions, and when.
    pub(super) fn changes(&self, entries: &[Entry]) -> Vec<(usize, Change, i64)> {
        let quarter = (self.share / 4.0 * MILLION) as u32;
        let change = |(row, entry): (usize, &Entry)| {
            let mut random = self.random(u64::from(entry.id));
            let draw = random.below(MILLION as u32);
            let change = match draw.checked_div(quarter) {
                Some(0) => Change::PublishAgain,
                Some(1) if !entry.hidden => Change::Edit,
                Some(2) if !entry.hidden => Change::Unpublish,
                _ => return None,
            };
            Some((row, change, self.instant(&mut random)))
        };
        entries.iter().enumerate().filter_map(change).collect()
    }

    /// The publication times of new models, beside this many existing ones.
    pub(super) fn newcomers(&self, entries: usize) -> Vec<i64> {
        let count = (self.share / 4.0 * entries as f64).ceil() as u64;
        (0..count).map(|number| self.instant(&mut self.random(APART | number))).collect()
    }

    /// Keeps the draws of images apart from those of models.
    pub(super) const IMAGES: u64 = APART >> 1;

    pub(super) fn random(&self, key: u64) -> Random {
        Random::new(self.seed, Stream::Schedule, (u64::from(self.number) * APART * 2).wrapping_add(key))
    }

    fn from(&self) -> i64 {
        LAST + i64::from(self.number) * DAY
    }

    /// The instants of the night.
    pub(super) fn span(&self) -> Range<i64> {
        self.from()..self.from() + DAY
    }

    pub(super) fn instant(&self, random: &mut Random) -> i64 {
        self.from() + i64::from(random.below(DAY as u32))
    }

    /// Reports the changes as ids by kind; new models are the last entries.
    pub(super) fn report(&self, changes: &[(usize, Change, i64)], entries: &[Entry]) -> Value {
        let ids = |kind: Change| -> Vec<u32> {
            changes.iter().filter(|(_, change, _)| *change == kind).map(|(row, ..)| entries[*row].id).collect()
        };
        let new = entries.iter().filter(|entry| entry.created_at >= self.from());
        json!({
            "night": self.number, "published": new.map(|entry| entry.id).collect::<Vec<_>>(),
            "published_again": ids(Change::PublishAgain), "edited": ids(Change::Edit),
            "unpublished": ids(Change::Unpublish),
        })
    }
}
