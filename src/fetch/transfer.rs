//! One file: asked of the API, fetched from the host that keeps it, begun again where it broke off.
//!
//! The API answers with a redirect to a link on another host that is good for a short while. Every attempt asks for a fresh
//! one; the key goes to the API's origin and to no other.

use std::io;
use std::time::Duration;

use reqwest::header::{self, HeaderMap};
use reqwest::{Response, StatusCode};
use tokio::time::sleep;
use url::Url;

use super::barred::{Barred, Setback, judge};
use super::client::Client;
use super::disposition::file_name;
use super::fetcher::{Event, Fetcher};
use super::message::printable;
use super::pace::Slot;
use super::page_url::PageUrl;
use super::reply::{http_date, retry_after};
use super::settings::is_loopback;

/// The most redirects that are followed.
const HOPS_MAX: usize = 5;
/// How much of an error's body is looked at.
const HEAD_MAX: usize = 4 << 10;

/// Where a file's bytes go.
pub trait Sink {
    /// How many bytes are there already.
    fn len(&self) -> u64;
    /// Drops them: the file begins anew.
    ///
    /// # Errors
    /// As the disk says.
    fn restart(&mut self) -> io::Result<()>;
    /// Takes the next bytes.
    ///
    /// # Errors
    /// As the disk says.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where the API's files are asked for: beside the API itself.
pub fn download_url(base: &Url, version: i64) -> Option<PageUrl> {
    let mut root = base.clone();
    root.path_segments_mut().ok()?.pop_if_empty().pop();
    let version = version.to_string();
    PageUrl::new(&root, &["download", "models", &version], std::iter::empty::<(&str, &str)>()).ok()
}

impl Fetcher {
    /// Fetches a file into `sink`, from where it ends; gives the name that the host calls it by.
    ///
    /// # Errors
    /// Why it is not to be had, now or ever. What has arrived stays in the sink.
    pub async fn file(
        &self,
        url: &PageUrl,
        sink: &mut dyn Sink,
        notify: &(dyn Fn(Event) + Send + Sync),
    ) -> Result<Option<String>, Barred> {
        let (mut budget, mut missing) = (self.budget(), 0);
        loop {
            let before = sink.len();
            let slot = self.pace().admit().await;
            notify(Event::Sent { attempt: budget.begin() });
            let setback = match self.attempt_file(url, sink, &slot).await {
                Ok(name) => {
                    if let Some(rate) = slot.succeeded() {
                        notify(Event::Recovered { rate });
                    }
                    return Ok(name);
                }
                Err(setback) => setback,
            };
            let setback = match setback {
                Setback::Barred(barred) => return Err(barred),
                setback => setback,
            };
            if let Setback::Throttled { wait, .. } = &setback
                && let Some(pause) = slot.throttled(wait.map(|wait| budget.bounded(wait)))
            {
                notify(Event::Throttled { pause, rate: self.rate() });
            }
            drop(slot);
            if sink.len() > before {
                // It gets on: only setbacks in a row count.
                (budget, missing) = (self.budget(), 0);
                budget.begin();
            }
            missing += u32::from(matches!(setback, Setback::Missing(_)));
            let Some(wait) = budget.wait(setback.wait()).filter(|_| missing < MISSING_MAX) else {
                return Err(setback.for_good());
            };
            notify(Event::Retrying { attempt: budget.attempts(), wait, reason: setback.to_string() });
            sleep(wait).await;
        }
    }

