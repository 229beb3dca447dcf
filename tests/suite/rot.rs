//! Rot: whatever happens to any file of a dataset, a command that reads it makes what it would have made of the sound dataset, or
//! it ends with 65, names the damage, and has removed no part.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bytes::Bytes;
use civitrawl::dataset::columns::Columns as _;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;

use crate::support::{Room, Sandbox, assert_exit, printed, program};

/// Pages of models with their answers, and creators, in many commits.
const MODELS: &str = r#"
keep_bodies = true
history = ["models"]
snapshot = { take = false }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 4 }
"#;

/// A walk over the versions of the models that another walk has found.
const FAN_OUT: &str = r#"
snapshot = { take = false }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 5 }

[[walk]]
name = "images"
endpoint = "images"
for_each = { table = "models", column = "creator_username", param = "username" }
params = { browsingLevel = 3, sort = "Newest", limit = 100 }
"#;

/// The files left after a command, by name.
type Made = BTreeMap<String, Vec<u8>>;

/// A dataset, and a command that makes something of it.
struct Consumer<'a> {
    what: &'a str,
    dataset: &'a Path,
    /// Returns the command for a copy of the dataset.
    command: Box<dyn Fn(&Path) -> Command + 'a>,
    made: Box<dyn Fn(&Path) -> Made + 'a>,
}

/// Random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((bits ^ (bits >> 31)) >> 11) % bound.max(1) as u64) as usize
    }

    fn of<'t, T>(&mut self, things: &'t [T]) -> &'t T {
        &things[self.below(things.len())]
    }
}

/// Returns everything below a directory but folders, sorted, without the lock file.
fn below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.symlink_metadata().unwrap().is_dir() {
            true => found.extend(below(&path)),
            false => found.push(path),
        }
    }
    found.retain(|path| !path.ends_with(".lock"));
    found.sort();
    found
}

/// Makes a copy whose files are links: the program never writes into a file that is there.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, there) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        match path.symlink_metadata().unwrap().is_dir() {
            true => copy(&path, &there),
            false => fs::hard_link(&path, &there).unwrap(),
        }
    }
}

/// Damages one file of a dataset; returns its path there and a description.
fn damage(dataset: &Path, random: &mut Random) -> (PathBuf, String) {
    let files = below(dataset);
    // Of each kind of file as often, however many there are of it; of those with rows more often.
    let kind = |path: &&PathBuf| {
        path.strip_prefix(dataset).unwrap().components().next().map(|first| first.as_os_str().to_owned())
    };
    let mut kinds: Vec<_> = files.iter().filter_map(|path| kind(&path)).collect::<BTreeSet<_>>().into_iter().collect();
    let rows: Vec<_> = kinds.iter().filter(|kind| *kind == "parts" || *kind == "snapshots").cloned().collect();
    kinds.extend([&rows[..], &rows[..]].concat());
    let chosen = random.of(&kinds).clone();
    let of_kind: Vec<&PathBuf> = files.iter().filter(|path| kind(path).as_ref() == Some(&chosen)).collect();
    let path = (*random.of(&of_kind)).clone();
    let name = path.strip_prefix(dataset).unwrap().to_owned();
    if path.is_symlink() {
        let mut target = fs::read_link(&path).unwrap().into_os_string().into_vec();
        let at = random.below(target.len());
        target[at] ^= 1 << random.below(7);
        if target[at] == 0 {
            target[at] = b'x';
        }
        let target = OsString::from_vec(target);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        return (name, format!("leads to {target:?}"));
    }
    let sound = fs::read(&path).unwrap();
    let mut content = sound.clone();
    // Most often a bit, which no decoder notices.
    let what = match random.below(8) {
        0 => {
            let start = random.below(content.len()) / 512 * 512;
            let end = content.len().min(start + 512);
            content[start..end].fill(0);
            format!("zeroed from {start}")
        }
        1 => {
            content.truncate(random.below(content.len()));
            format!("cut at {}", content.len())
        }
        2 => {
            let alike: Vec<&PathBuf> = files.iter().filter(|other| other.extension() == path.extension()).collect();
            let other = random.of(&alike);
            content = fs::read(other).unwrap();
            format!("replaced by {}", other.display())
        }
        _ => String::new(),
    };
    let what = if content == sound {
        let (at, bit) = (random.below(content.len()), random.below(8));
        content[at] ^= 1 << bit;
        format!("bit {bit} of byte {at} flipped")
    } else {
        what
    };
    fs::remove_file(&path).unwrap();
    fs::write(&path, content).unwrap();
    (name, what)
}

