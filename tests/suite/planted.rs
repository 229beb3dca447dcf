//! FIFOs, links, devices and directories in the place of the program's own files: none hangs it, and none is written through.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::sample::{Sample, files};
use crate::support::{Room, SMALL, Sandbox, assert_exit, printed, program};

/// The longest that a command may take; anything that hangs takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a command to its end; fails if it hangs.
fn ends(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("{command:?} hangs");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

fn on(dataset: &Path, command: &str) -> Output {
    // A report is written to where the command runs.
    ends(program().arg(command).arg(dataset).current_dir(dataset.parent().unwrap()))
}

fn fifo(path: &Path) {
    let _ = fs::remove_file(path);
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo runs").success());
}

/// The things that may lie in the place of a file.
const THINGS: [&str; 5] = ["a FIFO", "a link to a file", "a dangling link", "a link to a device", "a directory"];

/// Puts a thing in the place of a file. Returns the file that a link leads to.
fn plant(thing: &str, path: &Path) -> PathBuf {
    let victim = path.parent().unwrap().join("victim");
    let _ = fs::remove_file(path);
    match thing {
        "a FIFO" => fifo(path),
        "a link to a file" => {
            fs::write(&victim, "precious").unwrap();
            symlink(&victim, path).unwrap();
        }
        "a dangling link" => symlink(&victim, path).unwrap(),
        "a link to a device" => symlink("/dev/zero", path).unwrap(),
        _ => fs::create_dir_all(path).unwrap(),
    }
    victim
}

/// Fails if something was written through a link.
fn assert_untouched(thing: &str, victim: &Path) {
    match thing {
        "a link to a file" => assert_eq!(fs::read_to_string(victim).unwrap(), "precious", "it was written through"),
        _ => assert!(!victim.exists(), "{thing}: `{}` was made", victim.display()),
    }
}

#[test]
fn nothing_in_the_place_of_a_datasets_file_hangs_a_command_or_is_written_through() {
    let sample = Sample::make();
    let report = files(&sample.dataset(), "runs")[2].clone();
    let report = format!("runs/{}", report.file_name().unwrap().to_str().unwrap());
    let places = [".lock", "commits/00000003.json", "commits/00000004.json", "commits/.4.tmp", &report];
    for place in places {
        for thing in THINGS {
            let room = sample.damaged(|_| ());
            let victim = plant(thing, &room.dataset().join(place));
            let crawled = ends(room.crawl().args(["--max-pages", "1"]));
            let code = crawled.status.code();
            assert!(matches!(code, Some(3 | 65 | 74)), "{place} is {thing}: {}", printed(&crawled));
            for command in ["verify", "status", "snapshot", "report"] {
                let code = on(&room.dataset(), command).status.code();
                // There may be no snapshot to make a report from.
                assert!(matches!(code, Some(0 | 2 | 3 | 65 | 74)), "{command}: {place} is {thing}: {code:?}");
            }
            assert_untouched(thing, &victim);
        }
    }
}

#[test]
fn what_is_no_file_or_far_too_large_is_damage() {
    let sample = Sample::make();
    assert_exit(&on(&sample.dataset(), "snapshot"), 0);
    let part = files(&sample.dataset(), "parts/models")[0].clone();
    let part = format!("parts/models/{}", part.file_name().unwrap().to_str().unwrap());
    for place in [&part, "commits/00000003.json", "snapshots/000001/snapshot.json", "snapshots/000001/models.parquet"] {
        for thing in ["a FIFO", "a link to a device", "a directory", "far too large"] {
            let room = sample.damaged(|_| ());
            let path = room.dataset().join(place);
            match thing {
                "far too large" => {
                    // The copy may be a link to the sample's file.
                    fs::remove_file(&path).unwrap();
                    fs::File::create(&path).unwrap().set_len(3 << 30).unwrap();
                }
                thing => drop(plant(thing, &path)),
            }
            let verified = on(&room.dataset(), "verify");
            assert_exit(&verified, 65);
            // A snapshot may be made anew of the parts, unless the damaged one holds what only the user may remove.
            let taken = on(&room.dataset(), "snapshot");
            let is_refused = taken.status.code() == Some(74) && thing == "a directory";
            assert!(
                is_refused || matches!(taken.status.code(), Some(0 | 65)),
                "{place} is {thing}: {}",
                printed(&taken)
            );
        }
    }
}

#[test]
fn a_directory_that_a_snapshots_draft_leads_to_is_not_emptied() {
    let sample = Sample::make();
    let room = sample.damaged(|_| ());
    let elsewhere = room.file().with_file_name("elsewhere");
    fs::create_dir_all(&elsewhere).unwrap();
    fs::write(elsewhere.join("letter"), "precious").unwrap();
    fs::create_dir_all(room.dataset().join("snapshots")).unwrap();
    symlink(&elsewhere, room.dataset().join("snapshots/000001.tmp")).unwrap();
    assert_exit(&on(&room.dataset(), "snapshot"), 0);
    room.assert_sound();
    assert_eq!(fs::read_to_string(elsewhere.join("letter")).unwrap(), "precious");
}

#[test]
fn metrics_and_reports_are_not_written_through_what_lies_in_their_way() {
    let sandbox = Sandbox::start(&["--models", "20"]);
    for thing in THINGS {
        let room = Room::new(SMALL, &sandbox.base);
        let beside = |name: &str| room.file().with_file_name(name);
        let victim = plant(thing, &beside(".m.prom.tmp"));
        let crawled = ends(room.crawl().arg("--metrics-file").arg(beside("m.prom")));
        assert_exit(&crawled, 0);
        assert_untouched(thing, &victim);
        let _ = fs::remove_file(&victim);
        plant(thing, &beside(".r.html.tmp"));
        let reported = ends(program().arg("report").arg(room.dataset()).arg("-o").arg(beside("r.html")));
        assert!(matches!(reported.status.code(), Some(0 | 74)), "{thing}: {}", printed(&reported));
        assert_untouched(thing, &victim);
        for made in ["m.prom", "r.html"].map(beside) {
            assert_eq!(made.exists(), thing != "a directory", "{thing}: {}", made.display());
            assert!(!made.is_symlink());
        }
    }
}

#[test]
fn no_file_takes_the_place_of_a_device_or_a_fifo() {
    let sandbox = Sandbox::start(&["--models", "20"]);
    let room = Room::new(SMALL, &sandbox.base);
    let (pipe, to_null) = (room.file().with_file_name("pipe"), room.file().with_file_name("null"));
    fifo(&pipe);
    symlink("/dev/null", &to_null).unwrap();
    for target in [&pipe, &to_null] {
        let crawled = ends(room.crawl().arg("--metrics-file").arg(target));
        assert_exit(&crawled, 0);
        assert!(printed(&crawled).contains("it is no regular file"), "{}", printed(&crawled));
        let reported = ends(program().arg("report").arg(room.dataset()).arg("-o").arg(target));
        assert_exit(&reported, 74);
        assert!(printed(&reported).contains("it is no regular file"), "{}", printed(&reported));
    }
    assert!(pipe.symlink_metadata().unwrap().file_type().is_fifo());
    assert_eq!(fs::read_link(to_null).unwrap(), Path::new("/dev/null"));
}

#[test]
fn a_key_file_that_is_no_file_is_refused() {
    let room = Room::new(SMALL, "http://127.0.0.1:9/api/v1");
    let key = room.file().with_file_name("key");
    for thing in ["a FIFO", "a link to a device", "a directory"] {
        plant(thing, &key);
        let refused = ends(room.crawl().arg("--key-file").arg(&key));
        assert_exit(&refused, 2);
        assert!(printed(&refused).contains("it is no regular file"), "{thing}: {}", printed(&refused));
        let _ = fs::remove_file(&key);
    }
}
