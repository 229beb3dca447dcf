//! The requests of an examination: one after the other, few of them, and within a time.

use std::collections::{BTreeMap, HashMap};
use std::hash::RandomState;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::answers::Answers;
use super::exchange::Exchange;
use super::finding::{Finding, Pause};
use super::probe::Probe;
use super::probes;
use super::request::{Request, To};
use super::skeleton::{Skeleton, Source, is_shown_host, sentence, skeleton};
use crate::api::me;
use crate::fetch::{AttemptError, Event, Exchanged, Fetcher, Form, Notify, PageUrl, download_url};
use crate::stop::Stop;

/// Most requests, whatever happens.
pub const REQUESTS_MAX: usize = 60;
/// Longest time for one request, from sending it to the last byte of its answer.
pub const REQUEST_TIME: Duration = Duration::from_secs(20);
/// Time for all answers, beside the time that the rate takes.
const ANSWERS_TIME: Duration = Duration::from_secs(50);
/// Requests in a row without an answer after which the server is away.
const LOST_MAX: usize = 4;
/// Bytes of memory of all skeletons, and of all bodies in the file, so that the file can be read again.
const SKELETONS_MAX: usize = 32 << 20;
const BODIES_MAX: usize = 16 << 20;

/// The servers that are asked.
pub struct Session<'a> {
    /// The fetcher of the server.
    pub fetcher: &'a Fetcher,
    /// The server's base URL.
    pub base: &'a Url,
    /// The other host: its fetcher, which has no key, and its base URL.
    pub other: Option<(&'a Fetcher, &'a Url)>,
    /// Ends the examination early.
    pub stop: &'a Stop,
    /// Receives the events of requests.
    pub notify: Notify<'a>,
    /// True if bodies are kept.
    pub keeps_bodies: bool,
}

/// The state of an examination.
struct Progress {
    /// The end of all requests.
    until: Instant,
    /// The redirects of downloads.
    files: HashMap<Request, Url>,
    /// Marks names.
    marks: RandomState,
    /// Bytes left for skeletons and bodies.
    skeletons_left: usize,
    bodies_left: usize,
}

/// Judges a probe by the answers that are known.
///
/// # Errors
/// The request whose answer is missing.
pub fn judge(answers: &Answers, probe: &Probe) -> Result<Finding, Request> {
    match (probe.judge)(answers) {
        Ok(finding) => Ok(finding),
        Err(Pause::Lost(why)) => Ok(Finding::untold(why)),
        Err(Pause::Wanted(request)) => Err(request),
    }
}

/// Returns the time after which an examination at so many requests a second ends, whatever the server does.
fn longest(rate: f64) -> Duration {
    ANSWERS_TIME + Duration::from_secs_f64(REQUESTS_MAX as f64 / rate)
}

impl Session<'_> {
    /// Asks for all that the probes need; `found` gets each finding as soon as it is there.
    pub async fn examine(&self, answers: &mut Answers, mut found: impl FnMut(&'static Probe, Finding)) {
        let mut progress = Progress {
            until: Instant::now() + longest(self.fetcher.rate()),
            files: HashMap::new(),
            marks: RandomState::new(),
            skeletons_left: SKELETONS_MAX,
            bodies_left: BODIES_MAX,
        };
        for probe in probes::all() {
            if answers.about().meets(probe.needs) {
                let finding = loop {
                    match judge(answers, probe) {
                        Ok(finding) => break finding,
                        Err(request) => self.ask(answers, request, &mut progress).await,
                    }
                };
                found(probe, finding);
            }
        }
    }

    /// Sends a request, once more if it fails, and adds its answers. Ends the examination where the server wants that.
    async fn ask(&self, answers: &mut Answers, request: Request, progress: &mut Progress) {
        for attempt in 1..=2 {
            if answers.all().len() >= REQUESTS_MAX {
                return answers.end(format!("{REQUESTS_MAX} requests were sent, which is the most"));
            }
            (self.notify)(Event::Sent { attempt });
            let sent = tokio::select! {
                biased;
                () = self.stop.asked() => return answers.end(self.stop.reason().unwrap_or_default()),
                () = sleep_until(progress.until) => return answers.end("the server is so slow that the time is over"),
                sent = self.send(&request, &mut progress.files) => sent,
            };
            let exchange = match sent {
                Ok(exchanged) => {
                    let Exchanged { status, length: bytes, latency, .. } = exchanged;
                    (self.notify)(Event::Answered { status, bytes, latency });
                    self.record(&request, exchanged, progress)
                }
                Err(failure) => failed(&request, &failure.to_string()),
            };
            let again = is_retried(&exchange);
            let reason = is_end(&exchange).then(|| {
                let said = Some(exchange.message()).filter(|said| !said.is_empty());
                let said = said.map(|said| format!(": `{said}`")).unwrap_or_default();
                format!("the server answered `{}` with status {}{said}", request.path, exchange.status)
            });
            answers.add(exchange);
            if let Some(reason) = reason {
                return answers.end(reason);
            }
            if !again {
                return;
            }
        }
        let failures = answers.all().iter().rev().map_while(|exchange| exchange.failure.as_deref());
        let failures: Vec<&str> = failures.collect();
        if let Some(last) = failures.first()
            && (failures.len() == answers.all().len() || failures.len() >= LOST_MAX)
        {
            answers.end(format!("the server is away: {last}"));
        }
    }

    async fn send(&self, request: &Request, files: &mut HashMap<Request, Url>) -> Result<Exchanged, AttemptError> {
        let unsent = |why: &str| AttemptError::NotFollowed(why.to_owned());
        match request.to {
            To::Server => self.fetcher.exchange(&url(self.base, request)?, Form::Usual).await,
            To::ServerWithoutKey => self.fetcher.exchange(&url(self.base, request)?, Form::Keyless).await,
            To::ServerAnyEncoding => self.fetcher.exchange(&url(self.base, request)?, Form::AnyEncoding).await,
            To::OtherHost => {
                let (fetcher, base) = self.other.ok_or_else(|| unsent("there is no other host"))?;
                fetcher.exchange(&url(base, request)?, Form::Keyless).await
            }
            To::Download => {
                let exchanged = self.fetcher.exchange(&file_url(self.base, request)?, Form::File).await?;
                files.extend(exchanged.location.clone().map(|location| (request.clone(), location)));
                Ok(exchanged)
            }
            To::Storage => {
                let location = files.get(&request.clone().to(To::Download));
                let location = location.ok_or_else(|| unsent("the server named no address of the file"))?;
                self.fetcher.first_byte(&file_url(self.base, request)?, location).await
            }
        }
    }

    fn record(&self, request: &Request, exchanged: Exchanged, progress: &mut Progress) -> Exchange {
        let Exchanged { status, http, headers, location, length, body, latency } = exchanged;
        let text = body.as_deref().and_then(|body| std::str::from_utf8(body).ok());
        let source = Source { path: &request.path, status, marks: &progress.marks };
        let Skeleton { value, cut, repairs } =
            text.map(|text| skeleton(text, source, &mut progress.skeletons_left)).unwrap_or_default();
        let kept = text.filter(|text| self.keeps_bodies && take(&mut progress.bodies_left, escaped(text)));
        Exchange {
            request: request.clone(),
            failure: None,
            status,
            http,
            ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
            headers: headers.into_iter().map(|(name, value)| (name, sentence(&value))).collect(),
            location_host: location.as_ref().and_then(Url::host_str).map(|host| match is_shown_host(host) {
                true => host.to_owned(),
                false => String::from("…"),
            }),
            bytes: length,
            blake3: body.as_deref().map(|body| blake3::hash(body).to_hex().to_string()).unwrap_or_default(),
            control_bytes: repairs.control_bytes,
            halves: repairs.halves,
            skeleton: value,
            cut,
            body: kept.map(str::to_owned),
        }
    }
}

