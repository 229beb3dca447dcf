//! Tolerant values: whatever the server sends where a value is expected, reading goes on and nothing is lost.
//!
//! A [`Slot`] holds a value of the expected type, null, or — for anything else — its JSON text, which ends up in `extra`.
//! Text is borrowed from the page where it holds no escapes.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// What stood where a `T` was expected.
#[derive(Debug, PartialEq)]
pub(super) enum Slot<T> {
    /// `null`.
    Null,
    /// A value that a column takes exactly.
    Value(T),
    /// Anything else, as JSON text.
    Odd(String),
}

/// A type that knows which JSON values it takes exactly. What it declines becomes [`Slot::Odd`].
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
    fn text(_: Cow<'de, str>) -> Result<Self, Cow<'de, str>>;
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
        Ok(take_text(Cow::Borrowed(v)))
    }
    fn visit_str<E>(self, v: &str) -> Result<Slot<T>, E> {
        Ok(take_text(Cow::Owned(v.to_owned())))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Slot<T>, A::Error> {
        T::map(map)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Slot<T>, A::Error> {
        T::list(list)
    }
}

fn take_text<'de, T: Accept<'de>>(text: Cow<'de, str>) -> Slot<T> {
    match T::text(text) {
        Ok(value) => Slot::Value(value),
        Err(text) => Slot::Odd(json_text(&text)),
    }
}

/// The JSON text of a number or string.
pub(super) fn json_text<T: serde::Serialize + ?Sized>(value: &T) -> String {
    // Numbers and strings always have a JSON text, so the default is never taken.
    serde_json::to_string(value).unwrap_or_default()
}

fn odd_map<'de, T, A: MapAccess<'de>>(mut map: A) -> Result<Slot<T>, A::Error> {
    let mut extra = Extra::default();
    while let Some((key, value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
        extra.add(&key.0, value.get());
    }
    Ok(Slot::Odd(extra.into_object()))
}

/// Continues the JSON text of a list, of which `text` holds the opening bracket and the elements already taken.
fn odd_list<'de, T, A: SeqAccess<'de>>(mut text: String, mut list: A) -> Result<Slot<T>, A::Error> {
    while let Some(element) = list.next_element::<&'de RawValue>()? {
        push_element(&mut text, element.get());
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
    fn text(v: Cow<'de, str>) -> Result<Self, Cow<'de, str>> {
        Err(v)
    }
}

impl<'de> Accept<'de> for f64 {
    fn integer(v: i64) -> Option<Self> {
        (v.unsigned_abs() < 1 << 53).then_some(v as f64)
    }
    fn float(v: f64) -> Option<Self> {
        Some(v)
    }
    fn text(v: Cow<'de, str>) -> Result<Self, Cow<'de, str>> {
        Err(v)
    }
}

impl<'de> Accept<'de> for bool {
    fn boolean(v: bool) -> Option<Self> {
        Some(v)
    }
    fn text(v: Cow<'de, str>) -> Result<Self, Cow<'de, str>> {
        Err(v)
    }
}

/// A text. Whole numbers are taken too: the server sends names of digits only as numbers.
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
        // `Cow` itself would always copy here; this borrows where it can.
        deserializer.deserialize_str(TextVisitor)
    }
}

/// A text, or true/false in its place (image levels were booleans once).
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

impl<'de> Accept<'de> for Instant {
    fn text(v: Cow<'de, str>) -> Result<Self, Cow<'de, str>> {
        let parsed = v.parse::<Timestamp>().ok().or_else(|| {
            let local = v.parse::<DateTime>().ok()?;
            Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
        });
        match parsed {
            // Finer than a millisecond: the column cannot take it exactly.
            Some(at) if at.subsec_nanosecond() % 1_000_000 == 0 => Ok(Self(at.as_millisecond())),
            _ => Err(v),
        }
    }
}

/// A list of texts.
#[derive(Debug, PartialEq)]
pub(super) struct TextList<'a>(pub(super) Vec<Cow<'a, str>>);

impl<'de> Accept<'de> for TextList<'de> {
    fn text(v: Cow<'de, str>) -> Result<Self, Cow<'de, str>> {
        Err(v)
    }
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Slot<Self>, A::Error> {
        let mut texts = Vec::new();
        while let Some(element) = list.next_element::<Slot<Text<'de>>>()? {
            let odd = match element {
                Slot::Value(Text(text)) => {
                    texts.push(text);
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

/// A list of objects. An element that is no object is counted as a stray: the item it belongs to is rejected.
#[derive(Debug)]
pub(super) struct Objects<T> {
    pub(super) items: Vec<T>,
    pub(super) strays: usize,
}

impl<'de, T: Accept<'de>> Accept<'de> for Objects<T> {
    fn text(v: Cow<'de, str>) -> Result<Self, Cow<'de, str>> {
        Err(v)
    }
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Slot<Self>, A::Error> {
        let mut objects = Self { items: Vec::new(), strays: 0 };
        while let Some(element) = list.next_element::<Slot<T>>()? {
            match element {
                Slot::Value(object) => objects.items.push(object),
                Slot::Null | Slot::Odd(_) => objects.strays += 1,
            }
        }
        Ok(Slot::Value(objects))
    }
}

/// The fields no column takes, as the inside of a JSON object.
#[derive(Debug, Default)]
pub(super) struct Extra(String);

impl Extra {
    /// Adds one field; `json` is the JSON text of its value.
    pub(super) fn add(&mut self, key: &str, json: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(&json_text(key));
        self.0.push(':');
        self.0.push_str(json);
    }

    /// Adds what a nested object could not place, under the key of that object.
    pub(super) fn nest(&mut self, key: &str, inner: Extra) {
        if !inner.0.is_empty() {
            self.add(key, &inner.into_object());
        }
    }

    /// Whether nothing was added.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The JSON object, or `None` when nothing was added.
    pub(super) fn into_column(self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.into_object())
    }

    fn into_object(self) -> String {
        format!("{{{}}}", self.0)
    }
}

/// Declares an object of the server: field, type, the key or keys it is read from. Unknown keys and values that the type
/// declines are kept in `extra`. Fields under `exactly` are kept as the JSON text that was sent.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty = $($key:literal)|+,)* }
     $(exactly { $($raw:ident = $raw_key:literal,)* })?) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(super) struct $name<'a> {
            $(pub(super) $field: Option<$type>,)*
            $($(pub(super) $raw: Option<&'a str>,)*)?
            pub(super) extra: $crate::api::value::Extra,
            lifetime: std::marker::PhantomData<&'a ()>,
        }

        impl<'a> $crate::api::value::Accept<'a> for $name<'a> {
            fn text(v: std::borrow::Cow<'a, str>) -> Result<Self, std::borrow::Cow<'a, str>> {
                Err(v)
            }
            fn map<A: serde::de::MapAccess<'a>>(
                mut map: A,
            ) -> Result<$crate::api::value::Slot<Self>, A::Error> {
                use $crate::api::value::Slot;
                let mut object = Self::default();
                while let Some(key) = map.next_key::<$crate::api::value::Text<'a>>()? {
                    match &*key.0 {
                        $($($key)|+ => match map.next_value::<Slot<$type>>()? {
                            Slot::Value(value) => object.$field = Some(value),
                            Slot::Null => object.$field = None,
                            Slot::Odd(text) => object.extra.add(&key.0, &text),
                        },)*
                        $($($raw_key => {
                            let text = map.next_value::<&'a serde_json::value::RawValue>()?.get();
                            object.$raw = (text != "null").then_some(text);
                        })*)?
                        _ => {
                            let value = map.next_value::<&'a serde_json::value::RawValue>()?;
                            object.extra.add(&key.0, value.get());
                        }
                    }
                }
                Ok(Slot::Value(object))
            }
        }
    };
}
pub(super) use object;

#[cfg(test)]
mod tests;
