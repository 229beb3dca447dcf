//! The distinct values of one column over all rows of a table, for a fan-out: all at once, or as many as fit into memory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use arrow::array::{RecordBatch, StringArray};

use super::cancel::{Cancel, NEVER};
use super::columns::{Columns, Key, OrdinalColumn, TypedColumn};
use super::error::Error;
use super::scan::Scan;
use crate::table::choice::{Choice, Condition, Disjoint, Spans};

/// Longest text that is a value, in bytes. A longer one fits into no address.
pub const TEXT_MAX: usize = 4096;

/// Distinct values in order: the numbers by size, then the texts by their bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Values {
    /// The whole numbers.
    pub numbers: Vec<i64>,
    /// The texts.
    pub texts: Vec<String>,
}

impl Values {
    /// Returns the number of values.
    pub fn len(&self) -> usize {
        self.numbers.len() + self.texts.len()
    }

    /// True if there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns at most `count` values from index `from` on, as text.
    pub fn slice(&self, from: usize, count: usize) -> Vec<String> {
        let numbers = self.numbers.iter().skip(from).take(count).map(i64::to_string);
        let left = count - numbers.len();
        let texts = self.texts.iter().skip(from.saturating_sub(self.numbers.len())).take(left).cloned();
        numbers.chain(texts).collect()
    }

    /// Returns the index of the first value after this one.
    pub fn after(&self, value: &Value) -> usize {
        match value {
            Value::Number(number) => self.numbers.partition_point(|other| other <= number),
            Value::Text(text) => self.numbers.len() + self.texts.partition_point(|other| other <= text),
        }
    }

    /// Returns the last value.
    pub fn last(&self) -> Option<Value> {
        let text = self.texts.last().cloned().map(Value::Text);
        text.or_else(|| self.numbers.last().copied().map(Value::Number))
    }
}

/// One value. Numbers come before texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
}

impl Value {
    /// Returns the number that a text is, if it has the usual form, else the text.
    pub fn of(text: &str) -> Self {
        let number = text.parse().ok().filter(|number: &i64| number.to_string() == text);
        number.map_or_else(|| Self::Text(text.to_owned()), Self::Number)
    }
}

/// Sorts values; each is kept once.
impl FromIterator<Value> for Values {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        for value in values {
            match value {
                Value::Number(number) => numbers.push(number),
                Value::Text(text) => texts.push(text),
            }
        }
        numbers.sort_unstable();
        texts.sort_unstable();
        numbers.dedup();
        texts.dedup();
        Self { numbers, texts }
    }
}

/// The values of a column that are held at once.
#[derive(Debug, Default)]
pub struct Window {
    /// The values.
    pub values: Values,
    /// True if more values follow.
    pub more: bool,
    /// The number of texts longer than [`TEXT_MAX`] in the whole column; they are no values.
    pub too_long: u64,
}

/// The values that may be held at once.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// Numbers. Up to twice as many are held while the column is read.
    numbers: usize,
    /// Bytes of texts.
    text_bytes: usize,
    /// Bytes of the longest text that is a value.
    text_max: usize,
}

impl Room {
    /// Holds all values.
    const ALL: Self = Self { numbers: usize::MAX, text_bytes: usize::MAX, text_max: usize::MAX };
    /// Takes some 20 MB at most.
    const WINDOW: Self = Self { numbers: 1 << 19, text_bytes: 16 << 20, text_max: TEXT_MAX };
}

/// The values of a column that are walked, read in windows.
pub struct Column {
    rows: Scan<'static>,
    name: &'static str,
    choice: Choice,
    room: Room,
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.rows.table().name, self.name)
    }
}

impl Column {
    /// The column of this name, in those of the rows that count.
    pub fn new(rows: Scan<'static>, name: &'static str, choice: Choice) -> Self {
        Self { rows, name, choice, room: Room::WINDOW }
    }

