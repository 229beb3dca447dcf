//! How a request fails to bring a page: a fault on the way, or an answer nobody can read.

use std::fmt;

use super::inflate::InflateError;

/// Why no whole answer arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What happened.
    pub kind: FaultKind,
    /// The words of the layer that noticed.
    pub detail: String,
}

/// What happened to a request that got no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// No connection, or no address for the host.
    Connect,
    /// No agreement on encryption, or a certificate nobody vouches for.
    Tls,
    /// Connected, but too long without the answer's next byte, or its last.
    Timeout,
    /// The connection broke before the answer was whole.
    Cut,
    /// The body is larger than the cap.
    TooLarge,
    /// The body is compressed in a way nobody asked for.
    Encoding,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            FaultKind::Connect => "the server could not be reached",
            FaultKind::Tls => "no secure connection could be made",
            FaultKind::Timeout => "the answer took too long",
            FaultKind::Cut => "the connection broke",
            FaultKind::TooLarge => "the answer is too large",
            FaultKind::Encoding => "the answer's encoding was not asked for",
        };
        write!(f, "{what} ({})", self.detail)
    }
}

/// Why an answer that looked like a page could not be read as one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Asking for it again may help: it is damaged, or no page after all.
    #[error("{0}")]
    Damaged(String),
    /// Asking for it again cannot help: it is larger than allowed.
    #[error("{0}")]
    TooLarge(String),
}

impl From<InflateError> for Unreadable {
    fn from(error: InflateError) -> Unreadable {
        match error {
            InflateError::TooLarge { .. } => Unreadable::TooLarge(error.to_string()),
            InflateError::Damaged(_) => Unreadable::Damaged(error.to_string()),
        }
    }
}

impl From<String> for Unreadable {
    fn from(why: String) -> Unreadable {
        Unreadable::Damaged(why)
    }
}
