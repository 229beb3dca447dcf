//! Numbers and foreign text for the page.

use maud::{Markup, PreEscaped, html};

/// A narrow no-break space.
const NARROW: &str = "\u{202f}";

/// Formats a count with narrow no-break spaces between thousands.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let (head, tail) = digits.split_at(first);
    let groups = (0..tail.len() / 3).map(|group| &tail[group * 3..group * 3 + 3]);
    let groups: Vec<&str> = std::iter::once(head).filter(|head| !head.is_empty()).chain(groups).collect();
    groups.join(NARROW)
}

/// Formats the change of a count: `+5`, `−5` or `±0`.
pub(super) fn change(now: u64, before: u64) -> String {
    match now.checked_sub(before) {
        Some(0) => String::from("±0"),
        Some(more) => format!("+{}", count(more)),
        None => format!("−{}", count(before - now)),
    }
}

/// Formats a part of a whole in percent.
pub(super) fn percent(part: u64, whole: u64) -> String {
    match (part, whole) {
        (_, 0) => String::from("–"),
        (part, whole) => format!("{:.1}\u{202f}%", part as f64 * 100.0 / whole as f64),
    }
}

/// Formats a size in the largest unit that leaves a number of at least 1.
pub(super) fn bytes(bytes: f64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut scaled = bytes;
    let mut unit = 0;
    while scaled >= 1000.0 && unit + 1 < units.len() {
        scaled /= 1000.0;
        unit += 1;
    }
    let decimals = usize::from(unit > 0 && scaled < 100.0);
    format!("{scaled:.decimals$}\u{a0}{}", units[unit])
}

/// Renders text from the server: escaped, isolated from the direction of the text around it, control characters replaced.
pub(super) fn foreign(word: &str) -> Markup {
    let shown: String = word.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if shown.trim().is_empty() {
        PreEscaped(String::from("<i>empty</i>"))
    } else {
        html! { bdi { (shown) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        for (number, text) in [(0, "0"), (12, "12"), (999, "999"), (1_000, "1 000"), (12_345_678, "12 345 678")] {
            assert_eq!(count(number), text.replace(' ', "\u{202f}"));
        }
        assert_eq!((change(7, 7), change(1_007, 2), change(2, 7)), ("±0".into(), "+1\u{202f}005".into(), "−5".into()));
        assert_eq!((percent(1, 3), percent(0, 0)), ("33.3\u{202f}%".into(), "–".into()));
        let sizes = [12.0, 1_500.0, 123_456_789.0, 5e13].map(bytes).map(|text| text.replace('\u{a0}', " "));
        assert_eq!(sizes, ["12 B", "1.5 kB", "123 MB", "50.0 TB"]);
    }

    #[test]
    fn no_word_becomes_markup_or_leaves_its_place() {
        for (word, shown) in [
            ("<script>alert(1)</script>", "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>"),
            ("\"'&", "<bdi>&quot;'&amp;</bdi>"),
            ("a\u{202e}b", "<bdi>a\u{202e}b</bdi>"),
            ("a\0\n\u{9b}b", "<bdi>a\u{fffd}\u{fffd}\u{fffd}b</bdi>"),
            (" ", "<i>empty</i>"),
        ] {
            assert_eq!(foreign(word).into_string(), shown);
        }
    }
}
