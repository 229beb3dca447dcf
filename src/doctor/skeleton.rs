//! The skeleton of a body: its keys, numbers, dates, cursors and words of the API; every other text is only its length. Pure.

use serde_json::{Map, Value};

/// Returns the skeleton of a JSON value. `key` is the key that it has in its parent.
pub(super) fn skeleton(key: &str, value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        Value::String(text) => Value::String(kept(key, text)),
        Value::Array(elements) => elements.iter().map(|element| skeleton(key, element)).collect(),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), skeleton(key, value))).collect::<Map<_, _>>())
        }
    }
}

/// Keys whose texts are words of the API.
const WORDS: &[&str] = &["type", "baseModel", "nextCursor", "createdAt", "publishedAt", "error", "message"];

fn kept(key: &str, text: &str) -> String {
    if WORDS.contains(&key) { text.to_owned() } else { format!("…{}", text.chars().count()) }
}
