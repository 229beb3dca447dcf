//! A request taken apart.

use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::{Method, Request};
use url::form_urlencoded;

/// What was asked for, taken apart.
pub(super) struct Call {
    pub(super) get: bool,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) pairs: Vec<(String, String)>,
    pub(super) host: String,
    pub(super) gzip: bool,
    pub(super) authorization: bool,
    pub(super) user_agent: Option<String>,
}

impl Call {
    /// The path below `/api/v1/`, or all of it.
    pub(super) fn below(&self) -> &str {
        self.path.strip_prefix("/api/v1/").unwrap_or(&self.path)
    }

    /// Takes a request apart.
    pub(super) fn of(request: &Request<Incoming>) -> Call {
        let headers = request.headers();
        let query = request.uri().query().unwrap_or_default();
        Call {
            get: request.method() == Method::GET,
            path: request.uri().path().to_owned(),
            query: query.to_owned(),
            pairs: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            host: text(headers, header::HOST).unwrap_or_else(|| "localhost".to_owned()),
            gzip: text(headers, header::ACCEPT_ENCODING).is_some_and(|accepted| accepted.contains("gzip")),
            authorization: headers.contains_key(header::AUTHORIZATION),
            user_agent: text(headers, header::USER_AGENT),
        }
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
