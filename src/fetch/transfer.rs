//! One file: requested from the API, fetched from the host that keeps it, resumed where it broke off.
//!
//! The API answers with a redirect to a short-lived link on another host, so every attempt asks for a fresh one. The key goes
//! to the API's origin only.

use std::io;

use reqwest::header::{self, HeaderMap};
use reqwest::{Response, StatusCode};
use url::Url;

use super::attempt_error::{AttemptError, Host, judge};
use super::attempts::Attempts;
use super::client::Client;
use super::disposition::file_name;
use super::message::printable;
use super::pace::Permit;
use super::page_url::PageUrl;
use super::response_facts::{http_date, retry_after};
use crate::place::{Place, place_of};

/// Most redirects that are followed.
const HOPS_MAX: usize = 5;
/// Most bytes of an error's body that are read.
const HEAD_MAX: usize = 4 << 10;
/// Answers of 404 in a row before a file is believed to be missing: the server's look-up of its store fails at times.
const MISSING_MAX: u32 = 3;

/// The destination of a file's bytes. Errors are those of the disk.
pub trait Sink {
    /// Bytes stored so far.
    fn bytes(&self) -> u64;
    /// Drops all bytes, to begin again.
    ///
    /// # Errors
    /// The disk's error.
    fn restart(&mut self) -> io::Result<()>;
    /// Appends bytes.
    ///
    /// # Errors
    /// The disk's error.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// Returns the API's address of a version's file, `…/api/download/models/7`, or `None` if `base` has no path.
pub fn download_url(base: &Url, version: i64) -> Option<PageUrl> {
    let mut root = base.clone();
    root.path_segments_mut().ok()?.pop_if_empty().pop();
    let version = version.to_string();
    PageUrl::new(&root, &["download", "models", &version], std::iter::empty::<(&str, &str)>()).ok()
}

impl Attempts<'_> {
    /// Fetches a file into `sink`, from where that ends; returns the name that the host gives it. `checked` says that its hash is
    /// known, and so decides where an answer may or may not be the file. Progress renews the budget.
    ///
    /// # Errors
    /// When an answer is final, or the budget is spent. Bytes that arrived stay in the sink.
    pub async fn file(mut self, sink: &mut dyn Sink, checked: bool) -> Result<Option<String>, AttemptError> {
        let mut missing = 0;
        loop {
            let before = sink.bytes();
            let permit = self.begin().await;
            let error = match self.file_once(sink, checked, &permit).await {
                Ok(name) => {
                    self.succeeded(&permit);
                    return Ok(name);
                }
                Err(error) if !error.is_retried() => return Err(error),
                Err(error) => error,
            };
            if let AttemptError::Throttled { wait, .. } = &error {
                self.throttled(&permit, *wait);
            }
            drop(permit);
            if sink.bytes() > before {
                self.progressed();
                missing = 0;
            }
            missing += u32::from(matches!(error, AttemptError::Missing(_)));
            if missing == MISSING_MAX || self.retry(error.wait(), error.to_string()).is_err() {
                return Err(error);
            }
        }
    }

    /// One attempt: the API, its redirects, the file.
    async fn file_once(
        &self,
        sink: &mut dyn Sink,
        checked: bool,
        permit: &Permit<'_>,
    ) -> Result<Option<String>, AttemptError> {
        let (client, api) = (&self.fetcher.client, self.url.url());
        let (mut target, mut hops, mut login) = (api.clone(), 0, false);
        loop {
            let from = if hops == 0 { 0 } else { sink.bytes() };
            let response = client.open(&target, from).await.map_err(|error| AttemptError::broken(error.to_string()))?;
            let status = response.status();
            if status.is_redirection() {
                if hops == HOPS_MAX {
                    return Err(AttemptError::NotFollowed(format!("more than {HOPS_MAX} redirects")));
                }
                target = next_hop(api, &target, response.headers())?;
                login |= is_login(&target);
                hops += 1;
                continue;
            }
            if status == StatusCode::RANGE_NOT_SATISFIABLE {
                sink.restart().map_err(AttemptError::Disk)?;
            }
            let host = match target.origin() == api.origin() {
                _ if login => Host::Login,
                true => Host::Api,
                false => Host::Store,
            };
            let doubted = !checked || sink.bytes() > 0;
            let no_file = no_file(response.headers(), checked, doubted).filter(|_| status.is_success());
            if !status.is_success() || no_file.is_some() {
                return Err(refusal(response, host, no_file, client).await);
            }
            self.succeeded(permit);
            return receive(response, sink, client).await;
        }
    }
}

