//! The requests of an examination: one after the other, few of them, and within a time.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout};
use url::Url;

use super::answers::Answers;
use super::exchange::Exchange;
use super::finding::{Finding, Pause};
use super::probe::Probe;
use super::probes;
use super::request::{Request, To};
use super::skeleton::skeleton;
use crate::fetch::{Exchanged, Fetcher, Form, PageUrl, download_url};

/// Most requests, whatever happens.
const REQUESTS_MAX: usize = 60;
/// Longest time for one request.
const REQUEST_TIME: Duration = Duration::from_secs(20);

/// The servers that are asked.
pub struct Session<'a> {
    /// The fetcher of the server.
    pub fetcher: &'a Fetcher,
    /// The server's base URL.
    pub base: &'a Url,
    /// The other host: its fetcher and its base URL.
    pub other: Option<(&'a Fetcher, &'a Url)>,
    /// The end of all requests.
    pub until: Instant,
    /// True if bodies are kept.
    pub keeps_bodies: bool,
}

/// Judges every probe by the answers; `ask` gets each one that is missing.
pub fn judge(answers: &Answers, probe: &Probe) -> Result<Finding, Request> {
    match (probe.judge)(answers) {
        Ok(finding) => Ok(finding),
        Err(Pause::Lost(why)) => Ok(Finding::untold(why)),
        Err(Pause::Wanted(request)) => Err(request),
    }
}

impl Session<'_> {
    /// Asks for all that the probes need; `found` gets each finding as soon as it is there.
    pub async fn examine(&self, answers: &mut Answers, mut found: impl FnMut(&'static Probe, &Finding)) {
        let mut files = HashMap::new();
        for probe in probes::all().filter(|probe| answers.about().meets(probe.needs)).collect::<Vec<_>>() {
            let finding = loop {
                match judge(answers, probe) {
                    Ok(finding) => break finding,
                    Err(request) => self.ask(answers, request, &mut files).await,
                }
            };
            found(probe, &finding);
        }
    }

    /// Sends a request, once more if it fails, and adds its answers. Ends the examination where the server wants that.
    async fn ask(&self, answers: &mut Answers, request: Request, files: &mut HashMap<Request, Url>) {
        for _ in 0..2 {
            if answers.all().len() >= REQUESTS_MAX {
                return answers.end(format!("{REQUESTS_MAX} requests were sent"));
            }
            let left = self.until.saturating_duration_since(Instant::now());
            let sent = timeout(left.min(REQUEST_TIME), self.send(&request, files)).await;
            let exchange = match sent {
                Ok(Ok(exchanged)) => self.record(&request, exchanged),
                Ok(Err(failure)) => failed(&request, failure),
                Err(_) => failed(&request, format!("no answer within {} s", left.min(REQUEST_TIME).as_secs())),
            };
            let (status, is_lost) = (exchange.status, exchange.failure.is_some());
            answers.add(exchange);
            if matches!(status, 403 | 429 | 451) {
                return answers.end(format!("the server answered `{}` with status {status}", request.path));
            }
            if self.until <= Instant::now() {
                return answers.end("the time is over");
            }
            if !is_lost && status < 500 {
                return;
            }
        }
        if answers.all().iter().all(|exchange| exchange.failure.is_some()) {
            answers.end("the server cannot be reached");
        }
    }

    async fn send(&self, request: &Request, files: &mut HashMap<Request, Url>) -> Result<Exchanged, String> {
        let said = |error: crate::fetch::TransportError| error.to_string();
        let (fetcher, base) = match request.to {
            To::OtherHost => self.other.ok_or_else(|| String::from("there is no other host"))?,
            _ => (self.fetcher, self.base),
        };
        let form = match request.to {
            To::Server => Form::Usual,
            To::ServerAnyEncoding => Form::AnyEncoding,
            To::ServerWithoutKey | To::OtherHost => Form::Keyless,
            To::Download => Form::Usual,
            To::Storage => Form::FirstByte,
        };
        if request.to == To::Storage {
            let url =
                files.get(&request.clone().to(To::Download)).ok_or_else(|| String::from("there is no redirect"))?;
            return fetcher.exchange_at(url, form).await.map_err(said);
        }
        let url = if request.to == To::Download {
            let file = request.query.first().and_then(|(_, file)| file.parse().ok());
            download_url(base, request.path.parse().unwrap_or_default(), file)
                .ok_or_else(|| String::from("no address"))?
        } else {
            let path: Vec<_> = request.path.split('/').collect();
            let query = request.query.iter().map(|(name, value)| (name, value));
            PageUrl::new(base, &path, query).map_err(|error| error.to_string())?
        };
        let exchanged = fetcher.exchange(&url, form).await.map_err(said)?;
        if request.to == To::Download {
            files.extend(exchanged.location.clone().map(|location| (request.clone(), location)));
        }
        Ok(exchanged)
    }

    fn record(&self, request: &Request, exchanged: Exchanged) -> Exchange {
        let text = exchanged.body.as_deref().map(String::from_utf8_lossy);
        let value: Value = text.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        Exchange {
            request: request.clone(),
            failure: None,
            status: exchanged.status,
            http: exchanged.http,
            ms: u64::try_from(exchanged.latency.as_millis()).unwrap_or(u64::MAX),
            headers: exchanged.headers.into_iter().collect(),
            location_host: exchanged.location.as_ref().and_then(Url::host_str).map(str::to_owned),
            bytes: exchanged.length,
            blake3: exchanged.body.as_deref().map(|body| blake3::hash(body).to_hex().to_string()).unwrap_or_default(),
            repairs: 0,
            skeleton: skeleton("", &value),
            cut: false,
            body: text.filter(|_| self.keeps_bodies).map(std::borrow::Cow::into_owned),
        }
    }
}

fn failed(request: &Request, failure: String) -> Exchange {
    Exchange {
        request: request.clone(),
        failure: Some(failure),
        status: 0,
        http: String::new(),
        ms: 0,
        headers: std::collections::BTreeMap::new(),
        location_host: None,
        bytes: 0,
        blake3: String::new(),
        repairs: 0,
        skeleton: Value::Null,
        cut: false,
        body: None,
    }
}
