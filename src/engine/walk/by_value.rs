//! Fan-outs: one partition per value of a list, several at once, resumable in the middle of a million.

use arrow::datatypes::DataType;
use tokio::sync::Mutex;

use super::context::Context;
use super::partition::{Finish, Partition};
use super::{by_cursor, workers};
use crate::api::endpoint::Paging;
use crate::api::lookup::ID_MAX;
use crate::api::{NEWEST_MODEL, enums};
use crate::dataset;
use crate::dataset::cancel::Cancel;
use crate::dataset::changed::{ChangedQuery, changed};
use crate::dataset::read::read_manifest;
use crate::dataset::scan::Scan;
use crate::dataset::values::{Column, TEXT_MAX, Value, Values, distinct};
use crate::definition::{Each, Source, Walk};
use crate::engine::Error;
use crate::engine::events::Event;
use crate::fetch::PageUrl;
use crate::storage::Disk;
use crate::table::choice::Condition;
use crate::table::{self, Table};

/// Walks a partition for every value, or every batch of values.
pub(super) async fn run(walk: &Walk, each: &Each, context: Context<'_>) -> Result<Finish, Error> {
    let size = each.batch.max(1) as usize;
    let stopped = || Finish::Unfinished(context.run.stop.reason().unwrap_or_default());
    let Some(queue) = Queue::open(walk, each, context).await? else { return Ok(stopped()) };
    let queue = Mutex::new(queue);
    let next = async || {
        // Held until the partition has begun: they must begin in the order of their values.
        let mut queue = queue.lock().await;
        loop {
            let batch = match queue.next(size, walk, context).await {
                Ok(Some(batch)) => batch,
                ended => return Some(ended.map(|_| None)),
            };
            if batch.is_empty() {
                return None;
            }
            if let Some(left) = queue.left() {
                context.run.listener.event(&Event::ValuesLeft { walk: &walk.name, left });
            }
            let key = key(&batch);
            let mut progress = context.writer.progress();
            let progress = progress.walk(&walk.name);
            // The next record must say again that it is over.
            let over = progress.state().done_beyond.contains(&key);
            progress.begin(&key, over);
            if !over {
                return Some(Ok(Some((key, batch))));
            }
        }
    };
    let work = async |item: Result<Option<(String, Vec<String>)>, Error>| match item? {
        Some((key, batch)) => by_cursor::run(walk, partition(walk, each, &key, &batch, context), context, || {}).await,
        None => Ok(stopped()),
    };
    workers::run(context.crawl.pace.in_flight, next, work).await
}

/// The values of a fan-out that are left, distinct and in the order in which they are walked.
struct Queue {
    /// The values that are held, from the index of the next one on.
    held: Values,
    next: usize,
    /// The others.
    rest: Rest,
}

/// Values that are not held.
enum Rest {
    None,
    /// Numbers from the first to the last.
    Range(i64, i64),
    /// The values of a column after this one.
    Column(Column, Option<Value>),
}

impl Queue {
    /// Returns the values that earlier runs of the pass left; `None` if a stop came first.
    async fn open(walk: &Walk, each: &Each, context: Context<'_>) -> Result<Option<Self>, Error> {
        let done_through = context.writer.progress().walk(&walk.name).state().done_through.clone();
        let through = |of: fn(&str) -> Value| done_through.as_deref().map(|key| last_of(key, each.batch, of));
        let held = |held: Values, through: Option<Value>| {
            let next = through.map_or(0, |through| held.after(&through));
            Self { held, next, rest: Rest::None }
        };
        let range = |first: i64, last: i64| {
            let next = match through(Value::of) {
                Some(Value::Number(through)) => first.max(through + 1),
                _ => first,
            };
            Self { held: Values::default(), next: 0, rest: Rest::Range(next, last) }
        };
        Ok(Some(match &each.source {
            Source::List(values) => held(values.iter().map(|value| Value::of(value)).collect(), through(Value::of)),
            Source::Types => {
                let types = types(context).await?;
                held(types.iter().map(|value| Value::of(value)).collect(), through(Value::of))
            }
            Source::Range { first, last } => range(*first, *last),
            Source::Newest { first } => {
                let Some(table) = table::named(walk.endpoint.name) else { return Ok(Some(range(*first, 0))) };
                let known = read(walk, table, context, |rows, _| distinct(&rows, "id", Vec::new())).await?;
                let Some(Values { numbers: known, .. }) = known else { return Ok(None) };
                let (newest, beyond) = newest(&known);
                doubt_ids(walk, newest, beyond, context)?;
                range(*first, newest.map_or(0, |newest| (newest + BEYOND).min(ID_MAX)))
            }
            Source::Column { table, column, choice } => {
                let Some(table) = table::named(table) else { return Ok(Some(held(Values::default(), None))) };
                let (name, choice) = (*column, choice.clone());
                let column = read(walk, table, context, move |rows, _| Ok(Column::new(rows, name, choice))).await?;
                let Some(column) = column else { return Ok(None) };
                Self { held: Values::default(), next: 0, rest: Rest::Column(column, through(value_of(table, name))) }
            }
            Source::Changed { table, column } => {
                let (Some(table), Some(known)) = (table::named(table), context.earlier.known.get(&walk.name)) else {
                    // In the first pass there is nothing to compare with.
                    return Ok(Some(held(Values::default(), None)));
                };
                let (column, pass, known) = (*column, context.earlier.pass, known.clone());
                let query = move |rows: Scan<'_>, cancel: Cancel<'_>| {
                    changed(&rows, &ChangedQuery { table, column, pass, known: &known }, cancel)
                };
                let Some(values) = read(walk, table, context, query).await? else { return Ok(None) };
                held(values, through(value_of(table, column)))
            }
        }))
    }

