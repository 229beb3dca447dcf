//! Fields that fit no column, kept as JSON text for the column `extra`.

use std::borrow::Cow;

use super::allowance::charge;

/// Returns the JSON text of a number or string.
pub(super) fn json_text<T: serde::Serialize + ?Sized>(value: &T) -> String {
    // Numbers and strings always have a JSON text, so the default is never used.
    serde_json::to_string(value).unwrap_or_default()
}

/// A JSON object under construction: no closing brace yet, and empty without fields.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Extra(String);

impl Extra {
    /// Reserves exactly this many bytes for the fields to come.
    pub(super) fn make_room(&mut self, bytes: usize) {
        self.0.reserve_exact(bytes);
    }

    /// Adds one field of an item being read, as long as the item may take more memory.
    pub(super) fn take(&mut self, key: Cow<'_, str>, json: &str) {
        if charge(Self::room(&key, json)) {
            self.copy(key, json);
        }
    }

    /// Adds one field that was read; its key is borrowed only if the page has it without escapes, so that it needs none here.
    pub(super) fn copy(&mut self, key: Cow<'_, str>, json: &str) {
        match key {
            Cow::Borrowed(key) => self.add(key, json),
            Cow::Owned(key) => {
                let text = json_text(&key);
                let escaped = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
                self.add(escaped.unwrap_or_default(), json);
            }
        }
    }

    /// Adds one field; `json` is the JSON text of its value, and `key` has no character that JSON escapes.
    pub(super) fn add(&mut self, key: &str, json: &str) {
        self.0.reserve(Self::room(key, json));
        self.0.push_str(if self.0.is_empty() { "{\"" } else { ",\"" });
        self.0.push_str(key);
        self.0.push_str("\":");
        self.0.push_str(json);
    }

    /// Returns the bytes of one field, not counting escapes in its key.
    pub(super) fn room(key: &str, json: &str) -> usize {
        key.len() + json.len() + 5
    }

    /// Adds the extra fields of a nested object under its key.
    pub(super) fn nest(&mut self, key: &str, inner: Extra) {
        if !inner.0.is_empty() {
            self.add(key, &inner.into_object());
        }
    }

    /// True if it has this field.
    pub(super) fn has(&self, key: &str) -> bool {
        type Fields<'a> = std::collections::HashMap<Cow<'a, str>, serde::de::IgnoredAny>;
        !self.is_empty()
            && serde_json::from_str(&format!("{}}}", self.0)).is_ok_and(|fields: Fields<'_>| fields.contains_key(key))
    }

    /// True if nothing was added.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the JSON object; `None` if nothing was added.
    pub(super) fn into_column(self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.into_object())
    }

    /// Returns the JSON object; `{}` if nothing was added.
    pub(super) fn into_object(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }
}
