//! The layout of a dataset on disk: the only place where paths are made.
//!
//! A path consists of the directory chosen by the user, declared table names, numbers and checked run ids. Nothing sent by a
//! server is part of a path in a dataset (invariant I7).

#![expect(clippy::disallowed_methods, reason = "the one place where paths are made")]

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::table::Table;

/// The directory of one dataset.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Returns the layout of the dataset in this directory, which need not exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Returns the directory of the dataset.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the lock file, which only one writer can hold.
    pub fn lock(&self) -> PathBuf {
        self.root.join(".lock")
    }

    /// Returns the name by which the abilities of the file system are tried.
    pub fn probe(&self) -> PathBuf {
        self.root.join(".probe.tmp")
    }

    /// Returns the directory of the commit records.
    pub fn commits(&self) -> PathBuf {
        self.root.join("commits")
    }

    /// Returns the file of the record of commit `n`.
    pub fn record(&self, n: u64) -> PathBuf {
        self.commits().join(format!("{n:08}.json"))
    }

    /// Returns the file in which the record of commit `n` is drafted.
    pub fn record_draft(&self, n: u64) -> PathBuf {
        self.commits().join(format!(".{n}.tmp"))
    }

    /// Returns the directory of a table's parts.
    pub fn parts(&self, table: &Table) -> PathBuf {
        self.root.join("parts").join(table.name)
    }

    /// Returns the file of a published part.
    pub fn part(&self, table: &Table, name: &PartName) -> PathBuf {
        self.parts(table).join(name.to_string())
    }

    /// Returns the file of a staged part, in the directory of the published ones.
    pub fn staged(&self, table: &Table, name: &PartName) -> PathBuf {
        self.parts(table).join(name.staged())
    }

    /// Returns the path of an entry of a directory. The name was read from that directory or made for it.
    pub fn entry(directory: &Path, name: &str) -> PathBuf {
        directory.join(name)
    }

    /// Returns the path that a crawl file names, which counts from the directory of that file.
    pub fn beside(crawl_file: &Path, named: &Path) -> PathBuf {
        crawl_file.parent().map_or_else(|| named.to_owned(), |folder| folder.join(named))
    }

    /// Returns the directory of the run reports.
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// Returns the file of a run's report.
    pub fn report(&self, run: &RunId) -> PathBuf {
        self.runs().join(format!("{run}.json"))
    }

    /// Returns the file in which a run's report is written before it replaces the previous one.
    pub fn report_draft(&self, run: &RunId) -> PathBuf {
        self.runs().join(format!(".{run}.tmp"))
    }

    /// Returns the symbolic link to the newest snapshot, which readers follow.
    pub fn latest(&self) -> PathBuf {
        self.root.join("latest")
    }

    /// Returns the file of a table, or its directory, in the newest snapshot, by way of the link.
    pub fn latest_table(&self, table: &Table) -> PathBuf {
        Self::snapshot_file(&self.latest(), table, false)
    }

    /// Returns the path at which that link is created before it replaces the previous one.
    pub fn latest_draft(&self) -> PathBuf {
        self.root.join(".latest.tmp")
    }

    /// Returns the target of the link to snapshot `n`, relative to the directory of the dataset.
    pub fn latest_target(n: u64) -> PathBuf {
        Path::new("snapshots").join(format!("{n:06}"))
    }

    /// Returns the directory in which a run sets aside what the truth of the dataset, which is elsewhere, does not hold.
    pub fn aside(&self, run: &RunId) -> PathBuf {
        self.root.join("aside").join(run.to_string())
    }

    /// Returns the directory of all snapshots.
    pub fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// Returns the directory of snapshot `n`.
    pub fn snapshot(&self, n: u64) -> PathBuf {
        self.snapshots().join(format!("{n:06}"))
    }

    /// Returns the directory of snapshot `n` while it is made or removed.
    pub fn snapshot_draft(&self, n: u64) -> PathBuf {
        self.snapshots().join(format!("{n:06}.tmp"))
    }

    /// Returns the inventory of a snapshot's directory.
    pub fn inventory(snapshot: &Path) -> PathBuf {
        snapshot.join("snapshot.json")
    }

    /// Returns the file of a table, or of its history, in a snapshot's directory; of a table in ranges their directory.
    pub fn snapshot_file(snapshot: &Path, table: &Table, history: bool) -> PathBuf {
        snapshot.join(format!("{}{}.parquet", table.name, if history { "_history" } else { "" }))
    }

    /// Returns the file of a range in the directory of a table.
    pub fn snapshot_range(table: &Path, range: u16) -> PathBuf {
        table.join(range_name(range))
    }

    /// Returns the file of sorted run `n` in a snapshot's draft.
    pub fn snapshot_run(draft: &Path, n: usize) -> PathBuf {
        draft.join(format!("{n}.run"))
    }
}

