//! Disks that are full or read-only, in file systems mounted for the test.

#![cfg(target_os = "linux")]

use std::fs;
use std::process::{Command, Output};

use crate::support::{Room, SMALL, Sandbox, assert_exit, printed};

/// Fails unless the script ended well and printed all of this.
fn assert_says(output: &Output, words: &[&str]) {
    assert_exit(output, 0);
    for word in words {
        assert!(printed(output).contains(word), "nothing says `{word}`: {}", printed(output));
    }
}

/// Runs a shell script in name spaces of its own, where it may mount; `$1` is the program, `$2` the crawl file, `$3` the
/// dataset's directory. `scripts/test` leaves these tests out where the system allows no such name spaces.
fn with_mounts(room: &Room, script: &str) -> Output {
    fs::create_dir_all(room.dataset()).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_civitrawl")]);
    command.arg(room.file()).arg(room.dataset()).output().unwrap()
}

#[test]
fn a_full_disk_is_reported_and_an_enlarged_one_is_written_on() {
    let sandbox = Sandbox::start(&["--models", "80"]);
    let steady = Room::new(SMALL, &sandbox.base);
    assert_exit(&steady.run(&[]), 0);
    let sizes = ["4k", "32k", "64k", "100k", "130k"];
    for size in sizes {
        let room = Room::new(SMALL, &sandbox.base);
        let kept = room.file().with_file_name("kept");
        let script = format!(
            "mount -t tmpfs -o size={size} none \"$3\" || exit 99
            \"$1\" crawl \"$2\" >&2; [ $? = 74 ] || exit 98
            [ -z \"$(ls $3/commits)\" ] || \"$1\" verify \"$3\" >&2 || exit 97
            mount -o remount,size=64m \"$3\" || exit 96
            \"$1\" crawl \"$2\" >&2 || exit 95
            \"$1\" verify \"$3\" >&2 || exit 94
            cp -a \"$3\" {}",
            kept.display()
        );
        let output = with_mounts(&room, &script);
        assert_says(&output, &["No space left", "nothing committed was lost", "next run continues"]);
        steady.read("same.py", &[&kept.display().to_string()]);
    }
}

#[test]
fn a_disk_that_runs_full_is_left_the_room_that_it_has_to_keep() {
    let sandbox = Sandbox::start(&["--models", "1500"]);
    let steady = Room::new(SMALL, &sandbox.base);
    assert_exit(&steady.run(&[]), 0);
    let room = Room::new(SMALL, &sandbox.base);
    let kept = room.file().with_file_name("kept");
    // It has room for some commits, and for the snapshot only once it is larger.
    let script = format!(
        "mount -t tmpfs -o size=10m none \"$3\" || exit 99
        \"$1\" crawl \"$2\" --min-free 9MB >&2; [ $? = 74 ] || exit 98
        [ $(df --output=avail -k \"$3\" | tail -1) -gt 4000 ] || exit 97
        [ -n \"$(ls $3/commits)\" ] || exit 96
        \"$1\" verify \"$3\" >&2 || exit 95
        \"$1\" status \"$3\" >&2; [ $? = 3 ] || exit 94
        \"$1\" crawl \"$2\" --min-free 9MB >&2; [ $? = 74 ] || exit 93
        mount -o remount,size=64m \"$3\" || exit 92
        \"$1\" crawl \"$2\" --min-free 9MB >&2 || exit 91
        \"$1\" verify \"$3\" >&2 || exit 90
        cp -a \"$3\" {}",
        kept.display()
    );
    let output = with_mounts(&room, &script);
    assert_says(&output, &["`--min-free` keeps 9.0 MB", ": stopped (the disk of"]);
    assert!(!printed(&output).contains("No space left"), "{}", printed(&output));
    steady.read("same.py", &[&kept.display().to_string()]);
}

#[test]
fn a_read_only_disk_is_reported() {
    let sandbox = Sandbox::start(&["--models", "60"]);
    let room = Room::new(SMALL, &sandbox.base);
    let script = "mount -t tmpfs none \"$3\" || exit 99
        \"$1\" crawl \"$2\" --max-pages 2 >&2; [ $? = 3 ] || exit 98
        mount -o remount,ro \"$3\" || exit 97
        \"$1\" crawl \"$2\" >&2; [ $? = 74 ] || exit 96
        \"$1\" verify \"$3\" >&2 || exit 95
        \"$1\" status \"$3\" >&2; [ $? = 3 ] || exit 94
        mount -o remount,rw \"$3\" || exit 93
        \"$1\" crawl \"$2\" >&2 || exit 92
        \"$1\" verify \"$3\" >&2 || exit 91";
    let output = with_mounts(&room, script);
    assert_says(&output, &["Read-only file system", ".lock"]);
}

/// The second night finds the disk full, once before any commit of its own and once behind some.
#[test]
fn a_run_that_ended_on_a_full_disk_is_called_failed_and_not_killed() {
    let sandbox = Sandbox::start(&["--models", "600"]);
    let slow = SMALL.replace("requests_per_second = 1000.0, burst = 1000", "requests_per_second = 50.0, burst = 2");
    // The disk is full before the run, or once it has made a commit. A commit takes more than what is left of it.
    for at_once in [true, false] {
        let room = Room::new(&slow, &sandbox.base);
        let script = format!(
            "dataset=$3
            mount -t tmpfs -o size=64m none \"$dataset\" || exit 99
            commits() {{ ls \"$dataset/commits\" | wc -l; }}
            fill() {{
                used=$(df --output=used -k \"$dataset\" | tail -1)
                mount -o remount,size=$((used + 40))k \"$dataset\" 2>/dev/null
            }}
            \"$1\" crawl \"$2\" --max-pages 3 >&2; [ $? = 3 ] || exit 98
            before=$(commits)
            {at_once} && {{ fill || exit 97; }}
            \"$1\" crawl \"$2\" --rate 10 --metrics-file \"$dataset.prom\" >&2 &
            {at_once} || {{
                until [ $(commits) != $before ]; do sleep 0.01; done
                until fill; do sleep 0.01; done
            }}
            wait $!; [ $? = 74 ] || exit 96
            grep -q '^civitrawl_running{{[^}}]*}} 0$' \"$dataset.prom\" || exit 95
            grep -q '^civitrawl_failed{{[^}}]*}} 1$' \"$dataset.prom\" || exit 94
            {at_once} || ! grep -q '^civitrawl_commits_total{{[^}}]*}} 0$' \"$dataset.prom\" || exit 93
            \"$1\" status \"$dataset\"; [ $? = 3 ] || exit 92
            \"$1\" status \"$dataset\" --json | grep -q '\"state\":\"failed\"' || exit 91
            \"$1\" verify \"$dataset\" >&2 || exit 90
            mount -o remount,size=64m \"$dataset\" || exit 89
            \"$1\" crawl \"$2\" >&2 || exit 88
            \"$1\" status \"$dataset\" | grep 'last run' >&2 && exit 87
            \"$1\" verify \"$dataset\" >&2"
        );
        let output = with_mounts(&room, &script);
        assert_says(&output, &["the last run failed: ", "No space left", ": failed (", "nothing committed was lost"]);
        assert!(!printed(&output).contains("killed"), "{}", printed(&output));
    }
}
