//! Directories that are no dataset, of another server, or of a newer version: each is refused with its reason, and not touched.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::sample::{Sample, contents, files, record};
use crate::support::{Room, SMALL, Sandbox, assert_exit, printed, program};

/// Fails unless it ended with this code and said all of this.
fn assert_refused(output: &Output, code: i32, words: &[&str]) {
    assert_exit(output, code);
    for word in words {
        assert!(printed(output).contains(word), "it does not say `{word}`: {}", printed(output));
    }
}

/// Runs a command on a dataset.
fn on(dataset: &Path, command: &str) -> Output {
    program().arg(command).arg(dataset).output().expect("the program runs")
}

/// Makes these files, with their directories; a name that ends in a slash is a directory.
fn make(root: &Path, names: &[&str]) {
    for name in names {
        let path = root.join(name);
        match name.ends_with('/') {
            true => fs::create_dir_all(path).unwrap(),
            false => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "precious").unwrap();
            }
        }
    }
}

#[test]
fn a_directory_of_other_things_is_not_touched() {
    let sandbox = Sandbox::start(&["--models", "20"]);
    let homes: [&[&str]; 5] = [
        &["letter.txt"],
        &["snapshots/000001.tmp/precious", "commits/.draft.tmp", "runs/.x.tmp"],
        &["parts/models/.00000001-20261123T080000Z-beef.parquet.staged"],
        &[".lock", "letter.txt"],
        &["commits", "a/"],
    ];
    for home in homes {
        let room = Room::new(SMALL, &sandbox.base);
        make(&room.dataset(), home);
        let before = contents(&room.dataset());
        assert_refused(&room.run(&[]), 2, &["is no dataset", "was not touched", "empty directory"]);
        for command in ["verify", "status", "snapshot", "replay", "report"] {
            assert_exit(&on(&room.dataset(), command), 2);
        }
        assert!(contents(&room.dataset()) == before, "{home:?} was changed");
    }
}

#[test]
fn an_empty_directory_or_the_beginning_of_a_dataset_becomes_one() {
    let sandbox = Sandbox::start(&["--models", "20"]);
    let begun: [&[&str]; 4] = [&["lost+found/"], &["commits/", "parts/"], &["runs/", "snapshots/"], &["lost+found/x"]];
    for begun in begun {
        let room = Room::new(SMALL, &sandbox.base);
        make(&room.dataset(), begun);
        assert_exit(&room.run(&[]), 0);
        room.assert_sound();
    }
    // A first run was killed: its lock file is empty, cut short, or whole beside what it drafted.
    for (lock, drafts) in [
        ("", &[][..]),
        ("civit", &["commits/"]),
        ("\0\0\0\0\0\0\0\0\0\0", &[]),
        ("civitrawl\n", &["commits/.1.tmp", "parts/models/.x.staged"]),
        ("civitrawl\nprocess 7 since 2026-11-30T08:00:00Z\n", &["commits/.1.tmp", "parts/models/.x.staged"]),
        ("civitrawl\n\0\0\0\0", &["commits/.1.tmp", "parts/models/.x.staged"]),
    ] {
        let room = Room::new(SMALL, &sandbox.base);
        make(&room.dataset(), drafts);
        make(&room.dataset(), &["parts/"]);
        fs::write(room.dataset().join(".lock"), lock).unwrap();
        assert_exit(&on(&room.dataset(), "verify"), 0);
        assert_exit(&room.run(&[]), 0);
        room.assert_sound();
        let lock = fs::read_to_string(room.dataset().join(".lock")).unwrap();
        assert!(lock.starts_with("civitrawl\nprocess ") && lock.lines().count() == 2, "{lock:?}");
    }
}

