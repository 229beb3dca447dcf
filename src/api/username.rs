//! Compares user names like the server, which reads some of them as numbers.

/// True if two names are one user's. Names that look like numbers are compared as numbers, because the server sends `0222` as 222
/// and `5e3` as 5000; all others without case.
pub(super) fn same_user(a: &str, b: &str) -> bool {
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a.eq_ignore_ascii_case(b),
    }
}

/// Returns a name such that two names are equal if they may be one user's: without case, and the number of a name that looks like
/// one, written out.
pub(super) fn folded(name: &str) -> String {
    match number(name).filter(|number| number.is_finite()) {
        // Zero has no sign.
        Some(number) => (number + 0.0).to_string(),
        None => name.to_lowercase(),
    }
}

/// False for the placeholders that the feed sends for users it cannot name.
pub(super) fn is_known(name: &str) -> bool {
    !matches!(name, "unknown" | "null")
}

/// Returns the number that JavaScript's `Number()` makes of a text; `None` for `NaN`.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.is_empty() {
        return Some(0.0);
    }
    let digits = |radix: u32| {
        let add = |number: f64, c: char| Some(number * f64::from(radix) + f64::from(c.to_digit(radix)?));
        text[2..].chars().try_fold(0.0, add).filter(|_| text.len() > 2)
    };
    match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => digits(16),
        [b'0', b'o' | b'O', ..] => digits(8),
        [b'0', b'b' | b'B', ..] => digits(2),
        decimal if decimal.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) => {
            text.parse().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_as_numbers_where_both_are() {
        let cases = [
            ("Ann", "ann", true),
            ("Ann", "Anna", false),
            ("0222", "222", true),
            ("222", "2220", false),
            ("5e3", "5000", true),
            ("5E3", "5000", true),
            ("5e3", "5e+3", true),
            ("e5", "E5", true),
            ("e5", "5", false),
            ("", "0", true),
            ("", "ann", false),
            ("10000000000000000000000", "1e+22", true),
            ("12345678901234567890", "12345678901234567000", true),
            ("0x1F", "31", true),
            ("0x", "0", false),
            ("0xg", "0XG", true),
            ("0b11", "3", true),
            ("0o17", "15", true),
            ("1_000", "1000", false),
            ("12a", "12A", true),
            ("12a", "12", false),
            ("null", "0", false),
            ("infinity", "Infinity", true),
            ("NaN", "nan", true),
            ("\u{e9}", "\u{e8}", false),
        ];
        for (a, b, same) in cases {
            assert_eq!((same_user(a, b), same_user(b, a)), (same, same), "`{a}` `{b}`");
            assert_eq!(folded(a) == folded(b), same, "`{a}` `{b}`");
        }
        assert!(is_known("0") && !is_known("null") && !is_known("unknown"));
    }
}
