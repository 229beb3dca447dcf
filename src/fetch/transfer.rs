//! One file: requested from the API, fetched from the host that keeps it, resumed where it broke off.
//!
//! The API answers with a redirect to a short-lived link on another host, so every attempt asks for a fresh one. The key goes
//! to the API's origin only, and not there either once a redirect has led elsewhere.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::header::{self, HeaderMap};
use reqwest::{Response, StatusCode};
use tokio::time::{Instant, timeout};
use url::Url;

use super::attempt_error::{AttemptError, Host, judge};
use super::attempts::Attempts;
use super::client::{Client, RATE_GRACE, RATE_MIN, is_too_slow};
use super::disposition::file_name;
use super::intake::{Arrived, Intake, Sink};
use super::message::printable;
use super::offer::{FileFacts, Offer, content_type, no_file};
use super::pace::Permit;
use super::page_url::PageUrl;
use super::response_facts::{http_date, retry_after};
use super::source::{Rest, Source};
use crate::place::{Place, place_of};

/// Most redirects that are followed.
const HOPS_MAX: usize = 5;
/// Most bytes of an error's body that are read, and the time for it.
const HEAD_MAX: usize = 4 << 10;
const HEAD_TIME: Duration = Duration::from_secs(5);
/// Longest wait for the headers of an answer.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// New bytes that renew the budget.
const PROGRESS_BYTES: u64 = 1 << 20;

/// Returns the API's address of a version's file, `…/api/download/models/7?fileId=70`; without the id of a file the server chooses
/// one. `None` if `base` has no path.
pub fn download_url(base: &Url, version: i64, file: Option<i64>) -> Option<PageUrl> {
    let mut root = base.clone();
    root.path_segments_mut().ok()?.pop_if_empty().pop();
    let (version, file) = (version.to_string(), file.map(|file| file.to_string()));
    PageUrl::new(&root, &["download", "models", &version], file.iter().map(|file| ("fileId", file.as_str()))).ok()
}

impl Attempts<'_> {
    /// Fetches a file into `sink`, from where that ends if it `resumes`, else from its beginning. Each new MiB renews the budget.
    ///
    /// # Errors
    /// When an answer is final, or the budget is spent. Bytes that arrived stay in the sink.
    pub async fn file(
        mut self,
        sink: &mut impl Sink,
        facts: &FileFacts,
        mut resumes: bool,
    ) -> Result<Arrived, AttemptError> {
        let (mut denials, mut counted) = (0, sink.bytes());
        loop {
            let permit = self.begin().await;
            let error = match self.file_once(sink, facts, &mut resumes, &permit).await {
                Ok(arrived) => {
                    self.succeeded(&permit);
                    return Ok(arrived);
                }
                Err(error) if !error.is_retried() => return Err(error),
                Err(error) => error,
            };
            if let AttemptError::Throttled { wait, .. } = &error {
                self.throttled(&permit, *wait);
            }
            drop(permit);
            if sink.bytes() >= counted + PROGRESS_BYTES {
                self.progressed();
                (counted, denials) = (sink.bytes(), 0);
            }
            let denials_max = error.denials_max();
            denials += u32::from(denials_max.is_some());
            let is_believed = denials_max.is_some_and(|max| denials >= max);
            if is_believed || self.retry(error.wait(), error.to_string(), denials_max.is_some()).is_err() {
                return Err(error);
            }
        }
    }

    /// One attempt: the API, its redirects, the file. Without `resumes` the whole file is asked for, and compared with the part.
    async fn file_once(
        &self,
        sink: &mut impl Sink,
        facts: &FileFacts,
        resumes: &mut bool,
        permit: &Permit<'_>,
    ) -> Result<Arrived, AttemptError> {
        let (client, api) = (&self.fetcher.client, self.url.url());
        // Without a hash only bytes of the same state of the file may be put together.
        let has_part = sink.bytes() > 0 && (facts.hashed || sink.source().is_some());
        let (mut target, mut hops, mut login, mut at_home) = (api.clone(), 0, false, true);
        loop {
            let validator = sink.source().map(Source::validator);
            let rest = (*resumes && has_part && hops > 0).then(|| Rest { from: sink.bytes(), validator });
            let response = timeout(ANSWER_TIME, client.open(&target, rest, at_home)).await;
            let response = response.map_err(|_| {
                client.replace_connections();
                broken(format!("the host sent no answer in {} s", ANSWER_TIME.as_secs()))
            })?;
            let response = response.map_err(|error| broken(error.to_string()))?;
            let status = response.status();
            if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                if hops == HOPS_MAX {
                    return Err(AttemptError::NotFollowed(format!("more than {HOPS_MAX} redirects")));
                }
                target = next_hop(api, &target, response.headers())?;
                login |= is_login(&target);
                at_home &= target.origin() == api.origin();
                hops += 1;
                continue;
            }
            if status == StatusCode::RANGE_NOT_SATISFIABLE {
                *resumes = false;
                return Err(broken("the host has no bytes behind those that have arrived"));
            }
            let host = match at_home || is_sister(api, &target) {
                _ if login => Host::Login,
                true => Host::Api,
                false => Host::Store,
            };
            let doubted = !facts.hashed || sink.bytes() > 0;
            let no_file = no_file(status, response.headers(), doubted).filter(|_| status.is_success());
            if !status.is_success() || no_file.is_some() {
                return Err(refusal(response, host, no_file, client).await);
            }
            self.succeeded(permit);
            return receive(response, rest.map(|rest| rest.from), sink, facts, client).await;
        }
    }
}

