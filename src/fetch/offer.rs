//! The bytes of a file that an answer offers, as far as its headers show. Pure.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use reqwest::header::{self, HeaderMap};
use reqwest::{StatusCode, Version};

use super::message::printable;
use super::source::Source;

/// The facts by which a file is known before it arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// True if its hash is known: the caller checks it, so it decides where an answer may or may not be the file.
    pub hashed: bool,
    /// The sizes that it may have, in bytes; `None` if nothing is known.
    pub sizes: Option<RangeInclusive<u64>>,
    /// Most bytes that are accepted.
    pub bytes_max: u64,
}

impl FileFacts {
    /// Returns true when the file may have this size. A known hash decides instead, within the bound.
    pub(super) fn admit(&self, bytes: u64) -> bool {
        bytes <= self.bytes_max && (self.hashed || self.may_have(bytes))
    }

    /// Returns true when this is, or may be, its size.
    pub(super) fn may_have(&self, bytes: u64) -> bool {
        self.sizes.as_ref().is_none_or(|sizes| sizes.contains(&bytes))
    }
}

/// The bytes of a file in one answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// The position of the first byte in the file.
    pub(super) first: u64,
    /// The size of the file in bytes.
    pub(super) total: Option<u64>,
    /// True if the answer shows its end, so that a cut is noticed.
    pub(super) ends: bool,
    /// The state of the file at its host.
    pub(super) source: Option<Source>,
}

impl Offer {
    /// Reads the headers of a 200 or 206. `asked` is the first byte of the range that was asked for, `length` the size of the body.
    ///
    /// # Errors
    /// The reason why it holds no bytes that were asked for.
    pub(super) fn of(
        (status, version): (StatusCode, Version),
        headers: &HeaderMap,
        length: Option<u64>,
        asked: Option<u64>,
        now: Timestamp,
    ) -> Result<Self, &'static str> {
        let range = Range::of(headers);
        let is_part = status == StatusCode::PARTIAL_CONTENT;
        // Some hosts honour a range with status 200, but if the body then has another length than its range, it is the whole file.
        let range = range.filter(|range| is_part || length.is_none_or(|length| length == range.length));
        let (first, total, ends) = match &range {
            _ if is_part && asked.is_none() => return Err("the host sent a part of the file that was not asked for"),
            None if is_part => return Err("the host sent a part of the file without its place"),
            Some(range) if range.first != asked.unwrap_or(0) || length.is_some_and(|length| length != range.length) => {
                return Err("the host sent another part of the file than was asked for");
            }
            Some(range) => (range.first, range.whole, range.whole.is_some()),
            None => {
                let framed = headers.contains_key(header::TRANSFER_ENCODING) || version >= Version::HTTP_2;
                (0, length, length.is_some() || framed)
            }
        };
        match total {
            Some(0) => Err("the host sent an empty file"),
            _ => Ok(Self { first, total, ends, source: Source::of(headers, total, now) }),
        }
    }
}

/// `Content-Range: bytes 100-199/200`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    first: u64,
    length: u64,
    whole: Option<u64>,
}

impl Range {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?.trim();
        let (span, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = span.split_once('-')?;
        let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        let length = last.checked_sub(first)?.checked_add(1)?;
        let whole = match whole.trim() {
            "*" => None,
            whole => Some(whole.parse().ok().filter(|whole| last < *whole)?),
        };
        Some(Self { first, length, whole })
    }
}

/// Returns the content type in lower case.
pub(super) fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_ascii_lowercase()
}

/// Returns the reason why a successful answer is no file, as far as its headers show. A web page never is. Text and encoded bodies
/// are none if `doubted`: no hash decides, or bytes that arrived earlier would be lost.
pub(super) fn no_file(status: StatusCode, headers: &HeaderMap, doubted: bool) -> Option<String> {
    if !matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
        return Some(format!("status {} instead of a file", status.as_u16()));
    }
    let kind = content_type(headers);
    let attached = headers.contains_key(header::CONTENT_DISPOSITION);
    let text = ["json", "xml", "text/", "multipart/"].iter().any(|word| kind.contains(word));
    if kind.contains("html") || (text && !attached && doubted) {
        return Some(format!("`{}` instead of a file", printable(&kind)));
    }
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("identity");
    let plain = matches!(encoding.trim().to_ascii_lowercase().as_str(), "" | "identity");
    (!plain && doubted).then(|| format!("a file encoded as `{}`, which was not asked for", printable(encoding)))
}

