//! Why there is no file: the meaning of each answer without one. Pure.

use std::io;
use std::time::Duration;

use super::message::message;

/// Why an attempt brought no file. Messages are the server's words, short and printable.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// The creator allows downloads to logged-in users only. Final.
    #[error("{0}")]
    LoginNeeded(String),
    /// The creator allows no downloads. Final.
    #[error("{0}")]
    DownloadsDisabled(String),
    /// Only early supporters may have it yet. Final.
    #[error("{0}")]
    EarlyAccess(String),
    /// The server refuses it to this account or address. Final.
    #[error("{0}")]
    NoAccess(String),
    /// The model is archived. Final.
    #[error("{0}")]
    Archived(String),
    /// A redirect leads where this program does not follow. Final.
    #[error("{0}")]
    NotFollowed(String),
    /// The disk refused. Final.
    #[error("{0}")]
    Disk(io::Error),
    /// There is no such file. A failing part of the server says so too, hence retried.
    #[error("the server knows no such file: {0}")]
    Missing(String),
    /// The host has, or sends, this many bytes, which the file cannot have. Another host may have the right ones, hence retried.
    #[error("the host has a file of {0} bytes or more")]
    OtherSize(u64),
    /// The host answers with something else than the file. A failing host does so for a while, hence retried.
    #[error("{0}")]
    NoFile(String),
    /// The server asks for fewer requests.
    #[error("the server asked to slow down: {message}")]
    Throttled {
        /// The server's words.
        message: String,
        /// The wait that it asks for.
        wait: Option<Duration>,
    },
    /// The server is busy or away, or the file broke off.
    #[error("{reason}")]
    Unfinished {
        /// The event, as a sentence.
        reason: String,
        /// The wait that the server asks for.
        wait: Option<Duration>,
    },
}

impl AttemptError {
    /// The connection or the host failed in this way.
    pub(super) fn broken(reason: impl Into<String>) -> Self {
        Self::Unfinished { reason: reason.into(), wait: None }
    }

    /// Returns true when another attempt may succeed.
    pub(super) fn is_retried(&self) -> bool {
        self.denials_max().is_some() || matches!(self, Self::Throttled { .. } | Self::Unfinished { .. })
    }

    /// Returns how often the file may be denied before that is believed; `None` for an error that is no denial.
    pub(super) fn denials_max(&self) -> Option<u32> {
        match self {
            Self::Missing(_) | Self::OtherSize(_) => Some(3),
            Self::NoFile(_) => Some(5),
            _ => None,
        }
    }

    /// Returns the wait that the server asks for.
    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Throttled { wait, .. } | Self::Unfinished { wait, .. } => *wait,
            _ => None,
        }
    }
}

/// The sender of an answer without a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    /// The API.
    Api,
    /// A page to log in at, on any host.
    Login,
    /// The host that keeps the files: its link may have expired, and a guard may stand before it.
    Store,
}

/// Returns the meaning of an answer without a file.
pub(super) fn judge(status: u16, head: &[u8], html: bool, wait: Option<Duration>, host: Host) -> AttemptError {
    let message = if html { format!("an HTML page, status {status}") } else { message(head) };
    let message = if message.is_empty() { format!("status {status}") } else { message };
    let lower = message.to_ascii_lowercase();
    let busy = |message| AttemptError::Unfinished { reason: format!("the server answered {message}"), wait };
    if host == Host::Login && matches!(status, 200..=299 | 401 | 403) {
        return AttemptError::LoginNeeded(message);
    }
    if host != Host::Api {
        let message = format!("{status} from the host that keeps the file: {message}");
        return match status {
            429 => AttemptError::Throttled { message, wait },
            200..=299 => AttemptError::NoFile(message),
            _ => busy(message),
        };
    }
    match status {
        401 if lower.contains("disabled") => AttemptError::DownloadsDisabled(message),
        401 => AttemptError::LoginNeeded(message),
        // A page instead of a file is the one to log in at.
        200..=299 if html => AttemptError::LoginNeeded(message),
        403 if lower.contains("early access") => AttemptError::EarlyAccess(message),
        403 if html => AttemptError::Throttled { message, wait },
        404 => AttemptError::Missing(message),
        410 => AttemptError::Archived(message),
        429 => AttemptError::Throttled { message, wait },
        200..=299 => AttemptError::NoFile(message),
        500..=599 | 408 | 425 => busy(format!("{status}, {message}")),
        _ => AttemptError::NoAccess(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_its_meaning() {
        let login = "{\"error\":\"Unauthorized\",\"message\":\"The creator of this asset requires you to be logged in to download it\"}";
        let disabled = "{\"error\":\"Unauthorized\",\"message\":\"The creator of this asset has disabled downloads on this file\"}";
        for (status, head, html, host, meaning) in [
            (401, login, false, Host::Api, "LoginNeeded"),
            (401, "{\"error\":\"Unauthorized\"}", false, Host::Api, "LoginNeeded"),
            (200, "<html>", true, Host::Api, "LoginNeeded"),
            (401, disabled, false, Host::Api, "DownloadsDisabled"),
            (
                403,
                "{\"error\":\"Early Access\",\"deadline\":\"2027\",\"message\":\"soon\"}",
                false,
                Host::Api,
                "EarlyAccess",
            ),
            (403, "{\"error\":\"Forbidden\"}", false, Host::Api, "NoAccess(\"Forbidden\")"),
            (403, "<html>", true, Host::Api, "Throttled"),
            (404, "{\"error\":\"File not found\"}", false, Host::Api, "Missing(\"File not found\")"),
            (410, "{\"error\":\"Model archived\"}", false, Host::Api, "Archived"),
            (429, "{\"error\":\"unusual amount\"}", false, Host::Api, "Throttled"),
            (451, "{\"error\":\"not here\"}", false, Host::Api, "NoAccess"),
            (500, "", false, Host::Api, "Unfinished { reason: \"the server answered 500, status 500\""),
            (403, "<Error>Request has expired</Error>", false, Host::Store, "Unfinished"),
            (404, "", false, Host::Store, "Unfinished"),
            (429, "", false, Host::Store, "Throttled"),
            (200, "<html>", true, Host::Store, "NoFile"),
            (204, "", false, Host::Store, "NoFile"),
            (200, "<html>", true, Host::Login, "LoginNeeded"),
            (403, "", false, Host::Login, "LoginNeeded"),
            (503, "", false, Host::Login, "Unfinished"),
            (200, "{\"error\":\"x\"}", false, Host::Api, "NoFile"),
        ] {
            let error = format!("{:?}", judge(status, head.as_bytes(), html, None, host));
            assert!(error.starts_with(meaning), "{status} {head}: {error}");
        }
    }
}
