//! Fan-outs: one partition per value of a list, several at once, resumable in the middle of a million.

use std::cell::Cell;
use std::cmp::Ordering;

use super::context::Context;
use super::partition::{Finish, Partition};
use super::{by_cursor, workers};
use crate::api::endpoint::Paging;
use crate::api::enums;
use crate::dataset::changed::{ChangedQuery, changed};
use crate::dataset::commit::WalkState;
use crate::dataset::values::{Values, distinct};
use crate::definition::{Each, Source, Walk};
use crate::engine::Error;
use crate::fetch::PageUrl;
use crate::storage::Disk;
use crate::table;

/// Walks a partition for every value, or every batch of values.
pub(super) async fn run(walk: &Walk, each: &Each, context: Context<'_>) -> Result<Finish, Error> {
    let values = values(walk, each, context).await?;
    let size = each.batch.max(1) as usize;
    let index = Cell::new(0);
    let next = async || {
        while index.get() < values.len() {
            let batch = values.slice(index.replace(index.get() + size), size);
            let key = key(&batch);
            let mut progress = context.writer.progress();
            let progress = progress.walk(&walk.name);
            if !is_over(&key, progress.state()) {
                progress.begin(&key, false);
                return Some((key, batch));
            }
            // Up to `done_through` nothing need be recorded; beyond it the next record must say again that it is over.
            if progress.state().done_beyond.contains(&key) {
                progress.begin(&key, true);
            }
        }
        None
    };
    let work = async |(key, batch): (String, Vec<String>)| {
        by_cursor::run(walk, partition(walk, each, &key, &batch, context), context, || {}).await
    };
    workers::run(context.crawl.pace.in_flight, next, work).await
}

/// Ids requested beyond the highest in the tables: newer models may be in no list yet.
const BEYOND: i64 = 1000;

/// Returns the values, distinct and in the order in which they are walked.
async fn values(walk: &Walk, each: &Each, context: Context<'_>) -> Result<Values, Error> {
    Ok(match &each.source {
        Source::Column { table, column } => of_column(table, column, context).await?,
        Source::Changed { table, column } => {
            context.writer.flush().await;
            match (table::named(table), context.earlier.known.get(&walk.name)) {
                (Some(table), Some(known)) => changed(
                    &context.options.dataset,
                    &Disk,
                    &ChangedQuery { table, column, pass: context.earlier.pass, known },
                )?,
                // In the first pass there is nothing to compare with.
                _ => Values::default(),
            }
        }
        Source::List(values) => sorted(values.clone()),
        Source::Range { first, last } => Values { numbers: (*first..=*last).collect(), texts: Vec::new() },
        Source::Newest { first } => {
            let known = of_column(walk.endpoint.name, "id", context).await?;
            let last = known.numbers.last().map_or(0, |newest| newest.saturating_add(BEYOND));
            Values { numbers: (*first..=last).collect(), texts: Vec::new() }
        }
        Source::Types => sorted(types(context).await?),
    })
}

/// Returns the values of a column, including the rows of the walks before this one.
async fn of_column(table: &str, column: &str, context: Context<'_>) -> Result<Values, Error> {
    context.writer.flush().await;
    let values = table::named(table).map(|table| distinct(&context.options.dataset, &Disk, table, column));
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

/// Returns the number that a text is, if it has the usual form.
fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}

/// Returns the model types from the server's list, or those known here if it cannot be had.
async fn types(context: Context<'_>) -> Result<Vec<String>, Error> {
    let url = PageUrl::new(&context.options.base, &[enums::PATH], std::iter::empty::<(&str, &str)>())?;
    let body = context.fetcher.attempts(&url, &|_| {}).parsed(|body| Ok(body.to_owned())).await.ok();
    Ok(enums::model_types(body.as_deref().map(str::as_bytes)))
}

/// Orders numbers by size and before texts, texts by their letters.
fn order(a: &str, b: &str) -> Ordering {
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.cmp(b),
    }
}

/// Returns the partition's key: its value, or the first and last of several.
fn key(batch: &[String]) -> String {
    match batch {
        [] => String::new(),
        [value] => value.clone(),
        [first, .., last] => format!("{first}..{last}"),
    }
}

/// Returns true when an earlier run of the pass finished the partition of this key.
fn is_over(key: &str, state: &WalkState) -> bool {
    let last = |key: &str| key.rsplit_once("..").map_or(key, |(_, last)| last).to_owned();
    let through = state.done_through.as_deref().map(last);
    let behind = through.is_some_and(|through| order(&last(key), &through) != Ordering::Greater);
    behind || state.done_beyond.iter().any(|ahead| ahead == key)
}

fn partition(walk: &Walk, each: &Each, key: &str, batch: &[String], context: Context<'_>) -> Partition {
    let value = batch.join(",");
    let mut params = walk.params.clone();
    params.extend(each.param.as_ref().map(|param| (param.clone(), value.clone())));
    let key_of_lookup = matches!(walk.endpoint.paging, Paging::Lookup).then(|| value.into());
    Partition { params: params.into(), key: key_of_lookup, ..Partition::resume(walk, key, context) }
}
