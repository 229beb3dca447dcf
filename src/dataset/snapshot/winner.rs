//! Which of a thing's observations wins, and which rows go with it.

use std::cmp::{Ordering, Reverse};

use super::form::Place;
use super::merge::Merge;
use super::passes::Passes;
use super::sink::Sink;
use crate::dataset::error::Error;

/// The newest of some observations of one thing.
pub(super) struct Winner {
    pub(super) place: Place,
    /// When any of them was first seen.
    pub(super) first: Option<i64>,
    /// When any of them was last seen.
    pub(super) last: Option<i64>,
}

/// The newest observation of the thing; with `each_pass` the newest of each pass, in their order.
///
/// Within a pass the walk listed first wins: a narrower one never covers what a fuller one said.
pub(super) fn winners(group: &[Place], passes: &Passes, each_pass: bool) -> Vec<Winner> {
    let mut places: Vec<&Place> = group.iter().collect();
    places.sort_by(|a, b| by_age(a, b, passes));
    let same = |a: &&Place, b: &&Place| !each_pass || a.pass() == b.pass();
    let newest = |places: &[&Place]| {
        let first = places.iter().filter_map(|place| place.instant("first_seen_at")).min();
        let last = places.iter().filter_map(|place| place.instant("last_seen_at")).max();
        places.last().map(|place| Winner { place: (*place).clone(), first, last })
    };
    places.chunk_by(same).filter_map(newest).collect()
}

/// From the observation that counts least to the one that counts most.
fn by_age(a: &Place, b: &Place, passes: &Passes) -> Ordering {
    let rank = |place: &Place| Reverse(passes.rank(place.pass(), place.walk()));
    (a.pass().cmp(&b.pass()))
        .then_with(|| rank(a).cmp(&rank(b)))
        .then_with(|| a.instant("fetched_at").cmp(&b.instant("fetched_at")))
        .then_with(|| (a.page(), a.walk()).cmp(&(b.page(), b.walk())))
}

/// When what was observed here had gone.
pub(super) fn gone(place: &Place, passes: &Passes) -> Option<i64> {
    passes.gone(place.pass(), place.walk(), || place.thing()).map(|gone| gone.at)
}

/// Fewer rows of the same things: of each the newest observation, or the newest of each pass.
pub(super) fn thin(merge: &mut Merge, passes: &Passes, each_pass: bool, sink: &mut Sink<'_>) -> Result<(), Error> {
    let mut group = Vec::new();
    while merge.next_group(&mut group)? {
        for winner in winners(&group, passes, each_pass) {
            sink.push(&winner.place, &[winner.first, winner.last])?;
        }
    }
    Ok(())
}

/// Of each thing the newest observation, marked.
pub(super) fn choose(merge: &mut Merge, passes: &Passes, sink: &mut Sink<'_>) -> Result<(), Error> {
    let mut group = Vec::new();
    while merge.next_group(&mut group)? {
        for winner in winners(&group, passes, false) {
            sink.push(&winner.place, &[winner.first, winner.last, gone(&winner.place, passes)])?;
        }
    }
    Ok(())
}

/// The child rows that stand beside their owner's newest observation, marked like it.
pub(super) fn follow(merge: &mut Merge, owners: &mut Merge, sink: &mut Sink<'_>) -> Result<(), Error> {
    while let Some(child) = merge.next()? {
        if let Some(owner) = owner(owners, &child)? {
            sink.push(&child, &[owner.instant("gone_at")])?;
        }
    }
    Ok(())
}

/// The owner of a child row, when the page that shows the row is that of the owner's newest observation. Both are asked
/// for in the order of keys.
pub(super) fn owner<'o>(owners: &'o mut Merge, child: &Place) -> Result<Option<&'o Place>, Error> {
    while let Some(owner) = owners.peek()
        && !child.key().starts_with(owner.key())
        && owner.key() < child.key()
    {
        owners.next()?;
    }
    Ok(owners.peek().filter(|owner| child.key().starts_with(owner.key()) && owner.is_beside(child)))
}

/// Every row.
pub(super) fn copy(merge: &mut Merge, sink: &mut Sink<'_>) -> Result<(), Error> {
    while let Some(place) = merge.next()? {
        sink.push(&place, &[])?;
    }
    Ok(())
}
