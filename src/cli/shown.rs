//! Makes foreign text fit to be shown: nothing in it can move a terminal's cursor, turn a line around, hide, or forge a line.

use std::borrow::Cow;

/// Returns `text` as one line in which every character that is not plain to see is escaped, as `\n` or `\u{202e}`.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    escaped(text, |c, to| to.extend(c.escape_default()))
}

/// Returns a JSON value on one line, with the same characters escaped as JSON does. They are inside strings: elsewhere JSON has
/// but spaces.
pub(super) fn shown_json(json: &str) -> Cow<'_, str> {
    escaped(json, |c, to| {
        let mut units = [0; 2];
        c.encode_utf16(&mut units).iter().for_each(|unit| to.push_str(&format!("\\u{unit:04x}")));
    })
}

fn escaped(text: &str, escape: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unseen(c) { escape(c, &mut safe) } else { safe.push(c) }
    }
    Cow::Owned(safe)
}

/// Returns true for controls (C0, DEL, C1), separators of lines, and what Unicode says to draw nothing for: marks of direction,
/// joiners, fillers, tags. Selectors of a variant are left, as emoji end with one.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_seen_is_escaped_and_the_rest_is_as_it_was() {
        for (text, safe) in [
            ("models/a b — ü 漢字 ❤\u{fe0f} 'q' \"d\" \\", "models/a b — ü 漢字 ❤\u{fe0f} 'q' \"d\" \\"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{1b}[31mred\u{9b}0m\u{7f}", "\\u{1b}[31mred\\u{9b}0m\\u{7f}"),
            ("gpj.\u{202e}exe\u{2028}x\u{e0041}", "gpj.\\u{202e}exe\\u{2028}x\\u{e0041}"),
            ("a\u{200b}b\u{ad}c\u{feff}\u{61c}\u{2066}", "a\\u{200b}b\\u{ad}c\\u{feff}\\u{61c}\\u{2066}"),
        ] {
            assert_eq!(shown(text), safe);
        }
    }

    proptest! {
        #[test]
        fn json_says_the_same_and_shows_everything(text: String, key: String, odd in "[\u{80}-\u{a0}\u{200b}-\u{202f}\u{e0000}-\u{e0100}]*") {
            let value = serde_json::json!({ key: [text, odd] });
            let json = value.to_string();
            let safe = shown_json(&json);
            prop_assert!(!safe.contains(is_unseen));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
            prop_assert!(!shown(&json).contains(is_unseen));
        }
    }
}