    /// Returns the smallest values after this one, as many as there is room for. The first call reads each file twice, because it
    /// compares it with its record.
    ///
    /// # Errors
    /// As [`Scan::each`]; [`Error::Cancelled`].
    pub fn after(&self, value: Option<&Value>, cancel: Cancel<'_>) -> Result<Window, Error> {
        let gathered = Gathered::after(value.cloned(), self.room);
        Ok(gather(&self.rows, self.name, &self.choice, gathered, cancel)?.window())
    }
}

/// Values being gathered: the smallest ones after some value. A number may be held a few times.
pub(super) struct Gathered {
    after: Option<Value>,
    room: Room,
    numbers: Vec<i64>,
    /// The number of distinct numbers at the last merge.
    distinct: usize,
    texts: BTreeSet<String>,
    text_bytes: usize,
    /// The first value beyond the room, as far as known.
    beyond: Option<Value>,
    /// Hashes of the texts that are too long.
    too_long: HashSet<u64>,
}

impl Default for Gathered {
    fn default() -> Self {
        Self::after(None, Room::ALL)
    }
}

impl Gathered {
    /// Numbers that are gathered before the first merge.
    const FEW: usize = 1 << 16;
    /// Bytes that a text takes beside its own.
    const TEXT_BYTES: usize = 48;

    fn after(after: Option<Value>, room: Room) -> Self {
        Self {
            after,
            room,
            numbers: Vec::new(),
            distinct: 0,
            texts: BTreeSet::new(),
            text_bytes: 0,
            beyond: None,
            too_long: HashSet::new(),
        }
    }

    /// Takes a value, unless it is null.
    pub(super) fn take(&mut self, value: Option<Key<'_>>) {
        match value {
            Some(Key::Number(number)) => self.number(number),
            Some(Key::Text(text)) => self.text(text),
            None => {}
        }
    }

    fn number(&mut self, number: i64) {
        let before = matches!(self.after, Some(Value::Number(after)) if number <= after);
        let beyond = matches!(self.beyond, Some(Value::Number(beyond)) if number >= beyond);
        if before || beyond {
            return;
        }
        // Most rows repeat an earlier value, so room for half as many again is enough.
        let most = (self.distinct + self.distinct / 2 + Self::FEW).min(self.room.numbers.saturating_mul(2));
        if self.numbers.len() >= most {
            self.merge();
        }
        self.numbers.push(number);
    }

    fn text(&mut self, text: &str) {
        if text.len() > self.room.text_max {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            self.too_long.insert(hasher.finish());
            return;
        }
        let before = matches!(&self.after, Some(Value::Text(after)) if text <= after.as_str());
        let beyond = matches!(&self.beyond, Some(Value::Text(beyond)) if text >= beyond.as_str());
        if before || beyond || self.texts.contains(text) {
            return;
        }
        self.text_bytes += text.len() + Self::TEXT_BYTES;
        self.texts.insert(text.to_owned());
        while self.text_bytes > self.room.text_bytes
            && self.texts.len() > 1
            && let Some(last) = self.texts.pop_last()
        {
            self.text_bytes -= last.len() + Self::TEXT_BYTES;
            self.beyond = Some(Value::Text(last));
        }
    }

    fn merge(&mut self) {
        self.numbers.sort_unstable();
        self.numbers.dedup();
        if let Some(beyond) = self.numbers.get(self.room.numbers) {
            self.beyond = Some(Value::Number(*beyond));
            self.numbers.truncate(self.room.numbers);
        }
        self.distinct = self.numbers.len();
    }

    /// Returns each value once, in order.
    pub(super) fn window(mut self) -> Window {
        self.merge();
        self.numbers.shrink_to_fit();
        let values = Values { numbers: self.numbers, texts: self.texts.into_iter().collect() };
        Window { values, more: self.beyond.is_some(), too_long: self.too_long.len() as u64 }
    }
}

/// The values with the largest ranks, and these.
struct Best {
    count: usize,
    ranks: BTreeMap<Value, i64>,
    /// The same, the first one to be dropped first.
    order: BTreeSet<(i64, Reverse<Value>)>,
}

