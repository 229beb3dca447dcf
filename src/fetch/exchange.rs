//! One request and its answer as it is: in its turn, without a verdict and without a retry.

use std::time::Duration;

use bytes::BytesMut;
use reqwest::header::{self, HeaderMap, HeaderName};
use reqwest::{Response, Version};
use tokio::time::Instant;
use url::Url;

use super::error::{TransportError, TransportErrorKind};
use super::fetcher::Fetcher;
use super::form::Form;
use super::inflate::{Encoding, inflate, is_plain_json};
use super::message::printable;
use super::page_url::PageUrl;

/// Most bytes of a body, as received and inflated. The largest that is asked for has some 3 MB.
const BODY_CAP: usize = 16 << 20;
/// Most bytes of a header's value.
const VALUE_MAX: usize = 256;
/// The headers of an answer that are kept. None of them names the client, as `cf-ray` would.
const HEADERS: &[&str] = &[
    "accept-ranges",
    "age",
    "cache-control",
    "cf-cache-status",
    "content-disposition",
    "content-encoding",
    "content-range",
    "content-type",
    "date",
    "retry-after",
    "server",
    "vary",
];
/// The beginnings of further ones.
const PREFIXES: &[&str] = &["ratelimit-", "x-ratelimit-"];

/// An answer as it is.
#[derive(Debug, Clone)]
pub struct Exchanged {
    /// The HTTP status.
    pub status: u16,
    /// The version of HTTP, for example `HTTP/2.0`.
    pub http: String,
    /// The headers that may be kept, by their names in lower case; the key is masked.
    pub headers: Vec<(String, String)>,
    /// The address that a redirect names.
    pub location: Option<Url>,
    /// The size of the body as received, in bytes.
    pub length: u64,
    /// The inflated body, with the key masked; `None` if its encoding is none that a crawl asks for, or it is damaged.
    pub body: Option<Vec<u8>>,
    /// Time from sending the request to the body's last byte.
    pub latency: Duration,
}

impl Fetcher {
    /// Sends one request in its turn and returns its answer, whatever that is.
    ///
    /// # Errors
    /// When no whole answer arrived.
    pub async fn exchange(&self, url: &PageUrl, form: Form) -> Result<Exchanged, TransportError> {
        self.exchange_at(url.url(), form).await
    }

    /// Does the same for the address of a redirect.
    ///
    /// # Errors
    /// When no whole answer arrived.
    pub async fn exchange_at(&self, url: &Url, form: Form) -> Result<Exchanged, TransportError> {
        let _permit = self.pace.admit(None).await;
        let sent = Instant::now();
        let response = self.client.plain(url, form).await?;
        let (status, http) = (response.status().as_u16(), version(response.version()));
        let headers = response.headers().clone();
        let location = headers.get(header::LOCATION).and_then(|value| url.join(value.to_str().ok()?).ok());
        let body = self.bounded(response).await?;
        let length = body.len() as u64;
        Ok(Exchanged {
            status,
            http,
            headers: kept(&headers),
            location,
            length,
            body: inflated(&headers, &body).map(|body| self.client.clean(body)),
            latency: sent.elapsed(),
        })
    }

    async fn bounded(&self, mut response: Response) -> Result<BytesMut, TransportError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.client.transport_error(&error))? {
            if chunk.len() > BODY_CAP - body.len() {
                return Err(TransportError::new(TransportErrorKind::TooLarge, format!("more than `{BODY_CAP}` bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn version(version: Version) -> String {
    format!("{version:?}")
}

fn kept(headers: &HeaderMap) -> Vec<(String, String)> {
    let is_kept = |name: &HeaderName| {
        HEADERS.contains(&name.as_str()) || PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix))
    };
    let text = |value: &str| printable(value).chars().take(VALUE_MAX).collect::<String>();
    let kept = headers.iter().filter(|(name, _)| is_kept(name));
    kept.filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value.to_str().ok()?)))).collect()
}

fn inflated(headers: &HeaderMap, body: &[u8]) -> Option<Vec<u8>> {
    let name = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let encoding = if is_plain_json(body) { Some(Encoding::Identity) } else { Encoding::parse(name) };
    inflate(encoding?, body, BODY_CAP).ok().map(std::borrow::Cow::into_owned)
}
