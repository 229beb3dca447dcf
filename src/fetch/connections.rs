//! The connections to a server, which are replaced when a request over them times out.
//!
//! All requests of HTTP/2 share one connection. One that went silent while its TCP lives would take every request with it, so
//! it is asked for a sign of life by PING, and given up after a timeout, whatever the protocol.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Certificate, ClientBuilder, redirect, retry};
use tokio::time::Instant;
use tokio_rustls::rustls::crypto::ring;

use super::resolver::Resolver;
use super::settings::{Error, Settings};
use crate::place::{Place, place_of};

/// The content type of a page.
pub(super) const JSON: &str = "application/json";
const USER_AGENT: &str = concat!("civitrawl/", env!("CARGO_PKG_VERSION"), " (+https://crates.io/crates/civitrawl)");
/// Most bytes of an answer's headers over HTTP/2. Over HTTP/1.1 the library takes 100 headers and some 400 kB.
const HEADERS_CAP: u32 = 64 << 10;
/// The least time between two signs of life, and to wait for one.
const PING_MIN: Duration = Duration::from_secs(1);

/// The connections in use.
pub(super) struct Connections {
    settings: Settings,
    current: Mutex<Current>,
}

struct Current {
    http: reqwest::Client,
    since: Instant,
}

impl Connections {
    /// Sets up the means to connect; connects nowhere.
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        let http = build(settings).map_err(Error::Client)?;
        Ok(Self { settings: settings.clone(), current: Mutex::new(Current { http, since: Instant::now() }) })
    }

    /// Returns the means to send a request.
    pub(super) fn get(&self) -> reqwest::Client {
        self.lock().http.clone()
    }

    /// Gives up these connections after a timeout: requests under way may end on them, later ones go over fresh ones.
    pub(super) fn replace(&self) {
        let patience = self.settings.idle_timeout.min(self.settings.total_timeout);
        let mut current = self.lock();
        // Connections younger than any timeout are not those that timed out.
        if current.since.elapsed() >= patience
            && let Ok(http) = build(&self.settings)
        {
            *current = Current { http, since: Instant::now() };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn build(settings: &Settings) -> reqwest::Result<reqwest::Client> {
    with_known_roots(|| builder(settings))
}

/// Builds a client with the process's cryptography. A system without a certificate store (a slim container) gets the bundled one.
pub(crate) fn with_known_roots(builder: impl Fn() -> ClientBuilder) -> reqwest::Result<reqwest::Client> {
    // The library takes the process's cryptography, and panics if none is chosen. One that was chosen before stays.
    let _ = ring::default_provider().install_default();
    builder().build().or_else(|_| with_bundled_roots(builder()))
}

fn builder(settings: &Settings) -> ClientBuilder {
    let headers = HeaderMap::from_iter([
        (header::ACCEPT, HeaderValue::from_static(JSON)),
        (header::ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
    ]);
    let ping = (settings.idle_timeout / 4).max(PING_MIN);
    let builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(headers)
        .redirect(redirect::Policy::none())
        // Every request has to pass the bucket, so the library must not repeat any.
        .retry(retry::never())
        .referer(false)
        .dns_resolver(Resolver::new(&settings.base))
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.idle_timeout)
        .timeout(settings.total_timeout)
        .http2_max_header_list_size(HEADERS_CAP)
        .http2_keep_alive_interval(ping)
        .http2_keep_alive_timeout(ping)
        .http2_keep_alive_while_idle(true);
    if place_of(&settings.base) == Place::ThisMachine { builder.no_proxy() } else { builder }
}

fn with_bundled_roots(builder: ClientBuilder) -> reqwest::Result<reqwest::Client> {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    let roots = roots.map(|root| Certificate::from_der(root));
    let roots = roots.collect::<reqwest::Result<Vec<_>>>()?;
    builder.tls_certs_only(roots).build()
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    #[test]
    fn a_client_is_built_without_the_systems_certificates() {
        let settings = Settings::new(Url::parse("https://civitai.com/api/v1").unwrap());
        let _ = ring::default_provider().install_default();
        assert!(with_bundled_roots(builder(&settings)).is_ok());
    }
}
