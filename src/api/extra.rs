//! What no column takes: fields kept as JSON text, for the `extra` column.

/// The JSON text of a number or string.
pub(super) fn json_text<T: serde::Serialize + ?Sized>(value: &T) -> String {
    // Numbers and strings always have a JSON text, so the default is never taken.
    serde_json::to_string(value).unwrap_or_default()
}

/// The fields no column takes, as a JSON object that is still open; empty when there are none.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Extra(String);

impl Extra {
    /// Makes room for fields that take so many bytes together.
    pub(super) fn make_room(&mut self, bytes: usize) {
        self.0.reserve_exact(bytes);
    }

    /// Adds one field; `json` is the JSON text of its value.
    pub(super) fn add(&mut self, key: &str, json: &str) {
        self.0.reserve(Self::room(key, json));
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        if key.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
            self.0.push_str(&json_text(key));
        } else {
            self.0.push('"');
            self.0.push_str(key);
            self.0.push('"');
        }
        self.0.push(':');
        self.0.push_str(json);
    }

    /// The bytes that one field takes, escapes in its key aside.
    pub(super) fn room(key: &str, json: &str) -> usize {
        key.len() + json.len() + 5
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

    /// The JSON object, `{}` when nothing was added.
    pub(super) fn into_object(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }
}
