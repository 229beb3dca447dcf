//! One request over HTTP: its headers, and the bounds on its time and size.

use std::error::Error as _;
use std::io;
use std::iter::successors;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::Reason;
use jiff::Timestamp;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{RequestBuilder, Response};
use tokio::time::Instant;
use url::{Origin, Url};

use super::answer::Answer;
use super::connections::{Connections, JSON};
use super::error::{TransportError, TransportErrorKind};
use super::form::Form;
use super::inflate::{Encoding, INFLATED_CAP, InflateError, head, inflate, is_plain_json, without_mark};
use super::mask::Mask;
use super::memory::{Claim, Memory};
use super::message::printable;
use super::page_url::PageUrl;
use super::response_facts::{ResponseFacts, http_date, retry_after};
use super::secret::Secret;
use super::settings::{Error, Settings};
use super::source::Rest;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cf-cache-status");
/// Most bytes of a body on the wire.
const WIRE_CAP: usize = 64 << 20;
/// Most bytes of a decompressed body that a verdict depends on.
const HEAD_CAP: usize = 64 << 10;
/// A body may be slow for this long; after that its average rate must be at least `RATE_MIN`.
pub(super) const RATE_GRACE: Duration = Duration::from_secs(30);
/// Longest time for one request of a file.
const FILE_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// The least rate of a body, in bytes per second.
pub(super) const RATE_MIN: u64 = 1024;

/// Sends requests to one server.
pub(super) struct Client {
    connections: Connections,
    origin: Origin,
    authorization: Option<HeaderValue>,
    /// Masks the key in all that the server sends; `None` without a key.
    mask: Option<Mask>,
    wire_cap: usize,
    memory: Memory,
}

impl Client {
    pub(super) fn new(settings: &Settings) -> Result<Client, Error> {
        let authorization = match &settings.key {
            Some(key) => Some(key.bearer()?),
            None => None,
        };
        let connections = Connections::new(settings)?;
        let mask = settings.key.as_ref().and_then(Secret::mask);
        let memory = Memory::new(settings.in_flight);
        Ok(Client { connections, origin: settings.base.origin(), authorization, mask, wire_cap: WIRE_CAP, memory })
    }

    /// Sends one request, a GET or with JSON a POST, and receives its whole answer.
    pub(super) async fn send(
        &self,
        url: &PageUrl,
        json: Option<&str>,
    ) -> Result<(ResponseFacts, Answer), TransportError> {
        let sent = Instant::now();
        let request = match json {
            None => self.connections.get().get(url.url().clone()),
            Some(json) => {
                self.connections.get().post(url.url().clone()).header(header::CONTENT_TYPE, JSON).body(json.to_owned())
            }
        };
        let response = self.sent(url.url(), request, true).await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let (body, mut claim) = match self.body(response).await {
            Ok(body) => body,
            // These statuses say all without a body.
            Err(_) if matches!(status, 429 | 503) => (Bytes::new(), Claim::default()),
            Err(error) => return Err(error),
        };
        let encoding = encoding(&headers, &body)?;
        let (encoding, body) = self.without_key(status, encoding, body)?;
        // A body with the key was inflated.
        self.memory.grow(&mut claim, body.len()).await;
        // An answer that is labeled as a page is judged by its reader, not by its beginning.
        let looked_at = if status == 200 && is_json(&headers) { 0 } else { HEAD_CAP };
        let facts = response_facts(status, &headers, &head(encoding, &body, looked_at), url.url());
        let answer = Answer {
            status,
            encoding,
            body,
            latency: sent.elapsed(),
            attempts: 1,
            cache_status: text(&headers, &CACHE_STATUS).map(printable),
            age_s: text(&headers, &header::AGE).and_then(|age| age.trim().parse().ok()),
            date: text(&headers, &header::DATE).and_then(http_date),
            claim,
        };
        Ok((facts, answer))
    }

