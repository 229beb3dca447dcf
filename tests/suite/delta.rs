//! Delta logs beside the files of a place: every engine's view of each table is a snapshot, whenever a push is killed, and whatever
//! others wrote there.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ranges::{CRAWL, Catalog};
use crate::sample::{Sample, contents};
use crate::support::{
    Room, Sandbox, TWO_WALKS, assert_exit, assert_sound, copy_tree, killed_at, pass_night, printed, program, python,
    read,
};

fn snapshot(dataset: &Path) {
    assert_exit(&program().args(["snapshot", "--keep", "9"]).arg(dataset).output().unwrap(), 0);
}

fn pushing(dataset: &Path, place: &Path) -> Command {
    let mut command = program();
    command.arg("push").arg(dataset).arg(place);
    command
}

fn push(dataset: &Path, place: &Path) -> Output {
    pushing(dataset, place).output().unwrap()
}

/// Returns the versions of all logs of a place, by their names in it.
fn logs(place: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let found = contents(place).into_iter().map(|(path, (content, _))| (path, content));
    let named = found.map(|(path, content)| (path.strip_prefix(place).unwrap().to_owned(), content));
    named
        .filter(|(path, _)| {
            path.to_str().unwrap().contains("_delta_log/") && path.extension().is_some_and(|end| end == "json")
        })
        .collect()
}

/// Runs a reader over a place and a dataset.
fn judged(task: &str, place: &Path, more: &[&str]) -> Value {
    let place = place.display().to_string();
    let said = read("delta.py", &[&[task, &place], more].concat());
    serde_json::from_str(said.lines().last().unwrap()).unwrap()
}

#[test]
fn every_version_of_every_table_is_a_snapshot_and_a_night_touches_few_files() {
    // Tables of every kind.
    let sandbox = Sandbox::start(&["--models", "200", "--traps", "odd-fields"]);
    let lists = "[[walk]]\nname = \"tags\"\nendpoint = \"tags\"\n[[walk]]\nname = \"enums\"\nendpoint = \"enums\"\n";
    let head = "history = [\"models\", \"model_versions\"]\nkeep_bodies = true\nsnapshot = { keep = 9 }\n";
    let room = Room::new(&format!("{head}{TWO_WALKS}{lists}"), &sandbox.base);
    let place = room.dataset().with_file_name("place");
    for turn in 0..3 {
        if turn > 0 {
            pass_night(&sandbox, "0.1");
        }
        assert_exit(&room.run(&[]), 0);
        // A repetition writes nothing.
        for _ in 0..2 {
            assert_exit(&push(&room.dataset(), &place), 0);
        }
    }
    let dataset = room.dataset().display().to_string();
    let seen = judged("versions", &place, &[&dataset, "1,2,3"]);
    assert!(seen["tables"].as_u64() > Some(10), "{seen}");
    // Tables of several files.
    let catalog = Catalog::of(CRAWL);
    let (dataset, place) = (catalog.room.dataset(), catalog.room.dataset().with_file_name("place"));
    for nth in 0..3 {
        snapshot(&dataset);
        if nth != 1 {
            // The second snapshot is never pushed.
            assert_exit(&push(&dataset, &place), 0);
        }
        catalog.night(nth);
    }
    judged("versions", &place, &[&dataset.display().to_string(), "1,3"]);
    let last = &logs(&place)[Path::new("tables/images/_delta_log/00000000000000000001.json")];
    let last = String::from_utf8_lossy(last);
    assert_eq!((last.matches("{\"add\":").count(), last.matches("{\"remove\":").count()), (2, 2), "{last}");
}

#[test]
fn a_push_killed_at_any_call_leaves_whole_versions_and_the_next_one_adds_what_lacks() {
    let catalog = Catalog::of(CRAWL);
    let (dataset, room) = (catalog.room.dataset(), TempDir::new().unwrap());
    let at = |name: &str| room.path().join(name);
    snapshot(&dataset);
    assert_exit(&push(&dataset, &at("first")), 0);
    catalog.night(0);
    snapshot(&dataset);
    copy_tree(&at("first"), &at("whole"));
    assert_exit(&push(&dataset, &at("whole")), 0);
    let (first, whole) = (logs(&at("first")), logs(&at("whole")));
    assert!(whole.len() == 2 * first.len() && first.len() > 6, "{:?}", whole.keys());
    let (mut partly, mut nth) = (0, 1);
    loop {
        let place = at(&format!("place{nth}"));
        copy_tree(&at("first"), &place);
        let killed = killed_at(nth, room.path(), &pushing(&dataset, &place));
        let now = logs(&place);
        assert!(now.iter().all(|(name, content)| whole.get(name) == Some(content)), "killed at call {nth}");
        partly += u32::from(now.len() > first.len() && now.len() < whole.len());
        assert_exit(&push(&dataset, &place), 0);
        assert!(logs(&place) == whole, "killed at call {nth}");
        fs::remove_dir_all(&place).unwrap();
        if killed.is_none() {
            break;
        }
        nth += 7;
    }
    assert!(partly > 0, "no push was killed among {nth} calls while it wrote logs");
}

