//! Fan-outs: one strand for each value of a list, several side by side, resumable in the middle of a million.

use std::cell::Cell;
use std::cmp::Ordering;
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::Error;
use super::strand::{self, Shared};
use super::thread::{Left, Thread};
use crate::api::endpoint::Paging;
use crate::api::enums;
use crate::dataset::changed::changed;
use crate::dataset::commit::Walk as State;
use crate::dataset::layout::Layout;
use crate::dataset::storage::Disk;
use crate::dataset::values::distinct;
use crate::definition::{Each, Source, Walk};
use crate::fetch::{Answer, INFLATED_CAP, PageUrl, inflate};
use crate::table;

/// Walks a strand for every value, `workers` at once.
pub(super) async fn run(
    walk: &Walk,
    each: &Each,
    state: &State,
    dataset: &Layout,
    workers: u32,
    shared: Shared<'_>,
) -> Result<Left, Error> {
    let name: Arc<str> = walk.name.as_str().into();
    let values = values(walk, each, dataset, shared).await?;
    let batches: Vec<&[String]> = values.chunks(each.batch.max(1) as usize).collect();
    let next = Cell::new(0);
    let worker = || async {
        while let Some(batch) = batches.get(next.get()) {
            next.set(next.get() + 1);
            let key = key(batch);
            if is_over(&key, state) {
                // Behind `through` nothing need be said; ahead of it the ledger must hear that it is over still.
                if state.ahead.contains(&key) {
                    shared.ledger.begin(&name, &key.as_str().into(), true);
                }
                continue;
            }
            let thread = thread(walk, each, &name, &key, batch, state);
            shared.ledger.begin(&name, &thread.strand, false);
            match strand::run(walk, thread, shared, |_| {}).await? {
                Left::Over => {}
                left => return Ok(left),
            }
        }
        Ok::<_, Error>(Left::Over)
    };
    Ok(Left::worst(try_join_all((0..workers).map(|_| worker())).await?))
}

/// The values, distinct and in the order in which they are walked.
async fn values(walk: &Walk, each: &Each, dataset: &Layout, shared: Shared<'_>) -> Result<Vec<String>, Error> {
    let mut values = match &each.source {
        Source::Column { table, column } => {
            // What the walks before this one took must be in the parts that are read now.
            shared.ledger.flush().await;
            match table::named(table) {
                Some(table) => distinct(dataset, &Disk, table, column)?,
                None => Vec::new(),
            }
        }
        Source::Changed { table, column } => {
            shared.ledger.flush().await;
            match (table::named(table), shared.earlier.known.get(&walk.name)) {
                (Some(table), Some(known)) => changed(dataset, &Disk, table, column, shared.earlier.pass, known)?,
                // The first pass takes stock.
                _ => Vec::new(),
            }
        }
        Source::List(values) => values.clone(),
        Source::Range { first, last } => (*first..=*last).map(|number| number.to_string()).collect(),
        Source::Types => types(shared).await?,
    };
    values.sort_by(|a, b| order(a, b));
    values.dedup();
    Ok(values)
}

/// The model types, as the server tells them; those known here when it does not.
async fn types(shared: Shared<'_>) -> Result<Vec<String>, Error> {
    let url = PageUrl::new(shared.base, &[enums::PATH], std::iter::empty::<(&str, &str)>())?;
    let read = async |answer: Answer| Ok(inflate(answer.encoding, &answer.body, INFLATED_CAP)?);
    let body = shared.fetcher.page(&url, &|_| {}, read).await.ok().map(|fetched| fetched.value);
    Ok(enums::model_types(body.as_deref()))
}

/// Numbers by size and before texts, texts by their letters.
fn order(a: &str, b: &str) -> Ordering {
    match (a.parse::<i64>(), b.parse::<i64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

/// The strand's key: its value, or the first and last of several.
fn key(batch: &[String]) -> String {
    match batch {
        [] => String::new(),
        [value] => value.clone(),
        [first, .., last] => format!("{first}..{last}"),
    }
}

/// Whether an earlier run of the pass finished the strand of this key.
fn is_over(key: &str, state: &State) -> bool {
    let last = |key: &str| key.rsplit_once("..").map_or(key, |(_, last)| last).to_owned();
    let through = state.through.as_deref().map(last);
    let behind = through.is_some_and(|through| order(&last(key), &through) != Ordering::Greater);
    behind || state.ahead.iter().any(|ahead| ahead == key)
}

fn thread(walk: &Walk, each: &Each, name: &Arc<str>, key: &str, batch: &[String], state: &State) -> Thread {
    let strand = state.strands.get(key);
    let value = batch.join(",");
    let mut params = walk.params.clone();
    params.extend(each.param.as_ref().map(|param| (param.clone(), value.clone())));
    Thread {
        walk: Arc::clone(name),
        strand: key.into(),
        params: params.into(),
        key: matches!(walk.endpoint.paging, Paging::Lookup).then(|| value.into()),
        pages: strand.map_or(0, |strand| strand.pages),
        cursor: strand.and_then(|strand| strand.cursor.clone()),
        forged: false,
    }
}