    /// Requests a file, or the rest of it. It may take a day, as long as bytes keep arriving. The key is sent if `with_key`.
    pub(super) async fn open(
        &self,
        url: &Url,
        rest: Option<Rest<'_>>,
        with_key: bool,
    ) -> Result<Response, TransportError> {
        let mut request = of_file(self.connections.get().get(url.clone())).timeout(FILE_TIMEOUT);
        if let Some(Rest { from, validator }) = rest {
            request = request.header(header::RANGE, format!("bytes={from}-"));
            request = validator.into_iter().fold(request, |request, state| request.header(header::IF_RANGE, state));
        }
        self.sent(url, request, with_key).await
    }

    /// Sends one request of this form; its answer is not read yet.
    pub(super) async fn plain(&self, url: &Url, form: Form) -> Result<Response, TransportError> {
        let request = self.connections.get().get(url.clone());
        let (request, with_key) = match form {
            Form::Usual => (request, true),
            Form::Keyless => (request, false),
            Form::AnyEncoding => (request.header(header::ACCEPT_ENCODING, "br, zstd, gzip"), true),
            Form::File => (of_file(request), true),
            Form::FirstByte => (of_file(request).header(header::RANGE, "bytes=0-0"), false),
        };
        self.sent(url, request, with_key).await
    }

    /// Sends a request, with the key if it may have it and goes to the server's own origin. Returns the answer, with the key masked
    /// in its headers.
    async fn sent(&self, url: &Url, mut request: RequestBuilder, with_key: bool) -> Result<Response, TransportError> {
        if with_key
            && url.origin() == self.origin
            && let Some(authorization) = &self.authorization
        {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let mut response = request.send().await.map_err(|error| self.transport_error(&error))?;
        if let Some(mask) = &self.mask {
            mask.headers(response.headers_mut());
        }
        Ok(response)
    }

    /// Returns the body as received, or inflated and masked if the key is in it. Of a body that cannot be inflated, and so
    /// cannot be searched, only the readable beginning is kept.
    fn without_key(&self, status: u16, encoding: Encoding, body: Bytes) -> Result<(Encoding, Bytes), TransportError> {
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
                return Err(TransportError::new(TransportErrorKind::TooLarge, error.to_string()));
            }
            Err(InflateError::Damaged(_)) if status == 200 => (encoding, Bytes::new()),
            Err(InflateError::Damaged(_)) => {
                (Encoding::Identity, self.clean(head(encoding, &body, HEAD_CAP).into_owned()).into())
            }
        })
    }

    /// Masks the key in bytes from the server.
    pub(super) fn clean(&self, bytes: Vec<u8>) -> Vec<u8> {
        self.mask.as_ref().and_then(|mask| mask.masked(&bytes)).unwrap_or(bytes)
    }

    /// Converts a library's error; masks the key in its words, because they may quote the server. After a timeout the next
    /// request goes over a fresh connection.
    pub(super) fn transport_error(&self, error: &reqwest::Error) -> TransportError {
        let TransportError { kind, detail } = transport_error(error);
        if kind == TransportErrorKind::Timeout {
            self.connections.replace();
        }
        TransportError::new(kind, String::from_utf8_lossy(&self.clean(detail.into_bytes())))
    }

    /// Sends later requests over fresh connections, after an answer that came too late.
    pub(super) fn replace_connections(&self) {
        self.connections.replace();
    }

    /// Receives a body as it is on the wire.
    pub(super) async fn body(&self, mut response: Response) -> Result<(Bytes, Claim), TransportError> {
        let cap = self.wire_cap;
        let too_large = || TransportError::new(TransportErrorKind::TooLarge, format!("more than `{cap}` bytes"));
        let promised = response.content_length();
        let length = promised.unwrap_or_default();
        if length > cap as u64 {
            return Err(too_large());
        }
        let (mut began, mut claim) = (Instant::now(), Claim::default());
        let mut body = BytesMut::with_capacity((length as usize).min(self.memory.share()));
        while let Some(chunk) = response.chunk().await.map_err(|error| self.transport_error(&error))? {
            if chunk.len() > cap - body.len() {
                return Err(too_large());
            }
            // Not the server's fault, so the wait does not count.
            let waiting = Instant::now();
            self.memory.grow(&mut claim, body.len() + chunk.len()).await;
            began += waiting.elapsed();
            body.extend_from_slice(&chunk);
            if is_too_slow(body.len() as u64, began.elapsed()) {
                self.connections.replace();
                let detail = format!("less than `{RATE_MIN}` bytes a second");
                return Err(TransportError::new(TransportErrorKind::Timeout, detail));
            }
        }
        // Over HTTP/2 the library takes some resets in the middle of a body for its end.
        match promised {
            Some(length) if body.len() as u64 != length => {
                Err(TransportError::new(TransportErrorKind::Cut, format!("{} of {length} bytes", body.len())))
            }
            _ => Ok((body.freeze(), claim)),
        }
    }
}

