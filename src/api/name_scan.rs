//! Finds people's names and the strings that may hold links in JSON, valid or not.

use std::ops::Range;

use super::letters::letters;

/// The key of a name.
const KEY: &str = "username";

/// A finding in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'t> {
    /// A value under the key of names: its place, with its quotes, and the value as written, without them.
    Name(Range<usize>, &'t str),
    /// The place of a string that may hold links, without its quotes. It is no name.
    String(Range<usize>),
}

/// Shows, in order, the strings that may hold links, and the names: every string, number and bool that is the value of the key,
/// or anywhere in a list or object that is.
pub(super) fn scan<'t>(text: &'t str, show: &mut dyn FnMut(Found<'t>)) {
    let (bytes, mut at) = (text.as_bytes(), 0);
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
                    show(Found::Name(at..end, &text[inside]));
                    is_value = false;
                } else if bytes[inside.clone()].iter().any(|byte| matches!(byte, b'/' | b'\\' | b'?')) {
                    show(Found::String(inside));
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
                    show(Found::Name(at..end, &text[at..end]));
                }
                is_value &= is_key;
                at = end;
            }
        }
    }
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
    use super::super::letters::decoded;
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
            let mut names = Vec::new();
            scan(text, &mut |found| {
                if let Found::Name(_, name) = found {
                    names.push(decoded(name));
                }
            });
            assert_eq!(names, expected, "{text}");
        }
    }
}