/// Returns the address of a request.
fn url(base: &Url, request: &Request) -> Result<PageUrl, AttemptError> {
    let path: Vec<_> = request.path.split('/').collect();
    let query = request.query.iter().map(|(name, value)| (name, value));
    PageUrl::new(base, &path, query).map_err(|error| AttemptError::NotFollowed(error.to_string()))
}

/// Returns the API's address of a file.
fn file_url(base: &Url, request: &Request) -> Result<PageUrl, AttemptError> {
    let file = request.query.first().and_then(|(_, file)| file.parse().ok());
    let url = request.path.parse().ok().and_then(|version| download_url(base, version, file));
    url.ok_or_else(|| AttemptError::NotFollowed(format!("`{}` is no id of a version", request.path)))
}

/// True for an answer that another try may mend: none, a failure of the server, and a page that cannot be read.
fn is_retried(exchange: &Exchange) -> bool {
    let is_page = !matches!(exchange.request.to, To::ServerAnyEncoding | To::Download | To::Storage);
    let is_broken = exchange.status == 200 && is_page && exchange.skeleton.is_null() && !exchange.cut;
    exchange.failure.is_some() || exchange.status >= 500 || is_broken
}

/// True for an answer by which the server asks for no further requests. Elsewhere than at its lists such a status is about one
/// file, or the key.
fn is_end(exchange: &Exchange) -> bool {
    let is_own = !matches!(exchange.request.to, To::Download | To::Storage | To::OtherHost);
    is_own && exchange.request.path != me::PATH && matches!(exchange.status, 403 | 429 | 451)
}

fn failed(request: &Request, failure: &str) -> Exchange {
    Exchange {
        request: request.clone(),
        failure: Some(sentence(failure)),
        status: 0,
        http: String::new(),
        ms: 0,
        headers: BTreeMap::new(),
        location_host: None,
        bytes: 0,
        blake3: String::new(),
        control_bytes: 0,
        halves: 0,
        skeleton: Value::Null,
        cut: false,
        body: None,
    }
}

/// Takes bytes from those that are left; returns false if there are too few.
fn take(left: &mut usize, bytes: usize) -> bool {
    let rest = left.checked_sub(bytes);
    *left = rest.unwrap_or(*left);
    rest.is_some()
}

/// Returns the bytes that a text takes as a JSON string.
fn escaped(text: &str) -> usize {
    let byte = |byte| match byte {
        0..b' ' => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    text.bytes().map(byte).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_server_does_an_examination_ends_within_two_minutes() {
        assert!(longest(1.0) < Duration::from_secs(115));
        // A request may be sent at the end of its time only.
        assert!(longest(1000.0) >= 2 * REQUEST_TIME, "a server that hangs is named, and not called slow");
    }

    #[test]
    fn bodies_take_what_their_json_takes() {
        for text in ["", "a\"b\\c", "\u{1}\n\t é漢\u{7f}", "{\"a\":\"\\u0001\"}"] {
            assert!(escaped(text) + 2 >= serde_json::to_string(text).unwrap().len(), "{text:?}");
        }
        let mut left = 10;
        assert!(take(&mut left, 7) && !take(&mut left, 4) && take(&mut left, 3) && left == 0);
    }
}