#[test]
fn a_reader_never_sees_half_a_switch() {
    let catalog = Catalog::of(CRAWL);
    let (dataset, place) = (catalog.room.dataset(), catalog.room.dataset().with_file_name("place"));
    snapshot(&dataset);
    assert_exit(&push(&dataset, &place), 0);
    let mut command = python("delta.py");
    command.args(["poll", place.to_str().unwrap(), "images"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut reader = command.spawn().unwrap();
    let mut said = BufReader::new(reader.stdout.take().unwrap());
    said.read_line(&mut String::new()).unwrap();
    for nth in 0..5 {
        catalog.night(nth);
        snapshot(&dataset);
        assert_exit(&push(&dataset, &place), 0);
    }
    drop(reader.stdin.take());
    let mut text = String::new();
    said.read_to_string(&mut text).unwrap();
    assert!(reader.wait().unwrap().success(), "{text}");
    let seen: BTreeMap<u32, (u64, i64, i64)> = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert!(seen.len() > 1, "{text}");
    for (version, digest) in seen {
        let table = dataset.join(format!("snapshots/{:06}/images.parquet", version + 1));
        let sql =
            format!("SELECT count(*), sum(id)::BIGINT, sum(like_count)::BIGINT FROM '{}/*.parquet'", table.display());
        assert_eq!(catalog.room.rows(&sql)[0], json!([digest.0, digest.1, digest.2]), "version {version}");
    }
}

#[test]
fn what_others_did_to_a_table_is_undone_by_the_next_snapshot() {
    let catalog = Catalog::of(CRAWL);
    let (dataset, place) = (catalog.room.dataset(), catalog.room.dataset().with_file_name("place"));
    snapshot(&dataset);
    assert_exit(&push(&dataset, &place), 0);
    for table in ["images", "image_tags"] {
        let compacted = judged("meddle", &place, &[table]);
        assert!(compacted["numFilesRemoved"].as_u64() > Some(2), "{compacted}");
    }
    // The same snapshot is not written twice, whoever was there since.
    let before = logs(&place);
    assert_exit(&push(&dataset, &place), 0);
    assert!(logs(&place) == before);
    catalog.night(0);
    snapshot(&dataset);
    assert_exit(&push(&dataset, &place), 0);
    judged("latest", &place, &[&dataset.display().to_string()]);
    let copy = TempDir::new().unwrap();
    assert_exit(&program().arg("pull").arg(&place).arg(copy.path()).output().unwrap(), 0);
    assert_sound(copy.path());
}

#[test]
fn a_log_that_is_not_this_programs_is_left_as_it_is_and_the_copy_is_whole() {
    type Damage = fn(&Path);
    let version = |log: &Path, version: u64| log.join(format!("{version:020}.json"));
    let catalog = Catalog::of(CRAWL);
    let (dataset, room) = (catalog.room.dataset(), TempDir::new().unwrap());
    snapshot(&dataset);
    let first = room.path().join("first");
    assert_exit(&push(&dataset, &first), 0);
    catalog.night(0);
    snapshot(&dataset);
    let damages: [(&str, Damage); 12] = [
        ("has a version 1 that is no JSON", |log| fs::write(log.join(format!("{:020}.json", 1)), "{\"add\"").unwrap()),
        ("has a version 1 that is no JSON", |log| fs::write(log.join(format!("{:020}.json", 1)), b"\xff\0").unwrap()),
        ("has a version 1 that is no JSON", |log| {
            fs::write(log.join(format!("{:020}.json", 1)), "[".repeat(1 << 20)).unwrap();
        }),
        ("lacks version 6", |log| fs::write(log.join(format!("{:020}.json", 7)), "{}").unwrap()),
        ("lacks version 18446744073709551614", |log| fs::write(log.join(format!("{}.json", u64::MAX)), "{}").unwrap()),
        ("has no version of this program", |log| fs::write(log.join(format!("{:020}.json", 0)), "{}").unwrap()),
        ("has no version of this program", |log| {
            (1..300).for_each(|n| fs::write(log.join(format!("{n:020}.json")), "{}").unwrap());
        }),
        ("asks for abilities, since version 1,", |log| {
            let protocol =
                "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"v2Checkpoint\"]}}";
            fs::write(log.join(format!("{:020}.json", 1)), protocol).unwrap();
        }),
        ("holds `_last_checkpoint`, and no version", |log| {
            fs::remove_file(log.join(format!("{:020}.json", 0))).unwrap();
            fs::write(log.join("_last_checkpoint"), "{}").unwrap();
        }),
        ("holds versions of more than 64 MiB", |log| {
            let file = fs::File::create(log.join(format!("{:020}.json", 1))).unwrap();
            file.set_len(100 << 20).unwrap();
        }),
        ("holds a file that cannot be read", |log| fs::create_dir(log.join(format!("{:020}.json", 1))).unwrap()),
        ("is no directory", |log| {
            fs::remove_dir_all(log).unwrap();
            fs::write(log, "mine").unwrap();
        }),
    ];
    for (at, (said, damage)) in damages.into_iter().enumerate() {
        let place = room.path().join(format!("place{at}"));
        copy_tree(&first, &place);
        let log = place.join("tables/images/_delta_log");
        damage(&log);
        let before = if log.is_dir() { contents(&log) } else { BTreeMap::new() };
        for _ in 0..2 {
            let output = push(&dataset, &place);
            assert_exit(&output, 4);
            let text = printed(&output);
            assert!(text.contains(&format!("the Delta log `{}` {said}", log.display())), "{said}: {text}");
            assert!(text.contains("remove that log and push again") && text.contains("pushed: "), "{text}");
            assert!(!log.is_dir() || contents(&log) == before, "{said}");
        }
        // The other tables have their logs, and the copy is the dataset.
        assert!(version(&place.join("tables/image_tags/_delta_log"), 1).is_file(), "{said}");
        let copy = room.path().join(format!("copy{at}"));
        assert_exit(&program().arg("pull").arg(&place).arg(&copy).output().unwrap(), 0);
        assert_sound(&copy);
        // The remedy is what the message says.
        if log.is_dir() {
            fs::remove_dir_all(&log).unwrap();
        } else {
            fs::remove_file(&log).unwrap();
        }
        assert_exit(&push(&dataset, &place), 0);
        let fresh: Vec<PathBuf> = contents(&log).into_keys().collect();
        assert_eq!(fresh, [version(&log, 0)], "{said}");
    }
}

#[test]
fn a_place_that_was_pushed_to_before_there_were_logs_gets_them() {
    let sample = Sample::restated();
    let place = sample.dataset().with_file_name("place");
    assert_exit(&push(&sample.dataset(), &place), 0);
    let whole = logs(&place);
    assert!(whole.len() > 5, "{:?}", whole.keys());
    for log in whole.keys() {
        fs::remove_dir_all(place.join(log.parent().unwrap())).unwrap();
    }
    assert_exit(&push(&sample.dataset(), &place), 0);
    assert!(logs(&place) == whole);
    // A dataset without a snapshot has no tables to log.
    let (bare, elsewhere) = (Sample::make(), sample.dataset().with_file_name("elsewhere"));
    assert_exit(&push(&bare.dataset(), &elsewhere), 0);
    assert!(logs(&elsewhere).is_empty());
}

#[cfg(feature = "stores")]
mod in_a_store {
    use super::*;
    use crate::support::bucket::{Call, SECRET, Store, Way};

    const URL: &str = "s3://models/a/b";

    fn push(store: &Store, dataset: &Path) -> Output {
        let mut command = program();
        store.used_by(command.arg("push").arg(dataset).arg(URL)).env("AWS_TIMEOUT", "1s");
        let output = command.output().unwrap();
        assert!(!printed(&output).contains(SECRET) && !printed(&output).contains("canary"), "{}", printed(&output));
        output
    }

    fn is_version(call: &Call) -> bool {
        call.key.ends_with(".json") && call.key.contains("/_delta_log/")
    }

    #[test]
    fn engines_read_each_version_from_a_store_and_a_fault_at_a_version_is_mended_by_the_next_push() {
        let catalog = Catalog::of(CRAWL);
        let dataset = catalog.room.dataset();
        let store = Store::start();
        snapshot(&dataset);
        assert_exit(&push(&store, &dataset), 0);
        catalog.night(0);
        snapshot(&dataset);
        let before = store.objects();
        assert_exit(&push(&store, &dataset), 0);
        let whole = store.objects();
        let mut judge = python("delta.py");
        judge.args(["versions", URL]).arg(&dataset).arg("1,2");
        let judged = store.used_by(&mut judge).output().unwrap();
        assert!(judged.status.success(), "{}", printed(&judged));
        for (method, way, codes) in [
            ("PUT", Way::Lost, &[0][..]),
            ("PUT", Way::Unconditional, &[0]),
            ("PUT", Way::Refusal(409, "ConditionalRequestConflict"), &[3]),
            ("PUT", Way::Refusal(503, "SlowDown"), &[3]),
            ("PUT", Way::Refusal(403, "AccessDenied"), &[2]),
            ("PUT", Way::Forgotten, &[3]),
            ("GET", Way::Lost, &[3]),
            ("GET", Way::Refusal(403, "AccessDenied"), &[2]),
            // What it then reads is no note of this program's, or no JSON.
            ("GET", Way::Flipped, &[4]),
        ] {
            store.hold(before.clone());
            store.answers(move |_, call| if call.method == method && is_version(call) { way } else { Way::Well });
            let output = push(&store, &dataset);
            let code = output.status.code().unwrap();
            assert!(codes.contains(&code), "{method} {way:?}: {}", printed(&output));
            // The copy itself was switched before.
            assert!(store.objects()["a/b/latest.json"] == whole["a/b/latest.json"], "{method} {way:?}");
            store.answers(|_, _| Way::Well);
            assert_exit(&push(&store, &dataset), 0);
            assert!(store.objects() == whole, "{method} {way:?}");
        }
        // Another writer takes the number.
        store.hold(before);
        store.answers(|_, call| if call.method == "PUT" && is_version(call) { Way::Before } else { Way::Well });
        let output = push(&store, &dataset);
        assert_exit(&output, 4);
        assert!(printed(&output).contains("has a version 1 that is no JSON"), "{}", printed(&output));
    }

    const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

    /// Returns the README's block that holds these words.
    fn block(words: &str) -> String {
        let text = fs::read_to_string(README).unwrap();
        let mut blocks =
            text.split("\n```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap().1.to_owned());
        blocks.find(|block| block.contains(words)).unwrap()
    }

    #[test]
    fn a_machine_without_a_disk_runs_the_lines_of_the_readme_and_its_bucket_is_read_by_others() {
        let sandbox = Sandbox::start(&["--models", "100", "--traps", "none"]);
        let (store, room) = (Store::start(), Room::new(TWO_WALKS, &sandbox.base));
        // The bucket comes through jobs whose disk is new each time.
        for _ in 0..3 {
            let disk = TempDir::new().unwrap();
            fs::copy(room.file(), disk.path().join("nightly.toml")).unwrap();
            let (script, program) = (block("civitrawl pull \"$PLACE\""), program());
            let path = std::env::join_paths([
                Path::new(program.get_program()).parent().unwrap(),
                Path::new("/usr/bin"),
                Path::new("/bin"),
            ]);
            let mut shell = Command::new("sh");
            shell
                .args(["-c", &script])
                .env_clear()
                .envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
            store.used_by(&mut shell).env("PATH", path.unwrap()).env("PLACE", URL).current_dir(disk.path());
            assert_exit(&shell.output().unwrap(), 0);
        }
        let copy = TempDir::new().unwrap();
        let mut pull = program();
        assert_exit(&store.used_by(pull.arg("pull").arg(URL).arg(copy.path())).output().unwrap(), 0);
        assert_sound(copy.path());
        assert_eq!(
            crate::support::query(copy.path(), "SELECT max(pass), count(DISTINCT id) FROM models"),
            "[3, 100]\n"
        );
        let mut reader = python("delta.py");
        let read = store.used_by(reader.args(["readme", URL, README])).env("AWS_ALLOW_HTTP", "true").output().unwrap();
        assert!(read.status.success(), "{}", printed(&read));
        let text = printed(&read);
        assert!(text.contains("'snapshot': '3'") && text.contains("LORA"), "{text}");
    }
}
