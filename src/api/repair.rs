//! Repairs two known faults of the server's JSON: raw control bytes inside strings (civitai/cli #525), and escapes of half a
//! surrogate pair (texts cut in the middle of an emoji).

use std::borrow::Cow;

/// Most repairs of one body. One with more is noise, and would take six times its memory.
const REPAIRS_MAX: u32 = 100_000;

/// The repairs of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Repairs {
    /// Raw control bytes that were escaped.
    pub control_bytes: u32,
    /// Escapes of half a surrogate pair that were replaced.
    pub halves: u32,
}

impl Repairs {
    /// Returns their number.
    pub fn count(self) -> u32 {
        self.control_bytes + self.halves
    }
}

/// Returns the text with raw control bytes in strings escaped and lone surrogate escapes replaced by U+FFFD, and the repairs.
/// Borrowed if there was nothing to repair; `None` if there is too much.
pub fn repair(body: &str) -> Option<(Cow<'_, str>, Repairs)> {
    let bytes = body.as_bytes();
    let mut out = String::new();
    let (mut kept, mut at, mut repairs) = (0, 0, Repairs::default());
    let mut in_string = false;
    while at < bytes.len() {
        let (length, replacement) = match bytes[at] {
            b'"' => {
                in_string = !in_string;
                (1, None)
            }
            b'\\' if in_string => escape(&bytes[at..]),
            byte if in_string && byte < 0x20 => (1, Some(format!("\\u{byte:04x}"))),
            _ => (1, None),
        };
        if let Some(replacement) = replacement {
            out.push_str(&body[kept..at]);
            out.push_str(&replacement);
            kept = at + length;
            match bytes[at] {
                b'\\' => repairs.halves += 1,
                _ => repairs.control_bytes += 1,
            }
            if repairs.count() > REPAIRS_MAX {
                return None;
            }
        }
        at += length;
    }
    if repairs.count() == 0 {
        return Some((Cow::Borrowed(body), repairs));
    }
    out.push_str(&body[kept..]);
    Some((Cow::Owned(out), repairs))
}

/// Returns the length of the escape that `bytes` begins with, and its replacement if it is half a surrogate pair.
fn escape(bytes: &[u8]) -> (usize, Option<String>) {
    match code_unit(bytes) {
        Some(0xD800..=0xDBFF) => match code_unit(bytes.get(6..).unwrap_or_default()) {
            Some(0xDC00..=0xDFFF) => (12, None),
            _ => (6, Some(String::from("\\ufffd"))),
        },
        Some(0xDC00..=0xDFFF) => (6, Some(String::from("\\ufffd"))),
        Some(_) => (6, None),
        // A short escape. Behind a stray backslash, never step into the middle of a character.
        None => (if bytes.get(1).is_some_and(u8::is_ascii) && bytes[1] >= 0x20 { 2 } else { 1 }, None),
    }
}

/// Returns the code unit of a `\uXXXX` escape.
fn code_unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    let digits = std::str::from_utf8(digits).ok()?;
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn repairs_what_is_known_to_break_and_nothing_else() {
        let cases = [
            (r#"{"a":"b"}"#, r#"{"a":"b"}"#, (0, 0)),
            ("{\"a\":\n\"x\ry\"}", "{\"a\":\n\"x\\u000dy\"}", (1, 0)),
            ("[\"\u{1}\u{1f}\"]", r#"["\u0001\u001f"]"#, (2, 0)),
            (r#"["\ud83d\ude00"]"#, r#"["\ud83d\ude00"]"#, (0, 0)),
            (r#"["\ud83d"]"#, r#"["\ufffd"]"#, (0, 1)),
            (r#"["\ud83dx\ude00"]"#, r#"["\ufffdx\ufffd"]"#, (0, 2)),
            (r#"["\ud83d\ud83d\ude00"]"#, r#"["\ufffd\ud83d\ude00"]"#, (0, 1)),
            (r#"["\\ud83d"]"#, r#"["\\ud83d"]"#, (0, 0)),
            (r#"["\"", "\\"]"#, r#"["\"", "\\"]"#, (0, 0)),
        ];
        for (given, expected, (control_bytes, halves)) in cases {
            let (text, repairs) = repair(given).unwrap();
            assert_eq!((&*text, repairs), (expected, Repairs { control_bytes, halves }), "{given}");
        }
        let noise = |bytes| format!("\"{}\"", "\n".repeat(bytes));
        assert!(repair(&noise(REPAIRS_MAX as usize)).is_some() && repair(&noise(REPAIRS_MAX as usize + 1)).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_safe_and_a_second_pass_finds_nothing(text in "\\PC*|[\"\\\\ud83\\x00-\\x1f é]*") {
            let (once, _) = repair(&text).unwrap();
            prop_assert_eq!(repair(&once).unwrap().1, Repairs::default());
        }

        #[test]
        fn strings_with_control_bytes_become_valid_and_keep_their_content(text in "(?s)[^\\\\]{0,40}|[a\n\x01]{0,9}") {
            let valid = serde_json::to_string(&text).unwrap();
            let broken = valid.replace("\\n", "\n").replace("\\u0001", "\u{1}");
            let (repaired, _) = repair(&broken).unwrap();
            prop_assert_eq!(serde_json::from_str::<String>(&repaired).unwrap(), text);
        }
    }
}
