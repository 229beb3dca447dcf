//! Exit codes: part of the interface, so that a scheduler can decide what to do next.

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use crate::dataset;
use crate::engine::{self, Outcome};
use crate::sandbox;
use crate::storage::is_loop_of_links;

/// The exit code of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Everything was done.
    Complete = 0,
    /// The arguments or the crawl file are wrong.
    Usage = 2,
    /// Stopped early; the next run continues.
    Stopped = 3,
    /// Finished, but rows or logs are missing; each is named.
    Doubtful = 4,
    /// The dataset is damaged.
    Damaged = 65,
    /// The program panicked.
    Bug = 70,
    /// The disk or stdout failed, or the system refused files, threads or sockets.
    Disk = 74,
    /// Another crawl holds the dataset, or another push or run overtook this one.
    Held = 75,
    /// The server refused the API key.
    Key = 77,
    /// The program was aborted; the system ends it with this code.
    Aborted = 134,
}

impl Exit {
    /// All codes in order.
    pub(super) const ALL: [Self; 10] = [
        Self::Complete,
        Self::Usage,
        Self::Stopped,
        Self::Doubtful,
        Self::Damaged,
        Self::Bug,
        Self::Disk,
        Self::Held,
        Self::Key,
        Self::Aborted,
    ];

    /// The meaning, with the remedy.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Usage => "the arguments or the crawl file are wrong",
            Self::Stopped => "stopped early (deadline, signal, page budget, server away): run it again to continue",
            Self::Doubtful => {
                "finished, but rows are missing, requested things do not exist, the server differs, or a Delta log is another program's; \
                 each is named"
            }
            Self::Damaged => "the dataset is damaged; no damaged file was used or replaced; `verify` names the damage",
            Self::Bug => "the program has a mistake; please report it; nothing committed was lost",
            Self::Disk => {
                "the disk or stdout failed (full or about to be, read-only, broken), or the system refuses files, threads or sockets; nothing \
                 committed was lost"
            }
            Self::Held => "another crawl holds the dataset, or another push or run went ahead of this one",
            Self::Key => "the server refused the API key",
            Self::Aborted => "aborted: the memory is used up; nothing committed was lost",
        }
    }

    /// The help's section about exit codes.
    pub(super) fn help() -> String {
        let lines = Self::ALL.iter().map(|exit| format!("  {:>3}  {}", *exit as u8, exit.meaning()));
        format!("Exit codes:\n{}", lines.collect::<Vec<_>>().join("\n"))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The error of a file that the user names: a wrong name, or the system's refusal.
impl From<&io::Error> for Exit {
    fn from(error: &io::Error) -> Self {
        use ErrorKind::{
            InvalidData, InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound, PermissionDenied,
        };
        match error.kind() {
            NotFound | PermissionDenied | IsADirectory | NotADirectory | InvalidData | InvalidInput
            | InvalidFilename => Self::Usage,
            _ if is_loop_of_links(error) => Self::Usage,
            _ => Self::Disk,
        }
    }
}

impl From<&Outcome> for Exit {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Complete => Self::Complete,
            Outcome::Doubtful => Self::Doubtful,
            Outcome::Stopped(_) => Self::Stopped,
            Outcome::DiskLow(_) => Self::Disk,
            Outcome::KeyRefused(_) => Self::Key,
        }
    }
}

impl From<&dataset::Error> for Exit {
    fn from(error: &dataset::Error) -> Self {
        match error {
            dataset::Error::Held { .. }
            | dataset::Error::Occupied { .. }
            | dataset::Error::Overtaken { .. }
            | dataset::Error::Fenced { .. } => Self::Held,
            dataset::Error::Away { .. } => Self::Stopped,
            dataset::Error::Damaged { .. } | dataset::Error::Rotten { .. } | dataset::Error::Unsound { .. } => {
                Self::Damaged
            }
            dataset::Error::Disk { .. } | dataset::Error::Lacking { .. } | dataset::Error::Cancelled => Self::Disk,
            dataset::Error::Absent { .. }
            | dataset::Error::NotPushed { .. }
            | dataset::Error::Apart { .. }
            | dataset::Error::Foreign { .. }
            | dataset::Error::Newer { .. }
            | dataset::Error::Pruned { .. }
            | dataset::Error::Refused { .. } => Self::Usage,
        }
    }
}

impl From<&sandbox::Error> for Exit {
    fn from(error: &sandbox::Error) -> Self {
        match error {
            sandbox::Error::Thread(_) => Self::Disk,
            sandbox::Error::Listen { source, .. } => match source.kind() {
                ErrorKind::AddrInUse | ErrorKind::PermissionDenied => Self::Usage,
                _ => Self::Disk,
            },
            _ => Self::Usage,
        }
    }
}

impl From<&engine::Error> for Exit {
    fn from(error: &engine::Error) -> Self {
        match error {
            engine::Error::Dataset(error) => error.into(),
            engine::Error::Refused(_) | engine::Error::Client(_) => Self::Usage,
        }
    }
}
