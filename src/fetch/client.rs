//! One request over HTTP: which headers it carries, how long it may take, how much it may bring.

use std::error::Error as _;
use std::io;
use std::iter::successors;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, ClientBuilder, RequestBuilder, Response, redirect, retry};
use tokio::time::Instant;
use url::{Origin, Url};

use super::answer::Answer;
use super::fault::{Fault, FaultKind};
use super::inflate::{Encoding, INFLATED_CAP, InflateError, head, inflate, is_plain_json, without_mark};
use super::mask::Mask;
use super::message::printable;
use super::page_url::PageUrl;
use super::reply::{Reply, http_date, retry_after};
use super::secret::Secret;
use super::settings::{Error, Settings, is_loopback};

const USER_AGENT: &str = concat!("civitrawl/", env!("CARGO_PKG_VERSION"), " (+https://crates.io/crates/civitrawl)");
const JSON: &str = "application/json";
const CACHE_STATUS: HeaderName = HeaderName::from_static("cf-cache-status");
/// Most bytes of a body on the wire.
const WIRE_CAP: usize = 64 << 20;
/// Most bytes of a decompressed body that are looked at to judge an answer.
const HEAD_CAP: usize = 64 << 10;
/// A body may be slow for this long; then it must have come at `RATE_MIN` on average.
const RATE_GRACE: Duration = Duration::from_secs(30);
/// Longest time for one request of a file.
const FILE_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// The least rate of a body, in bytes per second.
const RATE_MIN: u64 = 1024;

/// Sends requests to one server.
pub(super) struct Client {
    http: reqwest::Client,
    origin: Origin,
    authorization: Option<HeaderValue>,
    /// Takes the key out of whatever comes; none without a key.
    mask: Option<Mask>,
    wire_cap: usize,
}

impl Client {
    pub(super) fn new(settings: &Settings) -> Result<Client, Error> {
        let authorization = match &settings.key {
            Some(key) => Some(key.bearer()?),
            None => None,
        };
        let http = match builder(settings).build() {
            Ok(http) => http,
            // A system without a certificate store (a slim container) still gets one.
            Err(_) => with_bundled_roots(settings).map_err(Error::Client)?,
        };
        let mask = settings.key.as_ref().and_then(Secret::mask);
        Ok(Client { http, origin: settings.base.origin(), authorization, mask, wire_cap: WIRE_CAP })
    }

