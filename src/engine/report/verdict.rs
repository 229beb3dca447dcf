//! The verdict on a run: its outcome, and the sentences of its report.

use std::collections::BTreeMap;

use super::Findings;
use super::completeness::{doubts, waiting};
use super::creator_totals::missing_models;
use super::notes::{notes, unknown_keys};
use super::words;
use crate::api::endpoint::{LastPage, Paging};
use crate::api::enums::ENUMS;
use crate::dataset;
use crate::dataset::commit::WalkState;
use crate::dataset::layout::Layout;
use crate::dataset::scan::Scan;
use crate::dataset::store::Store;
use crate::dataset::values::distinct;
use crate::definition::{self, Crawl};
use crate::engine::run::Run;
use crate::engine::walk::partition::Finish;
use crate::engine::writer::unknown_values::unknown_values;
use crate::engine::{Error, Outcome};
use crate::storage::Disk;
use crate::table::choice::Condition;
use crate::table::{self, Table, creators};

/// Judges the run, and reports what may be missing, where the next run continues, and what else there is to know.
pub(in crate::engine) fn conclude(
    crawl: &Crawl,
    finishes: Vec<Finish>,
    misdated: Vec<String>,
    run: &Run,
    store: &Store,
) -> Result<Outcome, Error> {
    let walks: BTreeMap<_, _> =
        run.report.snapshot().walks.into_iter().map(|(name, walk)| (name, walk.state)).collect();
    let unknown = unknown_values(crawl, &walks);
    unknown.iter().for_each(|reason| tracing::warn!(reason, "the server shows nothing of listed values"));
    let outcome = judge(finishes, &walks, &unknown);
    let dataset = store.layout();
    let known = known(crawl, dataset, run.pass)?;
    let mut doubts = doubts(crawl, &walks, &known);
    doubts.extend(misdated);
    doubts.extend(unknown);
    if outcome.is_over() && known.contains_key(creators::TABLE.name) {
        doubts.extend(missing_models(dataset)?);
    }
    let waiting = store.manifest().last.as_ref().map(|last| waiting(&last.walks)).unwrap_or_default();
    let notes = notes(crawl, &walks, &known);
    let words = words(crawl, dataset, &walks, run.pass)?;
    run.report.close(Findings { doubts, waiting, notes, words, unknown_keys: unknown_keys(&walks) });
    Ok(outcome)
}

/// Returns a sentence for each list of words that changed, if a walk of this pass has asked for them.
fn words(
    crawl: &Crawl,
    dataset: &Layout,
    walks: &BTreeMap<String, WalkState>,
    pass: u64,
) -> Result<Vec<String>, dataset::Error> {
    let asks = crawl.walks.iter().filter(|walk| walk.endpoint.name == ENUMS.name);
    let began = asks.filter_map(|walk| walks.get(&walk.name)?.began).min();
    began.map_or(Ok(Vec::new()), |began| words::changes(dataset, pass, began))
}

/// Counts the things of this pass for each endpoint that reports a total. Things of earlier passes may be gone, and would hide
/// that others are missing.
fn known(crawl: &Crawl, dataset: &Layout, pass: u64) -> Result<BTreeMap<&'static str, u64>, dataset::Error> {
    let tells = |walk: &&definition::Walk| matches!(walk.endpoint.paging, Paging::Number { last: LastPage::Reported });
    let tables = crawl.walks.iter().filter(tells).filter_map(|walk| table::named(walk.endpoint.name));
    let of_pass = Condition::equals("pass", i64::try_from(pass).unwrap_or(i64::MAX));
    let count = |table: &'static Table| {
        let rows = Scan::open(dataset, &Disk, table)?;
        Ok((table.name, distinct(&rows, table.key[0], vec![of_pass.clone()])?.len() as u64))
    };
    tables.map(count).collect()
}

/// Returns the outcome of a run, from how its walks left it, their last recorded states, and the listed values that the server
/// does not know.
fn judge(finish: Vec<Finish>, walks: &BTreeMap<String, WalkState>, unknown: &[String]) -> Outcome {
    let mut unfinished = None;
    for finish in finish {
        match finish {
            Finish::KeyRefused(reason) => return Outcome::KeyRefused(reason),
            Finish::Unfinished(reason) => drop(unfinished.get_or_insert(reason)),
            Finish::Done | Finish::ForgedRefused | Finish::Absent(_) | Finish::Halted => {}
        }
    }
    if let Some(reason) = unfinished {
        return Outcome::Stopped(reason);
    }
    if !unknown.is_empty() || walks.values().any(WalkState::is_doubtful) {
        Outcome::Doubtful
    } else {
        Outcome::Complete
    }
}
