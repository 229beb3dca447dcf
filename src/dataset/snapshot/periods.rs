//! The history of a table: one row for each time an entity's counters or states changed, with its period.

use super::latest::{Winner, gone, push_latest, winners};
use super::merge::Merge;
use super::merge_columns::RowRef;
use super::passes::Passes;
use super::row_writer::RowWriter;
use crate::dataset::error::Error;

/// The time during which an entity stayed as one observation shows it.
struct Period {
    row: RowRef,
    from: Option<i64>,
    to: Option<i64>,
}

/// Writes the latest observation of each entity, and extends a history with newer ones. Periods of the last pass are recomputed,
/// because that pass may have continued; so `observed` must contain the rows of the snapshot that the history is from.
pub(super) fn latest_and_history(
    observed: &mut Merge<'_>,
    earlier: &mut Merge<'_>,
    passes: &Passes,
    to: &mut RowWriter<'_>,
    history: &mut RowWriter<'_>,
) -> Result<(), Error> {
    let (mut group, mut known) = (Vec::new(), Vec::new());
    while observed.next_group(&mut group)? {
        let key = group.first().map(|row| row.key().to_vec()).unwrap_or_default();
        known.clear();
        while let Some(period) = earlier.peek()
            && period.key() <= &key[..]
        {
            let same = period.key() == &key[..];
            known.extend(earlier.next()?.filter(|_| same));
        }
        push_latest(&group, passes, to)?;
        for period in periods(&known, &winners(&group, passes), passes) {
            history.push(&period.row, &[period.from, period.to])?;
        }
    }
    Ok(())
}

/// Returns the periods of one entity: those known before, extended by the latest observation of each pass.
fn periods(known: &[RowRef], winners: &[Winner], passes: &Passes) -> Vec<Period> {
    let period =
        |row: &RowRef| Period { row: row.clone(), from: row.instant("valid_from"), to: row.instant("valid_to") };
    let mut periods: Vec<Period> = known.iter().map(period).collect();
    if let Some(oldest) = winners.first() {
        reopen(&mut periods, oldest.row.pass());
    }
    let mut previous: Option<&RowRef> = None;
    for Winner { row, .. } in winners {
        let from = row.instant("fetched_at");
        let missed = previous.and_then(|row| passes.gone(row.pass(), row.walk(), || row.entity()));
        if let (Some(missed), Some(last)) = (missed, periods.last_mut())
            && i64::try_from(missed.pass).is_ok_and(|pass| pass < row.pass())
        {
            last.to = Some(missed.at);
        }
        match periods.last_mut().filter(|last| last.to.is_none()) {
            Some(last) if last.row.state() == row.state() => {}
            last => {
                last.into_iter().for_each(|last| last.to = from);
                periods.push(Period { row: row.clone(), from, to: None });
            }
        }
        previous = Some(row);
    }
    if let (Some(newest), Some(last)) = (previous, periods.last_mut()) {
        last.to = gone(newest, passes);
    }
    periods
}

/// Drops the period of a pass that is recomputed, and opens the period before it again.
fn reopen(periods: &mut Vec<Period>, pass: i64) {
    let dropped = periods.pop_if(|last| last.row.pass() >= pass);
    let Some(last) = periods.last_mut() else { return };
    // If the period ended before the next one began, the entity was gone in between: that end stays.
    if dropped.is_none_or(|dropped| dropped.from == last.to) {
        last.to = None;
    }
}
