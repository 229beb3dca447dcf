//! An examination: who asked whom, and with which options. Pure.

use serde::{Deserialize, Serialize};

/// The first line of a file: who asked whom, and with which options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The version of the program.
    pub civitrawl: String,
    /// The system and processor, for example `linux x86_64`.
    pub platform: String,
    /// The base URL.
    pub server: String,
    /// The base URL of `--other-host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_host: Option<String>,
    /// Milliseconds from 1970 to the first request.
    pub began: i64,
    /// True if an API key was sent.
    pub key: bool,
    /// True if a download was asked for.
    pub download: bool,
}

impl About {
    /// True if a probe with these needs is asked for.
    pub fn meets(&self, needs: Needs) -> bool {
        match needs {
            Needs::Nothing => true,
            Needs::Key => self.key,
            Needs::Download => self.download,
            Needs::OtherHost => self.other_host.is_some(),
        }
    }
}

/// The option without which a probe is not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// None.
    Nothing,
    /// An API key.
    Key,
    /// `--download`.
    Download,
    /// `--other-host`.
    OtherHost,
}
