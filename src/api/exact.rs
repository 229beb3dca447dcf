//! Exact reads: values from which the JSON text can be rebuilt.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::allowance::{charge, charge_part, charge_text};
use super::value::{Accept, Slot, Text};

/// The fields of an object: keys, and the JSON texts of the values.
#[derive(Debug)]
pub(super) struct Fields<'a>(pub(super) Vec<(Cow<'a, str>, &'a str)>);

impl<'de> Accept<'de> for Fields<'de> {
    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Slot<Self>, A::Error> {
        // Most objects that are read so have no more fields. The room is not charged, because it is given back with the object.
        let mut fields = Vec::with_capacity(32);
        while let Some((Text(key), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
            if charge(size_of::<(Cow<'_, str>, &str)>()) {
                fields.push((key, value.get()));
            }
        }
        Ok(Slot::Value(Self(fields)))
    }
}

/// Returns the fields of a JSON object; `None` for other JSON.
pub(super) fn fields(json: &str) -> Option<Vec<(Cow<'_, str>, &str)>> {
    match serde_json::from_str(json.strip_prefix('{').map(|_| json)?) {
        Ok(Slot::Value(Fields(fields))) => Some(fields),
        _ => None,
    }
}

/// The JSON texts of a list's elements.
struct Elements<'a>(Vec<&'a str>);

impl<'de> Accept<'de> for Elements<'de> {
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Slot<Self>, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element::<&'de RawValue>()? {
            if charge_part(size_of::<&str>()) {
                elements.push(element.get());
            }
        }
        Ok(Slot::Value(Self(elements)))
    }
}

/// Returns the elements of a JSON list; `None` for other JSON.
pub(super) fn elements(json: &str) -> Option<Vec<&str>> {
    match serde_json::from_str(json.strip_prefix('[').map(|_| json)?) {
        Ok(Slot::Value(Elements(elements))) => Some(elements),
        _ => None,
    }
}

/// Calls `take` with each field of a JSON object. Returns false for other JSON.
pub(super) fn each_field<'a>(json: &'a str, mut take: impl FnMut(&str, &'a str)) -> bool {
    struct Each<F>(F);
    impl<'de, F: FnMut(&str, &'de str)> Visitor<'de> for Each<F> {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some((Text(key), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                (self.0)(&key, value.get());
            }
            Ok(())
        }
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    json.starts_with('{') && reader.deserialize_map(Each(&mut take)).is_ok()
}

/// Fills an empty column; returns true if it took the value.
pub(super) fn fill<T>(column: &mut Option<T>, value: Option<T>) -> bool {
    let taken = column.is_none() && value.is_some();
    if taken {
        *column = value;
    }
    taken
}

/// A number in a column.
pub(super) trait Number: Sized {
    /// Reads a number from which the JSON text can be rebuilt.
    fn exact(json: &str) -> Option<Self>;
    /// Reads a number in any form, as text too: `"2"`, `" 2"`, `"007"`, `2.0` and `1e3`, but not `"1,5"`.
    fn meant(json: &str) -> Option<Self>;
}

impl Number for i64 {
    fn exact(json: &str) -> Option<Self> {
        integer(json)
    }
    fn meant(json: &str) -> Option<Self> {
        // Below this, a double has digits enough to tell any two whole numbers apart.
        const WHOLE: f64 = 1e15;
        let whole = |number: &f64| number.fract() == 0.0 && number.abs() < WHOLE;
        unquoted(json).trim().parse().ok().or_else(|| Some(f64::meant(json).filter(whole)? as Self))
    }
}

impl Number for f64 {
    fn exact(json: &str) -> Option<Self> {
        float(json)
    }
    fn meant(json: &str) -> Option<Self> {
        // A double holds any number with this many significant digits.
        const DIGITS: usize = 15;
        let text = unquoted(json);
        let text = text.trim();
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        let number = text.parse().ok().filter(|_| plain)?;
        let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
        let digits = mantissa.trim_start_matches(['+', '-', '0', '.']).bytes().filter(u8::is_ascii_digit).count();
        let held = digits <= DIGITS && (Self::is_normal(number) || digits == 0);
        (held || float(text).is_some()).then_some(number)
    }
}

/// Returns the content of a JSON string; other JSON text unchanged.
fn unquoted(json: &str) -> Cow<'_, str> {
    text(json).unwrap_or(Cow::Borrowed(json))
}

/// Fills a column with a number in any form; returns true if the JSON text can be rebuilt from it.
pub(super) fn number<T: Number>(column: &mut Option<T>, json: &str) -> bool {
    match T::exact(json) {
        exact @ Some(_) => fill(column, exact),
        None => {
            fill(column, T::meant(json));
            false
        }
    }
}

