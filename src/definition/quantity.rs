//! Durations and byte sizes as crawl files write them: `60s`, `1h 30m`, `3d`, `512KiB`, `64MiB`.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};

/// The units of a byte size, largest first.
const UNITS: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Parses a duration with units (`90s`, `1h 30m`, `250ms`, `3d`); `None` if it is no duration or negative.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let days = || text.parse::<Span>().ok()?.to_duration(SpanRelativeTo::days_are_24_hours()).ok();
    text.parse::<SignedDuration>().ok().or_else(days).and_then(|signed| signed.try_into().ok())
}

/// Formats a duration as crawl files write it.
pub(super) fn duration_text(duration: Duration) -> String {
    SignedDuration::try_from(duration).map_or_else(|_| format!("{duration:?}"), |signed| format!("{signed:#}"))
}

/// Parses a whole number of bytes with its unit (`64MiB`, `512 KiB`).
pub(super) fn bytes(text: &str) -> Option<u64> {
    let (unit, factor) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
    let digits = text.strip_suffix(unit)?.trim();
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse::<u64>().ok().filter(|_| plain)?.checked_mul(*factor)
}

/// Formats a byte size as crawl files write it, in the largest unit that divides it.
pub(super) fn bytes_text(bytes: u64) -> String {
    let (unit, factor) = UNITS.iter().find(|(_, factor)| bytes.is_multiple_of(*factor)).unwrap_or(&("B", 1));
    format!("{}{unit}", bytes / factor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("60s", Some(60_000)),
            ("2m", Some(120_000)),
            ("1h 30m", Some(5_400_000)),
            ("250ms", Some(250)),
            ("3d", Some(259_200_000)),
            ("1d 1h", Some(90_000_000)),
            ("1mo", None),
            ("0s", Some(0)),
            ("-1s", None),
            ("60", None),
            ("", None),
            ("60 parsecs", None),
            ("99999999999999999999h", None),
        ];
        for (text, millis) in cases {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
        }
        assert_eq!(duration_text(Duration::from_millis(100)), "100ms");
        assert_eq!(duration_text(Duration::from_secs(86_400)), "24h");
    }

    #[test]
    fn byte_sizes() {
        let cases = [
            ("64MiB", Some(64 << 20)),
            ("512 KiB", Some(512 << 10)),
            ("7B", Some(7)),
            ("1GiB", Some(1 << 30)),
            ("64MB", None),
            ("64", None),
            ("+1MiB", None),
            ("-1MiB", None),
            ("1.5GiB", None),
            ("MiB", None),
            ("99999999999GiB", None),
            ("64mib", None),
        ];
        for (text, size) in cases {
            assert_eq!(bytes(text), size, "{text}");
        }
        assert_eq!(bytes_text(16 << 30), "16GiB");
        assert_eq!(bytes_text(1536), "1536B");
    }

    proptest! {
        #[test]
        fn byte_sizes_read_what_they_write(size in 1u64..) {
            prop_assert_eq!(bytes(&bytes_text(size)), Some(size));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,20}") {
            let _ = (duration(&text), bytes(&text));
        }
    }
}
