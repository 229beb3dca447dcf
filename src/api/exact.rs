//! What a column takes from JSON text so exactly that the text can be told from the column again.

use std::borrow::Cow;

use serde::de::MapAccess;
use serde_json::value::RawValue;

use super::value::{Accept, Slot, Text};

/// The fields of an object: keys, and the JSON text of the values.
#[derive(Debug)]
pub(super) struct Fields<'a>(pub(super) Vec<(Cow<'a, str>, &'a str)>);

impl<'de> Accept<'de> for Fields<'de> {
    fn text(v: Cow<'de, str>) -> Result<Self, Cow<'de, str>> {
        Err(v)
    }
    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Slot<Self>, A::Error> {
        let mut fields = Vec::new();
        while let Some((Text(key), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
            fields.push((key, value.get()));
        }
        Ok(Slot::Value(Self(fields)))
    }
}

/// The fields of a JSON object.
pub(super) fn fields(json: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    match serde_json::from_str(json.strip_prefix('{').map(|_| json)?) {
        Ok(Slot::Value(Fields(fields))) => Some(fields),
        _ => None,
    }
}

/// Gives a column its value; returns whether it took one. A column that has a value keeps it.
pub(super) fn fill<T>(column: &mut Option<T>, value: Option<T>) -> bool {
    let taken = column.is_none() && value.is_some();
    if taken {
        *column = value;
    }
    taken
}

/// The text of a JSON string; borrowed where it holds no escapes.
pub(super) fn text(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(json).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// A whole number of 64 bits.
pub(super) fn integer(json: &str) -> Option<i64> {
    json.parse().ok().filter(|_| json != "-0")
}

/// A number whose digits a double holds, all of them: `7`, `7.0` and `0.65`, but neither `9007199254740993` nor `1e3`.
pub(super) fn float(json: &str) -> Option<f64> {
    let digits = match json.split_once('.') {
        Some(_) => json.trim_end_matches('0').trim_end_matches('.'),
        None => json,
    };
    json.parse::<f64>().ok().filter(|number| number.to_string() == digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_taken_whole_or_not_at_all() {
        let cases = [
            ("7", Some(7), Some(7.0)),
            ("-7", Some(-7), Some(-7.0)),
            ("0", Some(0), Some(0.0)),
            ("-0", None, Some(-0.0)),
            ("7.0", None, Some(7.0)),
            ("0.650", None, Some(0.65)),
            ("100", Some(100), Some(100.0)),
            ("1e3", None, None),
            ("1e400", None, None),
            ("9007199254740993", Some(9_007_199_254_740_993), None),
            ("9223372036854775807", Some(i64::MAX), None),
            ("9223372036854775808", None, None),
            ("9223372036854776000", None, Some(9_223_372_036_854_776_000.0)),
            ("0.1000000000000000055511151231257827", None, None),
            ("\"7\"", None, None),
            ("null", None, None),
            ("true", None, None),
            ("[7]", None, None),
        ];
        for (json, whole, number) in cases {
            assert_eq!((integer(json), float(json)), (whole, number), "{json}");
        }
    }

    #[test]
    fn text_is_borrowed_unless_it_holds_escapes() {
        assert!(matches!(text(r#""a é""#), Some(Cow::Borrowed("a é"))));
        assert_eq!(text(r#""a\n\u0000\"""#).as_deref(), Some("a\n\0\""));
        assert_eq!(text(r#""\ud800""#), None);
        for json in ["7", "null", "{}", "\"", ""] {
            assert_eq!(text(json), None, "{json}");
        }
    }

    proptest! {
        #[test]
        fn the_text_can_be_told_from_the_column(number in any::<f64>(), whole in any::<i64>(), words in any::<String>()) {
            let json = serde_json::to_string(&number).unwrap();
            prop_assert!(float(&json).is_none_or(|taken| taken.to_bits() == number.to_bits()));
            prop_assert_eq!(integer(&whole.to_string()), Some(whole));
            let json = serde_json::to_string(&words).unwrap();
            let taken = text(&json);
            prop_assert_eq!(taken.as_deref(), Some(&*words));
        }
    }
}
