//! A JSON object whose values stay text until one is asked for by type.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::dates::{self, Fraction};

/// An object's members, values still as text.
pub(super) struct Object<'a>(pub(super) BTreeMap<String, &'a RawValue>);

impl<'a> Object<'a> {
    pub(super) fn read(text: &'a str) -> serde_json::Result<Object<'a>> {
        serde_json::from_str(text).map(Object)
    }

    pub(super) fn value(&self, key: &str) -> Value {
        self.0.get(key).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or(Value::Null)
    }

    pub(super) fn object(&self, key: &str) -> Object<'a> {
        let read = self.0.get(key).and_then(|raw| Object::read(raw.get()).ok());
        read.unwrap_or(Object(BTreeMap::new()))
    }

    pub(super) fn objects(&self, key: &str) -> Vec<Object<'a>> {
        self.elements(key).into_iter().filter_map(|raw| Object::read(raw.get()).ok()).collect()
    }

    pub(super) fn elements(&self, key: &str) -> Vec<&'a RawValue> {
        self.0.get(key).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }

    pub(super) fn int(&self, key: &str) -> Value {
        self.value(key).as_i64().map_or(Value::Null, Value::from)
    }

    pub(super) fn float(&self, key: &str) -> Value {
        self.value(key).as_f64().map_or(Value::Null, Value::from)
    }

    pub(super) fn flag(&self, key: &str) -> Value {
        self.value(key).as_bool().map_or(Value::Null, Value::from)
    }

    /// A text; a number stands for its digits.
    pub(super) fn text(&self, key: &str) -> Value {
        match self.value(key) {
            text @ Value::String(_) => text,
            number @ Value::Number(_) => Value::from(number.to_string()),
            _ => Value::Null,
        }
    }

    pub(super) fn date(&self, key: &str) -> Value {
        let value = self.value(key);
        let ms = value.as_str().and_then(|text| dates::parse(text, Fraction::Decimal));
        ms.map_or(Value::Null, |ms| Value::from(dates::iso(ms)))
    }

    /// A list of texts; null when there is no list.
    pub(super) fn texts(&self, key: &str) -> Value {
        match self.value(key) {
            list @ Value::Array(_) => list,
            _ => Value::Null,
        }
    }
}
