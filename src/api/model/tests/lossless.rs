//! Whatever an item holds, wherever it holds it: every value is found again in the rows.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::rows;

/// Keys of every level, so that arbitrary values land where values of another kind are expected.
const KEYS: &[&str] = &[
    "id",
    "name",
    "type",
    "nsfw",
    "nsfwLevel",
    "creator",
    "username",
    "stats",
    "rating",
    "downloadCount",
    "tags",
    "mode",
    "allowCommercialUse",
    "baseModels",
    "modelVersions",
    "modelId",
    "trainedWords",
    "publishedAt",
    "files",
    "sizeKB",
    "primary",
    "metadata",
    "fp",
    "scannedAt",
    "hashes",
    "SHA256",
    "images",
    "url",
    "width",
    "meta",
    "hasMeta",
    "new",
];

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop::sample::select(vec![json!(1), json!(1.5), json!(1_u64 << 53), json!(u64::MAX)]),
        prop::sample::select(vec![json!("text"), json!("time"), json!("es\"ca\\pe")]),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![4 => prop::sample::select(KEYS).prop_map(String::from), 1 => "[ -~é\\n]{0,4}"]
}

fn object_of(value: impl Strategy<Value = Value>, size: usize) -> impl Strategy<Value = Value> {
    prop::collection::btree_map(key(), value, 0..size).prop_map(|map| Value::Object(map.into_iter().collect()))
}

fn anything() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array), object_of(inner, 4)]
    })
}

/// An object of arbitrary fields, most often with an id, and with a list of `children` under a key.
fn parent(children: BoxedStrategy<Value>, list: &'static str) -> BoxedStrategy<Value> {
    let list_of = prop::collection::vec(children, 0..3).prop_map(Value::Array);
    (object_of(anything(), 6), prop::option::weighted(0.9, list_of), prop::bool::weighted(0.95))
        .prop_map(move |(mut object, children, has_id)| {
            let fields = object.as_object_mut().unwrap();
            children.into_iter().for_each(|children| drop(fields.insert(list.to_owned(), children)));
            if has_id {
                fields.insert(String::from("id"), json!(1));
            }
            object
        })
        .boxed()
}

fn item() -> impl Strategy<Value = Value> {
    let file = parent(anything().boxed(), "unknown");
    let version = prop_oneof![parent(file, "files"), parent(object_of(anything(), 6).boxed(), "images")];
    parent(version.boxed(), "modelVersions")
}

/// Replaces every number and text by one that occurs nowhere else, kind kept, and lists them.
fn mark(value: &mut Value, marks: &mut Vec<String>) {
    let n = 1000 + marks.len() as u64;
    match value {
        Value::Null | Value::Bool(_) => return,
        Value::Array(list) => return list.iter_mut().for_each(|inner| mark(inner, marks)),
        Value::Object(map) => return map.values_mut().for_each(|inner| mark(inner, marks)),
        Value::Number(number) if number.is_f64() => *value = json!(n as f64 + 0.5),
        Value::Number(number) if number.as_u64() == Some(u64::MAX) => *value = json!(u64::MAX - n),
        Value::Number(number) if number.as_u64() == Some(1 << 53) => *value = json!((1_u64 << 53) + n),
        Value::Number(_) => *value = json!(n),
        Value::String(text) if text == "time" => {
            *text = jiff::Timestamp::from_millisecond(1_700_000_000_000 + n as i64).unwrap().to_string();
        }
        Value::String(text) => text.push_str(&n.to_string()),
    }
    marks.push(shown(value));
}

/// A leaf as text, however it is written.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // 7 and 7.0 are one number.
        Value::Number(number) if number.is_f64() => number.as_f64().unwrap().to_string(),
        other => other.to_string(),
    }
}

/// Every leaf of the rows; where a cell holds JSON, its leaves too.
fn leaves(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|inner| leaves(inner, found)),
        Value::Object(map) => map.values().for_each(|inner| leaves(inner, found)),
        Value::String(text) => {
            found.push(text.clone());
            if let Ok(inner) = serde_json::from_str::<Value>(text) {
                leaves(&inner, found);
            }
        }
        leaf => found.push(shown(leaf)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn no_item_makes_a_reader_panic_and_no_value_is_ever_lost(mut item in item()) {
        let mut marks = Vec::new();
        mark(&mut item, &mut marks);
        let mut found = Vec::new();
        leaves(&Value::Object(rows(&item)), &mut found);
        let lost: Vec<&String> = marks.iter().filter(|mark| !found.contains(mark)).collect();
        prop_assert!(lost.is_empty(), "{:?} of {}", lost, item);
    }
}
