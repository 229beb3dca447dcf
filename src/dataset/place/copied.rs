//! The outcome of a push or pull.

/// The files that a push or pull sent, and where the copy is now.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Files sent.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were there already.
    pub present: u64,
    /// The last commit that the copy holds.
    pub commit: u64,
    /// The newest snapshot that the copy holds; `None` if there is none.
    pub snapshot: Option<u64>,
    /// A sentence about each Delta log in the place that was left as it was, because it is not this program's.
    pub unlogged: Vec<String>,
}

impl Copied {
    pub(super) fn note(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}
