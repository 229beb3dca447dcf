//! Output that stdout does not take is an error; a reader that closes early is none, and nothing more is requested.

#![cfg(target_os = "linux")]

use std::fs::{self, OpenOptions};
use std::process::{Output, Stdio};

use tempfile::TempDir;

use crate::support::{Room, Sandbox, TWO_WALKS, assert_exit, printed, program, requests};

fn into_full(arguments: &[&str]) -> Output {
    let full = OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    program().args(arguments).stdout(full).output().expect("the program runs")
}

#[test]
fn a_result_that_is_lost_is_reported() {
    let sandbox = Sandbox::start(&["--models", "40"]);
    let room = Room::new(TWO_WALKS, &sandbox.base);
    assert_exit(&room.run(&[]), 0);
    let (dataset, file) = (room.dataset().display().to_string(), room.file().display().to_string());
    let beside = |name: &str| room.file().with_file_name(name).display().to_string();
    let (page, into) = (beside("page.html"), beside("files"));
    for arguments in [
        &["schema"][..],
        &["schema", "--format", "sql", "--dataset", &dataset],
        &["man"],
        &["completions", "bash"],
        &["explain", "74"],
        &["status", &dataset],
        &["status", "--watch", &dataset],
        &["verify", &dataset],
        &["crawl", &file],
        &["snapshot", &dataset],
        &["report", &dataset, "-o", &page],
        &["download", "80", "--into", &into, "--server", &sandbox.base],
        &["get", "hash", "--files", &into, "--server", &sandbox.base],
        &["plan", &file],
        &["--help"],
        &["--version"],
        &["help", "crawl"],
        &["get", "model", "1", "2", "3", "--server", &sandbox.base, "--rate", "1000"],
    ] {
        let output = into_full(arguments);
        assert_exit(&output, 74);
        assert_eq!(
            printed(&output).matches("cannot write to stdout").count(),
            1,
            "{arguments:?}: {}",
            printed(&output)
        );
    }
}

#[test]
fn nobody_is_asked_for_what_nobody_reads() {
    let sandbox = Sandbox::start(&["--models", "200"]);
    let ids: Vec<String> = (5..=900).step_by(5).map(|model| (model * 16).to_string()).collect();
    let folder = TempDir::new().unwrap();
    let into = folder.path().display().to_string();
    for (words, code) in [(vec!["get", "version"], 0), (vec!["download", "--into", &into], 3)] {
        let before = requests(&sandbox).len();
        let mut command = program();
        command.args(words).args(&ids).args(["--server", &sandbox.base, "--rate", "200"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_exit(&output, code);
        assert!(!printed(&output).contains("stopped early"), "{}", printed(&output));
        let asked = requests(&sandbox).len() - before;
        assert!(asked < ids.len() / 2, "{asked} requests");
    }
    assert!(fs::read_dir(&into).is_ok());
}
