//! Each tolerant value: the JSON it holds exactly, and the JSON it keeps as text.

use std::fmt::Debug;

use super::*;

fn slot<'a, T: Accept<'a>>(json: &'a str) -> Slot<T> {
    serde_json::from_str(json).unwrap()
}

fn odd<T>(text: &str) -> Slot<T> {
    Slot::Odd(text.to_owned())
}

/// Values that the type takes, with what they become; then values it hands on, which keep their text.
fn assert_takes<'a, T: Accept<'a> + Debug + PartialEq>(taken: Vec<(&'a str, T)>, handed_on: &[&'a str]) {
    for (json, value) in taken {
        assert_eq!(slot::<T>(json), Slot::Value(value), "{json}");
    }
    for json in handed_on {
        assert_eq!(slot::<T>(json), odd(json), "{json}");
    }
    assert_eq!(slot::<T>("null"), Slot::Null);
}

#[test]
fn whole_numbers_are_taken_in_either_notation_and_only_exactly() {
    let taken = vec![("0", 0), ("-7", -7), ("5.0", 5), ("1e3", 1000), ("9223372036854775807", i64::MAX)];
    let handed_on = ["5.5", "\"5\"", "true", "9223372036854775808", "9007199254740992.0", "[1,2]", "{\"a\":1}"];
    assert_takes::<i64>(taken, &handed_on);
}

#[test]
fn fractions_keep_their_last_bit() {
    let taken =
        vec![("0.1", 0.1), ("2130982.859375", 2_130_982.859_375), ("144112.70703125", 144_112.707_031_25), ("7", 7.0)];
    assert_takes::<f64>(taken, &["9007199254740993", "\"0.1\"", "false", "[]", "{}"]);
}

#[test]
fn truth_is_only_true_or_false() {
    assert_takes::<bool>(vec![("true", true), ("false", false)], &["1", "0", "\"true\"", "[]", "{}"]);
}

#[test]
fn texts_are_texts_or_whole_numbers() {
    let text = |text: &'static str| Text(Cow::Borrowed(text));
    let taken = vec![
        ("\"\"", text("")),
        ("\"x\\\"y\\u00e9\\u0000\"", text("x\"y\u{e9}\u{0}")),
        ("1234", text("1234")),
        ("-5", text("-5")),
    ];
    assert_takes(taken, &["1.5", "true", "18446744073709551615", "[\"a\"]", "{\"a\":\"b\"}"]);
}

#[test]
fn texts_without_escapes_are_borrowed() {
    assert!(matches!(slot::<Text<'_>>("\"plain\""), Slot::Value(Text(Cow::Borrowed("plain")))));
}

#[test]
fn levels_are_words_or_truth() {
    let word = |text: &'static str| Word(Cow::Borrowed(text));
    let taken = vec![
        ("\"Soft\"", word("Soft")),
        ("\"Hologram\"", word("Hologram")),
        ("true", word("true")),
        ("false", word("false")),
    ];
    assert_takes(taken, &["4", "0.5", "[\"Soft\"]"]);
}

#[test]
fn instants_are_kept_to_the_millisecond_or_handed_on() {
    let taken = vec![
        ("\"2023-07-01T12:34:56.789Z\"", Instant(1_688_214_896_789)),
        ("\"2023-07-01T12:34:56Z\"", Instant(1_688_214_896_000)),
        ("\"2023-07-01T14:34:56.789+02:00\"", Instant(1_688_214_896_789)),
        ("\"2023-07-01T12:34:56.789\"", Instant(1_688_214_896_789)),
        ("\"1969-12-31T23:59:59.999Z\"", Instant(-1)),
    ];
    let handed_on = ["\"2023-07-01T12:34:56.7891Z\"", "\"soon\"", "\"\"", "1688214896789", "true", "{}"];
    assert_takes(taken, &handed_on);
}

#[test]
fn lists_are_taken_whole_or_handed_on_whole() {
    let list = |texts: &[&'static str]| TextList(texts.iter().map(|text| Cow::Borrowed(*text)).collect());
    let taken = vec![("[]", list(&[])), ("[\"a\",\"\"]", list(&["a", ""])), ("[\"a\",7]", list(&["a", "7"]))];
    let handed_on =
        ["\"a\"", "7", "{\"0\":\"a\"}", "[null]", "[\"a\",null,\"b\"]", "[\"a\",{\"b\":1.50},[2]]", "[1.5,\"a\"]"];
    assert_takes(taken, &handed_on);
}

#[test]
fn objects_count_what_is_none_among_them() {
    let Slot::Value(objects) = slot::<Objects<i64>>("[1,null,\"x\",2,{}]") else { panic!("a list is taken") };
    assert_eq!((objects.items, objects.strays), (vec![1, 2], 3));
    assert!(matches!(slot::<Objects<i64>>("{\"a\":1}"), Slot::Odd(text) if text == "{\"a\":1}"));
}

#[test]
fn handed_on_text_keeps_its_numbers_as_they_were_written() {
    let json = "{\"big\":12345678901234567890123,\"tail\":1.50,\"deep\":{\"k\\u0065y\":[1e400]}}";
    assert_eq!(slot::<i64>(json), odd(json));
}
