//! Typed reads from one table of a crawl file. A value of another type, or an unknown key, is a mistake.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::mistake::{Findings, clip};
use super::{credential, quantity, suggestion};

/// A key with its span.
pub(super) type Key<'a> = Spanned<DeString<'a>>;
/// A value with its span.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// A table being read. It remembers the keys that were read; [`Section::finish`] reports the others.
pub(super) struct Section<'a> {
    /// The prefix of a key's name in sentences, for example `pace.`.
    prefix: String,
    /// The place of the table in the sentence "there is no key `x` …".
    place: String,
    at: usize,
    table: Option<&'a DeTable<'a>>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn top(table: &'a DeTable<'a>) -> Section<'a> {
        Section { prefix: String::new(), place: "here".to_owned(), at: 0, table: Some(table), known: Vec::new() }
    }

    /// One element of `[[walk]]` at byte offset `at`.
    pub(super) fn walk(table: &'a DeTable<'a>, at: usize) -> Section<'a> {
        Section { place: "in a `[[walk]]`".to_owned(), at, ..Section::top(table) }
    }

    /// Returns the table of `key` as a section; an empty one if `key` is absent.
    pub(super) fn section(&mut self, key: &'static str, found: &mut Findings<'_>) -> Section<'a> {
        let at = self.at_key(key);
        Section {
            prefix: format!("{key}."),
            place: format!("in `[{key}]`"),
            at,
            table: self.table(key, found),
            known: Vec::new(),
        }
    }

    /// Returns the name of a key in sentences, for example `pace.burst`.
    pub(super) fn full_name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Returns the table of `key`, if present.
    pub(super) fn table(&mut self, key: &'static str, found: &mut Findings<'_>) -> Option<&'a DeTable<'a>> {
        self.read(key, "a table", found, DeValue::as_table)
    }

    /// Returns the byte offset of the table.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Returns the byte offset of `key`, or of the table if `key` is absent.
    pub(super) fn at_key(&self, key: &str) -> usize {
        self.table.and_then(|table| table.get_key_value(key)).map_or(self.at, |(key, _)| key.span().start)
    }

    /// True if `key` is present.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Returns the value of `key` and marks the key as known.
    pub(super) fn take(&mut self, key: &'static str) -> Option<&'a Value<'a>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.table?.get(key)
    }

    /// Reads a whole number in `range`.
    pub(super) fn int<T>(&mut self, key: &'static str, range: RangeInclusive<T>, found: &mut Findings<'_>) -> Option<T>
    where
        T: TryFrom<i128> + PartialOrd + Display,
    {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.read(key, &expected, found, |value| {
            whole(value).and_then(|number| T::try_from(number).ok()).filter(|number| range.contains(number))
        })
    }

    /// Reads a number in `range`.
    pub(super) fn float(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f64>,
        found: &mut Findings<'_>,
    ) -> Option<f64> {
        let expected = format!("a number from {} to {}", range.start(), range.end());
        self.read(key, &expected, found, |value| number(value).filter(|number| range.contains(number)))
    }

    /// Reads `true` or `false`.
    pub(super) fn bool(&mut self, key: &'static str, found: &mut Findings<'_>) -> Option<bool> {
        self.read(key, "`true` or `false`, without quotes", found, DeValue::as_bool)
    }

    /// Reads text that is not empty.
    pub(super) fn text(&mut self, key: &'static str, found: &mut Findings<'_>) -> Option<&'a str> {
        self.read(key, "text in quotes that is not empty", found, text)
    }

    /// Reads a list of texts that are not empty.
    pub(super) fn texts(&mut self, key: &'static str, found: &mut Findings<'_>) -> Option<Vec<String>> {
        self.read(key, "a list of texts, such as `[\"…\", \"…\"]`", found, |value| {
            value.as_array()?.iter().map(|item| text(item.get_ref()).map(str::to_owned)).collect()
        })
    }

    /// Reads a duration in `range`.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
        found: &mut Findings<'_>,
    ) -> Option<Duration> {
        let (least, most) = (quantity::duration_text(*range.start()), quantity::duration_text(*range.end()));
        let expected = format!("a duration from {least} to {most}, such as `\"90s\"` or `\"1h 30m\"`");
        self.read(key, &expected, found, |value| {
            text(value).and_then(quantity::duration).filter(|duration| range.contains(duration))
        })
    }

    /// Reads a number of bytes in `range`.
    pub(super) fn bytes(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        found: &mut Findings<'_>,
    ) -> Option<u64> {
        let (least, most) = (quantity::bytes_text(*range.start()), quantity::bytes_text(*range.end()));
        let expected = format!("a size from {least} to {most} in KiB, MiB or GiB, such as `\"64MiB\"`");
        self.read(key, &expected, found, |value| {
            text(value).and_then(quantity::bytes).filter(|bytes| range.contains(bytes))
        })
    }

    /// Notes every key that was not read as a mistake.
    pub(super) fn finish(self, found: &mut Findings<'_>) {
        let place = &self.place;
        for key in self.table.into_iter().flat_map(DeTable::keys) {
            let name = key.get_ref().as_ref();
            if self.known.contains(&name) {
                continue;
            }
            let text = credential::refusal(name).unwrap_or_else(|| {
                let known = self.known.iter().copied();
                let otherwise = format!("Known are {}.", suggestion::list(known.clone()));
                let ending = suggestion::did_you_mean(name, known, &otherwise);
                format!("there is no key `{}` {place}.{ending}", clip(name))
            });
            found.mistake(key.span().start, text);
        }
    }

    /// Reads one value with `convert`, or notes the expected form.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        found: &mut Findings<'_>,
        convert: impl FnOnce(&'a DeValue<'a>) -> Option<T>,
    ) -> Option<T> {
        let value = self.take(key)?;
        let read = convert(value.get_ref());
        if read.is_none() {
            let written = found.written(value.span());
            found.mistake(self.at_key(key), format!("`{}` is `{written}`; it takes {expected}.", self.full_name(key)));
        }
        read
    }
}

/// Returns a table's entries in the order of the file; the parser sorts them by key.
pub(super) fn in_file_order<'a>(table: &'a DeTable<'a>) -> Vec<(&'a Key<'a>, &'a Value<'a>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// Returns a whole number in any notation; `None` for other values, and beyond 128 bits.
pub(super) fn whole(value: &DeValue<'_>) -> Option<i128> {
    let integer = value.as_integer()?;
    i128::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// Returns a number, whole or not.
pub(super) fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(float) => float.as_str().parse().ok(),
        other => whole(other).map(|whole| whole as f64),
    }
}

/// Returns text that is not blank.
pub(super) fn text<'a>(value: &'a DeValue<'_>) -> Option<&'a str> {
    value.as_str().filter(|text| !text.trim().is_empty())
}
