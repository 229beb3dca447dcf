//! Datasets made by every published version (`scripts/corpus`): this one verifies, resumes, snapshots and replays them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::sample::contents;
use crate::support::{printed, program, query};

/// The datasets of one version, unpacked.
struct Corpus {
    directory: TempDir,
    /// The numbers that its readers must find, as the version that made it found them.
    expected: Value,
}

impl Corpus {
    fn unpack(archive: &Path) -> Self {
        let directory = TempDir::new().unwrap();
        let status = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(directory.path()).status().unwrap();
        assert!(status.success());
        let expected = fs::read(directory.path().join("expected.json")).unwrap();
        Self { directory, expected: serde_json::from_slice(&expected).unwrap() }
    }

    fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
        let archives: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!archives.is_empty());
        archives.iter().map(|archive| Self::unpack(archive)).collect()
    }

    fn dataset(&self, name: &str) -> PathBuf {
        self.directory.path().join(name).join("dataset")
    }

    /// Runs a command on a dataset, which must end with this code; returns what it printed.
    fn on(&self, name: &str, command: &str, code: i32) -> String {
        let mut run = program();
        run.current_dir(self.directory.path().join(name)).arg(command);
        run.arg(if command == "crawl" { "crawl.toml" } else { "dataset" });
        let output = run.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{name}: {command}: {}", printed(&output));
        printed(&output)
    }

    /// Fails unless the newest snapshot has exactly the rows that the version that made the dataset had.
    fn assert_same_rows(&self, name: &str) {
        let dataset = self.dataset(name);
        let sql = self.expected["digest_query"].as_str().unwrap().replace("DATASET", &dataset.display().to_string());
        assert_eq!(query(&dataset, &sql), self.expected["digest"].as_str().unwrap(), "{name}");
    }
}

#[test]
fn every_dataset_of_every_version_is_read_and_carried_on() {
    for corpus in Corpus::all() {
        let verified = corpus.expected["verified"].as_object().unwrap();
        for (name, sound) in verified {
            let found = corpus.on(name, "verify", 0);
            assert!(found.contains(sound.as_str().unwrap()), "{name}: {found}");
            let state = if name == "interrupted" { 3 } else { 0 };
            corpus.on(name, "status", state);
            corpus.on(name, "snapshot", 0);
            corpus.on(name, "crawl", 0);
            corpus.on(name, "snapshot", 0);
            corpus.on(name, "verify", 0);
            corpus.assert_same_rows(name);
        }
    }
}

#[test]
fn kept_answers_of_every_version_are_replayed() {
    for corpus in Corpus::all() {
        corpus.on("bodies", "replay", 0);
        corpus.on("bodies", "verify", 0);
        corpus.assert_same_rows("bodies");
        // There is nothing to replay, or nothing left.
        corpus.on("complete", "replay", 2);
        corpus.on("pruned", "replay", 2);
    }
}

#[test]
fn a_damaged_dataset_of_every_version_is_refused() {
    for corpus in Corpus::all() {
        let before = contents(&corpus.dataset("damaged"));
        for command in ["verify", "status", "crawl", "snapshot", "replay"] {
            corpus.on("damaged", command, 65);
        }
        assert!(contents(&corpus.dataset("damaged")) == before, "it was touched");
    }
}

#[test]
fn the_corpus_is_small() {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")).unwrap() {
        let bytes = entry.unwrap().metadata().unwrap().len();
        assert!(bytes < 2_000_000, "{bytes} bytes");
    }
}