impl Best {
    fn of(count: usize) -> Self {
        Self { count, ranks: BTreeMap::new(), order: BTreeSet::new() }
    }

    /// Takes a value with the rank of one of its rows; the largest counts. Of values with the same rank the smallest are kept.
    fn take(&mut self, value: Key<'_>, rank: i64) {
        let full = self.ranks.len() >= self.count;
        if full && self.order.first().is_some_and(|(worst, _)| rank < *worst) {
            return;
        }
        let value = match value {
            Key::Number(number) => Value::Number(number),
            Key::Text(text) => Value::Text(text.to_owned()),
        };
        if let Some(known) = self.ranks.get(&value).copied() {
            if known >= rank {
                return;
            }
            self.order.remove(&(known, Reverse(value.clone())));
        }
        self.ranks.insert(value.clone(), rank);
        self.order.insert((rank, Reverse(value)));
        if self.ranks.len() > self.count
            && let Some((_, Reverse(worst))) = self.order.pop_first()
        {
            self.ranks.remove(&worst);
        }
    }
}

/// The columns of one batch that a choice compares.
struct Compared<'a> {
    conditions: Vec<Comparison<'a>>,
    rank: Option<OrdinalColumn<'a>>,
}

enum Comparison<'a> {
    Ordinals(OrdinalColumn<'a>, &'a Disjoint<i64>),
    Texts(TypedColumn<&'a StringArray>, &'a Disjoint<String>),
}

impl<'a> Compared<'a> {
    fn of(batch: &'a RecordBatch, choice: &'a Choice) -> Self {
        let comparison = |condition: &'a Condition| match &condition.spans {
            Spans::Ordinals(spans) => Comparison::Ordinals(batch.ordinals(condition.column), spans),
            Spans::Texts(spans) => Comparison::Texts(batch.texts(condition.column), spans),
        };
        let rank = choice.top.as_ref().map(|top| batch.ordinals(top.by));
        Self { conditions: choice.conditions.iter().map(comparison).collect(), rank }
    }

    fn fit(&self, row: usize) -> bool {
        self.conditions.iter().all(|comparison| match comparison {
            Comparison::Ordinals(column, spans) => column.get(row).is_some_and(|value| spans.hold(&value)),
            Comparison::Texts(column, spans) => column.get(row).is_some_and(|value| spans.hold(value)),
        })
    }
}

/// Gathers the values of a column in the rows that count.
fn gather(
    rows: &Scan<'_>,
    column: &str,
    choice: &Choice,
    mut gathered: Gathered,
    cancel: Cancel<'_>,
) -> Result<Gathered, Error> {
    let mut columns: Vec<&str> = choice.conditions.iter().map(|condition| condition.column).collect();
    columns.extend(choice.top.as_ref().map(|top| top.by));
    columns.push(column);
    let mut best = choice.top.as_ref().map(|top| Best::of(top.count));
    rows.each_until(cancel, &columns, &mut |batch| {
        let (values, compared) = (batch.keys(column), Compared::of(batch, choice));
        for row in (0..batch.num_rows()).filter(|row| compared.fit(*row)) {
            match (&mut best, compared.rank) {
                (Some(best), Some(ranks)) => match (values.get(row), ranks.get(row)) {
                    (Some(Key::Text(text)), _) if text.len() > gathered.room.text_max => gathered.text(text),
                    (Some(value), Some(rank)) => best.take(value, rank),
                    _ => {}
                },
                _ => gathered.take(values.get(row)),
            }
        }
    })?;
    for value in best.into_iter().flat_map(|best| best.ranks.into_keys()) {
        match value {
            Value::Number(number) => gathered.number(number),
            Value::Text(text) => gathered.text(&text),
        }
    }
    Ok(gathered)
}

