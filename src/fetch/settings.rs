//! The settings of a fetcher: server, key, pace, timeouts and retries.

use std::num::NonZeroU32;
use std::time::Duration;

use url::Url;

use super::secret::{Secret, SecretError};
use crate::place::{Place, place_of};

/// The settings of a fetcher. [`Settings::new`] has polite values for all but the server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server, with its API path: `https://civitai.com/api/v1`.
    pub base: Url,
    /// The API key; it is sent to the origin of `base` only.
    pub key: Option<Secret>,
    /// Requests per second, on average, retries included. More than 0.
    pub requests_per_second: f64,
    /// Requests that may leave at once after a quiet time. At least 1.
    pub burst: u32,
    /// Requests that may be under way at the same time. At least 1.
    pub in_flight: u32,
    /// Longest time to connect.
    pub connect_timeout: Duration,
    /// Longest time without a byte from the server; also bounds the wait for the first one.
    pub idle_timeout: Duration,
    /// Longest time for one request, from sending it to the last byte of its answer.
    pub total_timeout: Duration,
    /// Requests for one page, the first included. At least 1.
    pub attempts_max: u32,
    /// Time for one page from its first request on; after it nothing is retried.
    pub elapsed_max: Duration,
}

/// Why a fetcher could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server's address cannot be used.
    #[error("the server `{server}` cannot be used: {problem}; write it like `https://civitai.com/api/v1`")]
    Server {
        /// Scheme, host and path of the address (without user and password).
        server: String,
        /// Its fault.
        problem: &'static str,
    },
    /// A number is out of its range.
    #[error("`{name}` cannot be `{value}`: it must be {range}")]
    Range {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: String,
        /// The allowed values.
        range: &'static str,
    },
    /// The API key cannot be sent.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// The HTTP client could not be built.
    #[error("the HTTP client could not be set up: {0}; check the system's TLS and proxy settings")]
    Client(reqwest::Error),
}

impl Error {
    pub(super) fn server(base: &Url, problem: &'static str) -> Error {
        let mut shown = base.clone();
        // Fails for an address that cannot have a user, and so has none to hide.
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        shown.set_query(None);
        shown.set_fragment(None);
        Error::Server { server: shown.into(), problem }
    }
}

impl Settings {
    /// Returns polite settings for the server at `base`: 2 requests a second, no key.
    pub fn new(base: Url) -> Settings {
        Settings {
            base,
            key: None,
            requests_per_second: 2.0,
            burst: 4,
            in_flight: 4,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            total_timeout: Duration::from_secs(180),
            attempts_max: 8,
            elapsed_max: Duration::from_secs(15 * 60),
        }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        self.check_base()?;
        at_least_one("attempts_max", self.attempts_max)?;
        Ok(())
    }

    fn check_base(&self) -> Result<(), Error> {
        let base = &self.base;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(Error::server(base, "it is neither http nor https"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(Error::server(base, "it holds a user name or a password"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(Error::server(base, "it holds a query or a fragment"));
        }
        if self.key.is_some() && base.scheme() == "http" && place_of(base) != Place::ThisMachine {
            return Err(Error::server(base, "an API key would travel unencrypted to another machine"));
        }
        Ok(())
    }
}

pub(super) fn at_least_one(name: &'static str, value: u32) -> Result<NonZeroU32, Error> {
    NonZeroU32::new(value).ok_or_else(|| Error::Range { name, value: value.to_string(), range: "at least 1" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(base: &str) -> Settings {
        Settings::new(Url::parse(base).unwrap())
    }

    #[test]
    fn checks_the_server() {
        for (base, key, good) in [
            ("https://civitai.com/api/v1", true, true),
            ("http://127.0.0.1:8080/api/v1", true, true),
            ("http://[::1]:8080/api/v1", true, true),
            ("http://localhost/api/v1", true, true),
            ("http://mirror.lan/api/v1", false, true),
            ("http://mirror.lan/api/v1", true, false),
            ("ftp://civitai.com/api/v1", false, false),
            ("data:text/plain,x", false, false),
            ("https://canary@civitai.com/api/v1", false, false),
            ("https://u:canary@civitai.com/api/v1", false, false),
            ("https://civitai.com/api/v1?token=canary", false, false),
        ] {
            let mut settings = settings(base);
            settings.key = key.then(|| Secret::parse("canary").unwrap());
            match settings.check() {
                Ok(()) => assert!(good, "{base}"),
                Err(error) => {
                    assert!(!good, "{base}: {error}");
                    assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
                }
            }
        }
    }

    #[test]
    fn one_attempt_is_the_least() {
        let mut settings = settings("https://civitai.com/api/v1");
        settings.attempts_max = 1;
        assert!(settings.check().is_ok());
        settings.attempts_max = 0;
        let error = settings.check().unwrap_err();
        assert_eq!(error.to_string(), "`attempts_max` cannot be `0`: it must be at least 1");
    }
}