/// Returns the target of a redirect. It must be https, or on this machine, and of the API's place or the public one.
fn next_hop(api: &Url, from: &Url, headers: &HeaderMap) -> Result<Url, AttemptError> {
    let location = headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
    let target = location.and_then(|location| from.join(location).ok());
    let target = target.ok_or_else(|| AttemptError::NotFollowed(String::from("a redirect without an address")))?;
    let safe = target.scheme() == "https" || (target.scheme() == "http" && place_of(&target) == Place::ThisMachine);
    if !safe
        || !place_of(api).may_lead_to(place_of(&target))
        || !target.username().is_empty()
        || target.password().is_some()
    {
        let host = printable(target.host_str().unwrap_or(target.scheme()));
        return Err(AttemptError::NotFollowed(format!("a redirect to `{host}`")));
    }
    Ok(target)
}

/// Returns true when a redirect leads to a page to log in at, on any host.
fn is_login(target: &Url) -> bool {
    let mut segments = target.path_segments().into_iter().flatten();
    segments.any(|segment| ["login", "log-in", "signin", "sign-in"].contains(&segment.to_ascii_lowercase().as_str()))
}

/// Returns the reason why a successful answer is no file, as far as its headers show. A known hash decides instead, unless
/// `doubted`: then bytes that arrived earlier would be lost.
fn no_file(headers: &HeaderMap, checked: bool, doubted: bool) -> Option<String> {
    let kind = content_type(headers);
    let attached = headers.contains_key(header::CONTENT_DISPOSITION);
    if kind.contains("html") || (kind.contains("json") && !attached && doubted) {
        return Some(format!("`{}` instead of a file", printable(&kind)));
    }
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("identity");
    let plain = matches!(encoding.trim().to_ascii_lowercase().as_str(), "" | "identity");
    (!plain && !checked).then(|| format!("a file encoded as `{}`, which was not asked for", printable(encoding)))
}

/// Returns true when a body begins like a web page, which no model file does.
fn begins_as_page(piece: &[u8]) -> bool {
    let piece = piece.trim_ascii_start();
    let begins = |tag: &str| piece.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag.as_bytes()));
    begins("<!doctype html") || begins("<html")
}

/// Returns the meaning of an answer without a file; `no_file` is the reason why a success is none.
async fn refusal(mut response: Response, host: Host, no_file: Option<String>, client: &Client) -> AttemptError {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let wait = text(header::RETRY_AFTER)
        .and_then(|value| retry_after(value, text(header::DATE).and_then(http_date), jiff::Timestamp::now()));
    let mut head = Vec::new();
    // A body that breaks off does no harm: the status is enough.
    while let Ok(Some(piece)) = response.chunk().await {
        head.extend_from_slice(&piece[..piece.len().min(HEAD_MAX - head.len())]);
        if head.len() == HEAD_MAX {
            break;
        }
    }
    let head = no_file.map_or(head, String::into_bytes);
    judge(status, &client.clean(head), content_type(&headers).contains("html"), wait, host)
}

/// Writes the body to the sink; returns the file's name in the headers.
async fn receive(mut response: Response, sink: &mut dyn Sink, client: &Client) -> Result<Option<String>, AttemptError> {
    let broken = |error| AttemptError::broken(client.transport_error(&error).to_string());
    let range = Range::of(response.headers());
    let begins = first_byte(response.status(), range.as_ref(), response.content_length());
    let mut piece = response.chunk().await.map_err(broken)?;
    if begins == Some(0) && piece.as_deref().is_some_and(begins_as_page) {
        return Err(AttemptError::broken("the host sent a web page instead of a file"));
    }
    if begins != Some(sink.bytes()) {
        sink.restart().map_err(AttemptError::Disk)?;
        if begins != Some(0) {
            return Err(AttemptError::broken("the host sent another part of the file than was asked for"));
        }
    }
    let disposition = response.headers().get(header::CONTENT_DISPOSITION);
    let name = disposition.and_then(|value| file_name(&String::from_utf8_lossy(value.as_bytes())));
    while let Some(bytes) = piece {
        sink.write(&bytes).map_err(AttemptError::Disk)?;
        piece = response.chunk().await.map_err(broken)?;
    }
    match range.and_then(|range| range.whole).filter(|_| begins != Some(0)) {
        Some(whole) if sink.bytes() < whole => {
            Err(AttemptError::broken(format!("the host sent the file up to byte {} of {whole} only", sink.bytes())))
        }
        _ => Ok(name),
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
        Some(Self { first, length, whole: whole.trim().parse().ok() })
    }
}

