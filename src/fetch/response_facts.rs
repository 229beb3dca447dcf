//! The facts of an answer that its verdict depends on. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimeParser};
use serde::de::IgnoredAny;

use super::message::printable;

/// Cap of `Retry-After`: longer waits mean the same to any run.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// The facts of an answer that its verdict depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseFacts {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The beginning of the decompressed body.
    pub head: Vec<u8>,
    /// The wait that the server asks for.
    pub retry_after: Option<Duration>,
    /// The host a redirect names; the rest of its address is dropped, because it may hold secrets.
    pub redirect_host: Option<String>,
}

impl ResponseFacts {
    /// Returns true when the body begins like JSON or is labeled as JSON. Either will do, because proxies mislabel both.
    pub(super) fn looks_like_json(&self) -> bool {
        let first = self.head.trim_ascii_start().first();
        matches!(first, Some(b'{' | b'[')) || self.content_type().contains("json")
    }

    /// Returns true when the body is one whole JSON value.
    pub(super) fn is_json(&self) -> bool {
        serde_json::from_slice::<IgnoredAny>(&self.head).is_ok()
    }

    /// Returns true when the body begins like HTML or is labeled as HTML.
    pub(super) fn is_html(&self) -> bool {
        self.content_type().contains("html") || self.head.trim_ascii_start().starts_with(b"<")
    }

    /// Returns the content type in lower case, printable.
    pub(super) fn content_type(&self) -> String {
        let named = self.content_type.as_deref();
        printable(named.unwrap_or("an unnamed type")).to_ascii_lowercase()
    }
}

/// Returns the wait that a `Retry-After` header asks for, or `None` if it is neither seconds nor a date. A date is measured
/// from the answer's own `Date` if it has one, because the server's clock may differ, else from `now`.
pub(super) fn retry_after(value: &str, date: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let from = date.unwrap_or(now);
        let wait: SignedDuration = http_date(value)?.duration_since(from);
        Duration::try_from(wait).unwrap_or_default()
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// Parses the date of a header.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_retry_after() {
        let now = "2026-08-01T00:00:00Z".parse().unwrap();
        let date = Some("Sat, 01 Aug 2026 12:00:00 GMT");
        for (value, date, seconds) in [
            ("2", None, Some(2)),
            (" 120 ", date, Some(120)),
            ("0", None, Some(0)),
            ("Sat, 01 Aug 2026 12:00:30 GMT", date, Some(30)),
            ("Sat, 01 Aug 2026 00:00:10 GMT", None, Some(10)),
            ("Sat, 01 Aug 2026 00:00:10 GMT", Some("yesterday"), Some(10)),
            ("Sat, 01 Aug 2026 11:59:00 GMT", date, Some(0)),
            ("99999999999999999999999", None, Some(RETRY_AFTER_MAX.as_secs())),
            ("Sat, 01 Aug 2099 00:00:00 GMT", None, Some(RETRY_AFTER_MAX.as_secs())),
            ("-1", None, None),
            ("1.5", None, None),
            ("soon", date, None),
            ("", date, None),
        ] {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(retry_after(value, date.and_then(http_date), now), expected, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_survived(value: String, date: Option<String>) {
            let wait = retry_after(&value, date.as_deref().and_then(http_date), Timestamp::UNIX_EPOCH);
            prop_assert!(wait.is_none_or(|wait| wait <= RETRY_AFTER_MAX));
        }
    }
}