/// Fills a column with a number sent as text; returns true if the text is the shortest form of the number.
pub(super) fn number_as_text(column: &mut Option<f64>, json: &str) -> bool {
    let meant = f64::meant(json);
    let brief = meant.is_some_and(|number| text(json).is_some_and(|text| number.to_string() == text));
    fill(column, meant) && brief
}

/// Returns the content of a JSON string; borrowed if it has no escapes.
pub(super) fn text(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    match inner.contains('\\') {
        true if !charge(inner.len()) => None,
        true => serde_json::from_str(json).ok().map(Cow::Owned),
        false => charge_text(inner).then_some(Cow::Borrowed(inner)),
    }
}

/// Reads a whole number of 64 bits.
pub(super) fn integer(json: &str) -> Option<i64> {
    json.parse().ok().filter(|_| json != "-0")
}

/// Reads a number if a double holds all its digits: `7`, `7.0` and `0.65`, but neither `9007199254740993` nor `1e3`.
pub(super) fn float(json: &str) -> Option<f64> {
    let digits = match json.split_once('.') {
        Some(_) => json.trim_end_matches('0').trim_end_matches('.'),
        None => json,
    };
    // Any two numbers of so few digits are different doubles, and the shortest form of each is the one that was read.
    let few = digits.len() <= 15 && !digits.contains(['e', 'E']);
    json.parse::<f64>().ok().filter(|number| few || number.to_string() == digits)
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
    fn numbers_in_other_forms_are_understood_where_they_mean_one_number() {
        let cases = [
            (r#""2""#, Some(2), Some(2.0)),
            (r#"" 2""#, Some(2), Some(2.0)),
            (r#""2\n""#, Some(2), Some(2.0)),
            (r#""007""#, Some(7), Some(7.0)),
            (r#""+7""#, Some(7), Some(7.0)),
            (r#""2.0""#, Some(2), Some(2.0)),
            ("20.0", Some(20), Some(20.0)),
            (r#""7.5""#, None, Some(7.5)),
            (r#"".5""#, None, Some(0.5)),
            (r#""1e3""#, Some(1000), Some(1000.0)),
            ("1E-2", None, Some(0.01)),
            (r#""0.50""#, None, Some(0.5)),
            (r#""-0""#, Some(0), Some(-0.0)),
            (r#""0e9""#, Some(0), Some(0.0)),
            (r#""9007199254740993""#, Some(9_007_199_254_740_993), None),
            (r#""9007199254740993.0""#, None, None),
            (r#""18446744073709551615""#, None, None),
            (r#""0.1000000000000000055511151231257827""#, None, None),
            (r#""0.30000000000000004""#, None, Some(0.300_000_000_000_000_04)),
            (r#""1e999""#, None, None),
            (r#""1e-999""#, None, None),
            (r#""1,5""#, None, None),
            (r#""7%""#, None, None),
            (r#""0x10""#, None, None),
            (r#""1 2""#, None, None),
            (r#""inf""#, None, None),
            (r#""NaN""#, None, None),
            (r#""e""#, None, None),
            (r#""""#, None, None),
            ("null", None, None),
            ("true", None, None),
            ("[7]", None, None),
        ];
        for (json, whole, number) in cases {
            assert_eq!((i64::meant(json), f64::meant(json)), (whole, number), "{json}");
        }
    }

    #[test]
    fn a_number_sent_as_text_can_be_told_again_in_its_briefest_form() {
        let cases = [
            (r#""0.35""#, Some(0.35), true),
            (r#""1""#, Some(1.0), true),
            (r#""1.0""#, Some(1.0), false),
            (r#"" 1""#, Some(1.0), false),
            ("0.35", Some(0.35), false),
            (r#""high""#, None, false),
            (r#""inf""#, None, false),
        ];
        for (json, number, again) in cases {
            let mut column = None;
            assert_eq!((number_as_text(&mut column, json), column), (again, number), "{json}");
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
        fn a_number_is_taken_if_its_shortest_form_is_what_was_sent(
            json in "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,18})?", power in "([eE]-?[0-9]{1,2})?",
        ) {
            let sent = match json.contains('.') {
                true => json.trim_end_matches('0').trim_end_matches('.'),
                false => &json,
            };
            let number: f64 = json.parse().unwrap();
            prop_assert_eq!(float(&json), (number.to_string() == sent).then_some(number));
            if !power.is_empty() {
                prop_assert_eq!(float(&(json + &power)), None);
            }
        }

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