fn of_file(request: RequestBuilder) -> RequestBuilder {
    request.header(header::ACCEPT, "*/*").header(header::ACCEPT_ENCODING, "identity")
}

fn response_facts(status: u16, headers: &HeaderMap, head: &[u8], url: &Url) -> ResponseFacts {
    let date = text(headers, &header::DATE).and_then(http_date);
    let retry_after = text(headers, &header::RETRY_AFTER).and_then(|value| retry_after(value, date, Timestamp::now()));
    let redirect_host = text(headers, &header::LOCATION)
        .and_then(|location| url.join(location).ok())
        .and_then(|target| target.host_str().map(printable));
    ResponseFacts {
        status,
        content_type: text(headers, &header::CONTENT_TYPE).map(str::to_owned),
        head: without_mark(head).to_vec(),
        retry_after,
        redirect_host,
    }
}

fn encoding(headers: &HeaderMap, body: &[u8]) -> Result<Encoding, TransportError> {
    let name = text(headers, &header::CONTENT_ENCODING).unwrap_or_default();
    let encoding = if is_plain_json(body) { Some(Encoding::Identity) } else { Encoding::parse(name) };
    encoding.ok_or_else(|| TransportError::new(TransportErrorKind::Encoding, format!("`{}`", printable(name))))
}

fn is_json(headers: &HeaderMap) -> bool {
    text(headers, &header::CONTENT_TYPE).is_some_and(|kind| kind.to_ascii_lowercase().contains("json"))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

pub(super) fn is_too_slow(bytes: u64, elapsed: Duration) -> bool {
    elapsed > RATE_GRACE && bytes < RATE_MIN * elapsed.as_secs()
}

fn transport_error(error: &reqwest::Error) -> TransportError {
    // The innermost error has the cause; the outer ones repeat the address.
    let causes: Vec<_> = successors(error.source(), |cause| inner(*cause)).collect();
    let tls = causes
        .iter()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::InvalidData);
    let kind = match (error.is_connect(), tls) {
        (true, true) => TransportErrorKind::Tls,
        (true, false) => TransportErrorKind::Connect,
        (false, _) if error.is_request() && causes.iter().any(|cause| is_unprocessed(*cause)) => {
            TransportErrorKind::Unprocessed
        }
        (false, _) if error.is_timeout() => TransportErrorKind::Timeout,
        (false, _) => TransportErrorKind::Cut,
    };
    let root = causes.last().map(ToString::to_string);
    TransportError::new(kind, printable(&root.unwrap_or_else(|| "no details".to_owned())))
}

/// Returns true when the server says that it did not begin with the request, or when the request never left. A server that
/// wants calm is not one of them.
fn is_unprocessed(cause: &(dyn std::error::Error + 'static)) -> bool {
    let declined = |error: &h2::Error| match error.reason() {
        Some(Reason::ENHANCE_YOUR_CALM) => false,
        Some(Reason::REFUSED_STREAM) => error.is_remote(),
        _ => error.is_remote() && error.is_go_away(),
    };
    cause.downcast_ref().is_some_and(declined) || cause.downcast_ref().is_some_and(hyper::Error::is_canceled)
}

/// Returns the error inside `error`. An I/O error that wraps another one names the source of that one as its own, and skips it.
fn inner<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a (dyn std::error::Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests;
