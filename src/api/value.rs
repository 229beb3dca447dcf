//! Tolerant values: an unexpected value neither stops the reading nor is lost.
//!
//! A [`Slot`] holds a value of the expected type, null, or the JSON text of anything else, which goes to `extra`. Text without
//! escapes is borrowed from the page.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::allowance::{charge, charge_part, charge_text, is_spent};
use super::extra::{Extra, json_text};

/// The value at the place of an expected `T`.
#[derive(Debug, PartialEq)]
pub(super) enum Slot<T> {
    /// `null`.
    Null,
    /// A value that a column holds exactly.
    Value(T),
    /// Anything else, as JSON text.
    Odd(String),
}

/// A type with the JSON values it holds exactly. All others become [`Slot::Odd`].
pub(super) trait Accept<'de>: Sized {
    fn integer(_: i64) -> Option<Self> {
        None
    }
    fn float(_: f64) -> Option<Self> {
        None
    }
    fn boolean(_: bool) -> Option<Self> {
        None
    }
    fn text(v: Cow<'de, str>) -> Result<Self, Cow<'de, str>> {
        Err(v)
    }
    fn map<A: MapAccess<'de>>(map: A) -> Result<Slot<Self>, A::Error> {
        odd_map(map)
    }
    fn list<A: SeqAccess<'de>>(list: A) -> Result<Slot<Self>, A::Error> {
        odd_list(String::from("["), list)
    }
}

impl<'de, T: Accept<'de>> Deserialize<'de> for Slot<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SlotVisitor(PhantomData))
    }
}

struct SlotVisitor<T>(PhantomData<T>);

impl<'de, T: Accept<'de>> Visitor<'de> for SlotVisitor<T> {
    type Value = Slot<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }
    fn visit_unit<E>(self) -> Result<Slot<T>, E> {
        Ok(Slot::Null)
    }
    fn visit_bool<E>(self, v: bool) -> Result<Slot<T>, E> {
        Ok(T::boolean(v).map_or_else(|| Slot::Odd(v.to_string()), Slot::Value))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Slot<T>, E> {
        Ok(T::integer(v).map_or_else(|| Slot::Odd(v.to_string()), Slot::Value))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Slot<T>, E> {
        let taken = i64::try_from(v).ok().and_then(T::integer);
        Ok(taken.map_or_else(|| Slot::Odd(v.to_string()), Slot::Value))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Slot<T>, E> {
        Ok(T::float(v).map_or_else(|| Slot::Odd(json_text(&v)), Slot::Value))
    }
    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Slot<T>, E> {
        Ok(if charge_text(v) { take_text(Cow::Borrowed(v)) } else { Slot::Null })
    }
    fn visit_str<E>(self, v: &str) -> Result<Slot<T>, E> {
        Ok(if charge(v.len()) { take_text(Cow::Owned(v.to_owned())) } else { Slot::Null })
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Slot<T>, A::Error> {
        if is_spent() {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Slot::Null);
        }
        T::map(map)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Slot<T>, A::Error> {
        if is_spent() {
            while list.next_element::<IgnoredAny>()?.is_some() {
                charge_part(0);
            }
            return Ok(Slot::Null);
        }
        T::list(list)
    }
}

fn take_text<'de, T: Accept<'de>>(text: Cow<'de, str>) -> Slot<T> {
    match T::text(text) {
        Ok(value) => Slot::Value(value),
        Err(text) => Slot::Odd(json_text(&text)),
    }
}

fn odd_map<'de, T, A: MapAccess<'de>>(mut map: A) -> Result<Slot<T>, A::Error> {
    let mut extra = Extra::default();
    while let Some((key, value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
        extra.take(key.0, value.get());
    }
    Ok(Slot::Odd(extra.into_object()))
}

/// Completes the JSON text of a list; `text` holds the opening bracket and the elements already read.
fn odd_list<'de, T, A: SeqAccess<'de>>(mut text: String, mut list: A) -> Result<Slot<T>, A::Error> {
    while let Some(element) = list.next_element::<&'de RawValue>()? {
        if charge_part(element.get().len() + 1) {
            push_element(&mut text, element.get());
        }
    }
    text.push(']');
    Ok(Slot::Odd(text))
}

fn push_element(list: &mut String, element: &str) {
    if list.len() > 1 {
        list.push(',');
    }
    list.push_str(element);
}

impl<'de> Accept<'de> for i64 {
    fn integer(v: i64) -> Option<Self> {
        Some(v)
    }
    fn float(v: f64) -> Option<Self> {
        // Up to 2^53 a float without a fraction is that integer and no other.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        (v.fract() == 0.0 && v.abs() < EXACT).then_some(v as i64)
    }
}

impl<'de> Accept<'de> for f64 {
    fn integer(v: i64) -> Option<Self> {
        (v.unsigned_abs() < 1 << 53).then_some(v as f64)
    }
    fn float(v: f64) -> Option<Self> {
        Some(v)
    }
}

impl<'de> Accept<'de> for bool {
    fn boolean(v: bool) -> Option<Self> {
        Some(v)
    }
}

/// A text. Whole numbers are accepted too: the server sends names of only digits as numbers.
#[derive(Debug, PartialEq)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de> Accept<'de> for Text<'de> {
    fn integer(v: i64) -> Option<Self> {
        Some(Self(Cow::Owned(v.to_string())))
    }
    fn text(v: Cow<'de, str>) -> Result<Self, Cow<'de, str>> {
        Ok(Self(v))
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(v)))
            }
            fn visit_str<E>(self, v: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(v.to_owned())))
            }
        }
        // `Cow` itself would always copy here; this borrows text without escapes.
        deserializer.deserialize_str(TextVisitor)
    }
}

