//! The facts known about a version's file, from the server or from a dataset.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::api::verbatim;
use crate::dataset::Error;
use crate::dataset::columns::Columns;
use crate::dataset::layout::Layout;
use crate::dataset::scan::each_batch;
use crate::fetch::FileFacts;
use crate::storage::Storage;
use crate::table::{file_hashes, version_files};

/// Error of a size that the server states in rounded kilobytes, in bytes.
pub(super) const SIZE_SLACK: u64 = 1024;
/// Largest size that is believed, in bytes; beyond it numbers are not exact.
const SIZE_MAX: f64 = (1_u64 << 53) as f64;
/// Bytes by which a file may be larger than stated, beside an eighth of its size.
const GROWTH: u64 = 1 << 20;

/// The facts known about a file before it arrives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expected {
    /// Its id.
    pub file: Option<i64>,
    /// Its name, as the server sent it.
    pub name: Option<String>,
    /// Its size.
    pub size: Option<Size>,
    /// Its SHA256: 64 hexadecimal digits in upper case.
    pub sha256: Option<String>,
}

/// A size that the server states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// The size in bytes.
    pub bytes: u64,
    /// The greatest error in bytes: 0 unless the server has rounded.
    slack: u64,
}

impl Size {
    /// Reads a size in units of 1024 bytes. `None` for what cannot be the size of a file. A whole number of bytes is exact.
    pub fn of_kilobytes(kilobytes: f64) -> Option<Self> {
        let bytes = kilobytes * 1024.0;
        let slack = if bytes.fract() == 0.0 { 0 } else { SIZE_SLACK };
        (1.0..=SIZE_MAX).contains(&bytes).then_some(Self { bytes: bytes.round() as u64, slack })
    }

    /// Returns an exact size.
    pub fn exact(bytes: u64) -> Self {
        Self { bytes, slack: 0 }
    }

    /// Returns the sizes in bytes that it may stand for.
    pub fn range(self) -> RangeInclusive<u64> {
        self.bytes.saturating_sub(self.slack)..=self.bytes + self.slack
    }

    /// Returns the sizes that are looked at when the file is searched for.
    pub fn near(self) -> RangeInclusive<u64> {
        self.bytes.saturating_sub(SIZE_SLACK)..=self.bytes + SIZE_SLACK
    }
}

/// The difference between a file and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Other bytes.
    #[error("its SHA256 is {found}, {expected} was expected")]
    Hash {
        /// Its SHA256.
        found: String,
        /// The expected SHA256.
        expected: String,
    },
    /// More or fewer bytes.
    #[error("it has {found} bytes, about {expected} were expected")]
    Size {
        /// Its size in bytes.
        found: u64,
        /// The expected size in bytes.
        expected: u64,
    },
}

impl Expected {
    /// Returns the facts in the server's JSON of a version: those of its primary file.
    pub fn of_version(text: &str) -> Self {
        let file = verbatim::primary_file(text);
        let size = file.size_kb.and_then(Size::of_kilobytes);
        Self { file: file.id, name: file.name, size, sha256: file.sha256.as_deref().and_then(sha256) }
    }

    /// Returns the facts that a fetch of the file needs.
    pub fn facts(&self) -> FileFacts {
        let most = |size: Size| size.bytes + size.bytes / 8 + GROWTH;
        let (sizes, bytes_max) = (self.size.map(Size::range), self.size.map_or(u64::MAX, most));
        FileFacts { hashed: self.sha256.is_some(), sizes, bytes_max }
    }

    /// Returns true if a file can be checked: its hash or its size is known.
    pub fn is_checkable(&self) -> bool {
        self.sha256.is_some() || self.size.is_some()
    }

    /// Checks a file of this size and hash. The hash decides if it is known, else the size.
    ///
    /// # Errors
    /// The difference.
    pub fn check(&self, bytes: u64, sha256: &str) -> Result<(), Mismatch> {
        match (&self.sha256, self.size) {
            (Some(expected), _) if expected != sha256 => {
                Err(Mismatch::Hash { found: sha256.to_owned(), expected: expected.clone() })
            }
            (None, Some(size)) if !self.has_size(bytes) => Err(Mismatch::Size { found: bytes, expected: size.bytes }),
            _ => Ok(()),
        }
    }

    /// Returns true when this may be its size.
    pub fn has_size(&self, bytes: u64) -> bool {
        self.size.is_none_or(|size| size.range().contains(&bytes))
    }
}

