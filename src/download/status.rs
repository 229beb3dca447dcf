//! The words for what became of a download, and what each means.

use super::Outcome;
use super::folder::Mismatch;
use crate::fetch::Barred;

/// What became of a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It arrived and has its name.
    Downloaded,
    /// It was there before.
    AlreadyThere,
    /// A key is needed.
    LoginNeeded,
    /// It is not for everybody yet.
    EarlyAccess,
    /// Its creator allows no downloads.
    Disabled,
    /// Not with this key, or not from here.
    NoAccess,
    /// Its model is archived.
    Archived,
    /// There is none.
    Gone,
    /// The server asks for fewer.
    Throttled,
    /// It did not get over.
    Unfinished,
    /// Where it is kept, this program does not go.
    NotFollowed,
    /// Other bytes than expected.
    HashMismatch,
    /// More or fewer bytes than expected.
    SizeMismatch,
    /// Other files have its name.
    NameTaken,
    /// The disk would not take it.
    DiskRefused,
}

impl Fate {
    /// All of them, from good to bad.
    pub const ALL: [Self; 15] = [
        Self::Downloaded,
        Self::AlreadyThere,
        Self::LoginNeeded,
        Self::EarlyAccess,
        Self::Disabled,
        Self::NoAccess,
        Self::Archived,
        Self::Gone,
        Self::Throttled,
        Self::Unfinished,
        Self::NotFollowed,
        Self::HashMismatch,
        Self::SizeMismatch,
        Self::NameTaken,
        Self::DiskRefused,
    ];

    /// The words that a line begins with.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Downloaded => "downloaded",
            Self::AlreadyThere => "already there",
            Self::LoginNeeded => "login needed",
            Self::EarlyAccess => "early access",
            Self::Disabled => "downloads are disabled by its creator",
            Self::NoAccess => "no access",
            Self::Archived => "archived",
            Self::Gone => "gone",
            Self::Throttled => "throttled",
            Self::Unfinished => "unfinished",
            Self::NotFollowed => "not followed",
            Self::HashMismatch => "hash mismatch",
            Self::SizeMismatch => "size mismatch",
            Self::NameTaken => "name taken",
            Self::DiskRefused => "disk refused",
        }
    }

    /// What it means, and what to do.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Downloaded => "the file is in the folder, and its SHA256 is what it should be wherever one is known.",
            Self::AlreadyThere => "the same file is in the folder; it was not fetched again.",
            Self::LoginNeeded => {
                "its creator wants to know who downloads it: give a key by CIVITAI_API_KEY or --key-file."
            }
            Self::EarlyAccess => {
                "it is for early supporters as yet: use the key of an account that is one, or wait until the deadline."
            }
            Self::Disabled => "its creator allows no downloads.",
            Self::NoAccess => "the server will not give it to this account or address.",
            Self::Archived => "its model is archived, and the server gives none of its files.",
            Self::Gone => "the server knows no such version, or none with a file.",
            Self::Throttled => {
                "the server asked to slow down, again and again: try later, or with a lower --rate. What has arrived is kept."
            }
            Self::Unfinished => {
                "the server is away, or broke off too often: run it again, and it goes on where it stopped."
            }
            Self::NotFollowed => "the server sent to a place where this program does not go, such as one without TLS.",
            Self::HashMismatch => {
                "what arrived has another SHA256 than the server or the dataset tells. Of the right size it is kept under a name \
                 that ends in `.hash-mismatch`, as the site's own hash is likely wrong: it is not fetched again while that file is \
                 there, and gets its name once that hash is told of it. Otherwise it was thrown away: try again later."
            }
            Self::SizeMismatch => "what arrived has another size than was told, and was thrown away: try again later.",
            Self::NameTaken => {
                "other files have its name, and nothing is overwritten: move them, or use another folder."
            }
            Self::DiskRefused => "the disk is full, read-only or failing, or another process downloads the same file.",
        }
    }
}

impl From<&Outcome> for Fate {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Downloaded { .. } => Self::Downloaded,
            Outcome::AlreadyThere(_) => Self::AlreadyThere,
            Outcome::NameTaken(_) => Self::NameTaken,
            Outcome::Wrong { mismatch: Mismatch::Hash { .. }, .. } => Self::HashMismatch,
            Outcome::Wrong { mismatch: Mismatch::Size { .. }, .. } => Self::SizeMismatch,
            Outcome::Barred(barred) => match barred {
                Barred::LoginNeeded(_) => Self::LoginNeeded,
                Barred::EarlyAccess(_) => Self::EarlyAccess,
                Barred::Disabled(_) => Self::Disabled,
                Barred::NoAccess(_) => Self::NoAccess,
                Barred::Archived(_) => Self::Archived,
                Barred::Gone(_) => Self::Gone,
                Barred::Throttled(_) => Self::Throttled,
                Barred::Unfinished(_) => Self::Unfinished,
                Barred::Redirect(_) => Self::NotFollowed,
                Barred::Disk(_) => Self::DiskRefused,
            },
        }
    }
}