/// True if a message names a damaged file: by its name, or, of a record, by its commit.
fn names(message: &str, path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    let commit = path.starts_with("commits").then(|| name.trim_end_matches(".json").trim_start_matches('0').to_owned());
    // A link that leads to another place makes that place the fault.
    let link = path.ends_with("latest") && message.contains("snapshots/");
    message.contains(&*name) || commit.is_some_and(|commit| message.contains(&format!("commit {commit} "))) || link
}

/// Damages copies of the dataset, and holds the command to its promise; returns how often each exit code came.
fn assert_noticed(consumer: &Consumer<'_>, trials: usize, seed: u64) -> BTreeMap<i32, usize> {
    let run = |dataset: &Path| -> Output { (consumer.command)(dataset).output().unwrap() };
    let scratch = TempDir::new_in(consumer.dataset.parent().unwrap()).unwrap();
    let fresh = |name: &str| {
        let dataset = scratch.path().join(name);
        copy(consumer.dataset, &dataset);
        dataset
    };
    let sound = fresh("sound");
    assert_exit(&run(&sound), 0);
    let expected = (consumer.made)(&sound);
    assert!(!expected.is_empty(), "{}: nothing is made", consumer.what);
    let mut random = Random(seed);
    let mut codes = BTreeMap::new();
    for trial in 0..trials {
        let dataset = fresh("damaged");
        let (path, how) = damage(&dataset, &mut random);
        let about = format!("{}, SEED={seed}, trial {trial}: {} {how}", consumer.what, path.display());
        let parts = below(&dataset.join("parts"));
        let output = run(&dataset);
        match output.status.code() {
            Some(0) => {
                let made = (consumer.made)(&dataset);
                // Nothing is made of the report of a run but lines of that report.
                let made = if path.starts_with("runs") && consumer.what == "report" { expected.clone() } else { made };
                let differs = expected.iter().find(|(name, content)| made.get(*name) != Some(content));
                assert!(differs.is_none(), "{about}: exit 0 and another {}", differs.unwrap().0);
            }
            Some(65) => {
                assert!(names(&printed(&output), &path), "{about}: not named: {}", printed(&output));
                let gone: Vec<_> = parts.iter().filter(|part| part.symlink_metadata().is_err()).collect();
                assert!(gone.is_empty() || consumer.what == "replay", "{about}: {gone:?} were removed");
            }
            _ => panic!("{about}: {}", printed(&output)),
        }
        *codes.entry(output.status.code().unwrap()).or_default() += 1;
        fs::remove_dir_all(&dataset).unwrap();
    }
    println!("{}: {codes:?}", consumer.what);
    codes
}

/// Returns a Parquet file without its footer, which names the commit that a snapshot is of, and so the time of it.
fn rows(file: &Path) -> Vec<u8> {
    let mut content = fs::read(file).unwrap();
    let at = content.len() - 8;
    let footer = u32::from_le_bytes(content[at..at + 4].try_into().unwrap()) as usize;
    content.truncate(at - footer);
    content
}

/// Returns the tables of the newest snapshot. Histories are left out: from the parts they may be longer.
fn snapshot(dataset: &Path) -> Made {
    let latest = dataset.join("latest/.");
    let files = below(&latest);
    let tables = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "parquet"));
    let name = |file: &Path| file.strip_prefix(&latest).unwrap().display().to_string();
    let tables = tables.filter(|file| !name(file).contains("_history.parquet"));
    tables.map(|file| (name(file), rows(file))).collect()
}

/// Returns the tables of the newest snapshot, and the parts.
fn everything(dataset: &Path) -> Made {
    let parts = below(&dataset.join("parts"));
    let parts =
        parts.iter().map(|part| (part.strip_prefix(dataset).unwrap().display().to_string(), fs::read(part).unwrap()));
    parts.chain(snapshot(dataset)).collect()
}

/// Returns the page of the report.
fn page(dataset: &Path) -> Made {
    BTreeMap::from([(String::from("page"), fs::read(dataset.with_extension("html")).unwrap())])
}

