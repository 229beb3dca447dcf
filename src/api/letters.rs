//! The letters of a JSON string with their places, so that a part of it can be replaced as it is written.

use std::borrow::Cow;
use std::ops::Range;
use std::str::Chars;

/// A decoded letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) char: char,
    /// Its place in the string as written.
    pub(super) at: Range<usize>,
}

/// Returns the letters of a JSON string, which is given without its quotes. Half a surrogate pair is U+FFFD, and a broken escape
/// stands for the letter behind its backslash.
pub(super) fn letters(raw: &str) -> impl Iterator<Item = Letter> {
    let mut rest = raw.chars();
    std::iter::from_fn(move || {
        let from = raw.len() - rest.as_str().len();
        let char = match rest.next()? {
            '\\' => unescaped(&mut rest),
            char => char,
        };
        Some(Letter { char, at: from..raw.len() - rest.as_str().len() })
    })
}

/// Returns a JSON string, which is given without its quotes, as the text it stands for.
pub(super) fn decoded(raw: &str) -> Cow<'_, str> {
    if raw.contains('\\') { letters(raw).map(|letter| letter.char).collect() } else { Cow::Borrowed(raw) }
}

fn unescaped(rest: &mut Chars<'_>) -> char {
    match rest.next() {
        None => '\\',
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => {
            let Some(first) = unit(rest) else { return 'u' };
            let mut behind = rest.clone();
            let low = (behind.next() == Some('\\') && behind.next() == Some('u')).then(|| unit(&mut behind)).flatten();
            let pair = low.and_then(|low| char::decode_utf16([first, low]).next()?.ok());
            match pair.filter(|char| char.len_utf16() == 2) {
                Some(char) => {
                    *rest = behind;
                    char
                }
                None => char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER),
            }
        }
        Some(char) => char,
    }
}

/// Takes four hexadecimal digits; takes nothing if there are none.
fn unit(rest: &mut Chars<'_>) -> Option<u16> {
    let digits = rest.as_str().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    *rest = rest.as_str()[4..].chars();
    u16::from_str_radix(digits, 16).ok()
}

/// Returns the letters of a link: each run of percent signs is one letter of UTF-8, or U+FFFD.
pub(super) fn percent_decoded(letters: &[Letter]) -> Vec<Letter> {
    let mut decoded = Vec::with_capacity(letters.len());
    let mut at = 0;
    while at < letters.len() {
        let bytes: Vec<u8> = (0..4).map_while(|nth| byte(letters.get(at + 3 * nth..at + 3 * nth + 3)?)).collect();
        if bytes.is_empty() {
            decoded.push(letters[at].clone());
            at += 1;
            continue;
        }
        let (char, taken) = match bytes.utf8_chunks().next() {
            Some(chunk) if !chunk.valid().is_empty() => {
                let char = chunk.valid().chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
                (char, char.len_utf8())
            }
            _ => (char::REPLACEMENT_CHARACTER, 1),
        };
        let end = at + 3 * taken;
        decoded.push(Letter { char, at: letters[at].at.start..letters[end - 1].at.end });
        at = end;
    }
    decoded
}

/// Returns the byte that three letters write as `%41`.
fn byte(letters: &[Letter]) -> Option<u8> {
    let [sign, high, low] = letters else { return None };
    let digit = |letter: &Letter| letter.char.to_digit(16);
    let value = (sign.char == '%').then_some(16 * digit(high)? + digit(low)?)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn broken_escapes_are_read_on() {
        for (raw, text) in [
            (r"\ud800x", "\u{fffd}x"),
            (r"\udc00\ud800", "\u{fffd}\u{fffd}"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"\u12", "u12"),
            (r"\q", "q"),
            (r"a\", "a\\"),
        ] {
            assert_eq!(decoded(raw), text, "{raw}");
        }
        let link: Vec<Letter> = letters("%C3%A9%41%zz%f0%9f%98%80%ff%").collect();
        let text: String = percent_decoded(&link).into_iter().map(|letter| letter.char).collect();
        assert_eq!(text, "éA%zz😀\u{fffd}%");
    }

    proptest! {
        #[test]
        fn a_string_is_read_as_json_does(text in any::<String>(), escaped: bool) {
            let json = serde_json::to_string(&text).unwrap();
            let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let raw = if escaped { &units } else { &json[1..json.len() - 1] };
            prop_assert_eq!(decoded(raw), text);
            let spans: Vec<Letter> = letters(raw).collect();
            prop_assert_eq!(spans.iter().map(|letter| &raw[letter.at.clone()]).collect::<String>(), raw);
        }
    }
}
