//! Calls of the disk that fail or take long, by `strace`: a few of those that `scripts/disks` and `scripts/syncs` try.
//! `scripts/test` leaves this out where there is no `strace`.

#![cfg(target_os = "linux")]

use std::process::Command;

use crate::support::{Room, SMALL, assert_exit, printed, read};

#[test]
fn a_call_that_fails_once_or_for_ever_costs_no_row() {
    read("../../scripts/disks", &["16", "--binary", env!("CARGO_BIN_EXE_civitrawl")]);
}

#[test]
fn a_commit_waits_twice_for_a_slow_disk_however_many_tables_it_has() {
    read("../../scripts/syncs", &["--quick", "--binary", env!("CARGO_BIN_EXE_civitrawl")]);
}

#[test]
fn a_file_system_that_cannot_hold_a_dataset_is_named_before_anything_is_asked() {
    for (call, error, words) in [
        ("flock", "ENOLCK", ["has no locks (`flock`)", "two crawls"]),
        ("link,linkat", "EPERM", ["has no hard links", "commits"]),
        ("symlink,symlinkat", "EPERM", ["has no symbolic links", "take = false"]),
    ] {
        // Nobody answers there: asking would end with another code.
        let room = Room::new(SMALL, "http://127.0.0.1:9/api/v1");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
        strace.args(["-e", &format!("inject={call}:error={error}"), env!("CARGO_BIN_EXE_civitrawl"), "crawl"]);
        let output = strace.arg(room.file()).output().expect("strace runs");
        assert_exit(&output, 74);
        for word in ["the file system of", "put the dataset on another one"].iter().chain(&words) {
            assert!(printed(&output).contains(word), "{call}: {}", printed(&output));
        }
    }
}
