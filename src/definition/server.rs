//! Checks a server's base URL, from a crawl file or the command line.

use url::Url;

use super::crawl::Server;
use super::mistake::clip;
use crate::place::{Place, place_of};

/// The end of every base URL.
const BASE_PATH: &str = "/api/v1";
/// The word for the embedded server.
const SANDBOX: &str = "sandbox";

/// A text that names no server. No variant shows a part of the URL that could hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// The text is no URL.
    #[error("the server is `{0}`, which is no URL; write `https://civitai.com/api/v1`, or `sandbox`")]
    NotUrl(String),
    /// The URL has another protocol.
    #[error("the server's URL begins with `{0}:`; write `https://…{BASE_PATH}`, or `sandbox`")]
    Scheme(String),
    /// The URL has parts too many or too few.
    #[error("the server's URL {faults}; write `{right}`")]
    Form {
        /// The faults, as the end of a sentence.
        faults: String,
        /// The URL without its faults.
        right: String,
    },
    /// The connection would not be encrypted.
    #[error(
        "the server `{0}` would be asked without encryption; write `https:`, or allow it with `insecure_http = true`"
    )]
    Insecure(String),
}

impl Server {
    /// Parses `sandbox`, or a base URL: https (http only to a loopback address, or with `insecure_http`), ending in `/api/v1`,
    /// without user, query, fragment and trailing slash.
    ///
    /// # Errors
    /// The fault of the text, and the remedy.
    pub fn parse(text: &str, insecure_http: bool) -> Result<Server, ServerError> {
        if text == SANDBOX {
            return Ok(Server::Sandbox);
        }
        let url = Url::parse(text).map_err(|_| ServerError::NotUrl(without_secrets(text)))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ServerError::Scheme(clip(url.scheme())));
        }
        let faults = faults(&url);
        if !faults.is_empty() {
            return Err(ServerError::Form { faults: faults.join(" and "), right: repaired(url).into() });
        }
        if url.scheme() == "http" && !insecure_http && place_of(&url) != Place::ThisMachine {
            return Err(ServerError::Insecure(url.host_str().unwrap_or_default().to_owned()));
        }
        Ok(Server::Url(url))
    }

    /// True for the sandbox and for a loopback address.
    pub fn is_local(&self) -> bool {
        match self {
            Server::Url(url) => place_of(url) == Place::ThisMachine,
            Server::Sandbox => true,
        }
    }
}

/// Returns the text, or `…` if it could hold a password or a key.
fn without_secrets(text: &str) -> String {
    if text.contains(['@', '?']) { "…".to_owned() } else { clip(text) }
}

/// Returns the faults of the URL's parts, as ends of a sentence.
fn faults(url: &Url) -> Vec<&'static str> {
    let path = url.path();
    let ending = match path.strip_suffix('/') {
        _ if path.ends_with(BASE_PATH) => None,
        Some(bare) if bare.ends_with(BASE_PATH) => Some("has a trailing slash"),
        _ => Some("does not end in `/api/v1`"),
    };
    let user = !url.username().is_empty() || url.password().is_some();
    let parts = [
        user.then_some("has a user or password"),
        ending,
        url.query().map(|_| "has a query"),
        url.fragment().map(|_| "has a fragment"),
    ];
    parts.into_iter().flatten().collect()
}

/// Returns the URL without its faults.
fn repaired(mut url: Url) -> Url {
    let path = url.path();
    let prefix = match path.find(BASE_PATH) {
        Some(end) => &path[..end],
        None => path.trim_end_matches('/').trim_end_matches("/api"),
    };
    let path = format!("{prefix}{BASE_PATH}");
    url.set_path(&path);
    url.set_query(None);
    url.set_fragment(None);
    // These two fail only for URLs without a host, which http and https always have.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepts() {
        let cases = [
            ("https://civitai.com/api/v1", false),
            ("https://mirror.example:8443/civitai/api/v1", false),
            ("http://127.0.0.1:8080/api/v1", true),
            ("http://[::1]:8080/api/v1", true),
            ("http://localhost:8080/api/v1", true),
        ];
        for (text, local) in cases {
            let server = Server::parse(text, false);
            assert_eq!(server.as_ref().map(Server::is_local), Ok(local), "{text}");
            assert!(matches!(server, Ok(Server::Url(url)) if url.as_str() == text), "{text}");
        }
        assert_eq!(Server::parse("sandbox", false), Ok(Server::Sandbox));
        assert!(Server::parse("http://mirror.example/api/v1", true).is_ok());
    }

    #[test]
    fn refuses_and_says_what_is_right() {
        let cases = [
            (
                "civitai.com/api/v1",
                "the server is `civitai.com/api/v1`, which is no URL; write `https://civitai.com/api/v1`, or `sandbox`",
            ),
            (
                "localhost:80/api/v1",
                "the server's URL begins with `localhost:`; write `https://…/api/v1`, or `sandbox`",
            ),
            ("https://civitai.com", "the server's URL does not end in `/api/v1`; write `https://civitai.com/api/v1`"),
            (
                "https://civitai.com/api/",
                "the server's URL does not end in `/api/v1`; write `https://civitai.com/api/v1`",
            ),
            (
                "https://civitai.com/api/v1/models",
                "the server's URL does not end in `/api/v1`; write `https://civitai.com/api/v1`",
            ),
            (
                "https://civitai.com/api/v1/",
                "the server's URL has a trailing slash; write `https://civitai.com/api/v1`",
            ),
            (
                "https://u:CANARY@civitai.com/api/v1?token=CANARY#CANARY",
                "the server's URL has a user or password and has a query and has a fragment; \
                 write `https://civitai.com/api/v1`",
            ),
            (
                "http://civitai.com/api/v1",
                "the server `civitai.com` would be asked without encryption; \
                 write `https:`, or allow it with `insecure_http = true`",
            ),
        ];
        for (text, expected) in cases {
            let error = Server::parse(text, false).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn secrets_stay_out_of_errors() {
        for text in ["CANARY@host", "//u:CANARY@h", "x?token=CANARY", "ftp://u:CANARY@h/", "https://u:CANARY@h:port/"] {
            let refused = Server::parse(text, false).map_err(|error| format!("{error} {error:?}"));
            assert!(refused.as_ref().is_err_and(|error| !error.contains("CANARY")), "{refused:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_called_right_is_right(path in "(/api|/v1|/api/v1|/x|/){0,4}", rest in "(\\?a=b)?(#c)?") {
            if let Err(error) = Server::parse(&format!("https://u:p@h{path}{rest}"), false) {
                let ServerError::Form { right, .. } = error else { return Err(TestCaseError::fail("another error")) };
                prop_assert!(Server::parse(&right, false).is_ok(), "{}", right);
            }
        }
    }
}
