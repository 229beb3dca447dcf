//! JavaScript's `Number()`: a cache of era 2026-09 applies it to user names.

/// Returns the number that JavaScript reads from a text, as JSON; `None` for a text that is no number there.
pub(super) fn of(text: &str) -> Option<String> {
    let text = text.trim();
    let radix = |prefix: [&str; 2], radix| {
        let digits = prefix.iter().find_map(|prefix| text.strip_prefix(prefix))?;
        u64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+')).map(|number| number as f64)
    };
    let decimal = || {
        // Rust reads `inf` and `nan` too; JavaScript's `Infinity` is no JSON.
        let shaped = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        text.parse::<f64>().ok().filter(|number| shaped && number.is_finite())
    };
    let prefixed = || radix(["0x", "0X"], 16).or_else(|| radix(["0o", "0O"], 8)).or_else(|| radix(["0b", "0B"], 2));
    let number = if text.is_empty() { 0.0 } else { decimal().or_else(prefixed)? };
    // Rust prints no exponent; JavaScript does from 1e21 on.
    Some(if number.abs() < 1e21 { number.to_string() } else { format!("{number:e}").replace('e', "e+") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbers_as_javascript_reads_them() {
        for (text, number) in [
            ("222", Some("222")),
            ("0222", Some("222")),
            ("1e3", Some("1000")),
            ("5e3", Some("5000")),
            ("", Some("0")),
            ("0x10", Some("16")),
            ("1.50", Some("1.5")),
            ("1e21", Some("1e+21")),
            ("12_3", None),
            ("cat_5", None),
            ("inf", None),
            ("Infinity", None),
            ("1e999", None),
            ("e5", None),
        ] {
            assert_eq!(of(text).as_deref(), number, "{text}");
        }
    }
}