/// The name of a file in a place, with `/` between its folder and the rest. Every file but the head has a name of its own for
/// ever: that of a part, or one made of its content's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceName(String);

impl PlaceName {
    /// The names that a place may hold at its top.
    pub const TOP: [&str; 8] =
        [".push.lock", ".latest.json.tmp", "latest.json", "parts", "records", "snapshots", "tables", "lost+found"];

    /// Returns the file that names the last commit and snapshot pushed.
    pub fn head() -> Self {
        Self(String::from("latest.json"))
    }

    /// Returns the lock file of a directory, which only one push can hold.
    pub fn lock() -> Self {
        Self(String::from(".push.lock"))
    }

    /// Returns the file by which the conditions of a store are tried: the record of no commit, which is empty.
    pub fn probe() -> Self {
        Self::record(0, &FileHash::of(b""))
    }

    /// Returns the file of a record with this content.
    pub fn record(n: u64, hash: &FileHash) -> Self {
        Self(format!("records/{n:08}-{hash}.json"))
    }

    /// Returns the file of a part.
    pub fn part(table: &Table, name: &PartName) -> Self {
        Self(format!("parts/{}/{name}", table.name))
    }

    /// Returns the file of an inventory with this content.
    pub fn inventory(hash: &FileHash) -> Self {
        Self(format!("snapshots/{hash}.json"))
    }

    /// Returns the file of a snapshot's table, or of its history, with this content.
    pub fn table(table: &Table, history: bool, hash: &FileHash) -> Self {
        Self(format!("tables/{}{}/{hash}.parquet", table.name, if history { "_history" } else { "" }))
    }

    /// Returns the file of a version of the Delta log beside the files of a table, or of its history.
    pub fn delta(table: &Table, history: bool, version: u64) -> Self {
        Self(format!("tables/{}{}/_delta_log/{version:020}.json", table.name, if history { "_history" } else { "" }))
    }

    /// Returns the version that a name in a Delta log is of.
    pub fn delta_version(name: &str) -> Option<u64> {
        let digits = name.strip_suffix(".json")?;
        digits.parse().ok().filter(|version| format!("{version:020}") == digits)
    }

    /// Returns the name as it is written in the head.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns its folder, which is empty at the top, and its name there.
    pub fn split(&self) -> (&str, &str) {
        self.0.rsplit_once('/').unwrap_or(("", &self.0))
    }

    /// Returns the file in a place that is a directory.
    pub fn path(&self, root: &Path) -> PathBuf {
        root.join(&self.0)
    }

    /// Returns the file in which it is written before it is whole.
    pub fn draft(&self, root: &Path) -> PathBuf {
        self.path(root).with_file_name(format!(".{}.tmp", self.split().1))
    }
}

/// The BLAKE3 hash of a file. In files and names it is written in lowercase hexadecimal, and in no other form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileHash([u8; blake3::OUT_LEN]);

impl FileHash {
    /// Returns the hash of a content.
    pub fn of(content: &[u8]) -> Self {
        blake3::hash(content).into()
    }
}

impl From<blake3::Hash> for FileHash {
    fn from(hash: blake3::Hash) -> Self {
        Self(hash.into())
    }
}

impl fmt::Display for FileHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl TryFrom<String> for FileHash {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let hash = blake3::Hash::from_hex(&text).ok().filter(|hash| *hash.to_hex() == *text);
        hash.map(Self::from).ok_or_else(|| format!("`{}` is no hash", text.escape_debug()))
    }
}

impl From<FileHash> for String {
    fn from(hash: FileHash) -> Self {
        hash.to_string()
    }
}

/// Returns the name of the file of a range.
pub fn range_name(range: u16) -> String {
    format!("{range:04}.parquet")
}

/// True if a file in a snapshot's draft is a run.
pub fn is_run(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "run")
}

/// Returns the number of a commit if a file name in `commits/` is that of a record.
pub fn record_number(file_name: &str) -> Option<u64> {
    let digits = file_name.strip_suffix(".json")?;
    let number = digits.parse().ok()?;
    (format!("{number:08}") == digits).then_some(number)
}