    /// One attempt: the API, its redirects, the file.
    async fn attempt_file(
        &self,
        url: &PageUrl,
        sink: &mut dyn Sink,
        slot: &Slot<'_>,
    ) -> Result<Option<String>, Setback> {
        let api = url.url().origin();
        let (mut target, mut hops) = (url.url().clone(), 0);
        loop {
            let from = if hops == 0 { 0 } else { sink.len() };
            let response =
                self.client().open(&target, from).await.map_err(|fault| Setback::Broken(fault.to_string()))?;
            let status = response.status();
            if status.is_redirection() {
                if hops == HOPS_MAX {
                    return Err(Setback::Barred(Barred::Redirect(format!("more than {HOPS_MAX} redirects"))));
                }
                target = next_hop(url.url(), &target, response.headers())?;
                hops += 1;
                continue;
            }
            if status == StatusCode::RANGE_NOT_SATISFIABLE {
                sink.restart().map_err(|error| Setback::Barred(Barred::Disk(error)))?;
            }
            let at_api = target.origin() == api;
            let html = content_type(response.headers()).contains("html");
            if !status.is_success() || (at_api && html) {
                return Err(refusal(response, at_api, self.client()).await);
            }
            slot.succeeded();
            return receive(response, sink, self.client()).await;
        }
    }
}

/// Times in a row that a file may be missing before it is believed: the store is looked up anew each time, and at times fails.
const MISSING_MAX: u32 = 3;

/// Where a redirect leads: to https, or where the API itself is on this machine to this machine.
fn next_hop(api: &Url, from: &Url, headers: &HeaderMap) -> Result<Url, Setback> {
    let barred = |why: String| Setback::Barred(Barred::Redirect(why));
    let location = headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
    let target = location.and_then(|location| from.join(location).ok());
    let target = target.ok_or_else(|| barred(String::from("a redirect without an address")))?;
    let safe = target.scheme() == "https" || (target.scheme() == "http" && is_loopback(&target));
    let local = is_loopback(&target) && !is_loopback(api);
    if !safe || local || !target.username().is_empty() || target.password().is_some() {
        return Err(barred(format!("a redirect to `{}`", printable(target.host_str().unwrap_or(target.scheme())))));
    }
    Ok(target)
}

/// What an answer without a file means.
async fn refusal(mut response: Response, at_api: bool, client: &Client) -> Setback {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let wait = text(header::RETRY_AFTER)
        .and_then(|value| retry_after(value, text(header::DATE).and_then(http_date), jiff::Timestamp::now()));
    let mut head = Vec::new();
    // What it says besides is a help only; the status is enough.
    while let Ok(Some(piece)) = response.chunk().await {
        head.extend_from_slice(&piece[..piece.len().min(HEAD_MAX - head.len())]);
        if head.len() == HEAD_MAX {
            break;
        }
    }
    judge(status, &client.clean(head), content_type(&headers).contains("html"), wait, at_api)
}

/// Takes the body into the sink.
async fn receive(mut response: Response, sink: &mut dyn Sink, client: &Client) -> Result<Option<String>, Setback> {
    let disk = |error| Setback::Barred(Barred::Disk(error));
    let begins = match response.status().as_u16() {
        206 => begin_of_range(response.headers()),
        _ => Some(0),
    };
    if begins != Some(sink.len()) {
        sink.restart().map_err(disk)?;
        if begins != Some(0) {
            return Err(Setback::Broken(String::from("the host sent another part of the file than was asked for")));
        }
    }
    let disposition = response.headers().get(header::CONTENT_DISPOSITION);
    let name = disposition.and_then(|value| file_name(&String::from_utf8_lossy(value.as_bytes())));
    loop {
        match response.chunk().await {
            Ok(Some(piece)) => sink.write(&piece).map_err(disk)?,
            Ok(None) => return Ok(name),
            Err(error) => return Err(Setback::Broken(client.fault(&error).to_string())),
        }
    }
}

/// The first byte's place, of `bytes 100-199/200`.
fn begin_of_range(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.trim().strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_ascii_lowercase()
}

impl Setback {
    /// How long the server asks to wait.
    fn wait(&self) -> Option<Duration> {
        match self {
            Setback::Throttled { wait, .. } | Setback::Busy { wait, .. } => *wait,
            Setback::Barred(_) | Setback::Missing(_) | Setback::Broken(_) => None,
        }
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
            (real, "https://user:secret@store.example/x", None),
            (real, "file:///etc/passwd", None),
            (local, "http://127.0.0.1:81/x", Some("http://127.0.0.1:81/x")),
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
}