#[cfg(unix)]
#[test]
fn parts_may_lie_on_another_disk() {
    let sandbox = Sandbox::start(&["--models", "20"]);
    let room = Room::new(SMALL, &sandbox.base);
    let elsewhere = room.file().with_file_name("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    fs::create_dir_all(room.dataset()).unwrap();
    std::os::unix::fs::symlink(&elsewhere, room.dataset().join("parts")).unwrap();
    assert_exit(&room.run(&[]), 0);
    room.assert_sound();
    assert!(elsewhere.join("models").exists());
}

#[test]
fn a_path_that_no_dataset_can_have_is_refused() {
    for (dataset, word) in [("a\\u0000b", "NUL"), ("", "empty")] {
        let text = format!("server = \"{{base}}\"\ndataset = \"{dataset}\"\n{SMALL}");
        let room = Room::new(&text, "http://127.0.0.1:9/api/v1");
        assert_refused(&room.run(&[]), 2, &["crawl.toml:2: ", word]);
    }
    let room = Room::new(SMALL, "http://127.0.0.1:9/api/v1");
    assert_refused(&room.run(&["--dataset", "~/x"]), 2, &["`./~/x`"]);
    assert!(!room.file().with_file_name("~").exists());
}

#[test]
fn rows_of_another_server_are_refused_before_any_request() {
    let sandbox = Sandbox::start(&["--models", "20"]);
    let room = Room::new(SMALL, &sandbox.base);
    assert_exit(&room.run(&[]), 0);
    let before = contents(&room.dataset());
    let others = [
        ("https://civitai.invalid/api/v1", "`civitai.invalid/api/v1`"),
        ("http://127.0.0.1:9/other/api/v1", "`localhost/other/api/v1`"),
        ("sandbox", "`sandbox ("),
    ];
    for (server, named) in others {
        for restart in [&[][..], &["--restart"]] {
            let refused = room.run(&[&["--server", server], restart].concat());
            assert_refused(&refused, 2, &["rows of `localhost/api/v1`", named, "`--dataset`"]);
        }
    }
    let changed = |(path, found): (&PathBuf, &(Vec<u8>, std::time::SystemTime))| (path.clone(), found.0.clone());
    let only_content = |all: &BTreeMap<PathBuf, _>| all.iter().map(changed).collect::<Vec<_>>();
    assert_eq!(only_content(&contents(&room.dataset())), only_content(&before));
    // The same machine at another port is the same server.
    let elsewhere = Sandbox::start(&["--models", "20"]);
    assert_exit(&room.run(&["--server", &elsewhere.base]), 0);
    room.assert_sound();
}

#[test]
fn the_embedded_sandbox_is_known_by_its_catalog_and_not_by_its_faults() {
    let text =
        |catalog: &str| format!("server = \"sandbox\"\ndataset = \"{{dataset}}\"\nsandbox = {{ {catalog} }}\n{SMALL}");
    let room = Room::new(&text("models = 20, seed = 3"), "");
    assert_exit(&room.run(&[]), 0);
    let change = |catalog: &str| {
        let other = Room::new(&text(catalog), "");
        let file = fs::read_to_string(other.file()).unwrap();
        let theirs = other.dataset().display().to_string();
        fs::write(room.file(), file.replace(&theirs, &room.dataset().display().to_string())).unwrap();
    };
    for other in ["models = 21, seed = 3", "models = 20, seed = 4"] {
        change(other);
        assert_refused(&room.run(&[]), 2, &["`sandbox (20 models, seed 3)`", "`sandbox (2"]);
    }
    change("models = 20, seed = 3, era = \"2026-08\", latency = \"1ms\"");
    assert_exit(&room.run(&[]), 0);
}

/// Changes the text of a checksummed file, and closes it anew.
fn rewrite(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    let body = text.rsplit_once(",\"checksum\":\"").unwrap().0.replacen(from, to, 1);
    assert!(!text.starts_with(&body), "nothing to replace: `{from}`");
    fs::write(path, format!("{body},\"checksum\":\"{}\"}}\n", blake3::hash(body.as_bytes()))).unwrap();
}

const OURS: &str = concat!("\"version\":\"", env!("CARGO_PKG_VERSION"), "\"");
const THEIRS: &str = "\"version\":\"9.0.0\"";
/// A newer version may write other columns, tables and fields into records that are otherwise as this version's.
const UNKNOWN: [(&str, &str); 4] = [
    ("\"pass\":", "\"novel\":1,\"pass\":"),
    ("\"items\":", "\"novel\":1,\"items\":"),
    ("\"table\":\"models\"", "\"table\":\"novels\""),
    ("\"commit\":", "\"commit\":-"),
];

#[test]
fn a_record_of_a_newer_version_is_called_that() {
    let sample = Sample::make();
    let refused = |room: &Room, words: &[&str]| {
        let before = contents(&room.dataset());
        for output in [
            room.run(&[]),
            on(&room.dataset(), "verify"),
            on(&room.dataset(), "status"),
            on(&room.dataset(), "snapshot"),
        ] {
            assert_refused(&output, 2, words);
            assert!(!printed(&output).contains("damaged"), "{}", printed(&output));
        }
        assert!(contents(&room.dataset()) == before, "it was touched");
    };
    let newer = |change: &dyn Fn(&Path)| sample.damaged(|dataset| change(&record(dataset, 3)));
    let this = concat!("this is ", env!("CARGO_PKG_VERSION"), ", which reads format 1");
    let room = newer(&|path| {
        rewrite(path, "\"format\":1", "\"format\":2,\"novel\":1");
        rewrite(path, OURS, THEIRS);
    });
    refused(&room, &["written by civitrawl 9.0.0 in format 2", this, "use civitrawl 9.0.0 or newer"]);
    refused(&newer(&|path| rewrite(path, "\"format\":1", "\"format\":2")), &["in format 2", "use a newer civitrawl"]);
    for (from, to) in UNKNOWN {
        let room = newer(&|path| {
            rewrite(path, OURS, THEIRS);
            rewrite(path, from, to);
        });
        refused(&room, &["written by civitrawl 9.0.0", "does not know", "use civitrawl 9.0.0 or newer"]);
        // The same in a record of this version is damage.
        let room = newer(&|path| rewrite(path, from, to));
        assert_exit(&on(&room.dataset(), "verify"), 65);
        assert_exit(&room.run(&[]), 65);
    }
    // A newer version that wrote nothing unknown does no harm.
    let room = newer(&|path| rewrite(path, OURS, THEIRS));
    assert_exit(&on(&room.dataset(), "verify"), 0);
    assert_exit(&room.run(&[]), 0);
}

#[test]
fn a_snapshot_of_a_newer_version_is_called_that() {
    let sample = Sample::make();
    assert_exit(&on(&sample.dataset(), "snapshot"), 0);
    let inventory = |dataset: &Path| files(dataset, "snapshots")[0].join("snapshot.json");
    for (from, to) in [("\"format\":1", "\"format\":2"), ("\"pass\":", "\"novel\":1,\"pass\":")] {
        let room = sample.damaged(|dataset| {
            rewrite(&inventory(dataset), OURS, THEIRS);
            rewrite(&inventory(dataset), from, to);
        });
        let before = contents(&room.dataset());
        for output in [room.run(&[]), on(&room.dataset(), "verify"), on(&room.dataset(), "snapshot")] {
            assert_refused(&output, 2, &["written by civitrawl 9.0.0", "use civitrawl 9.0.0 or newer"]);
        }
        assert!(contents(&room.dataset()) == before, "it was touched");
    }
}