/// Returns the text of a field, for its column.
pub(super) fn text<'t>(text: &'t Option<Text<'_>>) -> Option<&'t str> {
    text.as_ref().map(|text| &*text.0)
}

/// A text, or true/false instead (image levels were booleans once).
#[derive(Debug, PartialEq)]
pub(super) struct Word<'a>(pub(super) Cow<'a, str>);

impl<'de> Accept<'de> for Word<'de> {
    fn boolean(v: bool) -> Option<Self> {
        Some(Self(Cow::Borrowed(if v { "true" } else { "false" })))
    }
    fn text(v: Cow<'de, str>) -> Result<Self, Cow<'de, str>> {
        Ok(Self(v))
    }
}

/// An instant in milliseconds since 1970, from RFC 3339 text; text without a zone is UTC.
#[derive(Debug, PartialEq)]
pub(super) struct Instant(pub(super) i64);

impl serde::Serialize for Instant {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // An instant that was read is in range, so the default is never used.
        serializer.collect_str(&Timestamp::from_millisecond(self.0).unwrap_or_default())
    }
}

impl<'de> Accept<'de> for Instant {
    fn text(v: Cow<'de, str>) -> Result<Self, Cow<'de, str>> {
        let parsed = v.parse::<Timestamp>().ok().or_else(|| {
            let local = v.parse::<DateTime>().ok()?;
            Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
        });
        match parsed {
            // Finer than a millisecond: the column cannot hold it exactly.
            Some(at) if at.subsec_nanosecond() % 1_000_000 == 0 => Ok(Self(at.as_millisecond())),
            _ => Err(v),
        }
    }
}

/// A list of texts.
#[derive(Debug, PartialEq)]
pub(super) struct TextList<'a>(pub(super) Vec<Cow<'a, str>>);

impl<'de> Accept<'de> for TextList<'de> {
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Slot<Self>, A::Error> {
        let mut texts = Vec::new();
        while let Some(element) = list.next_element::<Slot<Text<'de>>>()? {
            let odd = match element {
                Slot::Value(Text(text)) => {
                    if charge_part(size_of::<Cow<'_, str>>()) {
                        texts.push(text);
                    }
                    continue;
                }
                Slot::Null => String::from("null"),
                Slot::Odd(odd) => odd,
            };
            let mut text = String::from("[");
            for taken in &texts {
                push_element(&mut text, &json_text(taken));
            }
            push_element(&mut text, &odd);
            return odd_list(text, list);
        }
        Ok(Slot::Value(Self(texts)))
    }
}

/// A list of objects. `strays` counts elements that are no objects; the item with such a list is rejected.
#[derive(Debug, PartialEq)]
pub(super) struct Objects<T> {
    pub(super) items: Vec<T>,
    pub(super) strays: usize,
}

impl<'de, T: Accept<'de>> Accept<'de> for Objects<T> {
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Slot<Self>, A::Error> {
        let mut objects = Self { items: Vec::new(), strays: 0 };
        while let Some(element) = list.next_element::<Slot<T>>()? {
            if !charge_part(size_of::<T>()) {
                continue;
            }
            match element {
                Slot::Value(object) => objects.items.push(object),
                Slot::Null | Slot::Odd(_) => objects.strays += 1,
            }
        }
        Ok(Slot::Value(objects))
    }
}

#[cfg(test)]
mod tests;
