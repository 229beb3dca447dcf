//! The dates of images: quiet years, busy weeks, one day with a third of everything, and groups that share an instant.

use super::dates::{DAY, FIRST, LAST};
use super::random::{Random, Stream};
use crate::sandbox::traps::{Trap, Traps};

/// The images of a thousand that are posted in each of the stretches of days that follow each other.
const STRETCHES: [(i64, i64); 7] = [(20, 500), (250, 7), (30, 350), (330, 1), (150, 200), (10, 300), (210, 86)];
const _: () = assert!(days() * DAY == LAST - FIRST);
/// Of this many images in a row, some share an instant.
const TIE_EVERY: u32 = 1000;
const TIE_MAX: u32 = 400;
/// Images of one instant under the trap `big-image-ties`.
const BIG_TIE: u32 = 500;

const fn days() -> i64 {
    let (mut days, mut at) = (0, 0);
    while at < STRETCHES.len() {
        days += STRETCHES[at].1;
        at += 1;
    }
    days
}

/// The dates of a gallery.
#[derive(Clone, Copy)]
pub(super) struct Calendar {
    pub(super) seed: u64,
    pub(super) traps: Traps,
    /// Number of images at the server's start.
    pub(super) images: u32,
}

impl Calendar {
    /// Returns the date of an image in ms since 1970; `late` is the time from its rank's instant to its own.
    pub(super) fn date(&self, rank: u32, late: i64) -> i64 {
        self.tie(rank).map_or_else(|| self.instant(rank, late), |first| self.instant(first, 0))
    }

    fn instant(&self, rank: u32, late: i64) -> i64 {
        let images = i64::from(self.images);
        let (mut start, mut place) = (FIRST, i64::from(rank) * 1000);
        for (share, days) in STRETCHES {
            if place < share * images {
                // What would be later than the stretch is at its beginning.
                return start + (place * days / share * DAY / images + late) % (days * DAY);
            }
            (start, place) = (start + days * DAY, place - share * images);
        }
        LAST
    }

    /// Returns the first rank of the group that shares an instant with an image.
    fn tie(&self, rank: u32) -> Option<u32> {
        let big = self.images / 2..self.images / 2 + BIG_TIE.min(self.images / 4);
        if self.traps.has(Trap::BigImageTies) && big.contains(&rank) {
            return Some(big.start);
        }
        let mut random = Random::new(self.seed, Stream::Tie, u64::from(rank / TIE_EVERY));
        let count = (2 + random.skewed(9)).min(TIE_MAX);
        let first = rank / TIE_EVERY * TIE_EVERY + random.below(TIE_EVERY - count);
        (first..first + count).contains(&rank).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Returns the dates of a gallery of 300,000 images, sorted.
    fn dates(traps: &str) -> Vec<i64> {
        let calendar = Calendar { seed: 1, traps: traps.parse().unwrap(), images: 300_000 };
        let mut dates: Vec<i64> = (0..300_000).map(|rank| calendar.date(rank, i64::from(rank % 3) * DAY)).collect();
        dates.sort_unstable();
        dates
    }

    /// Returns the sizes of the groups of dates that agree in this, ascending.
    fn groups(dates: &[i64], of: impl Fn(i64) -> i64) -> Vec<usize> {
        let mut sizes: HashMap<i64, usize> = HashMap::new();
        dates.iter().for_each(|at| *sizes.entry(of(*at)).or_default() += 1);
        let mut sizes: Vec<usize> = sizes.into_values().collect();
        sizes.sort_unstable();
        sizes
    }

    #[test]
    fn days_are_very_uneven() {
        let dates = dates("none");
        assert!(dates[0] >= FIRST && dates[dates.len() - 1] <= LAST);
        let days = groups(&dates, |at| at.div_euclid(DAY));
        let most = days[days.len() - 1];
        assert!((95_000..105_000).contains(&most), "{most} images on the busiest day");
        assert!(days[days.len() / 2] < 50, "most days are quiet");
    }

    #[test]
    fn instants_are_shared_by_up_to_two_pages_or_more_under_the_trap() {
        let usual = groups(&dates("none"), |at| at);
        assert!(usual.iter().filter(|size| **size > 1).count() > 200);
        assert!((200..=2 * TIE_MAX as usize).contains(usual.last().unwrap()), "{:?}", usual.last());
        let big = groups(&dates("big-image-ties"), |at| at);
        assert!(*big.last().unwrap() >= BIG_TIE as usize, "{:?}", big.last());
    }
}
