//! The forms of a request without a verdict. Pure.

/// The form of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As a crawl sends it.
    Usual,
    /// Without the API key.
    Keyless,
    /// With every encoding that a browser takes, so the body may stay unread.
    AnyEncoding,
    /// For a file, as a download sends it.
    File,
    /// For the first byte of a file, without the API key.
    FirstByte,
}

impl Form {
    /// True if the answer may be a file.
    pub(super) fn is_of_file(self) -> bool {
        matches!(self, Self::File | Self::FirstByte)
    }
}
