//! `POST /sandbox/night?share=0.01`: a night goes by, in which a share of the models changes, fixed by the seed.
//!
//! A quarter each comes new, is published again with a new version, is edited, is unpublished; some that were unpublished
//! earlier come back. Every night is a day later than the one before it.

use serde_json::{Value, json};

use super::Entry;
use super::fate::Change;
use super::random::{Random, Stream};
use super::seed::LAST;
use crate::sandbox::http::answer::Answer;

/// How long a night is after the one before it, in ms.
pub(crate) const DAY: i64 = 86_400_000;
/// Draws of nights are apart from those of the schedule, which has one a model.
const APART: u64 = 1 << 40;
/// A share is drawn as so many of a million.
const MILLION: f64 = 1e6;

/// A night.
pub(crate) struct Night {
    pub(crate) seed: u64,
    /// Counted from 1.
    pub(crate) number: u32,
    /// How much of the catalog changes.
    share: f64,
}

impl Night {
    /// The night that a request asks for.
    pub(crate) fn asked(seed: u64, number: u32, pairs: &[(String, String)]) -> Result<Night, Answer> {
        let text = pairs.iter().find(|(key, _)| key == "share").map_or("0.01", |(_, text)| text);
        let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
        let share = share.ok_or_else(|| Answer::error(400, "share is how much of the catalog changes, from 0 to 1"))?;
        Ok(Night { seed, number, share })
    }

    /// What happens to models that are there: their positions, and when.
    pub(crate) fn changes(&self, entries: &[Entry]) -> Vec<(usize, Change, i64)> {
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

    /// When new models come, beside this many that are there.
    pub(crate) fn newcomers(&self, entries: usize) -> Vec<i64> {
        let count = (self.share / 4.0 * entries as f64).ceil() as u64;
        (0..count).map(|number| self.instant(&mut self.random(APART | number))).collect()
    }

    fn random(&self, key: u64) -> Random {
        Random::new(self.seed, Stream::Fate, (u64::from(self.number) * APART * 2).wrapping_add(key))
    }

    fn from(&self) -> i64 {
        LAST + i64::from(self.number) * DAY
    }

    fn instant(&self, random: &mut Random) -> i64 {
        self.from() + i64::from(random.below(DAY as u32))
    }

    /// What happened, as ids by kind; new models stand behind all others.
    pub(crate) fn told(&self, changes: &[(usize, Change, i64)], entries: &[Entry]) -> Value {
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
