//! Why a page is not to be had: how fetching it ends without one.

use std::fmt;
use std::time::Duration;

use super::answer::Answer;

/// Why there is no page.
#[derive(Debug)]
pub struct Failure {
    /// What it came to.
    pub cause: Cause,
    /// Requests made.
    pub attempts: u32,
    /// Time from the first request on.
    pub elapsed: Duration,
    /// The last answer, if the last request had one.
    pub answer: Option<Box<Answer>>,
}

impl Failure {
    /// Returns true when a cache gave the answer that failed.
    pub fn is_from_cache(&self) -> bool {
        self.answer.as_deref().is_some_and(Answer::is_cached)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Stop(stop) => write!(f, "{stop}"),
            Cause::Smaller(excess) => write!(f, "{excess}; ask for fewer items at once"),
            Cause::GaveUp { last } => write!(
                f,
                "gave up after `{}` requests in `{} s`, the last: {last}; run again later to go on",
                self.attempts,
                self.elapsed.as_secs()
            ),
        }
    }
}

impl std::error::Error for Failure {}

/// What a failed page came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The answer is final.
    Stop(Stop),
    /// The page is too much at once: ask for fewer items.
    Smaller(Excess),
    /// The server is away, or busy for longer than the budget: the same request may work later.
    GaveUp {
        /// What the last request led to.
        last: String,
    },
}

/// Why a page is too much to ask for at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Excess {
    /// It timed out twice.
    TimedOut(String),
    /// It is larger than allowed, on the wire or after decompression.
    TooLarge(String),
    /// The server said each time that it failed; fewer items may leave out the one that makes it fail.
    Failing(String),
    /// It stayed unreadable; fewer items may leave out the one that spoils it.
    Unreadable(String),
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Excess::TimedOut(last) => {
                write!(f, "the page timed out twice, the last: {last}")
            }
            Excess::Failing(last) => write!(f, "the page fails each time, the last: {last}"),
            Excess::TooLarge(what) => write!(f, "{what}"),
            Excess::Unreadable(last) => write!(f, "the page stayed unreadable, the last: {last}"),
        }
    }
}

/// An answer that asking again would not change. Messages are the server's words: at most 300 characters,
/// without control characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// 429 for good: page number times limit is over the server's bound.
    #[error("the server gives no pages this deep by number: use its cursor")]
    PagingCap,
    /// 400: a parameter is wrong.
    #[error("the server refused the request: `{message}`; check the parameters")]
    BadRequest {
        /// The server's words.
        message: String,
    },
    /// 400: the cursor is wrong, or belongs to another sort.
    #[error("the server refused the cursor: `{message}`; start the walk again")]
    CursorRefused {
        /// The server's words.
        message: String,
    },
    /// 400 of the feed: the server goes on with this cursor no more, though nothing is wrong with the question.
    #[error("the server goes on with this cursor no more: `{message}`")]
    CursorLapsed {
        /// The server's words.
        message: String,
    },
    /// 401, or 403 of the API itself, to a question without a key.
    #[error("the server answered `{status}`, `{message}`, and no API key was given: set one that may see this")]
    KeyWanted {
        /// 401 or 403.
        status: u16,
        /// The server's words.
        message: String,
    },
    /// 401, or 403 of the API itself: it wants another API key.
    #[error("the server answered `{status}`, `{message}`: set an API key that may see this")]
    KeyRefused {
        /// 401 or 403.
        status: u16,
        /// The server's words.
        message: String,
    },
    /// 403 of the guard in front of the server, such as `error code: 1010` for an unwanted User-Agent.
    #[error("the guard in front of the server blocks this client: `{message}`")]
    Blocked {
        /// The guard's words.
        message: String,
    },
    /// 451: not served to this country.
    #[error("the server does not serve this region: `{message}`")]
    RegionBlocked {
        /// The server's words.
        message: String,
    },
    /// A redirect; none is followed.
    #[error("the server redirects to `{host}`: if that is right, name it as the server")]
    Redirected {
        /// The host redirected to.
        host: String,
    },
    /// 404 of the API itself: there is no such thing.
    #[error("the server knows no such thing: `{message}`")]
    NotFound {
        /// The server's words.
        message: String,
    },
    /// Any other answer.
    #[error("the server answered `{status}`, `{message}`, which is not expected here")]
    Unexpected {
        /// The HTTP status.
        status: u16,
        /// The beginning of the body.
        message: String,
    },
}