    /// Returns the number of values that are left; `None` while there are more than are held.
    fn left(&self) -> Option<u64> {
        let held = self.held.len().saturating_sub(self.next) as u64;
        match self.rest {
            Rest::None => Some(held),
            Rest::Range(first, last) if first > last => Some(held),
            Rest::Range(first, last) => Some(held + last.abs_diff(first) + 1),
            Rest::Column(..) => None,
        }
    }

    /// Returns the next `count` values, fewer only at the end, as text; `None` if a stop came first.
    async fn next(&mut self, count: usize, walk: &Walk, context: Context<'_>) -> Result<Option<Vec<String>>, Error> {
        let mut batch = Vec::new();
        loop {
            let held = self.held.slice(self.next, count - batch.len());
            self.next += held.len();
            batch.extend(held);
            let left = count - batch.len();
            match std::mem::replace(&mut self.rest, Rest::None) {
                Rest::Range(first, last) => {
                    batch.extend((first..=last).take(left).map(|number| number.to_string()));
                    self.rest = Rest::Range(first.saturating_add_unsigned(left as u64), last);
                    return Ok(Some(batch));
                }
                Rest::Column(column, after) if left > 0 => {
                    // Only one window is ever held.
                    self.held = Values::default();
                    let refill = move |cancel: Cancel<'_>| Ok((column.after(after.as_ref(), cancel)?, column));
                    let Some((window, column)) = blocking(context, refill).await? else { return Ok(None) };
                    doubt_long(walk, &column, window.too_long, context);
                    if window.more {
                        self.rest = Rest::Column(column, window.values.last());
                    }
                    (self.held, self.next) = (window.values, 0);
                }
                rest => {
                    self.rest = rest;
                    return Ok(Some(batch));
                }
            }
        }
    }
}

/// Ids requested beyond the highest in the tables: newer models may be in no list yet.
const BEYOND: i64 = 1000;
/// Ids for each known one that the catalog may span. It spans about three.
const SPAN: i64 = 10;

/// Returns what `work` makes of the rows of a table, including those of the walks before this one; `None` if a stop came first.
/// Every run of the pass has the same rows: those there were when the first one began the walk.
async fn read<T: Send + 'static>(
    walk: &Walk,
    table: &'static Table,
    context: Context<'_>,
    work: impl FnOnce(Scan<'static>, Cancel<'_>) -> Result<T, dataset::Error> + Send + 'static,
) -> Result<Option<T>, Error> {
    context.writer.flush().await;
    let began_at = context.writer.progress().walk(&walk.name).state().values_at;
    let layout = context.options.dataset.clone();
    let read = move |cancel: Cancel<'_>| {
        let commit = began_at.map_or_else(|| Ok(read_manifest(&layout, &Disk)?.last_commit()), Ok)?;
        Ok((commit, work(Scan::open_at(&layout, &Disk, table, commit)?, cancel)?))
    };
    let Some((commit, read)) = blocking(context, read).await? else { return Ok(None) };
    context.writer.progress().change(&walk.name).take_values_at(commit);
    Ok(Some(read))
}

