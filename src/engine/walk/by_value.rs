//! Fan-outs: one partition for each value of a list, several side by side, resumable in the middle of a million.

use std::cell::Cell;
use std::cmp::Ordering;
use std::sync::Arc;

use futures_util::future::try_join_all;

use super::by_cursor;
use super::context::Shared;
use super::partition::{Finish, Partition};
use crate::api::endpoint::Paging;
use crate::api::enums;
use crate::dataset::changed::{ChangedQuery, changed};
use crate::dataset::commit::WalkState;
use crate::dataset::layout::Layout;
use crate::dataset::values::{Values, distinct};
use crate::definition::{Each, Source, Walk};
use crate::engine::Error;
use crate::fetch::PageUrl;
use crate::storage::Disk;
use crate::table;

/// Walks a partition for every value, `workers` at once.
pub(crate) async fn run(
    walk: &Walk,
    each: &Each,
    state: &WalkState,
    dataset: &Layout,
    workers: u32,
    shared: Shared<'_>,
) -> Result<Finish, Error> {
    let name: Arc<str> = walk.name.as_str().into();
    let values = values(walk, each, dataset, shared).await?;
    let size = each.batch.max(1) as usize;
    let next = Cell::new(0);
    let worker = || async {
        while next.get() < values.len() {
            let batch = values.slice(next.replace(next.get() + size), size);
            let key = key(&batch);
            if is_over(&key, state) {
                // Behind `through` nothing need be said; ahead of it the writer must hear that it is over still.
                if state.done_beyond.contains(&key) {
                    shared.writer.begin(&name, &key.as_str().into(), true);
                }
                continue;
            }
            let partition = partition(walk, each, &name, &key, &batch, state);
            shared.writer.begin(&name, &partition.partition, false);
            match by_cursor::run(walk, partition, shared, |_| {}).await? {
                Finish::Done => {}
                finish => return Ok(finish),
            }
        }
        Ok::<_, Error>(Finish::Done)
    };
    Ok(Finish::worst(try_join_all((0..workers).map(|_| worker())).await?))
}

/// How far beyond the highest id in the tables is asked: newer models may be in no list yet.
const BEYOND: i64 = 1000;

/// The values, distinct and in the order in which they are walked.
async fn values(walk: &Walk, each: &Each, dataset: &Layout, shared: Shared<'_>) -> Result<Values, Error> {
    Ok(match &each.source {
        Source::Column { table, column } => of_column(table, column, dataset, shared).await?,
        Source::Changed { table, column } => {
            shared.writer.flush().await;
            match (table::named(table), shared.earlier.known.get(&walk.name)) {
                (Some(table), Some(known)) => {
                    changed(dataset, &Disk, &ChangedQuery { table, column, pass: shared.earlier.pass, known })?
                }
                // The first pass takes stock.
                _ => Values::default(),
            }
        }
        Source::List(values) => sorted(values.clone()),
        Source::Range { first, last } => Values { numbers: (*first..=*last).collect(), texts: Vec::new() },
        Source::Newest { first } => {
            let known = of_column(walk.endpoint.name, "id", dataset, shared).await?;
            let last = known.numbers.last().map_or(0, |newest| newest.saturating_add(BEYOND));
            Values { numbers: (*first..=last).collect(), texts: Vec::new() }
        }
        Source::Types => sorted(types(shared).await?),
    })
}

/// The values of a column, those included that the walks before this one took.
async fn of_column(table: &str, column: &str, dataset: &Layout, shared: Shared<'_>) -> Result<Values, Error> {
    shared.writer.flush().await;
    let values = table::named(table).map(|table| distinct(dataset, &Disk, table, column));
    Ok(values.transpose()?.unwrap_or_default())
}

fn sorted(all: Vec<String>) -> Values {
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    for value in all {
        match number(&value) {
            Some(number) => numbers.push(number),
            None => texts.push(value),
        }
    }
    numbers.sort_unstable();
    texts.sort_unstable();
    numbers.dedup();
    texts.dedup();
    Values { numbers, texts }
}

/// The number that a text is, and not merely looks like.
fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}

/// The model types, as the server tells them; those known here when it does not.
async fn types(shared: Shared<'_>) -> Result<Vec<String>, Error> {
    let url = PageUrl::new(shared.base, &[enums::PATH], std::iter::empty::<(&str, &str)>())?;
    let body = shared.fetcher.attempts(&url, &|_| {}).parsed(|body| Ok(body.to_owned())).await.ok();
    Ok(enums::model_types(body.as_deref().map(str::as_bytes)))
}

/// Numbers by size and before texts, texts by their letters.
fn order(a: &str, b: &str) -> Ordering {
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

/// The partition's key: its value, or the first and last of several.
fn key(batch: &[String]) -> String {
    match batch {
        [] => String::new(),
        [value] => value.clone(),
        [first, .., last] => format!("{first}..{last}"),
    }
}

/// Whether an earlier run of the pass finished the partition of this key.
fn is_over(key: &str, state: &WalkState) -> bool {
    let last = |key: &str| key.rsplit_once("..").map_or(key, |(_, last)| last).to_owned();
    let through = state.done_through.as_deref().map(last);
    let behind = through.is_some_and(|through| order(&last(key), &through) != Ordering::Greater);
    behind || state.done_beyond.iter().any(|ahead| ahead == key)
}

fn partition(walk: &Walk, each: &Each, name: &Arc<str>, key: &str, batch: &[String], state: &WalkState) -> Partition {
    let value = batch.join(",");
    let mut params = walk.params.clone();
    params.extend(each.param.as_ref().map(|param| (param.clone(), value.clone())));
    let key_of_lookup = matches!(walk.endpoint.paging, Paging::Lookup).then(|| value.into());
    Partition { params: params.into(), key: key_of_lookup, ..Partition::new(walk, name, key, state) }
}