/// Returns the number of a snapshot if a name in `snapshots/` is that of one.
pub fn snapshot_number(name: &str) -> Option<u64> {
    let number = name.parse().ok()?;
    (format!("{number:06}") == name).then_some(number)
}

/// Returns the number of a snapshot if a name in `snapshots/` is that of one being made or removed.
pub fn snapshot_draft_number(name: &str) -> Option<u64> {
    snapshot_number(name.strip_suffix(".tmp")?)
}

/// Returns the number of the snapshot if a link's target is its [`Layout::latest_target`].
pub fn latest_number(target: &Path) -> Option<u64> {
    let number = snapshot_number(target.file_name()?.to_str()?)?;
    (Layout::latest_target(number) == target).then_some(number)
}

/// True if a file name in `commits/` or `runs/` is that of a draft, left by a killed run.
pub fn is_draft(file_name: &str) -> bool {
    file_name.starts_with('.') && file_name.ends_with(".tmp")
}

/// The id of a run: the second at which it began, and four digits or more that distinguish runs of one second.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(Arc<str>);

impl RunId {
    /// Takes the memory of an equal id. Any other one is replaced by this one, so that the next ids can share it.
    pub(super) fn share(&mut self, with: &mut Option<Self>) {
        match with {
            Some(same) if *same == *self => self.clone_from(same),
            other => *other = Some(self.clone()),
        }
    }

    /// Returns the id of a run that began at this instant, such as `20261123T080000Z-beef`.
    pub fn new(began: &jiff::Timestamp, digits: u64) -> Self {
        Self(format!("{}-{digits:04x}", began.strftime("%Y%m%dT%H%M%SZ")).into())
    }

    /// Returns the second at which it began, as text whose order is that of time; `None` for a replay.
    pub fn second(&self) -> Option<&str> {
        let (at, _) = self.0.split_once('-')?;
        at.starts_with(|c: char| c.is_ascii_digit()).then_some(at)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RunId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let shaped = (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if shaped { Ok(Self(text.into())) } else { Err(format!("`{}` is no run id", text.escape_debug())) }
    }
}

impl From<RunId> for String {
    fn from(run: RunId) -> Self {
        run.to_string()
    }
}

/// The name of a part within its table: its commit and run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PartName {
    /// The commit.
    pub commit: u64,
    /// The run.
    pub run: RunId,
}

impl PartName {
    /// Returns the file name of the part while it is staged.
    pub fn staged(&self) -> String {
        format!(".{self}.staged")
    }

    /// Returns the name of a part if a file name is that of a staged one.
    pub fn of_staged(file_name: &str) -> Option<Self> {
        file_name.strip_prefix('.')?.strip_suffix(".staged")?.parse().ok()
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08}-{}.parquet", self.commit, self.run)
    }
}

impl FromStr for PartName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is no part's name", text.escape_debug());
        let stem = text.strip_suffix(".parquet").ok_or_else(wrong)?;
        let (commit, run) = stem.split_once('-').ok_or_else(wrong)?;
        let name = Self { commit: commit.parse().map_err(|_| wrong())?, run: RunId::try_from(run.to_owned())? };
        if name.to_string() == text { Ok(name) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for PartName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PartName> for String {
    fn from(name: PartName) -> Self {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_read_back_are_the_names_that_were_made() {
        let run = RunId::new(&"2026-11-23T08:00:00Z".parse().unwrap(), 0xbeef);
        let name = PartName { commit: 42, run };
        assert_eq!(name.to_string(), "00000042-20261123T080000Z-beef.parquet");
        assert_eq!(name.to_string().parse::<PartName>().unwrap(), name);
        assert_eq!(PartName::of_staged(&name.staged()), Some(name));
        assert_eq!(record_number("00000042.json"), Some(42));
        assert_eq!(record_number("42.json"), None);
        assert!(is_draft(".42.tmp") && !is_draft("00000042.json"));
    }

    proptest! {
        #[test]
        fn no_text_names_a_part_or_run_that_leaves_its_directory(text in "\\PC*|[0-9]{8}-[./A-Za-z0-9-]{0,20}\\.parquet") {
            if let Ok(name) = text.parse::<PartName>() {
                let made = name.to_string();
                prop_assert!(!made.contains('/') && !made.contains("..") && !made.contains('\0'));
            }
            if let Ok(run) = RunId::try_from(text.clone()) {
                prop_assert!(!run.to_string().contains(['/', '.']));
            }
            if let Ok(hash) = FileHash::try_from(text) {
                prop_assert!(!hash.to_string().contains(['/', '.']));
            }
        }
    }
}
