//! A small dataset in the middle of a pass, to be copied and damaged, and the ways to damage its files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use civitrawl::dataset::commit::{Part, PrunedPart, Record};
use civitrawl::dataset::layout::FileHash;
use civitrawl::dataset::store::{Batch, RunInfo};

use crate::support::{Room, Sandbox, assert_exit, copy_tree, open, program};

const CRAWL: &str = r#"
# Only what is asked for is in it.
snapshot = { take = false }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 10 }
"#;

/// A dataset, kept to be copied and damaged.
pub(crate) struct Sample {
    sandbox: Sandbox,
    text: &'static str,
    pub(crate) room: Room,
}

impl Sample {
    /// One that is still to be crawled, by this crawl file from a sandbox with these arguments.
    pub(crate) fn of(text: &'static str, arguments: &[&str]) -> Self {
        let sandbox = Sandbox::start(arguments);
        let room = Room::new(text, &sandbox.base);
        Self { sandbox, text, room }
    }

    /// One of three commits in the middle of a pass.
    pub(crate) fn make() -> Self {
        let sample = Self::of(CRAWL, &["--models", "60"]);
        for _ in 0..3 {
            assert_exit(&sample.room.run(&["--max-pages", "1"]), 3);
        }
        sample
    }

    /// The same with a snapshot, and after more commits, each without rows: the fourth removed the first one's parts but for
    /// its pages, the fifth is full, so that records 1 to 4 are gone, and the sixth follows it and removed the second one's.
    pub(crate) fn restated() -> Self {
        let sample = Self::make();
        assert_exit(&program().arg("snapshot").arg(sample.room.dataset()).output().unwrap(), 0);
        let mut store = open(&sample.room.dataset());
        store.write_full_every(5);
        for removed in [Some(1), None, Some(2)] {
            let manifest = store.manifest();
            let last = manifest.last.clone().unwrap();
            let goes = |part: &&Part| part.table.name != "pages" && Some(part.name.commit) == removed;
            let prune = manifest.live_parts().filter(goes).map(PrunedPart::from).collect();
            let info = RunInfo::of(&last);
            store.commit(&info, Batch { tables: Vec::new(), pass: last.pass, walks: last.walks, prune }).unwrap();
        }
        sample
    }

    /// The dataset.
    pub(crate) fn dataset(&self) -> PathBuf {
        self.room.dataset()
    }

    /// A copy of it, damaged.
    pub(crate) fn damaged(&self, damage: impl Fn(&Path)) -> Room {
        let copy = Room::new(self.text, &self.sandbox.base);
        copy_tree(&self.room.dataset(), &copy.dataset());
        damage(&copy.dataset());
        copy
    }
}

/// Everything in a directory: content and time of change by path; of a lock only that it is there, since it names who held it last.
pub(crate) fn contents(root: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let about = path.symlink_metadata().unwrap();
        let content = if about.is_dir() {
            found.extend(contents(&path));
            Vec::new()
        } else if about.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
        } else {
            fs::read(&path).unwrap()
        };
        let entry = match path.ends_with(".lock") {
            true => (Vec::new(), std::time::SystemTime::UNIX_EPOCH),
            false => (content, about.modified().unwrap()),
        };
        found.insert(path, entry);
    }
    found
}

/// The files in a directory of the dataset, sorted.
pub(crate) fn files(dataset: &Path, directory: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dataset.join(directory)).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

/// The record of commit `n`.
pub(crate) fn record(dataset: &Path, n: usize) -> PathBuf {
    dataset.join(format!("commits/{n:08}.json"))
}

/// The part of a table that commit `n` added.
pub(crate) fn part(dataset: &Path, table: &str, n: usize) -> PathBuf {
    files(dataset, &format!("parts/{table}")).swap_remove(n - 1)
}

/// Gives the `n`th part of a table, which the last commit added, another content, as if it had been committed so.
pub(crate) fn replace_part(dataset: &Path, table: &str, n: usize, content: &[u8]) {
    let part = part(dataset, table, n);
    fs::write(&part, content).unwrap();
    let commit: usize = part.file_name().unwrap().to_str().unwrap()[..8].parse().unwrap();
    let mut changed = Record::decode(commit as u64, &fs::read(record(dataset, commit)).unwrap()).unwrap();
    let named = changed.parts.iter_mut().find(|part| part.table.name == table).unwrap();
    (named.bytes, named.hash) = (content.len() as u64, FileHash::of(content));
    fs::write(record(dataset, commit), changed.encode().unwrap()).unwrap();
}

/// The place of a part before it is published.
pub(crate) fn staged(part: &Path) -> PathBuf {
    part.with_file_name(format!(".{}.staged", part.file_name().unwrap().to_str().unwrap()))
}

/// Puts a copy of one file in the place of another.
pub(crate) fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    fs::copy(from, to).unwrap();
}

/// Leaves the first half.
pub(crate) fn truncate(path: &Path) {
    let content = fs::read(path).unwrap();
    fs::write(path, &content[..content.len() / 2]).unwrap();
}

/// Leaves nothing but its size.
pub(crate) fn zero(path: &Path) {
    fs::write(path, vec![0; fs::read(path).unwrap().len()]).unwrap();
}

/// Flips one bit in its middle.
pub(crate) fn flip(path: &Path) {
    let mut content = fs::read(path).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 0x10;
    fs::write(path, content).unwrap();
}

/// Exchanges two files.
pub(crate) fn swap(a: &Path, b: &Path) {
    let (first, second) = (fs::read(a).unwrap(), fs::read(b).unwrap());
    fs::write(a, second).unwrap();
    fs::write(b, first).unwrap();
}