/// Returns a SHA256 in upper case; `None` for any other text.
fn sha256(text: &str) -> Option<String> {
    let valid = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    valid.then(|| text.to_ascii_uppercase())
}

/// Returns the primary files of these versions as a dataset observed them last; versions without one are left out.
///
/// # Errors
/// [`Error::Disk`].
pub fn primary_files(
    layout: &Layout,
    storage: &dyn Storage,
    versions: &BTreeSet<i64>,
) -> Result<BTreeMap<i64, Expected>, Error> {
    let mut files: BTreeMap<i64, (i64, i64, Expected)> = BTreeMap::new();
    let columns = ["version_id", "id", "name", "size_kb", "is_primary", "fetched_at"];
    each_batch(layout, storage, &version_files::TABLE, &columns, &mut |batch| {
        let (of_versions, ids, instants) =
            (batch.numbers("version_id"), batch.numbers("id"), batch.instants("fetched_at"));
        let (names, sizes, primary) = (batch.texts("name"), batch.decimals("size_kb"), batch.flags("is_primary"));
        for row in 0..batch.num_rows() {
            let version = of_versions.get(row).filter(|version| versions.contains(version));
            let (Some(version), Some(id)) = (version, ids.get(row)) else { continue };
            let at = instants.get(row).unwrap_or_default();
            let newest = files.get(&version).is_none_or(|(_, seen, _)| *seen <= at);
            if newest && primary.get(row) == Some(true) {
                let size = sizes.get(row).and_then(Size::of_kilobytes);
                let name = names.get(row).map(str::to_owned);
                let expected = Expected { file: Some(id), name, size, sha256: None };
                files.insert(version, (id, at, expected));
            }
        }
    })?;
    let columns = ["version_id", "file_id", "algorithm", "hash"];
    each_batch(layout, storage, &file_hashes::TABLE, &columns, &mut |batch| {
        let (of_versions, ids) = (batch.numbers("version_id"), batch.numbers("file_id"));
        let (algorithms, hashes) = (batch.texts("algorithm"), batch.texts("hash"));
        for row in 0..batch.num_rows() {
            let version = of_versions.get(row);
            let Some((file, _, expected)) = version.and_then(|version| files.get_mut(&version)) else { continue };
            if algorithms.get(row) == Some("SHA256") && ids.get(row) == Some(*file) {
                expected.sha256 = hashes.get(row).and_then(sha256);
            }
        }
    })?;
    Ok(files.into_iter().map(|(version, (_, _, expected))| (version, expected)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_decides_and_else_the_size() {
        let known = |kilobytes, sha256: Option<&str>| Expected {
            size: Size::of_kilobytes(kilobytes),
            sha256: sha256.map(str::to_owned),
            ..Expected::default()
        };
        assert!(known(9.0, Some("AB")).check(5, "AB").is_ok());
        assert!(matches!(known(0.0, Some("AB")).check(5, "CD"), Err(Mismatch::Hash { .. })));
        for (kilobytes, bytes, right) in
            [(5.0, 5_120, true), (5.0, 5_119, false), (4.31, 5_000, true), (4.31, 6_000, false)]
        {
            assert_eq!(known(kilobytes, None).check(bytes, "CD").is_ok(), right, "{kilobytes} {bytes}");
        }
        assert!(known(-1.0, None).check(1, "").is_ok());
    }

    #[test]
    fn only_what_can_be_true_is_believed() {
        let file = |facts: &str| Expected::of_version(&format!("{{\"files\":[{{\"primary\":true,{facts}}}]}}"));
        let hash = "ab".repeat(32);
        let all = file(&format!("\"id\":7,\"name\":\"x.pt\",\"sizeKB\":1.5,\"hashes\":{{\"SHA256\":\"{hash}\"}}"));
        let size = Some(Size::exact(1536));
        let (name, sha256) = (Some("x.pt".to_owned()), Some("AB".repeat(32)));
        assert_eq!(all, Expected { file: Some(7), name, size, sha256 });
        for facts in [
            "\"id\":-7,\"name\":{},\"sizeKB\":-5,\"hashes\":{\"SHA256\":\"\\u001b]0;x\"}",
            "\"id\":\"7\",\"sizeKB\":1e300,\"hashes\":[]",
            "\"sizeKB\":0,\"hashes\":{\"SHA256\":\"ABCD\"}",
        ] {
            assert_eq!(file(facts), Expected::default(), "{facts}");
        }
    }
}