/// Returns what `work` makes beside the network's thread; `None` if a stop came first.
async fn blocking<T: Send + 'static>(
    context: Context<'_>,
    work: impl FnOnce(Cancel<'_>) -> Result<T, dataset::Error> + Send + 'static,
) -> Result<Option<T>, Error> {
    let stop = context.run.stop.clone();
    let done = tokio::task::spawn_blocking(move || work(&|| stop.is_asked())).await;
    match done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())) {
        Ok(done) => Ok(Some(done)),
        Err(dataset::Error::Cancelled) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Doubts the walk if texts of its column are too long to be asked for.
fn doubt_long(walk: &Walk, column: &Column, too_long: u64, context: Context<'_>) {
    if too_long > 0 {
        let (values, are) = if too_long == 1 { ("value", "is") } else { ("values", "are") };
        let detail = format!(
            "{too_long} {values} of `{column}` {are} longer than {TEXT_MAX} bytes, which fits into no address, so nothing was \
             asked about them"
        );
        doubt(walk, detail, context);
    }
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
    let of_pass = Condition::equals("pass", i64::try_from(context.run.pass).unwrap_or(i64::MAX));
    let shown = distinct(&Scan::open(&context.options.dataset, &Disk, table)?, "id", vec![of_pass])?.numbers;
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

/// Returns the model types from the server's list, or those known here if it cannot be had.
async fn types(context: Context<'_>) -> Result<Vec<String>, Error> {
    let url = PageUrl::new(&context.options.base, &[enums::PATH], std::iter::empty::<(&str, &str)>())?;
    let body = context.fetcher.attempts(&url, &|_| {}).parsed(|body| Ok(body.to_owned())).await.ok();
    Ok(enums::model_types(body.as_deref().map(str::as_bytes)))
}

/// Returns the partition's key: its value, or the first and last of several.
fn key(batch: &[String]) -> String {
    match batch {
        [] => String::new(),
        [value] => value.clone(),
        [first, .., last] => format!("{first}..{last}"),
    }
}

/// Returns the last value of a partition's key. Where a key of several texts can be read in two ways, it is the smaller one: its
/// partition is walked again rather than the next one lost.
fn last_of(key: &str, batch: u32, of: fn(&str) -> Value) -> Value {
    let ends = key.match_indices("..").filter(|_| batch > 1).map(|(at, between)| of(&key[at + between.len()..]));
    ends.min().unwrap_or_else(|| of(key))
}

/// Returns the reading of a value of a column.
fn value_of(table: &Table, column: &str) -> fn(&str) -> Value {
    let is_text = |known: &table::Column| known.name == column && known.data_type == DataType::Utf8;
    if table.columns().iter().any(is_text) { |text| Value::Text(text.to_owned()) } else { Value::of }
}

/// Returns, for ids out of rows that one answer shows, those that things can have: one that is none, as that of the system's own
/// account, makes the server refuse all of them. `None` for other values, and if no id is left.
fn askable(walk: &Walk, batch: &[String]) -> Option<String> {
    let is_id = |value: &&str| value.parse().is_ok_and(|id: i64| (1..=ID_MAX).contains(&id));
    let ids: Vec<&str> = batch.iter().map(String::as_str).filter(is_id).collect();
    let counts = matches!(walk.endpoint.paging, Paging::Single) && walk.needs_rows() && !ids.is_empty();
    counts.then(|| ids.join(","))
}

fn partition(walk: &Walk, each: &Each, key: &str, batch: &[String], context: Context<'_>) -> Partition {
    let value = askable(walk, batch).unwrap_or_else(|| batch.join(","));
    let mut params = walk.params.clone();
    params.extend(each.param.as_ref().map(|param| (param.clone(), value.clone())));
    let key_of_lookup = matches!(walk.endpoint.paging, Paging::Lookup).then(|| value.into());
    Partition { params: params.into(), key: key_of_lookup, ..Partition::resume(walk, key, context) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_last_value() {
        let text: fn(&str) -> Value = |text| Value::Text(text.to_owned());
        for (key, batch, of, last) in [
            ("7", 1, Value::of as fn(&str) -> Value, Value::Number(7)),
            ("3..102", 100, Value::of, Value::Number(102)),
            ("7", 100, Value::of, Value::Number(7)),
            ("10", 1, text, text("10")),
            ("a..b", 1, text, text("a..b")),
            ("a..z", 9, text, text("z")),
            ("a..b..c", 9, text, text("b..c")),
            ("3..102", 9, text, text("102")),
        ] {
            assert_eq!(last_of(key, batch, of), last, "{key}");
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