fn broken(reason: impl Into<String>) -> AttemptError {
    AttemptError::broken(reason)
}

/// Returns the target of a redirect. It must be https, or on this machine, and of the API's place or the public one.
fn next_hop(api: &Url, from: &Url, headers: &HeaderMap) -> Result<Url, AttemptError> {
    let location = headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
    let target = location.and_then(|location| from.join(location).ok());
    followed(api, target.ok_or_else(|| AttemptError::NotFollowed(String::from("a redirect without an address")))?)
}

/// Returns the target of a redirect if a download follows it.
pub(super) fn followed(api: &Url, target: Url) -> Result<Url, AttemptError> {
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

/// The hosts of the site. Those that keep its files have names of their own.
const SITES: [&str; 3] = ["civitai.com", "civitai.red", "civitai.green"];

/// Returns true when a redirect leads to a page to log in at, on any host.
fn is_login(target: &Url) -> bool {
    let mut segments = target.path_segments().into_iter().flatten();
    segments.any(|segment| ["login", "log-in", "signin", "sign-in"].contains(&segment.to_ascii_lowercase().as_str()))
}

/// Returns true when another host of the same site answers: the site is split by rating, and sends from one to the other.
fn is_sister(api: &Url, target: &Url) -> bool {
    let ours = |url: &Url| SITES.contains(&url.host_str().unwrap_or_default().trim_start_matches("www."));
    ours(api) && ours(target)
}

/// Returns the meaning of an answer without a file; `no_file` is the reason why a success is none.
async fn refusal(mut response: Response, host: Host, no_file: Option<String>, client: &Client) -> AttemptError {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let wait = text(header::RETRY_AFTER)
        .and_then(|value| retry_after(value, text(header::DATE).and_then(http_date), jiff::Timestamp::now()));
    let mut head = Vec::new();
    let read = async {
        while head.len() < HEAD_MAX
            && let Ok(Some(piece)) = response.chunk().await
        {
            head.extend_from_slice(&piece[..piece.len().min(HEAD_MAX - head.len())]);
        }
    };
    // A body that breaks off or drips does no harm: the status is enough.
    let _ = timeout(HEAD_TIME, read).await;
    let head = no_file.map_or(head, String::into_bytes);
    judge(status, &client.clean(head), content_type(&headers).contains("html"), wait, host)
}

/// Writes the body to the sink.
async fn receive(
    response: Response,
    asked: Option<u64>,
    sink: &mut impl Sink,
    facts: &FileFacts,
    client: &Client,
) -> Result<Arrived, AttemptError> {
    let (status, version, length) = (response.status(), response.version(), response.content_length());
    let offer = Offer::of((status, version), response.headers(), length, asked, Timestamp::now());
    let offer = offer.map_err(|reason| AttemptError::NoFile(reason.to_owned()))?;
    let disposition = response.headers().get(header::CONTENT_DISPOSITION);
    let name = disposition.and_then(|value| file_name(&String::from_utf8_lossy(value.as_bytes())));
    let mut body = Body { response, client, bytes: 0, waited: Duration::ZERO };
    let mut intake = Intake::begin(offer, sink, facts).await?;
    while let Some(piece) = body.next().await? {
        intake.take(piece).await?;
    }
    Ok(Arrived { name, ..intake.end().await? })
}

/// The body of an answer with a file, which may not drip.
struct Body<'a> {
    response: Response,
    client: &'a Client,
    /// Bytes and time of waiting since the rate was last judged.
    bytes: u64,
    waited: Duration,
}

impl Body<'_> {
    /// Returns the next bytes; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, AttemptError> {
        let began = Instant::now();
        let piece = self.response.chunk().await;
        let piece = piece.map_err(|error| broken(self.client.transport_error(&error).to_string()))?;
        self.waited += began.elapsed();
        self.bytes += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        if piece.is_some() && self.waited > RATE_GRACE {
            if is_too_slow(self.bytes, self.waited) {
                return Err(broken(format!("the host sent less than `{RATE_MIN}` bytes a second")));
            }
            (self.bytes, self.waited) = (0, Duration::ZERO);
        }
        Ok(piece)
    }
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
        for (file, address) in [(None, "7"), (Some(70), "7?fileId=70")] {
            let url = download_url(&base, 7, file).unwrap();
            assert_eq!(url.as_str(), format!("https://civitai.com/api/download/models/{address}"));
        }
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

    #[test]
    fn sister_sites_are_known_by_name() {
        for (target, sister) in [
            ("https://civitai.red/?reason=download", true),
            ("https://www.civitai.com/x", true),
            ("https://b2.civitai.com/x.safetensors", false),
            ("https://civitai.com.example/x", false),
        ] {
            let api = Url::parse("https://civitai.com/api/download/models/1").unwrap();
            assert_eq!(is_sister(&api, &Url::parse(target).unwrap()), sister, "{target}");
            assert!(!is_sister(&Url::parse("http://127.0.0.1/").unwrap(), &api));
        }
    }
}
