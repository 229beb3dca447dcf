//! The errors of a fetch: of one request on its way, and of a page as a whole.

use std::fmt;
use std::time::Duration;

use super::answer::Answer;

/// Why no whole answer to a request arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportError {
    /// The kind of failure.
    pub kind: TransportErrorKind,
    /// The words of the layer that noticed.
    pub detail: String,
}

/// The failure of a request that got no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportErrorKind {
    /// No connection, or no address for the host.
    Connect,
    /// No agreement on encryption, or an untrusted certificate.
    Tls,
    /// Connected, but the answer's next or last byte took too long.
    Timeout,
    /// The connection broke before the answer was whole.
    Cut,
    /// The server did not begin with the request: it refused its stream, or was about to close the connection.
    Unprocessed,
    /// The body is larger than the cap.
    TooLarge,
    /// The body has an encoding that was not requested.
    Encoding,
}

impl TransportError {
    /// Returns an error with these words.
    pub(super) fn new(kind: TransportErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            TransportErrorKind::Connect => "the server could not be reached",
            TransportErrorKind::Tls => "no secure connection could be made",
            TransportErrorKind::Timeout => "the answer took too long",
            TransportErrorKind::Cut => "the connection broke",
            TransportErrorKind::Unprocessed => "the server did not begin with the request",
            TransportErrorKind::TooLarge => "the answer is too large",
            TransportErrorKind::Encoding => "the answer's encoding was not asked for",
        };
        write!(f, "{what} ({})", self.detail)
    }
}

/// Why there is no page.
#[derive(Debug)]
pub struct FetchError {
    /// The cause.
    pub kind: FetchErrorKind,
    /// Requests made.
    pub attempts: u32,
    /// Time since the first request.
    pub elapsed: Duration,
    /// The answer to the last request, if it had one.
    pub answer: Option<Box<Answer>>,
}

impl FetchError {
    /// Returns true when the answer that failed came from a cache.
    pub fn is_from_cache(&self) -> bool {
        self.answer.as_deref().is_some_and(Answer::is_cached)
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FetchErrorKind::GaveUp(last) => write!(
                f,
                "gave up after `{}` requests in `{} s`, the last: {last}; run again later to continue",
                self.attempts,
                self.elapsed.as_secs()
            ),
            kind if kind.is_too_much() => write!(f, "{kind}; ask for fewer items at once"),
            kind => write!(f, "{kind}"),
        }
    }
}

impl std::error::Error for FetchError {}

/// The cause of a failed page. Messages are the server's words: at most 300 characters, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchErrorKind {
    /// 429 for good: page number times limit is over the server's bound.
    #[error("the server gives no pages this deep by number: use its cursor")]
    PagingCap,
    /// 400: a parameter is wrong.
    #[error("the server refused the request: `{0}`; check the parameters")]
    BadRequest(String),
    /// 400: the cursor is wrong, or belongs to another sort.
    #[error("the server refused the cursor: `{0}`; start the walk again")]
    CursorRefused(String),
    /// 400 of the feed: the server no longer accepts this cursor, although the request is right.
    #[error("the server no longer continues this cursor: `{0}`")]
    CursorLapsed(String),
    /// 401, or 403 of the API itself, to a request without a key.
    #[error("the server answered `{status}`, `{message}`, and no API key was given: set one that may see this")]
    KeyWanted {
        /// 401 or 403.
        status: u16,
        /// The server's words.
        message: String,
    },
    /// 401, or 403 of the API itself: the API key is not good enough.
    #[error("the server answered `{status}`, `{message}`: set an API key that may see this")]
    KeyRefused {
        /// 401 or 403.
        status: u16,
        /// The server's words.
        message: String,
    },
    /// 403 of the guard in front of the server, such as `error code: 1010` for an unwanted User-Agent.
    #[error("the guard in front of the server blocks this client: `{0}`")]
    Blocked(String),
    /// 451: not served to this country.
    #[error("the server does not serve this region: `{0}`")]
    RegionBlocked(String),
    /// A redirect to this host; none is followed.
    #[error("the server redirects to `{0}`: if that is right, name it as the server")]
    Redirected(String),
    /// 404 of the API itself.
    #[error("the server knows no such thing: `{0}`")]
    NotFound(String),
    /// Any other final answer.
    #[error("the server answered `{status}`, `{message}`, which is not expected here")]
    Unexpected {
        /// The HTTP status.
        status: u16,
        /// The beginning of the body.
        message: String,
    },
    /// The page timed out twice.
    #[error("the page timed out twice, the last: {0}")]
    TimedOut(String),
    /// The page is larger than allowed, on the wire or after decompression.
    #[error("{0}")]
    TooLarge(String),
    /// The server reported a failure of its own most times; fewer items may leave out the one that causes it.
    #[error("the page fails each time, the last: {0}")]
    AlwaysFails(String),
    /// The page stayed unreadable; fewer items may leave out the one that spoils it.
    #[error("the page stayed unreadable, the last: {0}")]
    Unreadable(String),
    /// The server is away, or busy for longer than the budget: the same request may work later.
    #[error("gave up, the last: {0}")]
    GaveUp(String),
}

impl FetchErrorKind {
    /// Returns true when the same page may work with fewer items.
    pub fn is_too_much(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::TooLarge(_) | Self::AlwaysFails(_) | Self::Unreadable(_))
    }
}
