//! How the counters and states of things changed: a row per change, each with the time it lasted.

use super::form::Place;
use super::merge::Merge;
use super::passes::Passes;
use super::sink::Sink;
use super::winner::{Winner, gone, winners};
use crate::dataset::error::Error;

/// How long a thing stayed as one observation shows it.
struct Period {
    place: Place,
    from: Option<i64>,
    to: Option<i64>,
}

/// Carries the periods of an earlier history on with what was observed since. Among the observations are those of the
/// snapshot that the history is from: the pass of its newest may go on, so that pass is told anew.
pub(super) fn carry_on(
    earlier: &mut Merge,
    observed: &mut Merge,
    passes: &Passes,
    sink: &mut Sink<'_>,
) -> Result<(), Error> {
    let (mut group, mut told) = (Vec::new(), Vec::new());
    while observed.next_group(&mut group)? {
        let key = group.first().map(|place| place.key().to_vec()).unwrap_or_default();
        told.clear();
        while let Some(period) = earlier.peek()
            && period.key() <= &key[..]
        {
            let same = period.key() == &key[..];
            told.extend(earlier.next()?.filter(|_| same));
        }
        for period in periods(&told, &winners(&group, passes, true), passes) {
            sink.push(&period.place, &[period.from, period.to])?;
        }
    }
    Ok(())
}

fn periods(told: &[Place], winners: &[Winner], passes: &Passes) -> Vec<Period> {
    let period =
        |row: &Place| Period { place: row.clone(), from: row.instant("valid_from"), to: row.instant("valid_to") };
    let mut periods: Vec<Period> = told.iter().map(period).collect();
    if let Some(oldest) = winners.first() {
        reopen(&mut periods, oldest.place.pass());
    }
    let mut previous: Option<&Place> = None;
    for Winner { place, .. } in winners {
        let from = place.instant("fetched_at");
        let missed = previous.and_then(|place| passes.gone(place.pass(), place.walk(), || place.thing()));
        if let (Some(missed), Some(last)) = (missed, periods.last_mut())
            && i64::try_from(missed.pass).is_ok_and(|pass| pass < place.pass())
        {
            last.to = Some(missed.at);
        }
        match periods.last_mut().filter(|last| last.to.is_none()) {
            Some(last) if last.place.state() == place.state() => {}
            last => {
                last.into_iter().for_each(|last| last.to = from);
                periods.push(Period { place: place.clone(), from, to: None });
            }
        }
        previous = Some(place);
    }
    if let (Some(newest), Some(last)) = (previous, periods.last_mut()) {
        last.to = gone(newest, passes);
    }
    periods
}

/// Takes back what was told of a pass that is told anew, and opens the period before it again.
fn reopen(periods: &mut Vec<Period>, pass: i64) {
    let retold = periods.pop_if(|last| last.place.pass() >= pass);
    let Some(last) = periods.last_mut() else { return };
    // A period that ended before the next began ended because the thing had gone meanwhile.
    if retold.is_none_or(|retold| retold.from == last.to) {
        last.to = None;
    }
}
