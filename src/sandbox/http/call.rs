//! A request taken apart into the parts that the sandbox looks at.

use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::{Method, Request, Version};
use url::form_urlencoded;

/// The longest body of a request: room for 10 000 hashes.
const BODY_MAX: usize = 1 << 20;

/// The parts of a request that the sandbox looks at.
pub(super) struct Call {
    pub(super) get: bool,
    /// The body of a POST.
    pub(super) body: Option<Bytes>,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) pairs: Vec<(String, String)>,
    pub(super) host: String,
    /// Scheme and host: the beginning of links.
    pub(super) origin: String,
    pub(super) http2: bool,
    pub(super) gzip: bool,
    pub(super) authorization: bool,
    /// The caller's key; it is never logged.
    pub(super) key: Option<String>,
    pub(super) range: Option<String>,
    pub(super) user_agent: Option<String>,
}

impl Call {
    /// The path below `/api/v1/`, or the whole path.
    pub(super) fn below(&self) -> &str {
        self.path.strip_prefix("/api/v1/").unwrap_or(&self.path)
    }

    /// Reads a request, sent by `http` or `https`, with its body.
    pub(super) async fn of(request: Request<Incoming>, scheme: &str) -> io::Result<Call> {
        let (head, body) = request.into_parts();
        let body = match head.method {
            Method::POST => Some(Limited::new(body, BODY_MAX).collect().await.map_err(io::Error::other)?.to_bytes()),
            _ => None,
        };
        let headers = &head.headers;
        let query = head.uri.query().unwrap_or_default();
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let bearer = text(headers, header::AUTHORIZATION);
        let bearer = bearer.as_deref().and_then(|words| words.split(' ').nth(1));
        let token = pairs.iter().find(|(key, _)| key == "token").map(|(_, token)| token.as_str());
        let key = bearer.or(token).map(str::to_owned);
        // HTTP/2 names the host in the address.
        let authority = head.uri.authority().map(ToString::to_string);
        let host = authority.or_else(|| text(headers, header::HOST)).unwrap_or_else(|| "localhost".to_owned());
        Ok(Call {
            get: head.method == Method::GET,
            body,
            path: head.uri.path().to_owned(),
            query: query.to_owned(),
            pairs,
            origin: format!("{scheme}://{host}"),
            host,
            http2: head.version == Version::HTTP_2,
            gzip: text(headers, header::ACCEPT_ENCODING).is_some_and(|accepted| accepted.contains("gzip")),
            authorization: headers.contains_key(header::AUTHORIZATION),
            key,
            range: text(headers, header::RANGE),
            user_agent: text(headers, header::USER_AGENT),
        })
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
