//! The result of one download: its code, its sentence, and the meaning of each code.

use std::fmt;
use std::io;

use super::expected::Mismatch;
use super::file_name::FileName;
use crate::fetch::AttemptError;

/// The result of one download. Texts are the server's words, short and printable.
#[derive(Debug)]
pub enum DownloadStatus {
    /// It arrived and has its name.
    Downloaded {
        /// Its name in the folder.
        name: FileName,
        /// Its size in bytes.
        bytes: u64,
        /// True when its SHA256 was known, and so checked; else its size was.
        checked: bool,
    },
    /// It arrived and has its name, but neither its SHA256 nor its size is known.
    Unchecked {
        /// Its name in the folder.
        name: FileName,
        /// Its size in bytes.
        bytes: u64,
    },
    /// It was in the folder before.
    AlreadyThere {
        /// Its name in the folder.
        name: FileName,
        /// True when its SHA256 was known, and so compared; else its size was.
        checked: bool,
    },
    /// The creator allows downloads to logged-in users only.
    LoginNeeded(String),
    /// Only early supporters may have it yet.
    EarlyAccess(String),
    /// The creator allows no downloads.
    DownloadsDisabled(String),
    /// The server refuses it to this account or address.
    NoAccess(String),
    /// The model is archived.
    Archived(String),
    /// The server has no such version, or no file of it.
    Gone(String),
    /// The server asked to slow down until the budget was spent.
    Throttled(String),
    /// The server is away, or the file broke off too often.
    Unfinished(String),
    /// A redirect leads where this program does not follow.
    NotFollowed(String),
    /// Other bytes arrived than expected.
    Wrong {
        /// The difference.
        mismatch: Mismatch,
        /// The name under which they are kept; `None` when they were deleted.
        kept: Option<FileName>,
    },
    /// Other files have this name, with and without the version's number.
    NameTaken(FileName),
    /// The disk refused.
    DiskRefused(io::Error),
}

impl DownloadStatus {
    /// Every code with its meaning, from good to bad.
    pub const MEANINGS: [(&str, &str); 16] = [
        ("downloaded", "the file is in the folder, and its SHA256 is right; if none is known, its size is."),
        (
            "unchecked",
            "the file is in the folder, but neither its SHA256 nor its size is known: it may be incomplete, or another file.",
        ),
        (
            "already_there",
            "the same file is in the folder; it was not fetched again. Where no SHA256 is known, a file of its name and size is taken for it.",
        ),
        ("login_needed", "its creator wants to know who downloads it: give a key by CIVITAI_API_KEY or --key-file."),
        (
            "early_access",
            "it is for early supporters as yet: use the key of an account that is one, or wait until the deadline.",
        ),
        ("downloads_disabled", "its creator allows no downloads."),
        ("no_access", "the server refuses it to this account or address."),
        ("archived", "its model is archived, and the server gives none of its files."),
        ("gone", "the server knows no such version, or none with a file."),
        (
            "throttled",
            "the server asked to slow down, again and again: try later, or with a lower --rate. What has arrived is kept.",
        ),
        ("unfinished", "the server is away, or broke off too often: run it again to continue."),
        ("not_followed", "the server sent to a place where this program does not follow, such as one without TLS."),
        (
            "hash_mismatch",
            "what arrived has another SHA256 than the server or the dataset says. If it has the right size, it is kept under a name \
             that ends in `.hash-mismatch`, because the site's own hash is likely wrong: it is not fetched again while that file \
             is there, and gets its name once the site corrects that hash. Otherwise it was deleted: try again later.",
        ),
        ("size_mismatch", "the host has another size of it than the server or the dataset says: try again later."),
        (
            "name_taken",
            "other files have its name, or a link, folder, FIFO or device has, and nothing is overwritten or followed: move them, or use \
             another folder.",
        ),
        ("disk_refused", "the disk is full, read-only or failing, or another process downloads the same file."),
    ];

    /// Returns the code: the first word of its sentence, the same in every output.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Downloaded { .. } => "downloaded",
            Self::Unchecked { .. } => "unchecked",
            Self::AlreadyThere { .. } => "already_there",
            Self::LoginNeeded(_) => "login_needed",
            Self::EarlyAccess(_) => "early_access",
            Self::DownloadsDisabled(_) => "downloads_disabled",
            Self::NoAccess(_) => "no_access",
            Self::Archived(_) => "archived",
            Self::Gone(_) => "gone",
            Self::Throttled(_) => "throttled",
            Self::Unfinished(_) => "unfinished",
            Self::NotFollowed(_) => "not_followed",
            Self::Wrong { mismatch: Mismatch::Hash { .. }, .. } => "hash_mismatch",
            Self::Wrong { mismatch: Mismatch::Size { .. }, .. } => "size_mismatch",
            Self::NameTaken(_) => "name_taken",
            Self::DiskRefused(_) => "disk_refused",
        }
    }
}

