//! Chooses the latest observation of each entity, and the child rows of its page.

use std::cmp::{Ordering, Reverse};

use super::merge::Merge;
use super::merge_columns::RowRef;
use super::passes::Passes;
use super::row_writer::RowWriter;
use crate::dataset::error::Error;

/// The latest of some observations of one entity.
pub(super) struct Winner {
    pub(super) row: RowRef,
    /// The first time the entity was seen, over all these observations.
    pub(super) first: Option<i64>,
    /// The last time it was seen.
    pub(super) last: Option<i64>,
}

/// Returns the latest of some observations of one entity; `None` if there is none.
///
/// Within a pass the walk listed first wins, so that a narrower walk never hides a fuller one's row.
fn winner(rows: &[RowRef], passes: &Passes) -> Option<Winner> {
    let row = rows.iter().max_by(|a, b| by_age(a, b, passes))?.clone();
    let first = rows.iter().filter_map(|row| row.instant("first_seen_at")).min();
    let last = rows.iter().filter_map(|row| row.instant("last_seen_at")).max();
    Some(Winner { row, first, last })
}

/// Returns the latest observation of each pass, in order.
pub(super) fn winners(group: &[RowRef], passes: &Passes) -> Vec<Winner> {
    let mut rows = group.to_vec();
    rows.sort_by_key(RowRef::pass);
    rows.chunk_by(|a, b| a.pass() == b.pass()).filter_map(|of_pass| winner(of_pass, passes)).collect()
}

/// Orders observations from the one that counts least to the one that counts most.
fn by_age(a: &RowRef, b: &RowRef, passes: &Passes) -> Ordering {
    let rank = |row: &RowRef| Reverse(passes.rank(row.pass(), row.walk()));
    (a.pass().cmp(&b.pass()))
        .then_with(|| rank(a).cmp(&rank(b)))
        .then_with(|| a.instant("fetched_at").cmp(&b.instant("fetched_at")))
        .then_with(|| (a.page(), a.walk()).cmp(&(b.page(), b.walk())))
}

/// Returns when the observed entity was found gone.
pub(super) fn gone(row: &RowRef, passes: &Passes) -> Option<i64> {
    passes.gone(row.pass(), row.walk(), || row.entity()).map(|gone| gone.at)
}

/// Writes fewer rows of the same entities: the latest of each, or the latest of each pass.
pub(super) fn compact(
    merge: &mut Merge<'_>,
    passes: &Passes,
    each_pass: bool,
    to: &mut RowWriter<'_>,
) -> Result<(), Error> {
    let mut group = Vec::new();
    while merge.next_group(&mut group)? {
        let kept = if each_pass { winners(&group, passes) } else { Vec::from_iter(winner(&group, passes)) };
        for winner in kept {
            to.push(&winner.row, &[winner.first, winner.last])?;
        }
    }
    Ok(())
}

/// Writes the latest observation of each entity, with when it was first and last seen and when it was gone.
pub(super) fn latest(merge: &mut Merge<'_>, passes: &Passes, to: &mut RowWriter<'_>) -> Result<(), Error> {
    let mut group = Vec::new();
    while merge.next_group(&mut group)? {
        push_latest(&group, passes, to)?;
    }
    Ok(())
}

/// Writes the latest of the observations of one entity.
pub(super) fn push_latest(group: &[RowRef], passes: &Passes, to: &mut RowWriter<'_>) -> Result<(), Error> {
    let Some(winner) = winner(group, passes) else { return Ok(()) };
    to.push(&winner.row, &[winner.first, winner.last, gone(&winner.row, passes)])
}

/// Writes the child rows from the page of their owner's latest observation, with when the owner was gone.
pub(super) fn children_of_latest(
    merge: &mut Merge<'_>,
    owners: &mut Merge<'_>,
    to: &mut RowWriter<'_>,
) -> Result<(), Error> {
    while let Some(child) = merge.next()? {
        if let Some(owner) = owner(owners, &child)? {
            to.push(&child, &[owner.instant("gone_at")])?;
        }
    }
    Ok(())
}

/// Returns the owner of a child row if both are from the same page. Child rows must be asked for in the order of keys.
pub(super) fn owner<'o>(owners: &'o mut Merge<'_>, child: &RowRef) -> Result<Option<&'o RowRef>, Error> {
    while let Some(owner) = owners.peek()
        && !child.key().starts_with(owner.key())
        && owner.key() < child.key()
    {
        owners.next()?;
    }
    Ok(owners.peek().filter(|owner| child.key().starts_with(owner.key()) && owner.is_beside(child)))
}

/// Writes every row.
pub(super) fn copy(merge: &mut Merge<'_>, to: &mut RowWriter<'_>) -> Result<(), Error> {
    while let Some(row) = merge.next()? {
        to.push(&row, &[])?;
    }
    Ok(())
}
