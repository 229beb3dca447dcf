//! Fan-outs: one partition per value of a list, several at once, resumable in the middle of a million.

use std::cell::Cell;
use std::cmp::Ordering;

use super::context::Context;
use super::partition::{Finish, Partition};
use super::{by_cursor, workers};
use crate::api::endpoint::Paging;
use crate::api::lookup::ID_MAX;
use crate::api::{NEWEST_MODEL, enums};
use crate::dataset::changed::{ChangedQuery, changed};
use crate::dataset::commit::WalkState;
use crate::dataset::values::{Values, distinct, distinct_where};
use crate::definition::{Each, Source, Walk};
use crate::engine::Error;
use crate::fetch::PageUrl;
use crate::storage::Disk;
use crate::table;

/// Walks a partition for every value, or every batch of values.
pub(super) async fn run(walk: &Walk, each: &Each, context: Context<'_>) -> Result<Finish, Error> {
    let values = values(walk, each, context).await?;
    let size = each.batch.max(1) as usize;
    let index = Cell::new(values.first_left(context.writer.progress().walk(&walk.name).state(), size));
    let next = async || {
        loop {
            let batch = values.slice(index.replace(index.get() + size), size);
            if batch.is_empty() {
                return None;
            }
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
    };
    let work = async |(key, batch): (String, Vec<String>)| {
        by_cursor::run(walk, partition(walk, each, &key, &batch, context), context, || {}).await
    };
    workers::run(context.crawl.pace.in_flight, next, work).await
}

/// The values of a fan-out, distinct and in the order in which they are walked.
enum All {
    Listed(Values),
    /// Numbers from the first to the last, which are never all in memory.
    Range(i64, i64),
}

impl All {
    /// Returns at most `count` values from index `from` on, as text.
    fn slice(&self, from: usize, count: usize) -> Vec<String> {
        match self {
            Self::Listed(values) => values.slice(from, count),
            Self::Range(first, last) => {
                (*first..=*last).skip(from).take(count).map(|number| number.to_string()).collect()
            }
        }
    }

    /// Returns the index of the first batch that earlier runs of the pass may have left. The values before it are over.
    fn first_left(&self, state: &WalkState, size: usize) -> usize {
        let through = state.done_through.as_deref().and_then(|key| number(last_of(key)));
        match (self, through) {
            (Self::Range(first, _), Some(through)) => {
                usize::try_from(through + 1 - first).unwrap_or_default() / size * size
            }
            _ => 0,
        }
    }
}

/// Ids requested beyond the highest in the tables: newer models may be in no list yet.
const BEYOND: i64 = 1000;
/// Ids for each known one that the catalog may span. It spans about three.
const SPAN: i64 = 10;
/// Longest text that is a value, in bytes. A longer one fits into no address.
const VALUE_MAX: usize = 4096;

/// Returns the values.
async fn values(walk: &Walk, each: &Each, context: Context<'_>) -> Result<All, Error> {
    Ok(All::Listed(match &each.source {
        Source::Column { table, column } => {
            let mut values = of_column(table, column, context).await?;
            let all = values.len();
            values.texts.retain(|text| text.len() <= VALUE_MAX);
            let too_long = all - values.len();
            if too_long > 0 {
                let (values, are) = if too_long == 1 { ("value", "is") } else { ("values", "are") };
                let detail = format!(
                    "{too_long} {values} of `{table}.{column}` {are} longer than {VALUE_MAX} bytes, which fits into no \
                     address, so nothing was asked about them"
                );
                doubt(walk, detail, context);
            }
            values
        }
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
        Source::Range { first, last } => return Ok(All::Range(*first, *last)),
        Source::Newest { first } => {
            let known = of_column(walk.endpoint.name, "id", context).await?.numbers;
            let (newest, beyond) = newest(&known);
            doubt_ids(walk, newest, beyond, context)?;
            return Ok(All::Range(*first, newest.map_or(0, |newest| (newest + BEYOND).min(ID_MAX))));
        }
        Source::Types => sorted(types(context).await?),
    }))
}

/// Returns the newest of these ids, which are sorted, and those that are too high to be believed: one absurd id must not make
/// millions of requests. An id counts up to twice the newest one of mid-2026, and [`SPAN`] further for each id known.
fn newest(ids: &[i64]) -> (Option<i64>, &[i64]) {
    let reach = 2 * NEWEST_MODEL as i64 + SPAN.saturating_mul(ids.len() as i64);
    let (believed, beyond) = ids.split_at(ids.partition_point(|id| *id <= reach.min(ID_MAX)));
    (believed.last().copied(), beyond)
}

/// Doubts ids that are too high to be believed, if this pass shows any: those of earlier passes are no news.
fn doubt_ids(walk: &Walk, newest: Option<i64>, beyond: &[i64], context: Context<'_>) -> Result<(), Error> {
    let Some(table) = table::named(walk.endpoint.name).filter(|_| !beyond.is_empty()) else { return Ok(()) };
    let of_pass = [("pass", i64::try_from(context.run.pass).unwrap_or(i64::MAX))];
    let shown = distinct_where(&context.options.dataset, &Disk, table, "id", &of_pass)?.numbers;
    let doubted: Vec<&i64> = beyond.iter().filter(|id| shown.binary_search(id).is_ok()).collect();
    if let Some(first) = doubted.first() {
        let detail = format!(
            "the id {first} is far beyond the newest one believed, {}; what lies between was not asked for ({} such ids)",
            newest.unwrap_or_default(),
            doubted.len()
        );
        doubt(walk, detail, context);
    }
    Ok(())
}

/// Doubts the walk once, however many runs it takes.
fn doubt(walk: &Walk, detail: String, context: Context<'_>) {
    let mut progress = context.writer.progress();
    let walk = progress.change(&walk.name);
    if walk.state().troubles.iter().all(|trouble| trouble.detail != detail) {
        walk.doubt(detail);
    }
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

/// Returns the last value of a partition's key.
fn last_of(key: &str) -> &str {
    key.rsplit_once("..").map_or(key, |(_, last)| last)
}

/// Returns true when an earlier run of the pass finished the partition of this key.
fn is_over(key: &str, state: &WalkState) -> bool {
    let through = state.done_through.as_deref().map(last_of);
    let behind = through.is_some_and(|through| order(last_of(key), through) != Ordering::Greater);
    behind || state.done_beyond.iter().any(|ahead| ahead == key)
}

fn partition(walk: &Walk, each: &Each, key: &str, batch: &[String], context: Context<'_>) -> Partition {
    let value = batch.join(",");
    let mut params = walk.params.clone();
    params.extend(each.param.as_ref().map(|param| (param.clone(), value.clone())));
    let key_of_lookup = matches!(walk.endpoint.paging, Paging::Lookup).then(|| value.into());
    Partition { params: params.into(), key: key_of_lookup, ..Partition::resume(walk, key, context) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_into_batches_and_never_held() {
        let range = All::Range(3, ID_MAX);
        assert_eq!(range.slice(4, 3), ["7", "8", "9"]);
        let end = (ID_MAX - 3) as usize;
        assert_eq!((range.slice(end, 9), range.slice(end + 1, 9).len()), (vec![ID_MAX.to_string()], 0));
        assert!(All::Range(5, 4).slice(0, 9).is_empty());
        for (through, index) in
            [(None, 0), (Some("3..102"), 100), (Some("403..450"), 400), (Some("1"), 0), (Some("x"), 0)]
        {
            let state = WalkState { done_through: through.map(str::to_owned), ..WalkState::default() };
            assert_eq!(range.first_left(&state, 100), index, "{through:?}");
        }
    }

    #[test]
    fn an_absurd_id_is_not_the_newest() {
        let usual: Vec<i64> = (1..=1000).map(|n| n * 2900).collect();
        let with = |others: &[i64]| [&usual, others].concat();
        assert_eq!(newest(&[]), (None, &[][..]));
        assert_eq!(newest(&[7]), (Some(7), &[][..]));
        assert_eq!(newest(&usual), (Some(2_900_000), &[][..]));
        assert_eq!(newest(&with(&[5_000_000])).0, Some(5_000_000));
        for absurd in [10_000_000, ID_MAX, ID_MAX + 1, 1_000_000_000_000, i64::MAX] {
            assert_eq!(newest(&with(&[absurd])), (Some(2_900_000), &[absurd][..]));
        }
        let later: Vec<i64> = (1..=2_000_000).map(|n| n * 5).collect();
        assert_eq!(newest(&later).0, Some(10_000_000), "the catalog grew");
    }
}
