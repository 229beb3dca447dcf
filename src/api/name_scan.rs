//! Finds people's names and the strings that may hold links in JSON, valid or not.

use std::ops::Range;

use super::letters::letters;

/// The key of a name.
const KEY: &str = "username";

/// A value under the key of names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// Its place in the text, with its quotes.
    pub(super) at: Range<usize>,
    /// The name, decoded.
    pub(super) text: String,
}

/// The findings in a text, in order.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) names: Vec<Name>,
    /// Strings that may hold links, without their quotes. None is a name.
    pub(super) strings: Vec<Range<usize>>,
}

/// Finds the names: every string, number and bool that is the value of the key, or anywhere in a list or object that is.
pub(super) fn scan(text: &str) -> Found {
    let (bytes, mut found, mut at) = (text.as_bytes(), Found::default(), 0);
    // True behind the key; and the lists and objects open since the one that is its value.
    let (mut is_value, mut open) = (false, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let close = closing(bytes, at + 1);
                let (inside, end) = (at + 1..close, (close + 1).min(bytes.len()));
                let is_key = bytes[end..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
                if is_key {
                    is_value = is_name_key(&text[inside.clone()]);
                }
                if !is_key && (is_value || open > 0) {
                    let name = letters(&text[inside]).map(|letter| letter.char).collect();
                    found.names.push(Name { at: at..end, text: name });
                    is_value = false;
                } else if bytes[inside.clone()].iter().any(|byte| matches!(byte, b'/' | b'\\' | b'?')) {
                    found.strings.push(inside);
                }
                at = end;
            }
            b'{' | b'[' => {
                open += usize::from(is_value || open > 0);
                is_value = false;
                at += 1;
            }
            b'}' | b']' => {
                open = open.saturating_sub(1);
                is_value = false;
                at += 1;
            }
            b',' => {
                is_value = false;
                at += 1;
            }
            byte if byte == b':' || byte.is_ascii_whitespace() => at += 1,
            _ => {
                let ends = |byte: &u8| b"{}[],:\"".contains(byte) || byte.is_ascii_whitespace();
                let end = bytes[at..].iter().position(ends).map_or(bytes.len(), |length| at + length);
                let is_key = bytes[end..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
                if (is_value || open > 0) && !is_key && text[at..end] != *"null" {
                    found.names.push(Name { at: at..end, text: text[at..end].to_owned() });
                }
                is_value &= is_key;
                at = end;
            }
        }
    }
    found
}

fn is_name_key(raw: &str) -> bool {
    raw == KEY || (raw.contains('\\') && letters(raw).map(|letter| letter.char).eq(KEY.chars()))
}

/// Returns the position of the quote that closes the string around `at`, or the end of the text.
fn closing(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_scalars_below_their_key() {
        for (text, expected) in [
            (r#"{"username":"Bob"}"#, &["Bob"][..]),
            (r#"{"user\u006eame" : "B\u006Fb\/"}"#, &["Bob/"]),
            (r#"{"username":-12.5e+3,"x":7}"#, &["-12.5e+3"]),
            (r#"{"username":true,"x":false}"#, &["true"]),
            (r#"{"username":null,"x":"a"}"#, &[]),
            (r#"{"username":["a",1,[null,{"b":"c"}]],"x":"d"}"#, &["a", "1", "c"]),
            (r#"{"username":{"b":"a","c":2},"x":[3]}"#, &["a", "2"]),
            (r#"{"username":{},"x":"a"}"#, &[]),
            (r#"{"x":"username","y":"a"}"#, &[]),
            (r#"{"t":"\"username\":\"x\""}"#, &[]),
            (r#"["username",{"username":"a"}]"#, &["a"]),
            (r#"{"username":"a"#, &["a"]),
            (r#"{"username":,"x":"a"}"#, &[]),
            (r#"{"username":}"#, &[]),
        ] {
            let names: Vec<String> = scan(text).names.into_iter().map(|name| name.text).collect();
            assert_eq!(names, expected, "{text}");
        }
    }
}
