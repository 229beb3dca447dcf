//! `where`, `order_by` and `top` of a `for_each`: the rows of its table that count, checked against the columns.

use arrow::datatypes::DataType;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use toml::de::DeValue;

use super::mistake::{Findings, clip};
use super::suggestion;
use super::value::{Section, Value, in_file_order, number, whole};
use crate::table::choice::{Choice, Condition, Disjoint, Span, Spans, Top, ordinal_of};
use crate::table::{Column, Table};

/// Most values of `top`, which are held in memory.
const TOP_MAX: u32 = 100_000;

/// The three keys, not yet checked against a table.
pub(super) struct ChoiceKeys<'a> {
    at: usize,
    conditions: Vec<(usize, &'a str, &'a Value<'a>)>,
    order_at: usize,
    order_by: Option<&'a str>,
    top: Option<u32>,
    /// True if a key could not be read; a mistake is noted.
    broken: bool,
}

impl<'a> ChoiceKeys<'a> {
    /// Reads the keys, so that none counts as unknown.
    pub(super) fn take(section: &mut Section<'a>, found: &mut Findings<'_>) -> Self {
        let at = ["where", "order_by", "top"].into_iter().find(|key| section.has(key)).map(|key| section.at_key(key));
        let table = section.table("where", found);
        let entries = table.into_iter().flat_map(in_file_order);
        let conditions = entries.map(|(key, value)| (key.span().start, key.get_ref().as_ref(), value)).collect();
        let order_at = section.at_key("order_by");
        let (order_by, top) = (section.text("order_by", found), section.int("top", 1..=TOP_MAX, found));
        let mut broken = section.has("where") && table.is_none()
            || section.has("order_by") && order_by.is_none()
            || section.has("top") && top.is_none();
        if !broken && order_by.is_some() != top.is_some() {
            let text =
                "`order_by` and `top` go together: the values with the largest `order_by`, and how many of them.";
            found.mistake(at.unwrap_or(order_at), text);
            broken = true;
        }
        Self { at: at.unwrap_or(order_at), conditions, order_at, order_by, top, broken }
    }

    /// Returns the byte offset of the first key; `None` if there is none.
    pub(super) fn at(&self) -> Option<usize> {
        let any = self.broken || !self.conditions.is_empty() || self.order_by.is_some();
        any.then_some(self.at)
    }

    /// Returns the choice; `None`, with a mistake noted, if the table does not support it.
    pub(super) fn check(self, table: &'static Table, found: &mut Findings<'_>) -> Option<Choice> {
        let conditions: Vec<Option<Condition>> =
            self.conditions.into_iter().map(|(at, column, value)| condition(table, column, value, at, found)).collect();
        let top = match (self.order_by, self.top) {
            (Some(by), Some(count)) => Some(order(table, by, count, self.order_at, found)),
            _ => None,
        };
        if self.broken || matches!(top, Some(None)) {
            return None;
        }
        let mut conditions = conditions.into_iter().collect::<Option<Vec<_>>>()?;
        conditions.sort_by_key(|condition| condition.column);
        Some(Choice { conditions, top: top.flatten() })
    }
}

/// Returns the declared column of a table; `None`, with a mistake noted, if there is none.
pub(super) fn known_column(table: &Table, name: &str, at: usize, found: &mut Findings<'_>) -> Option<Column> {
    let columns = table.columns();
    let names = || columns.iter().map(|column| column.name);
    let known = columns.iter().find(|known| known.name == name);
    if known.is_none() {
        let ending = suggestion::did_you_mean(name, names(), &format!("Known are {}.", suggestion::list(names())));
        found.mistake(at, format!("table `{}` has no column `{}`.{ending}", table.name, clip(name)));
    }
    known.cloned()
}

fn order(table: &Table, by: &str, count: u32, at: usize, found: &mut Findings<'_>) -> Option<Top> {
    let column = known_column(table, by, at, found)?;
    if !matches!(column.data_type, DataType::Int64 | DataType::Float64 | DataType::Timestamp(..)) {
        let text =
            format!("`{}.{by}` holds {}; `order_by` takes a column of numbers or times.", table.name, kind(&column));
        found.mistake(at, text);
        return None;
    }
    Some(Top { by: column.name, count: count as usize })
}

/// Returns the condition that `where` sets for a column.
fn condition(table: &Table, name: &str, value: &Value<'_>, at: usize, found: &mut Findings<'_>) -> Option<Condition> {
    let column = known_column(table, name, at, found)?;
    let Some(takes) = takes(&column) else {
        let text = format!("`{}.{name}` holds {}, which `where` cannot compare.", table.name, kind(&column));
        found.mistake(at, text);
        return None;
    };
    let spans = spans(&column, value.get_ref());
    if spans.is_none() {
        let written = found.written(value.span());
        let text = format!(
            "`where.{name}` is `{written}`; it takes {takes}, a list of such, or `{{ min = …, max = … }}` with `min` not above \
             `max`."
        );
        found.mistake(at, text);
    }
    let spans = spans?;
    let written = written(value.get_ref());
    Some(Condition { column: column.name, spans, written })
}

