//! From what one request led to, to what to do next. Pure: no clock, no network.

use std::time::Duration;

use super::failure::{Excess, Stop};
use super::fault::{Fault, FaultKind, Unreadable};
use super::message::{message, printable};
use super::reply::Reply;

/// Times a page may time out before less is asked for.
const TIMEOUTS_MAX: u32 = 2;
/// Times a page may be unreadable before less is asked for: the first and two retries.
const UNREADABLE_MAX: u32 = 3;
/// Times a question without a key may be answered 401 before that is believed: the guard in front does so now and then.
const UNAUTHORIZED_MAX: u32 = 3;

/// What to do after a request that brought no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Ask again.
    Retry {
        /// Why.
        reason: String,
        /// How long the server asks to wait.
        wait: Option<Duration>,
        /// Whether the server asks everybody to slow down.
        throttled: bool,
    },
    /// Ask for less at once.
    Smaller(Excess),
    /// Do not ask this again.
    Stop(Stop),
}

/// Judges all requests for one page; some things count only when they repeat.
#[derive(Debug, Default)]
pub struct Judge {
    timeouts: u32,
    unreadable: u32,
    /// Answers by which the server itself says that it failed.
    failures: u32,
    unauthorized: u32,
    keyless: bool,
}

impl Judge {
    /// One for questions that are asked without a key.
    pub fn keyless() -> Self {
        Self { keyless: true, ..Self::default() }
    }

    /// Whether most of these attempts ended with the server's own word that it failed: then it is there, and this page is
    /// one that it cannot make.
    pub fn mostly_failed(&self, attempts: u32) -> bool {
        self.failures > attempts / 2
    }

    /// Whether an answer looks like a page, or else what to do.
    pub fn reply(&mut self, reply: &Reply) -> Result<(), Verdict> {
        let status = reply.status;
        if status == 200 && reply.looks_like_json() {
            return Ok(());
        }
        let message = message(&reply.head);
        Err(match status {
            200 => asked_to_wait(format!("`{}` instead of a page", reply.content_type()), reply),
            408 | 504 | 524 => self.timed_out(told(status, &message), reply.retry_after),
            500 if message.contains("statement timeout") => self.timed_out(told(status, &message), reply.retry_after),
            // The guard's challenge page: it takes this client for a flood, so slow down.
            403 if reply.is_html() && !message.contains("error code:") => throttled("a challenge page", reply),
            429 if !message.contains("requested too many pages") => throttled(&message, reply),
            503 if reply.retry_after.is_some() => throttled(&message, reply),
            500 if reply.is_json() => {
                self.failures += 1;
                asked_to_wait(told(status, &message), reply)
            }
            401 if self.keyless && self.unauthorized + 1 < UNAUTHORIZED_MAX => {
                self.unauthorized += 1;
                asked_to_wait(told(status, &message), reply)
            }
            401 | 403 if self.keyless && (status == 401 || reply.is_json()) => {
                Verdict::Stop(Stop::KeyWanted { status, message })
            }
            425 | 499 | 500 | 502 | 503 | 520..=527 | 530 => asked_to_wait(told(status, &message), reply),
            _ => Verdict::Stop(stop(reply, message)),
        })
    }

    /// What to do after a request that got no whole answer.
    pub fn fault(&mut self, fault: &Fault) -> Verdict {
        match fault.kind {
            FaultKind::TooLarge => Verdict::Smaller(Excess::TooLarge(fault.to_string())),
            FaultKind::Timeout => self.timed_out(fault.to_string(), None),
            // A refused certificate is often a portal or a proxy in between that goes away: retried like the rest.
            FaultKind::Connect | FaultKind::Tls | FaultKind::Cut | FaultKind::Encoding => {
                retry(fault.to_string(), None)
            }
        }
    }

    /// What to do after an answer that looked like a page and is none.
    pub fn unreadable(&mut self, why: &Unreadable) -> Verdict {
        let text = printable(&why.to_string());
        match why {
            Unreadable::TooLarge(_) => Verdict::Smaller(Excess::TooLarge(text)),
            Unreadable::Damaged(_) => {
                self.unreadable += 1;
                if self.unreadable >= UNREADABLE_MAX {
                    return Verdict::Smaller(Excess::Unreadable(text));
                }
                retry(format!("the answer cannot be read ({text})"), None)
            }
        }
    }

    fn timed_out(&mut self, reason: String, wait: Option<Duration>) -> Verdict {
        self.timeouts += 1;
        if self.timeouts >= TIMEOUTS_MAX {
            return Verdict::Smaller(Excess::TimedOut(reason));
        }
        retry(reason, wait)
    }
}

/// What a final answer means.
fn stop(reply: &Reply, message: String) -> Stop {
    let status = reply.status;
    match status {
        300..=399 => match reply.redirect_host.clone() {
            Some(host) => Stop::Redirected { host },
            None => Stop::Unexpected { status, message },
        },
        400 if message.contains("Invalid cursor") => Stop::CursorRefused { message },
        400 if message.contains("cursor can") && message.contains("be continued") => Stop::CursorLapsed { message },
        400 => Stop::BadRequest { message },
        401 => Stop::KeyRefused { status, message },
        403 if reply.is_json() => Stop::KeyRefused { status, message },
        403 => Stop::Blocked { message },
        404 if !reply.is_html() => Stop::NotFound { message },
        429 => Stop::PagingCap,
        451 => Stop::RegionBlocked { message },
        _ => Stop::Unexpected { status, message },
    }
}

fn retry(reason: String, wait: Option<Duration>) -> Verdict {
    Verdict::Retry { reason, wait, throttled: false }
}

fn asked_to_wait(reason: String, reply: &Reply) -> Verdict {
    retry(reason, reply.retry_after)
}

fn throttled(message: &str, reply: &Reply) -> Verdict {
    Verdict::Retry { reason: told(reply.status, message), wait: reply.retry_after, throttled: true }
}

fn told(status: u16, message: &str) -> String {
    if message.is_empty() {
        return format!("the server answered `{status}`");
    }
    format!("the server answered `{status}`, `{message}`")
}

#[cfg(test)]
mod tests;
