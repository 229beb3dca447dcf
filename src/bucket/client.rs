//! The client below the library of stores: follows no redirect, bounds every body, and keeps what was seen of the store.

use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full, Limited};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use object_store::{ClientConfigKey, ClientOptions};
use reqwest::{redirect, retry};

use super::answer::{Answer, code};
use crate::fetch::with_known_roots;

/// Most bytes of an answer: a range of a file, or a page of a list.
const BODY_MAX: usize = 16 << 20;
/// Most bytes of an answer that is an error.
const ERROR_MAX: usize = 64 << 10;

tokio::task_local! {
    /// The attempt under way.
    static SEEN: Seen;
}

/// The last that was seen of a store during one attempt. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Option<Answer>>>);

impl Seen {
    /// Keeps here what the attempt sees.
    pub(super) async fn of<T>(&self, attempt: impl Future<Output = T>) -> T {
        SEEN.scope(self.clone(), attempt).await
    }

    /// Returns the one of the attempt under way. Outside of any, as when credentials are asked for, nobody looks at it.
    fn under_way() -> Self {
        SEEN.try_with(Self::clone).unwrap_or_default()
    }

    fn set(&self, answer: Answer) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }

    /// Returns it, and forgets it.
    pub(super) fn take(&self) -> Option<Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Makes the clients of one store.
#[derive(Debug)]
pub(super) struct Connector {
    /// True for a store on this machine, which no proxy reaches.
    pub(super) is_here: bool,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let value = |key| options.get_config_value(&key);
        let time = |key| {
            let text = value(key).unwrap_or_default();
            let time = text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
            time.ok_or_else(|| wrong(format!("`{text}` is no time, such as `30s`")))
        };
        let (connect, request) = (time(ClientConfigKey::ConnectTimeout)?, time(ClientConfigKey::Timeout)?);
        let over_http = value(ClientConfigKey::AllowHttp).as_deref() == Some("true");
        let http = with_known_roots(|| {
            let builder = reqwest::Client::builder()
                .user_agent(concat!("civitrawl/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .retry(retry::never())
                .referer(false)
                .http1_only()
                .https_only(!over_http)
                .connect_timeout(connect)
                .timeout(request);
            if self.is_here { builder.no_proxy() } else { builder }
        });
        let http = http.map_err(|error| wrong(error.to_string()))?;
        Ok(HttpClient::new(Service { http }))
    }
}

fn wrong(reason: String) -> object_store::Error {
    object_store::Error::Generic { store: "client", source: reason.into() }
}

/// Sends a request, and keeps what was seen.
struct Service {
    http: reqwest::Client,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Service")
    }
}

impl HttpService for Service {
    fn call<'a, 'call>(&'a self, request: HttpRequest) -> BoxFuture<'call, Result<HttpResponse, HttpError>>
    where
        'a: 'call,
    {
        Box::pin(self.send(request))
    }
}

impl Service {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let seen = Seen::under_way();
        let kept = seen.clone();
        let broken = move |error: &HttpError| kept.set(Answer::Broken(reasons(error)));
        let (parts, body) = self.http.call(request).await.inspect_err(&broken)?.into_parts();
        let status = parts.status.as_u16();
        let body = if status < 400 {
            seen.set(Answer::Status(status, None));
            let body = Limited::new(body, BODY_MAX).map_err(as_http_error);
            HttpResponseBody::new(body.map_err(move |error| {
                broken(&error);
                error
            }))
        } else {
            let content = Limited::new(body, ERROR_MAX).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            seen.set(Answer::Status(status, code(&content)));
            HttpResponseBody::new(Full::new(Bytes::new()).map_err(|never| match never {}))
        };
        Ok(HttpResponse::from_parts(parts, body))
    }
}

/// Returns the error of a body, which may also be too large.
fn as_http_error(error: Box<dyn std::error::Error + Send + Sync>) -> HttpError {
    match error.downcast::<HttpError>() {
        Ok(error) => *error,
        Err(other) => HttpError::new_boxed(HttpErrorKind::Decode, other),
    }
}

/// Returns the innermost reasons of an error, without the address, which the library leaves out.
fn reasons(error: &HttpError) -> String {
    let mut reasons: Vec<String> = Vec::new();
    let mut source = error.source();
    while let Some(reason) = source {
        reasons.push(reason.to_string());
        source = reason.source();
    }
    reasons.dedup();
    reasons.join(": ")
}
