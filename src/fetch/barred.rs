//! Why a file is not to be had: what each answer without one means. Pure.

use std::io;
use std::time::Duration;

use super::message::message;

/// Why a file is not to be had. Messages are the server's words, short and printable.
#[derive(Debug, thiserror::Error)]
pub enum Barred {
    /// Its creator wants to know who downloads it.
    #[error("login needed: give a key by CIVITAI_API_KEY or --key-file ({0})")]
    LoginNeeded(String),
    /// Its creator allows no downloads.
    #[error("downloads are disabled by its creator ({0})")]
    Disabled(String),
    /// It is for early supporters as yet.
    #[error("early access ({0})")]
    EarlyAccess(String),
    /// The server will not give it to this account or address.
    #[error("no access ({0})")]
    NoAccess(String),
    /// There is no such file.
    #[error("gone ({0})")]
    Gone(String),
    /// Its model is archived.
    #[error("archived ({0})")]
    Archived(String),
    /// The server asks for fewer downloads, and kept asking.
    #[error("throttled ({0}); try again later, or with a lower `--rate`")]
    Throttled(String),
    /// The server does not get it over, or is away.
    #[error("unfinished ({0}); run again to go on")]
    Unfinished(String),
    /// It is kept where this program does not go.
    #[error("not followed: {0}")]
    Redirect(String),
    /// The disk refused.
    #[error("disk refused: {0}")]
    Disk(io::Error),
}

/// Why one attempt brought no file.
#[derive(Debug, thiserror::Error)]
pub(super) enum Setback {
    /// For good.
    #[error(transparent)]
    Barred(Barred),
    /// There is none; which is also said when a part of the server fails.
    #[error("the server knows no such file: {0}")]
    Missing(String),
    /// Too much is asked for.
    #[error("the server asked to slow down: {message}")]
    Throttled { message: String, wait: Option<Duration> },
    /// Another time it may be better.
    #[error("the server answered {message}")]
    Busy { message: String, wait: Option<Duration> },
    /// On the way.
    #[error("{0}")]
    Broken(String),
}

impl Setback {
    /// What it comes to when it does not end.
    pub(super) fn for_good(self) -> Barred {
        match self {
            Setback::Barred(barred) => barred,
            Setback::Missing(message) => Barred::Gone(message),
            Setback::Throttled { message, .. } => Barred::Throttled(message),
            Setback::Busy { message, .. } | Setback::Broken(message) => Barred::Unfinished(message),
        }
    }
}

/// Who answers without a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    /// The API, which has its reasons.
    Api,
    /// A page to log in at, on whatever host.
    Login,
    /// The host that keeps the files, where a link may have grown old, and a guard may stand before it.
    Store,
}

/// What an answer without a file means.
pub(super) fn judge(status: u16, head: &[u8], html: bool, wait: Option<Duration>, host: Host) -> Setback {
    let message = if html { format!("an HTML page, status {status}") } else { message(head) };
    let message = if message.is_empty() { format!("status {status}") } else { message };
    let lower = message.to_ascii_lowercase();
    if host == Host::Login && matches!(status, 200..=299 | 401 | 403) {
        return Setback::Barred(Barred::LoginNeeded(message));
    }
    if host != Host::Api {
        let message = format!("{status} from the host that keeps the file: {message}");
        return match status {
            429 => Setback::Throttled { message, wait },
            _ => Setback::Busy { message, wait },
        };
    }
    let barred = match status {
        401 if lower.contains("disabled") => Barred::Disabled,
        // A page where a file was asked for is the one to log in at.
        401 => Barred::LoginNeeded,
        200..=299 if html => Barred::LoginNeeded,
        403 if lower.contains("early access") => Barred::EarlyAccess,
        403 if html => return Setback::Throttled { message, wait },
        404 => return Setback::Missing(message),
        410 => Barred::Archived,
        429 => return Setback::Throttled { message, wait },
        200..=299 | 500..=599 | 408 | 425 => return Setback::Busy { message: format!("{status}, {message}"), wait },
        _ => Barred::NoAccess,
    };
    Setback::Barred(barred(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_its_meaning() {
        let login = "{\"error\":\"Unauthorized\",\"message\":\"The creator of this asset requires you to be logged in to download it\"}";
        let disabled = "{\"error\":\"Unauthorized\",\"message\":\"The creator of this asset has disabled downloads on this file\"}";
        for (status, head, html, host, told) in [
            (401, login, false, Host::Api, "login needed"),
            (401, "{\"error\":\"Unauthorized\"}", false, Host::Api, "login needed"),
            (200, "<html>", true, Host::Api, "login needed"),
            (401, disabled, false, Host::Api, "downloads are disabled"),
            (
                403,
                "{\"error\":\"Early Access\",\"deadline\":\"2027\",\"message\":\"soon\"}",
                false,
                Host::Api,
                "early access",
            ),
            (403, "{\"error\":\"Forbidden\"}", false, Host::Api, "no access (Forbidden)"),
            (403, "<html>", true, Host::Api, "throttled"),
            (404, "{\"error\":\"File not found\"}", false, Host::Api, "gone (File not found)"),
            (410, "{\"error\":\"Model archived\"}", false, Host::Api, "archived"),
            (429, "{\"error\":\"unusual amount\"}", false, Host::Api, "throttled"),
            (451, "{\"error\":\"not here\"}", false, Host::Api, "no access"),
            (500, "", false, Host::Api, "unfinished (500, status 500)"),
            (403, "<Error>Request has expired</Error>", false, Host::Store, "unfinished"),
            (404, "", false, Host::Store, "unfinished"),
            (429, "", false, Host::Store, "throttled"),
            (200, "<html>", true, Host::Store, "unfinished"),
            (200, "<html>", true, Host::Login, "login needed"),
            (403, "", false, Host::Login, "login needed"),
            (503, "", false, Host::Login, "unfinished"),
            (200, "{\"error\":\"x\"}", false, Host::Api, "unfinished"),
        ] {
            let barred = judge(status, head.as_bytes(), html, None, host).for_good().to_string();
            assert!(barred.starts_with(told), "{status} {head}: {barred}");
        }
    }
}
