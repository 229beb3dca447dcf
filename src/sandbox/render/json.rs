//! A writer of JSON text without a tree: keys in the order of the calls, commas placed by the last byte written.

use std::fmt::Write as _;

/// JSON text under construction.
#[derive(Default)]
pub(crate) struct Writer {
    /// The text written so far.
    pub(crate) out: String,
}

impl Writer {
    /// Writes the comma that a further value or key needs.
    pub(crate) fn separate(&mut self) {
        if !matches!(self.out.as_bytes().last(), None | Some(b'{' | b'[' | b':' | b',')) {
            self.out.push(',');
        }
    }

    /// Writes `"key":`, with a comma before it where needed.
    pub(crate) fn key(&mut self, key: &str) {
        self.separate();
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
    }

    /// Opens an object or array as the next value.
    pub(crate) fn open(&mut self, bracket: char) {
        self.separate();
        self.out.push(bracket);
    }

    /// Opens an object or array under a key.
    pub(crate) fn open_at(&mut self, key: &str, bracket: char) {
        self.key(key);
        self.out.push(bracket);
    }

    /// Closes an object or array.
    pub(crate) fn close(&mut self, bracket: char) {
        self.out.push(bracket);
    }

    /// Writes a value that is already JSON, under a key.
    pub(crate) fn raw(&mut self, key: &str, json: &str) {
        self.key(key);
        self.out.push_str(json);
    }

    /// Writes an integer under a key.
    pub(crate) fn int(&mut self, key: &str, value: impl Into<i64>) {
        self.key(key);
        let _ = write!(self.out, "{}", value.into());
    }

    /// Writes a boolean under a key.
    pub(crate) fn flag(&mut self, key: &str, value: bool) {
        self.raw(key, if value { "true" } else { "false" });
    }

    /// Writes a string under a key.
    pub(crate) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        self.quote(value);
    }

    /// Writes a string as the next value of an array.
    pub(crate) fn item(&mut self, value: &str) {
        self.separate();
        self.quote(value);
    }

    fn quote(&mut self, value: &str) {
        self.out.push('"');
        for c in value.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                c if c < ' ' => {
                    let _ = write!(self.out, "\\u{:04x}", u32::from(c));
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_fall_where_they_are_due() {
        let mut json = Writer::default();
        json.open('{');
        json.int("a", 1u32);
        json.open_at("b", '[');
        json.item("x\"\\\n\u{1}");
        json.open('{');
        json.close('}');
        json.open('[');
        json.close(']');
        json.close(']');
        json.flag("c", false);
        json.raw("d", "null");
        json.close('}');
        assert_eq!(json.out, "{\"a\":1,\"b\":[\"x\\\"\\\\\\n\\u0001\",{},[]],\"c\":false,\"d\":null}");
    }
}