/// Returns the addresses that were asked for since the dataset was copied from another one.
fn addresses(dataset: &Path, before: &Path) -> Made {
    let mut made = Made::new();
    let new = |path: &PathBuf| !before.join(path.strip_prefix(dataset).unwrap()).exists();
    for part in below(&dataset.join("parts/pages")).into_iter().filter(new) {
        let content = Bytes::from(fs::read(part).unwrap());
        for batch in ParquetRecordBatchReaderBuilder::try_new(content).unwrap().build().unwrap() {
            let batch = batch.unwrap();
            let urls = batch.texts("url");
            let paths = urls.iter().flatten().map(|url| url.split_once("/api/").unwrap().1.to_owned());
            made.extend(paths.map(|path| (path, Vec::new())));
        }
    }
    made
}

fn over(dataset: &Path, arguments: &[&str]) -> Command {
    let mut command = program();
    command.arg(arguments[0]).arg(dataset).args(&arguments[1..]);
    command
}

/// Trials of each command, and the seed: `ROT` and `SEED` set others.
fn trials() -> (usize, u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    (number("ROT").unwrap_or(25) as usize, number("SEED").unwrap_or(1))
}

/// Crawls page by page, so that there are many commits.
fn crawl(room: &Room, pages: &str, runs: usize) {
    for _ in 0..runs {
        assert!(matches!(room.run(&["--max-pages", pages, "--in-flight", "1"]).status.code(), Some(0 | 3)));
    }
}

#[test]
fn of_rotten_parts_no_snapshot_is_made_and_nothing_is_pruned() {
    let sandbox = Sandbox::start(&["--models", "24", "--traps", "none"]);
    let room = Room::new(MODELS, &sandbox.base);
    crawl(&room, "1", 8);
    let (trials, seed) = trials();
    for (what, arguments) in [("snapshot", &["snapshot"][..]), ("prune", &["snapshot", "--prune"])] {
        let command = Box::new(move |dataset: &Path| over(dataset, arguments));
        let dataset = room.dataset();
        let codes =
            assert_noticed(&Consumer { what, dataset: &dataset, command, made: Box::new(snapshot) }, trials, seed);
        assert!(codes.get(&65) > Some(&(trials / 3)), "{codes:?}");
    }
}

#[test]
fn of_a_rotten_snapshot_no_other_is_made() {
    let sandbox = Sandbox::start(&["--models", "24", "--traps", "none"]);
    let (trials, seed) = trials();
    for pruned in [false, true] {
        let room = Room::new(MODELS, &sandbox.base);
        for _ in 0..2 {
            crawl(&room, "3", 2);
            let prune: &[&str] = if pruned { &["snapshot", "--prune"] } else { &["snapshot"] };
            assert_exit(&over(&room.dataset(), prune).output().unwrap(), 0);
        }
        crawl(&room, "1", 2);
        let dataset = room.dataset();
        for keep in ["1", "3"] {
            let what = format!("snapshot {keep} of a dataset{}", if pruned { " that was pruned" } else { "" });
            let command = Box::new(move |dataset: &Path| over(dataset, &["snapshot", "--prune", "--keep", keep]));
            let consumer = Consumer { what: &what, dataset: &dataset, command, made: Box::new(snapshot) };
            let codes = assert_noticed(&consumer, trials, seed);
            assert!(codes.get(&65) > Some(&(trials / 10)), "{codes:?}");
        }
        let report = |dataset: &Path| {
            let mut command = over(dataset, &["report", "--output"]);
            command.arg(dataset.with_extension("html"));
            command
        };
        let consumer = Consumer { what: "report", dataset: &dataset, command: Box::new(report), made: Box::new(page) };
        assert_noticed(&consumer, trials, seed);
    }
}

#[test]
fn no_rotten_answer_is_replayed() {
    let sandbox = Sandbox::start(&["--models", "16", "--traps", "none"]);
    let room = Room::new(MODELS, &sandbox.base);
    crawl(&room, "2", 3);
    let (trials, seed) = trials();
    let command = Box::new(|dataset: &Path| over(dataset, &["replay"]));
    let dataset = room.dataset();
    let codes = assert_noticed(
        &Consumer { what: "replay", dataset: &dataset, command, made: Box::new(everything) },
        trials,
        seed,
    );
    assert!(codes.get(&65) > Some(&(trials / 10)), "{codes:?}");
}