impl fmt::Display for DownloadStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code();
        match self {
            Self::Downloaded { name, .. } | Self::Unchecked { name, .. } | Self::AlreadyThere { name, .. } => {
                write!(f, "{code} as {name}")
            }
            Self::LoginNeeded(words) => write!(f, "{code}: give a key by CIVITAI_API_KEY or --key-file ({words})"),
            Self::EarlyAccess(words)
            | Self::DownloadsDisabled(words)
            | Self::NoAccess(words)
            | Self::Archived(words)
            | Self::Gone(words) => write!(f, "{code} ({words})"),
            Self::Throttled(words) => write!(f, "{code} ({words}); try again later, or with a lower `--rate`"),
            Self::Unfinished(reason) => write!(f, "{code} ({reason}); run again to continue"),
            Self::NotFollowed(target) => write!(f, "{code}: {target}"),
            Self::Wrong { mismatch, kept: Some(name) } => {
                write!(f, "{code}: {mismatch}; it is kept as {name}, remove that to fetch it again")
            }
            Self::Wrong { mismatch: Mismatch::Size { found, expected }, kept: None } => {
                write!(f, "{code}: the host has {found} bytes, {expected} were expected; try again later")
            }
            Self::Wrong { mismatch, kept: None } => write!(f, "{code}: {mismatch}; it was thrown away"),
            Self::NameTaken(name) => {
                write!(
                    f,
                    "{code}: something else is called {name}, and nothing is overwritten; move it, or use another folder"
                )
            }
            Self::DiskRefused(error) => write!(f, "{code}: {error}"),
        }
    }
}

impl From<AttemptError> for DownloadStatus {
    fn from(error: AttemptError) -> Self {
        match error {
            AttemptError::LoginNeeded(words) => Self::LoginNeeded(words),
            AttemptError::DownloadsDisabled(words) => Self::DownloadsDisabled(words),
            AttemptError::EarlyAccess(words) => Self::EarlyAccess(words),
            AttemptError::NoAccess(words) => Self::NoAccess(words),
            AttemptError::Archived(words) => Self::Archived(words),
            AttemptError::Missing(words) => Self::Gone(words),
            AttemptError::Throttled { message, .. } => Self::Throttled(message),
            AttemptError::OtherSize(_) | AttemptError::NoFile(_) => Self::Unfinished(error.to_string()),
            AttemptError::Unfinished { reason, .. } => Self::Unfinished(reason),
            AttemptError::NotFollowed(target) => Self::NotFollowed(target),
            AttemptError::Disk(error) => Self::DiskRefused(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_begins_with_a_code_that_is_explained() {
        let (name, words) = (|| FileName::near("x.pt", 1), || String::from("why"));
        let all = [
            DownloadStatus::Downloaded { name: name(), bytes: 1, checked: true },
            DownloadStatus::Unchecked { name: name(), bytes: 1 },
            DownloadStatus::AlreadyThere { name: name(), checked: true },
            DownloadStatus::LoginNeeded(words()),
            DownloadStatus::EarlyAccess(words()),
            DownloadStatus::DownloadsDisabled(words()),
            DownloadStatus::NoAccess(words()),
            DownloadStatus::Archived(words()),
            DownloadStatus::Gone(words()),
            DownloadStatus::Throttled(words()),
            DownloadStatus::Unfinished(words()),
            DownloadStatus::NotFollowed(words()),
            DownloadStatus::Wrong {
                mismatch: Mismatch::Hash { found: words(), expected: words() },
                kept: Some(FileName::mismatched(1, "AB")),
            },
            DownloadStatus::Wrong { mismatch: Mismatch::Size { found: 1, expected: 9_999 }, kept: None },
            DownloadStatus::NameTaken(name()),
            DownloadStatus::DiskRefused(io::ErrorKind::StorageFull.into()),
        ];
        let codes: Vec<&str> = all.iter().map(DownloadStatus::code).collect();
        assert_eq!(codes, DownloadStatus::MEANINGS.map(|(code, _)| code));
        for status in &all {
            assert!(status.to_string().starts_with(status.code()), "{status}");
        }
    }
}