    /// Sends one request, a GET or with JSON a POST, and receives its whole answer.
    pub(super) async fn ask(&self, url: &PageUrl, json: Option<&str>) -> Result<(Reply, Answer), Fault> {
        let sent = Instant::now();
        let mut request = match json {
            None => self.http.get(url.url().clone()),
            Some(json) => self.http.post(url.url().clone()).header(header::CONTENT_TYPE, JSON).body(json.to_owned()),
        };
        if url.url().origin() == self.origin
            && let Some(authorization) = &self.authorization
        {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let response = self.sent(request).await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = match self.body(response).await {
            Ok(body) => body,
            // What these say, they say without a body.
            Err(_) if matches!(status, 429 | 503) => Bytes::new(),
            Err(fault) => return Err(fault),
        };
        let encoding = encoding(&headers, &body)?;
        let (encoding, body) = self.without_key(status, encoding, body)?;
        // An answer that calls itself a page is judged by who reads it, not by its beginning.
        let looked_at = if status == 200 && is_json(&headers) { 0 } else { HEAD_CAP };
        let reply = reply(status, &headers, &head(encoding, &body, looked_at), url.url());
        let answer = Answer {
            status,
            encoding,
            body,
            latency: sent.elapsed(),
            attempts: 1,
            cache_status: text(&headers, &CACHE_STATUS).map(printable),
            age_s: text(&headers, &header::AGE).and_then(|age| age.trim().parse().ok()),
            date: text(&headers, &header::DATE).and_then(http_date),
        };
        Ok((reply, answer))
    }

    /// Opens a file, from this byte on. It may take as long as it takes, as long as bytes keep coming.
    pub(super) async fn open(&self, url: &Url, from: u64) -> Result<Response, Fault> {
        let mut request = self.http.get(url.clone()).timeout(FILE_TIMEOUT);
        request = request.header(header::ACCEPT, "*/*").header(header::ACCEPT_ENCODING, "identity");
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        if url.origin() == self.origin
            && let Some(authorization) = &self.authorization
        {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        self.sent(request).await
    }

    /// Sends a request; gives the answer, its headers without the key.
    async fn sent(&self, request: RequestBuilder) -> Result<Response, Fault> {
        let mut response = request.send().await.map_err(|error| self.fault(&error))?;
        if let Some(mask) = &self.mask {
            mask.headers(response.headers_mut());
        }
        Ok(response)
    }

    /// The body without the key: inflated where the key was in it, and as it came where it was not. One that nobody can
    /// inflate nobody can search, so nothing of it is kept but what can be read.
    fn without_key(&self, status: u16, encoding: Encoding, body: Bytes) -> Result<(Encoding, Bytes), Fault> {
        let Some(mask) = &self.mask else { return Ok((encoding, body)) };
        let inflated = match encoding {
            Encoding::Identity => Ok(None),
            Encoding::Gzip => inflate(encoding, &body, INFLATED_CAP).map(Some),
        };
        Ok(match inflated {
            Ok(text) => match mask.masked(text.as_deref().unwrap_or(&body)) {
                Some(clean) => (Encoding::Identity, clean.into()),
                None => (encoding, body),
            },
            Err(error @ InflateError::TooLarge { .. }) => {
                return Err(Fault { kind: FaultKind::TooLarge, detail: error.to_string() });
            }
            Err(InflateError::Damaged(_)) if status == 200 => (encoding, Bytes::new()),
            Err(InflateError::Damaged(_)) => (Encoding::Identity, self.clean(head(encoding, &body, HEAD_CAP)).into()),
        })
    }

    /// Bytes from the server, without the key.
    pub(super) fn clean(&self, bytes: Vec<u8>) -> Vec<u8> {
        self.mask.as_ref().and_then(|mask| mask.masked(&bytes)).unwrap_or(bytes)
    }

    /// The words of a library about a request that failed, which may be the server's, without the key.
    pub(super) fn fault(&self, error: &reqwest::Error) -> Fault {
        let Fault { kind, detail } = fault(error);
        let clean = self.clean(detail.into_bytes());
        Fault { kind, detail: String::from_utf8_lossy(&clean).into_owned() }
    }

    async fn body(&self, mut response: Response) -> Result<Bytes, Fault> {
        let cap = self.wire_cap;
        let too_large = || Fault { kind: FaultKind::TooLarge, detail: format!("more than `{cap}` bytes") };
        let length = response.content_length().unwrap_or_default();
        if length > cap as u64 {
            return Err(too_large());
        }
        let began = Instant::now();
        let mut body = BytesMut::with_capacity(length as usize);
        while let Some(chunk) = response.chunk().await.map_err(|error| self.fault(&error))? {
            if chunk.len() > cap - body.len() {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
            if is_too_slow(body.len() as u64, began.elapsed()) {
                return Err(Fault {
                    kind: FaultKind::Timeout,
                    detail: format!("less than `{RATE_MIN}` bytes a second"),
                });
            }
        }
        Ok(body.freeze())
    }
}

fn builder(settings: &Settings) -> ClientBuilder {
    let headers = HeaderMap::from_iter([
        (header::ACCEPT, HeaderValue::from_static(JSON)),
        (header::ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
    ]);
    let builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(headers)
        .redirect(redirect::Policy::none())
        // Every request passes the bucket, so none is repeated behind its back.
        .retry(retry::never())
        .referer(false)
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.idle_timeout)
        .timeout(settings.total_timeout);
    if is_loopback(&settings.base) { builder.no_proxy() } else { builder }
}

fn with_bundled_roots(settings: &Settings) -> reqwest::Result<reqwest::Client> {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    let roots = roots.map(|root| Certificate::from_der(root));
    let roots = roots.collect::<reqwest::Result<Vec<_>>>()?;
    builder(settings).tls_certs_only(roots).build()
}

fn reply(status: u16, headers: &HeaderMap, head: &[u8], url: &Url) -> Reply {
    let date = text(headers, &header::DATE).and_then(http_date);
    let retry_after = text(headers, &header::RETRY_AFTER).and_then(|value| retry_after(value, date, Timestamp::now()));
    let redirect_host = text(headers, &header::LOCATION)
        .and_then(|location| url.join(location).ok())
        .and_then(|target| target.host_str().map(printable));
    Reply {
        status,
        content_type: text(headers, &header::CONTENT_TYPE).map(str::to_owned),
        head: without_mark(head).to_vec(),
        retry_after,
        redirect_host,
    }
}

fn encoding(headers: &HeaderMap, body: &[u8]) -> Result<Encoding, Fault> {
    let name = text(headers, &header::CONTENT_ENCODING).unwrap_or_default();
    let encoding = if is_plain_json(body) { Some(Encoding::Identity) } else { Encoding::parse(name) };
    encoding.ok_or_else(|| Fault { kind: FaultKind::Encoding, detail: format!("`{}`", printable(name)) })
}

fn is_json(headers: &HeaderMap) -> bool {
    text(headers, &header::CONTENT_TYPE).is_some_and(|kind| kind.to_ascii_lowercase().contains("json"))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn is_too_slow(bytes: u64, elapsed: Duration) -> bool {
    elapsed > RATE_GRACE && bytes < RATE_MIN * elapsed.as_secs()
}

fn fault(error: &reqwest::Error) -> Fault {
    // The innermost error says what happened; the outer ones repeat the address.
    let causes: Vec<_> = successors(error.source(), |cause| inner(*cause)).collect();
    let tls = causes
        .iter()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::InvalidData);
    let kind = match (error.is_connect(), tls) {
        (true, true) => FaultKind::Tls,
        (true, false) => FaultKind::Connect,
        (false, _) if error.is_timeout() => FaultKind::Timeout,
        (false, _) => FaultKind::Cut,
    };
    let root = causes.last().map(ToString::to_string);
    Fault { kind, detail: printable(&root.unwrap_or_else(|| "no details".to_owned())) }
}

/// The error inside `error`. An I/O error names as its source the source of what it wraps, and skips that.
fn inner<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a (dyn std::error::Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests;