#[test]
fn a_fan_out_asks_for_no_rotten_value() {
    let sandbox = Sandbox::start(&["--models", "20", "--images", "40", "--traps", "none"]);
    let (trials, seed) = trials();
    for pruned in [false, true] {
        let room = Room::new(FAN_OUT, &sandbox.base);
        crawl(&room, "1", 4);
        if pruned {
            assert_exit(&over(&room.dataset(), &["snapshot", "--prune"]).output().unwrap(), 0);
        }
        let command = Box::new(|dataset: &Path| {
            let mut command = room.crawl();
            command.arg("--dataset").arg(dataset);
            command
        });
        let dataset = room.dataset();
        let codes = assert_noticed(
            &Consumer {
                what: "fan-out",
                dataset: &dataset,
                command,
                made: Box::new(|made: &Path| addresses(made, &dataset)),
            },
            trials,
            seed,
        );
        assert!(codes.get(&65) > Some(&(trials / 10)), "{codes:?}");
    }
}

/// A walk of each kind of table, so that one may change without the other.
const TWO_TABLES: &str = r#"
snapshot = { take = false }

[[walk]]
name = "tags"
endpoint = "tags"
params = { limit = 200 }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 5 }
"#;

/// Crawls models on, so that the tags do not change, and takes a snapshot.
fn grown(room: &Room, arguments: &[&str]) -> Output {
    assert!(matches!(room.run(&["--max-pages", "1", "--in-flight", "1"]).status.code(), Some(0 | 3)));
    over(&room.dataset(), &[&["snapshot"], arguments].concat()).output().unwrap()
}

#[test]
fn a_table_that_is_taken_over_is_read_before_its_other_copies_go() {
    let sandbox = Sandbox::start(&["--models", "40", "--traps", "none"]);
    for pruned in [false, true] {
        let room = Room::new(TWO_TABLES, &sandbox.base);
        // All tags, and a few models.
        while fs::read_dir(room.dataset().join("parts/models")).is_err() {
            crawl(&room, "1", 1);
        }
        let keep: &[&str] = if pruned { &["--prune", "--keep", "9"] } else { &["--keep", "9"] };
        assert_exit(&grown(&room, keep), 0);
        let tags = |number: u32| room.dataset().join(format!("snapshots/{number:06}/tags.parquet"));
        let sound = fs::read(tags(1)).unwrap();
        crate::sample::flip(&tags(1));
        // It is not read, and keeps its recorded hash.
        assert_exit(&grown(&room, &["--keep", "9"]), 0);
        assert_exit(&crate::support::verify(&room.dataset()), 65);
        // The older snapshot gets another file, so that it is no longer the same one.
        fs::remove_file(tags(1)).unwrap();
        fs::write(tags(1), &sound).unwrap();
        let inventory = room.dataset().join("snapshots/000001/snapshot.json");
        fs::write(&inventory, "{").unwrap();
        let parts = below(&room.dataset().join("parts"));
        let output = grown(&room, if pruned { &["--keep", "1"] } else { &["--prune"] });
        assert_exit(&output, 65);
        assert!(printed(&output).contains("tags.parquet"), "{}", printed(&output));
        let gone: Vec<_> = parts.iter().filter(|part| !part.exists()).collect();
        assert!(gone.is_empty() && tags(1).exists() == pruned, "{gone:?}");
    }
}

#[test]
fn every_so_many_passes_all_is_read_whether_it_is_needed_or_not() {
    let sandbox = Sandbox::start(&["--models", "20", "--traps", "none"]);
    let text = MODELS.replace("take = false", "keep = 1, verify_every = 3");
    let room = Room::new(&text, &sandbox.base);
    assert_exit(&room.run(&[]), 0);
    // The first pass's parts are in the snapshot, so that nobody needs them.
    let part = crate::sample::part(&room.dataset(), "model_tags", 1);
    crate::sample::flip(&part);
    assert_exit(&room.run(&[]), 0);
    let found = room.run(&[]);
    assert_exit(&found, 65);
    assert!(printed(&found).contains(&*part.file_name().unwrap().to_string_lossy()), "{}", printed(&found));
    assert_exit(&room.run(&[]), 0);
}
