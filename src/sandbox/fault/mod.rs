//! A fault as data: the failure, the requests that it strikes, and how often.

pub(super) mod damage;
pub(super) mod plan;
pub(super) mod tricks;

use std::str::FromStr;

use super::error::Error;

/// The kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Status,
    Reset,
    Cut,
    Truncate,
    Stall,
    Hang,
    Slow,
    Html,
    InvalidJson,
    BadGzip,
    ControlBytes,
    Redirect,
    Loop,
    Bomb,
    Flip,
}

impl Kind {
    const WORDS: &[(&str, Kind)] = &[
        ("status", Kind::Status),
        ("reset", Kind::Reset),
        ("cut", Kind::Cut),
        ("truncate", Kind::Truncate),
        ("stall", Kind::Stall),
        ("hang", Kind::Hang),
        ("slow", Kind::Slow),
        ("html", Kind::Html),
        ("invalid-json", Kind::InvalidJson),
        ("bad-gzip", Kind::BadGzip),
        ("control-bytes", Kind::ControlBytes),
        ("redirect", Kind::Redirect),
        ("loop", Kind::Loop),
        ("bomb", Kind::Bomb),
        ("flip", Kind::Flip),
    ];

    /// The word for it in options and in the log.
    pub(super) fn word(self) -> &'static str {
        Kind::WORDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }
}

/// One fault: read from `kind=…` and further `key=value` words, separated by commas.
///
/// | key | meaning |
/// |---|---|
/// | `kind` | `status`, `reset` (before the head), `cut` (reset inside the body), `truncate` (closed early), `stall` (body never ends), `hang` (no head), `slow` (1 KB a second), `html`, `invalid-json`, `bad-gzip`, `control-bytes`, `redirect`, `loop` (a cursor that was sent before), `bomb` (gzip bomb), `flip` (one byte of a file is another) |
/// | `code`, `retry_after` | the status of `status` (503) and its `Retry-After`, in seconds |
/// | `nth`, `every`, `share` | the N-th matching request, every N-th, or this share of them; all when none is given |
/// | `path` | only requests of this path below `/api/v1/`; ending in `/`, of every path below it |
/// | `page` | only the N-th page of a walk: pages differ by cursor or page number alone, counted from 1 as first asked for |
/// | `times` | a URL, or with `page` a page, that was struck fails this often, then succeeds (1; 0 is always) |
/// | `to`, `back`, `bytes` | target of `redirect`; how many requests ago the cursor of `loop` was sent (0); unpacked size of `bomb` (1 GiB) |
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub(super) kind: Kind,
    pub(super) code: u16,
    pub(super) retry_after: Option<u32>,
    pub(super) nth: Option<u64>,
    pub(super) every: Option<u64>,
    pub(super) share: Option<f64>,
    pub(super) times: u32,
    pub(super) path: Option<String>,
    pub(super) page: Option<u64>,
    pub(super) to: String,
    pub(super) back: usize,
    pub(super) bytes: u64,
}

const KEYS: &str = "kind, code, retry_after, nth, every, share, times, path, page, to, back, bytes";

impl FromStr for Fault {
    type Err = Error;

    fn from_str(text: &str) -> Result<Fault, Error> {
        let mut kind = None;
        let mut fault = Fault {
            kind: Kind::Status,
            code: 503,
            retry_after: None,
            nth: None,
            every: None,
            share: None,
            times: 1,
            path: None,
            page: None,
            to: "/api/v1/models".to_owned(),
            back: 0,
            bytes: 1 << 30,
        };
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let (key, value) =
                word.split_once('=').ok_or_else(|| bad(word, format!("write key=value; keys are {KEYS}")))?;
            if key == "kind" {
                kind = Some(read_kind(value)?);
            } else {
                fault.set(key, value)?;
            }
        }
        fault.kind = kind.ok_or_else(|| bad(text, format!("name a kind: kind={}", words())))?;
        Ok(fault)
    }
}

impl Fault {
    fn set(&mut self, key: &str, value: &str) -> Result<(), Error> {
        match key {
            "code" => self.code = number(key, value, 100, 599)?,
            "retry_after" => self.retry_after = Some(number(key, value, 0, u64::from(u32::MAX))?),
            "nth" => self.nth = Some(number(key, value, 1, u64::MAX)?),
            "every" => self.every = Some(number(key, value, 1, u64::MAX)?),
            "share" => self.share = Some(share(value)?),
            "times" => self.times = number(key, value, 0, u64::from(u32::MAX))?,
            "path" => self.path = Some(value.to_owned()),
            "page" => self.page = Some(number(key, value, 1, u64::MAX)?),
            "to" => self.to = value.to_owned(),
            "back" => self.back = number(key, value, 0, u64::from(u32::MAX))?,
            "bytes" => self.bytes = number(key, value, 0, 1 << 40)?,
            _ => return Err(bad(key, format!("known keys are {KEYS}"))),
        }
        Ok(())
    }
}

fn read_kind(word: &str) -> Result<Kind, Error> {
    let found = Kind::WORDS.iter().find(|(known, _)| *known == word);
    found.map(|(_, kind)| *kind).ok_or_else(|| bad(word, format!("known kinds are {}", words())))
}

fn words() -> String {
    Kind::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")
}

fn number<T: TryFrom<u64>>(key: &str, value: &str, least: u64, most: u64) -> Result<T, Error> {
    let parsed = value.parse::<u64>().ok().filter(|number| (least..=most).contains(number));
    parsed
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| bad(value, format!("`{key}` takes a whole number from {least} to {most}")))
}

fn share(value: &str) -> Result<f64, Error> {
    let parsed = value.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    parsed.ok_or_else(|| bad(value, "`share` takes a number from 0 to 1, such as 0.05".to_owned()))
}

fn bad(word: &str, expected: String) -> Error {
    Error::Fault { word: word.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_from_words() {
        let fault: Fault = "kind=status,code=429,retry_after=2,nth=3,path=models,times=0".parse().unwrap();
        assert_eq!((fault.kind, fault.code, fault.retry_after), (Kind::Status, 429, Some(2)));
        assert_eq!((fault.nth, fault.times, fault.path.as_deref()), (Some(3), 0, Some("models")));
        let fault: Fault = "kind=bomb, bytes=1000, share=0.05".parse().unwrap();
        assert_eq!((fault.kind, fault.bytes, fault.share, fault.times), (Kind::Bomb, 1000, Some(0.05), 1));
        for (word, kind) in Kind::WORDS {
            assert_eq!(format!("kind={word}").parse::<Fault>().unwrap().kind, *kind);
            assert_eq!(kind.word(), *word);
        }
    }

    #[test]
    fn a_bad_word_is_named_with_what_is_known() {
        for (text, word, known) in [
            ("kind=explode", "`explode`", "invalid-json"),
            ("kind=cut,nht=2", "`nht`", "nth"),
            ("kind=cut,nth=0", "`0`", "from 1"),
            ("kind=cut,nth=x", "`x`", "whole number"),
            ("kind=cut,share=2", "`2`", "0 to 1"),
            ("nth=2", "`nth=2`", "kind=status"),
            ("cut", "`cut`", "key=value"),
        ] {
            let message = text.parse::<Fault>().unwrap_err().to_string();
            assert!(message.contains(word) && message.contains(known), "{text}: {message}");
        }
    }
}