/// Returns the distinct values of a column in rows of which all these conditions hold. Memory grows by some twenty bytes for each
/// distinct number.
///
/// # Errors
/// As [`Scan::each`].
pub fn distinct(rows: &Scan<'_>, column: &str, conditions: Vec<Condition>) -> Result<Values, Error> {
    let choice = Choice { conditions, top: None };
    Ok(gather(rows, column, &choice, Gathered::default(), NEVER)?.window().values)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Reads all windows of these rows.
    fn walked(rows: &[Value], room: Room) -> Vec<Value> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let mut gathered = Gathered::after(after, room);
            for row in rows {
                gathered.take(Some(match row {
                    Value::Number(number) => Key::Number(*number),
                    Value::Text(text) => Key::Text(text),
                }));
            }
            let window = gathered.window();
            let (last, values) = (window.values.last(), window.values);
            assert!(values.numbers.len() <= room.numbers, "{} numbers are held", values.numbers.len());
            all.extend(values.numbers.into_iter().map(Value::Number));
            all.extend(values.texts.into_iter().map(Value::Text));
            if !window.more {
                return all;
            }
            assert!(last.is_some(), "a window that is not the last has values");
            after = last;
        }
    }

    proptest! {
        #[test]
        fn windows_are_the_sorted_distinct_numbers(rows in vec(-30_i64..200, 0..400), numbers in 1_usize..40) {
            let rows: Vec<Value> = rows.into_iter().map(Value::Number).collect();
            let distinct: BTreeSet<Value> = rows.iter().cloned().collect();
            let room = Room { numbers, ..Room::WINDOW };
            prop_assert_eq!(walked(&rows, room), distinct.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn windows_are_the_sorted_distinct_texts(rows in vec("[0-9a-c]{0,3}|[xyä]{5,9}", 0..100), text_bytes in 1_usize..900) {
            let rows: Vec<Value> = rows.into_iter().map(Value::Text).collect();
            let distinct: BTreeSet<Value> = rows.iter().cloned().collect();
            let short = |value: &Value| matches!(value, Value::Text(text) if text.len() <= 12);
            let room = Room { text_bytes, text_max: 12, ..Room::WINDOW };
            prop_assert_eq!(walked(&rows, room), distinct.into_iter().filter(short).collect::<Vec<_>>());
        }

        #[test]
        fn the_best_are_those_with_the_largest_row(rows in vec((0_i64..30, -9_i64..9), 0..200), count in 1_usize..12) {
            let mut best = Best::of(count);
            let mut largest: BTreeMap<i64, i64> = BTreeMap::new();
            for (value, rank) in rows {
                best.take(Key::Number(value), rank);
                let known = largest.entry(value).or_insert(rank);
                *known = rank.max(*known);
            }
            let mut ranked: Vec<(i64, i64)> = largest.into_iter().map(|(value, rank)| (-rank, value)).collect();
            ranked.sort_unstable();
            let mut wanted: Vec<Value> = ranked.into_iter().take(count).map(|(_, value)| Value::Number(value)).collect();
            wanted.sort();
            prop_assert_eq!(best.ranks.into_keys().collect::<Vec<_>>(), wanted);
        }
    }

    #[test]
    fn slices_run_over_numbers_and_then_texts() {
        let values = Values { numbers: vec![2, 10, 11], texts: vec![String::from("a"), String::from("b")] };
        let slices: Vec<Vec<String>> = (0..6).step_by(2).map(|from| values.slice(from, 2)).collect();
        assert_eq!(slices, [vec!["2", "10"], vec!["11", "a"], vec!["b"]]);
        assert_eq!(values.slice(5, 2), Vec::<String>::new());
        for (value, after) in [("1", 0), ("2", 1), ("9", 1), ("11", 3), ("0x", 3), ("a", 4), ("b", 5)] {
            assert_eq!(values.after(&Value::of(value)), after, "{value}");
        }
    }

    #[test]
    fn each_text_that_is_too_long_counts_once() {
        let mut gathered = Gathered::after(None, Room::WINDOW);
        let long = "x".repeat(TEXT_MAX + 1);
        for text in [&long, "a", &long, &long[1..], &long.to_uppercase()] {
            gathered.take(Some(Key::Text(text)));
        }
        let window = gathered.window();
        assert_eq!((window.too_long, window.values.len(), window.more), (2, 2, false));
    }
}
