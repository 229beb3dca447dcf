//! The verdict on one request: retry, or fail. Pure: no clock, no network.

use std::time::Duration;

use super::answer::Unreadable;
use super::error::{FetchErrorKind, TransportError, TransportErrorKind};
use super::message::{message, printable};
use super::response_facts::ResponseFacts;

/// Timeouts after which a page is too much to ask for.
const TIMEOUTS_MAX: u32 = 2;
/// Unreadable answers after which a page is too much to ask for: the first and two retries.
const UNREADABLE_MAX: u32 = 3;
/// Answers of 401 to a request without a key before it is believed: the guard in front sends one now and then.
const UNAUTHORIZED_MAX: u32 = 3;

/// The next step after a request that brought no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Send the request again.
    Retry {
        /// The reason.
        reason: String,
        /// The wait that the server asks for.
        wait: Option<Duration>,
        /// True when the server asks to slow down.
        throttled: bool,
    },
    /// Do not send it again.
    Fail(FetchErrorKind),
}

/// Judges all requests for one page, because some failures count only when they repeat.
#[derive(Debug, Default)]
pub struct Judge {
    timeouts: u32,
    unreadable: u32,
    /// Answers in which the server itself reports a failure.
    failures: u32,
    unauthorized: u32,
    keyless: bool,
}

impl Judge {
    /// Returns a judge of requests without a key.
    pub fn keyless() -> Self {
        Self { keyless: true, ..Self::default() }
    }

    /// Returns why there is no page once the attempts are spent, the last for this reason. A page that was too much each time is
    /// so however few they were; if the server itself reported a failure in most of them, it is up, and cannot make this page.
    pub fn spent(&self, attempts: u32, last: String) -> FetchErrorKind {
        if self.failures > attempts / 2 {
            FetchErrorKind::AlwaysFails(last)
        } else if self.timeouts >= attempts {
            FetchErrorKind::TimedOut(last)
        } else if self.unreadable + self.timeouts >= attempts {
            FetchErrorKind::Unreadable(last)
        } else {
            FetchErrorKind::GaveUp(last)
        }
    }

    /// Judges an answer.
    ///
    /// # Errors
    /// The verdict, unless it looks like a page.
    pub fn response(&mut self, facts: &ResponseFacts) -> Result<(), Verdict> {
        let status = facts.status;
        if status == 200 && facts.looks_like_json() {
            return Ok(());
        }
        let message = message(&facts.head);
        let (reason, wait) = (answered(status, &message), facts.retry_after);
        Err(match status {
            200 => retry(format!("`{}` instead of a page", facts.content_type()), wait),
            408 | 504 | 524 => self.timed_out(reason, wait),
            500 if message.contains("statement timeout") => self.timed_out(reason, wait),
            // The guard's challenge page: it takes this client for a flood.
            403 if facts.is_html() && !message.contains("error code:") => {
                throttled(answered(status, "a challenge page"), wait)
            }
            429 if !message.contains("requested too many pages") => throttled(reason, wait),
            503 if wait.is_some() => throttled(reason, wait),
            500 if facts.is_json() => {
                self.failures += 1;
                retry(reason, wait)
            }
            401 if self.keyless && self.unauthorized + 1 < UNAUTHORIZED_MAX => {
                self.unauthorized += 1;
                retry(reason, wait)
            }
            401 | 403 if self.keyless && (status == 401 || facts.is_json()) => {
                Verdict::Fail(FetchErrorKind::KeyWanted { status, message })
            }
            // The API sends none of the others: what stands in front of it does, and not for long.
            201..=299 | 304 | 425 | 499 | 500 | 502..=504 | 506..=599 => retry(reason, wait),
            _ => Verdict::Fail(failure(facts, message)),
        })
    }

    /// Judges a request that got no whole answer.
    pub fn transport_error(&mut self, error: &TransportError) -> Verdict {
        match error.kind {
            TransportErrorKind::TooLarge => Verdict::Fail(FetchErrorKind::TooLarge(error.to_string())),
            TransportErrorKind::Timeout => self.timed_out(error.to_string(), None),
            // A refused certificate is often that of a portal or a proxy that soon disappears.
            TransportErrorKind::Connect
            | TransportErrorKind::Tls
            | TransportErrorKind::Cut
            | TransportErrorKind::Unprocessed
            | TransportErrorKind::Encoding => retry(error.to_string(), None),
        }
    }

    /// Judges an answer that looked like a page and is none.
    pub fn unreadable(&mut self, why: &Unreadable) -> Verdict {
        let text = printable(&why.to_string());
        match why {
            Unreadable::TooLarge(_) => Verdict::Fail(FetchErrorKind::TooLarge(text)),
            Unreadable::Failure(_) => {
                self.failures += 1;
                retry(format!("the server reports a failure in place of a page: `{text}`"), None)
            }
            Unreadable::Damaged(_) => {
                self.unreadable += 1;
                if self.unreadable >= UNREADABLE_MAX {
                    return Verdict::Fail(FetchErrorKind::Unreadable(text));
                }
                retry(format!("the answer cannot be read ({text})"), None)
            }
        }
    }

    fn timed_out(&mut self, reason: String, wait: Option<Duration>) -> Verdict {
        self.timeouts += 1;
        if self.timeouts >= TIMEOUTS_MAX {
            return Verdict::Fail(FetchErrorKind::TimedOut(reason));
        }
        retry(reason, wait)
    }
}

/// Returns the meaning of a final answer.
fn failure(facts: &ResponseFacts, message: String) -> FetchErrorKind {
    let status = facts.status;
    match status {
        300..=399 => match facts.redirect_host.clone() {
            Some(host) => FetchErrorKind::Redirected(host),
            None => FetchErrorKind::Unexpected { status, message },
        },
        400 if message.contains("Invalid cursor") => FetchErrorKind::CursorRefused(message),
        400 if is_lapsed(&message) => FetchErrorKind::CursorLapsed(message),
        400 => FetchErrorKind::BadRequest(message),
        401 => FetchErrorKind::KeyRefused { status, message },
        403 if facts.is_json() => FetchErrorKind::KeyRefused { status, message },
        403 => FetchErrorKind::Blocked(message),
        // What stands in front of the API says it in words of its own.
        404 if facts.is_json() => FetchErrorKind::NotFound(message),
        429 => FetchErrorKind::PagingCap,
        451 => FetchErrorKind::RegionBlocked(message),
        _ => FetchErrorKind::Unexpected { status, message },
    }
}

/// Returns true for the words with which the server refuses to continue a list behind a cursor of its own.
pub fn is_lapsed(message: &str) -> bool {
    message.contains("cursor can") && message.contains("be continued")
}

fn retry(reason: String, wait: Option<Duration>) -> Verdict {
    Verdict::Retry { reason, wait, throttled: false }
}

fn throttled(reason: String, wait: Option<Duration>) -> Verdict {
    Verdict::Retry { reason, wait, throttled: true }
}

fn answered(status: u16, message: &str) -> String {
    if message.is_empty() {
        return format!("the server answered `{status}`");
    }
    format!("the server answered `{status}`, `{message}`")
}

#[cfg(test)]
mod tests;