/// Returns true when a body begins like a web page, which no model file does.
pub(super) fn begins_as_page(piece: &[u8]) -> bool {
    let piece = piece.trim_ascii_start();
    let begins = |tag: &str| piece.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag.as_bytes()));
    begins("<!doctype html") || begins("<html")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_shows_where_its_bytes_belong() {
        let (part, whole) = (Some(100), None);
        for (status, range, length, asked, offered) in [
            (206, Some("bytes 100-199/200"), Some(100), part, Some((100, Some(200), true))),
            (206, Some("bytes 100-149/200"), Some(50), part, Some((100, Some(200), true))),
            (206, Some("bytes 100-199/*"), None, part, Some((100, None, false))),
            (206, Some("bytes 0-199/200"), Some(200), whole, None),
            (206, Some("bytes 100-199/200"), Some(90), part, None),
            (206, Some("bytes 50-199/200"), Some(150), part, None),
            (206, Some("bytes 100-199/150"), Some(100), part, None),
            (206, None, Some(100), part, None),
            (206, Some("bytes */200"), Some(100), part, None),
            (200, Some("bytes 100-199/200"), Some(100), part, Some((100, Some(200), true))),
            (200, Some("bytes 100-199/200"), None, part, Some((100, Some(200), true))),
            (200, Some("bytes 100-199/200"), Some(100), whole, None),
            (200, Some("bytes 0-99/200"), Some(100), whole, Some((0, Some(200), true))),
            (200, Some("bytes 100-199/200"), Some(200), part, Some((0, Some(200), true))),
            (200, Some("bytes 199-100/200"), Some(100), part, Some((0, Some(100), true))),
            (200, None, Some(200), part, Some((0, Some(200), true))),
            (200, None, None, whole, Some((0, None, false))),
            (200, None, Some(0), whole, None),
        ] {
            let headers = HeaderMap::from_iter(range.map(|range| (header::CONTENT_RANGE, range.parse().unwrap())));
            let head = (StatusCode::from_u16(status).unwrap(), Version::HTTP_11);
            let offer = Offer::of(head, &headers, length, asked, Timestamp::UNIX_EPOCH).ok();
            let offer = offer.map(|offer| (offer.first, offer.total, offer.ends));
            assert_eq!(offer, offered, "{status} {range:?} {length:?} {asked:?}");
        }
    }

    #[test]
    fn an_answer_in_chunks_or_frames_shows_its_end() {
        let chunked = HeaderMap::from_iter([(header::TRANSFER_ENCODING, "chunked".parse().unwrap())]);
        for (headers, version, ends) in [
            (&chunked, Version::HTTP_11, true),
            (&HeaderMap::new(), Version::HTTP_2, true),
            (&HeaderMap::new(), Version::HTTP_11, false),
        ] {
            let offer = Offer::of((StatusCode::OK, version), headers, None, None, Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(offer.ends, ends, "{version:?}");
        }
    }

    #[test]
    fn pages_and_encoded_bodies_are_no_files() {
        let none: &[(header::HeaderName, &str)] = &[];
        let (kind, coded) = (header::CONTENT_TYPE, header::CONTENT_ENCODING);
        let attached = (header::CONTENT_DISPOSITION, "attachment; filename=\"flow.json\"");
        for (status, headers, doubted, is_file) in [
            (200, none, true, true),
            (206, none, true, true),
            (204, none, false, false),
            (203, none, false, false),
            (200, &[(kind.clone(), "application/octet-stream")], true, true),
            (200, &[(kind.clone(), "Text/HTML; charset=utf-8")], false, false),
            (200, &[(kind.clone(), "application/json")], true, false),
            (200, &[(kind.clone(), "application/xml")], true, false),
            (200, &[(kind.clone(), "text/plain")], true, false),
            (206, &[(kind.clone(), "multipart/byteranges; boundary=x")], true, false),
            (200, &[(kind.clone(), "application/json")], false, true),
            (200, &[(kind, "application/json"), attached], true, true),
            (200, &[(coded.clone(), "gzip")], true, false),
            (200, &[(coded.clone(), "gzip")], false, true),
            (200, &[(coded, "identity")], true, true),
        ] {
            let map = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(no_file(status, &map, doubted).is_none(), is_file, "{status} {headers:?} {doubted}");
        }
        assert!(begins_as_page(b"\n <!DOCTYPE HTML><title>") && begins_as_page(b"<html>") && !begins_as_page(b"<htm"));
    }

    #[test]
    fn sizes_are_admitted_as_far_as_they_are_known() {
        let facts = |hashed, sizes| FileFacts { hashed, sizes, bytes_max: 200 };
        for (facts, bytes, admitted) in [
            (facts(false, Some(100..=100)), 100, true),
            (facts(false, Some(100..=100)), 99, false),
            (facts(true, Some(100..=100)), 99, true),
            (facts(true, Some(100..=100)), 201, false),
            (facts(false, None), 5, true),
            (facts(false, None), 201, false),
        ] {
            assert_eq!(facts.admit(bytes), admitted, "{facts:?} {bytes}");
        }
    }
}