/// Returns the name of the values of a column, for sentences.
pub(super) fn kind(column: &Column) -> &'static str {
    match column.data_type {
        DataType::Int64 => "whole numbers",
        DataType::Float64 => "numbers",
        DataType::Boolean => "booleans",
        DataType::Timestamp(..) => "times",
        DataType::Utf8 => "texts",
        DataType::Binary => "bytes",
        _ => "lists",
    }
}

/// Returns the form of a value that a column is compared with; `None` if it cannot be compared.
fn takes(column: &Column) -> Option<&'static str> {
    Some(match column.data_type {
        DataType::Int64 => "a whole number",
        DataType::Float64 => "a number",
        DataType::Boolean => "`true` or `false`",
        DataType::Timestamp(..) => {
            "a date such as `\"2026-11-01\"`, which is the whole day in UTC, or an instant such as `\"2026-11-01T12:00:00Z\"`"
        }
        DataType::Utf8 => "text in quotes",
        _ => return None,
    })
}

/// Returns the values of a column that fit; `None` if a value has another type.
fn spans(column: &Column, value: &DeValue<'_>) -> Option<Spans> {
    match column.data_type {
        DataType::Utf8 => {
            let text = |value: &DeValue<'_>| {
                value.as_str().map(|text| Span { from: Some(text.to_owned()), to: Some(text.to_owned()) })
            };
            disjoint(value, &text).map(Spans::Texts)
        }
        DataType::Timestamp(..) => disjoint(value, &instants).map(Spans::Ordinals),
        _ => {
            let ordinal = |value: &DeValue<'_>| match column.data_type {
                DataType::Int64 => i64::try_from(whole(value)?).ok(),
                DataType::Float64 => number(value).filter(|number| number.is_finite()).map(ordinal_of),
                _ => value.as_bool().map(i64::from),
            };
            let one =
                |value: &DeValue<'_>| ordinal(value).map(|ordinal| Span { from: Some(ordinal), to: Some(ordinal) });
            disjoint(value, &one).map(Spans::Ordinals)
        }
    }
}

/// Returns the spans of one value, of each value of a list, or from a least to a greatest one.
fn disjoint<T: Ord + Clone>(value: &DeValue<'_>, one: &dyn Fn(&DeValue<'_>) -> Option<Span<T>>) -> Option<Disjoint<T>> {
    let spans = match value {
        DeValue::Array(values) if values.is_empty() => return None,
        DeValue::Array(values) => values.iter().map(|value| one(value.get_ref())).collect::<Option<Vec<_>>>()?,
        DeValue::Table(table) => {
            let of = |key: &str| table.get(key).map(|value| one(value.get_ref()));
            let (min, max) = (of("min"), of("max"));
            let keys = usize::from(min.is_some()) + usize::from(max.is_some());
            if keys == 0 || keys < table.len() {
                return None;
            }
            let from = match min {
                Some(min) => min?.from,
                None => None,
            };
            let to = match max {
                Some(max) => max?.to,
                None => None,
            };
            if from.is_some() && to.is_some() && from > to {
                return None;
            }
            vec![Span { from, to }]
        }
        value => vec![one(value)?],
    };
    Some(Disjoint::of(spans))
}

/// Returns the milliseconds of a day in UTC, or of one instant.
fn instants(value: &DeValue<'_>) -> Option<Span<i64>> {
    let text = value.as_str()?;
    if let Ok(instant) = text.parse::<Timestamp>() {
        let instant = instant.as_millisecond();
        return Some(Span { from: Some(instant), to: Some(instant) });
    }
    let day: Date = text.parse().ok()?;
    let begins = |day: Date| Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond());
    Some(Span { from: begins(day), to: Some(begins(day.tomorrow().ok()?)? - 1) })
}

/// Returns a value in one form, with lists in order, so that two of the same meaning are mostly the same.
fn written(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Array(values) => {
            let mut all: Vec<String> = values.iter().map(|value| written(value.get_ref())).collect();
            all.sort();
            all.dedup();
            all.join(", ")
        }
        DeValue::Table(table) => {
            let of = |key: &str| table.get(key).map(|value| written(value.get_ref())).unwrap_or_default();
            format!("{}..{}", of("min"), of("max"))
        }
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::String(text) => format!("{:?}", text.as_ref()),
        value => number(value).map(|number| number.to_string()).unwrap_or_default(),
    }
}
