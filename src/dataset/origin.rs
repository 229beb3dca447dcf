//! The version and format that a file says it was written in, read before anything else in it. Pure.

use std::fmt;

use serde::Deserialize;

/// The version of this program.
const OURS: &str = env!("CARGO_PKG_VERSION");

/// The origin of a file. Every format has these two fields, whatever else it holds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Origin {
    format: u64,
    #[serde(default)]
    version: String,
}

/// A file that only a newer version of this program can read: its format is newer, or it holds things unknown here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newer {
    origin: Origin,
    /// The format that this version reads.
    reads: u32,
}

impl Origin {
    /// Returns the refusal of this file if its format is newer than the one read here.
    pub(super) fn in_newer_format(&self, reads: u32) -> Option<Newer> {
        (self.format > u64::from(reads)).then(|| Newer { origin: self.clone(), reads })
    }

    /// Returns the refusal of this file, which holds something unknown, if a newer version wrote it.
    pub(super) fn of_newer_version(&self, reads: u32) -> Option<Newer> {
        (number(&self.version) > number(OURS)).then(|| Newer { origin: self.clone(), reads })
    }
}

/// Returns the three numbers of a version; a part that is no number counts as 0.
fn number(version: &str) -> [u64; 3] {
    let mut parts = version.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

impl fmt::Display for Newer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin: Origin { format, version }, reads } = self;
        let version = version.escape_debug();
        match *format > u64::from(*reads) {
            true => write!(
                f,
                "written by civitrawl {version} in format {format}; this is {OURS}, which reads format {reads}"
            )?,
            false => write!(f, "written by civitrawl {version}, with fields that this version, {OURS}, does not know")?,
        }
        match self.origin.of_newer_version(*reads) {
            Some(_) => write!(f, ": use civitrawl {version} or newer"),
            None => f.write_str(": use a newer civitrawl"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, newer) in [
            ("9.0.0", true),
            ("0.10.0", true),
            ("0.1.1", true),
            (OURS, false),
            ("0.0.9", false),
            ("", false),
            ("x", false),
        ] {
            let origin = Origin { format: 1, version: version.to_owned() };
            assert_eq!(origin.of_newer_version(1).is_some(), newer, "{version}");
        }
    }
}