/// Returns the position in the file of a success's first byte. Some hosts honour a range with status 200, but if the body then
/// has another length than its range, it is the whole file.
fn first_byte(status: StatusCode, range: Option<&Range>, length: Option<u64>) -> Option<u64> {
    match range {
        _ if status == StatusCode::PARTIAL_CONTENT => range.map(|range| range.first),
        Some(range) if length.is_none_or(|length| length == range.length) => Some(range.first),
        _ => Some(0),
    }
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_to_safe_places_only() {
        let (real, local) = ("https://civitai.com/api/download/models/1", "http://127.0.0.1:80/api/download/models/1");
        for (api, location, leads) in [
            (real, "https://store.example/x?sig=1", Some("https://store.example/x?sig=1")),
            (real, "/login", Some("https://civitai.com/login")),
            (real, "http://store.example/x", None),
            (real, "http://127.0.0.1:9/x", None),
            (real, "https://127.0.0.1/x", None),
            (real, "https://localhost./x", None),
            (real, "https://169.254.169.254/x", None),
            (real, "https://10.0.0.1/x", None),
            (real, "https://[::ffff:127.0.0.1]/x", None),
            (real, "https://user:secret@store.example/x", None),
            (real, "file:///etc/passwd", None),
            (local, "http://127.0.0.1:81/x", Some("http://127.0.0.1:81/x")),
            (local, "https://169.254.169.254/x", None),
            (local, "http://store.example/x", None),
        ] {
            let api = Url::parse(api).unwrap();
            let headers = HeaderMap::from_iter([(header::LOCATION, location.parse().unwrap())]);
            let target = next_hop(&api, &api, &headers).ok();
            assert_eq!(target.as_ref().map(Url::as_str), leads, "{location}");
        }
        let api = Url::parse(real).unwrap();
        assert!(next_hop(&api, &api, &HeaderMap::new()).is_err());
    }

    #[test]
    fn files_are_asked_for_beside_the_api() {
        let base = Url::parse("https://civitai.com/api/v1").unwrap();
        assert_eq!(download_url(&base, 7).unwrap().as_str(), "https://civitai.com/api/download/models/7");
    }

    #[test]
    fn an_answer_says_where_its_bytes_belong() {
        for (status, range, length, begins) in [
            (206, Some("bytes 100-199/200"), Some(100), Some(100)),
            (206, Some("bytes 100-199/*"), None, Some(100)),
            (206, None, Some(100), None),
            (206, Some("bytes */200"), Some(100), None),
            (200, Some("bytes 100-199/200"), Some(100), Some(100)),
            (200, Some("bytes 100-199/200"), None, Some(100)),
            (200, Some("bytes 100-199/200"), Some(200), Some(0)),
            (200, Some("bytes 199-100/200"), Some(100), Some(0)),
            (200, None, Some(200), Some(0)),
        ] {
            let headers = range.map(|range| (header::CONTENT_RANGE, range.parse().unwrap()));
            let range = Range::of(&HeaderMap::from_iter(headers));
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(first_byte(status, range.as_ref(), length), begins, "{status} {range:?} {length:?}");
        }
    }

    #[test]
    fn pages_and_encoded_bodies_are_no_files() {
        let none: &[(header::HeaderName, &str)] = &[];
        let (kind, coded) = (header::CONTENT_TYPE, header::CONTENT_ENCODING);
        let attached = (header::CONTENT_DISPOSITION, "attachment; filename=\"flow.json\"");
        for (headers, checked, is_file) in [
            (none, false, true),
            (&[(kind.clone(), "application/octet-stream")], false, true),
            (&[(kind.clone(), "Text/HTML; charset=utf-8")], true, false),
            (&[(kind.clone(), "application/json")], false, false),
            (&[(kind.clone(), "application/json")], true, true),
            (&[(kind, "application/json"), attached], false, true),
            (&[(coded.clone(), "gzip")], false, false),
            (&[(coded.clone(), "gzip")], true, true),
            (&[(coded, "identity")], false, true),
        ] {
            let map = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
            assert_eq!(no_file(&map, checked, !checked).is_none(), is_file, "{headers:?} {checked}");
        }
        assert!(begins_as_page(b"\n <!DOCTYPE HTML><title>") && begins_as_page(b"<html>") && !begins_as_page(b"<htm"));
    }

    #[test]
    fn pages_to_log_in_at_are_known_by_their_address() {
        for (address, login) in [
            ("https://civitai.red/login?returnUrl=%2F", true),
            ("https://auth.example/de/Sign-In", true),
            ("https://store.example/login.safetensors?x=login", false),
        ] {
            assert_eq!(is_login(&Url::parse(address).unwrap()), login, "{address}");
        }
    }
}
