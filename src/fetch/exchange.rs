//! One request and its answer as it is: in its turn, without a verdict and without a retry.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{self, HeaderMap, HeaderName};
use tokio::time::Instant;
use url::Url;

use super::attempt_error::AttemptError;
use super::disposition::file_name;
use super::fetcher::Fetcher;
use super::form::Form;
use super::inflate::{Encoding, inflate, is_plain_json, without_mark};
use super::message::printable;
use super::page_url::PageUrl;
use super::transfer::followed;

/// Most bytes of an inflated body. The largest that is asked for has some 3 MB.
const BODY_CAP: usize = 16 << 20;
/// Most headers that are kept.
const HEADERS_MAX: usize = 40;
/// The headers of an answer that are kept. None of them names the client, as `cf-ray` would.
const HEADERS: &[&str] = &[
    "accept-ranges",
    "age",
    "cache-control",
    "cf-cache-status",
    "content-disposition",
    "content-encoding",
    "content-length",
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
    /// The headers that may be kept, by their names in lower case; the key is masked, and so is the name of a file.
    pub headers: Vec<(String, String)>,
    /// The address that a redirect names.
    pub location: Option<Url>,
    /// The size of the body as received, in bytes.
    pub length: u64,
    /// The inflated body, with the key masked and without a byte order mark; `None` if its encoding is none that a crawl asks for,
    /// or it is damaged or too large.
    pub body: Option<Vec<u8>>,
    /// Time from sending the request to the body's last byte.
    pub latency: Duration,
}

impl Fetcher {
    /// Sends one request in its turn and returns its answer, whatever that is.
    ///
    /// # Errors
    /// When no whole answer arrived.
    pub async fn exchange(&self, url: &PageUrl, form: Form) -> Result<Exchanged, AttemptError> {
        self.exchange_at(url.url(), form).await
    }

    /// Asks for the first byte of the file to which the API's address `api` redirects.
    ///
    /// # Errors
    /// When the redirect leads where a download would not follow, or no whole answer arrived.
    pub async fn first_byte(&self, api: &PageUrl, location: &Url) -> Result<Exchanged, AttemptError> {
        self.exchange_at(&followed(api.url(), location.clone())?, Form::FirstByte).await
    }

    async fn exchange_at(&self, url: &Url, form: Form) -> Result<Exchanged, AttemptError> {
        let broken = |error: super::error::TransportError| AttemptError::broken(error.to_string());
        let _permit = self.pace.admit(None).await;
        let sent = Instant::now();
        let response = self.client.plain(url, form).await.map_err(broken)?;
        let (status, http) = (response.status().as_u16(), format!("{:?}", response.version()));
        let headers = response.headers().clone();
        let location = headers.get(header::LOCATION).and_then(|value| url.join(value.to_str().ok()?).ok());
        // A file would take long, and says nothing.
        let unread = form.is_of_file() && status < 400;
        let body = if unread { Bytes::new() } else { self.client.body(response).await.map_err(broken)?.0 };
        Ok(Exchanged {
            status,
            http,
            headers: self.kept(&headers),
            location,
            length: body.len() as u64,
            body: inflated(&headers, &body).map(|body| self.client.clean(body)),
            latency: sent.elapsed(),
        })
    }

    /// Returns the headers that may be kept. Their values hold no key any more; a name may.
    fn kept(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let is_kept = |name: &&HeaderName| {
            HEADERS.contains(&name.as_str()) || PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix))
        };
        let value = |name: &HeaderName| {
            let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            let is_file = *name == header::CONTENT_DISPOSITION;
            let values = values.map(|value| if is_file { nameless(value) } else { value.to_owned() });
            printable(&values.collect::<Vec<_>>().join(", "))
        };
        let clean = |name: &HeaderName| self.client.clean(name.as_str().as_bytes().to_vec());
        let names = headers.keys().filter(is_kept).take(HEADERS_MAX);
        names.map(|name| (printable(&String::from_utf8_lossy(&clean(name))), value(name))).collect()
    }
}

/// Returns the disposition of a file without its name.
fn nameless(disposition: &str) -> String {
    match file_name(disposition) {
        Some(name) => format!("filename=\"…{}\"", name.chars().count()),
        None => String::from("no filename"),
    }
}

fn inflated(headers: &HeaderMap, body: &[u8]) -> Option<Vec<u8>> {
    let name = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let encoding = if is_plain_json(body) { Some(Encoding::Identity) } else { Encoding::parse(name) };
    inflate(encoding?, body, BODY_CAP).ok().map(|body| without_mark(&body).to_vec())
}
