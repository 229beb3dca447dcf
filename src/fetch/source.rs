//! The state of a file at its host, kept beside a part of it: the rest is only appended to bytes of the same state. Pure.

use jiff::Timestamp;
use reqwest::header::{self, HeaderMap};

use super::response_facts::http_date;

/// Longest text of a validator, in bytes.
const VALIDATOR_MAX: usize = 256;

/// The state of a file at its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// A strong ETag, or the date of the last change: the value of an `If-Range` header.
    validator: String,
    /// The size of the file in bytes.
    total: u64,
}

/// The request for the bytes of a file from one on.
#[derive(Clone, Copy)]
pub(super) struct Rest<'a> {
    /// The first byte.
    pub(super) from: u64,
    /// The state of the file that these bytes must have; with another one the whole file is sent.
    pub(super) validator: Option<&'a str>,
}

impl Source {
    /// Returns the state that the headers of an answer name; `None` if they name none that is exact. A date is exact if it is
    /// older than the answer by a second or more.
    pub(super) fn of(headers: &HeaderMap, total: Option<u64>, now: Timestamp) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let answered = text(header::DATE).and_then(http_date).unwrap_or(now);
        let changed = |date: &str| http_date(date).is_some_and(|at| answered.duration_since(at).as_secs() >= 1);
        let tag = text(header::ETAG).filter(|tag| is_strong_tag(tag));
        let validator = tag.or_else(|| text(header::LAST_MODIFIED).filter(|date| changed(date)))?;
        (validator.len() <= VALIDATOR_MAX).then_some(Self { validator: validator.to_owned(), total: total? })
    }

    /// Reads the text of [`Source::to_text`]. `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let (validator, total) = text.strip_suffix('\n')?.split_once('\n')?;
        let is_date = validator.bytes().all(|byte| matches!(byte, b' '..=b'~')) && http_date(validator).is_some();
        let valid = validator.len() <= VALIDATOR_MAX && (is_strong_tag(validator) || is_date);
        let source = Self { validator: valid.then(|| validator.to_owned())?, total: total.parse().ok()? };
        (source.to_text() == text).then_some(source)
    }

    /// Returns it as two lines of text.
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n", self.validator, self.total)
    }

    /// Returns the value of an `If-Range` header.
    pub(super) fn validator(&self) -> &str {
        &self.validator
    }

    /// Returns true when an answer is about the same state: it names it, or `may_lack` it and has the same size as far as it says.
    pub(super) fn fits(&self, other: Option<&Self>, total: Option<u64>, may_lack: bool) -> bool {
        match other {
            Some(other) => self == other,
            None => may_lack && total.is_none_or(|total| total == self.total),
        }
    }
}

fn is_strong_tag(text: &str) -> bool {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| !inner.is_empty() && inner.bytes().all(|byte| matches!(byte, b'!' | b'#'..=b'~')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_exact_states_count() {
        let (at, now) = ("Sat, 01 Aug 2026 12:00:00 GMT", "2026-08-01T12:00:05Z".parse().unwrap());
        for (tag, changed, date, validator) in [
            (Some("\"a-1\""), Some(at), None, Some("\"a-1\"")),
            (Some("W/\"a-1\""), None, None, None),
            (Some("W/\"a-1\""), Some(at), None, Some(at)),
            (Some("a-1"), None, None, None),
            (Some("\"\""), None, None, None),
            (None, Some(at), Some(at), None),
            (None, Some(at), Some("Sat, 01 Aug 2026 12:00:01 GMT"), Some(at)),
            (None, Some("yesterday"), None, None),
            (None, None, None, None),
        ] {
            let fields = [(header::ETAG, tag), (header::LAST_MODIFIED, changed), (header::DATE, date)];
            let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?.parse().unwrap())));
            let source = Source::of(&fields.collect(), Some(7), now);
            assert_eq!(source.as_ref().map(Source::validator), validator, "{tag:?} {changed:?} {date:?}");
            assert_eq!(source.as_ref().and_then(|source| Source::parse(&source.to_text())), source);
        }
        let long = HeaderMap::from_iter([(header::ETAG, format!("\"{}\"", "a".repeat(300)).parse().unwrap())]);
        assert_eq!(Source::of(&long, Some(7), now), None);
    }

    proptest! {
        #[test]
        fn any_text_is_a_state_or_none(text in "\\PC*|\"[!-~]{0,8}\"\n[0-9]{0,22}\n|[ -~]{0,12}\n7\n") {
            if let Some(source) = Source::parse(&text) {
                prop_assert!(source.validator().parse::<header::HeaderValue>().is_ok());
                prop_assert_eq!(source.to_text(), text);
            }
        }
    }
}
