//! A JSON object whose values stay text until they are read as a type.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::sandbox::catalog::dates::{self, Fraction};

/// An object's members in their order, values still as text.
#[derive(Default)]
pub(super) struct Object<'a>(pub(super) Vec<(String, &'a RawValue)>);

impl<'a> Object<'a> {
    pub(super) fn read(text: &'a str) -> serde_json::Result<Object<'a>> {
        serde_json::from_str(text)
    }

    /// Returns the text under a key; of repeated keys the last counts.
    pub(super) fn raw(&self, key: &str) -> Option<&'a RawValue> {
        self.0.iter().rfind(|(known, _)| known == key).map(|(_, raw)| *raw)
    }

    pub(super) fn value(&self, key: &str) -> Value {
        self.raw(key).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or(Value::Null)
    }

    pub(super) fn object(&self, key: &str) -> Object<'a> {
        let read = self.raw(key).and_then(|raw| Object::read(raw.get()).ok());
        read.unwrap_or_default()
    }

    pub(super) fn objects(&self, key: &str) -> Vec<Object<'a>> {
        self.elements(key).into_iter().filter_map(|raw| Object::read(raw.get()).ok()).collect()
    }

    pub(super) fn elements(&self, key: &str) -> Vec<&'a RawValue> {
        self.raw(key).and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
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

    /// Returns a text; a number becomes its digits.
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

    /// Returns the JSON as sent; null for null and for a missing key.
    pub(super) fn json(&self, key: &str) -> Value {
        let sent = self.raw(key).map(RawValue::get).filter(|text| *text != "null");
        sent.map_or(Value::Null, Value::from)
    }

    /// Returns a list; null for other types.
    pub(super) fn texts(&self, key: &str) -> Value {
        match self.value(key) {
            list @ Value::Array(_) => list,
            _ => Value::Null,
        }
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<'de>, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Object<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_their_text() {
        let object = Object::read("{\"b\": 1.50, \"a\":{\"x\":[ 1 ]},\"b\":\"t\"}").unwrap();
        let keys: Vec<&str> = object.0.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["b", "a", "b"]);
        assert_eq!((object.text("b"), object.int("b")), (Value::from("t"), Value::Null));
        assert_eq!(object.object("a").raw("x").map(RawValue::get), Some("[ 1 ]"));
        assert!(Object::read("[1]").is_err() && Object::read("null").is_err());
    }
}
