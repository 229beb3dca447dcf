//! A kill at every call that changes the disk, or makes a change durable, of a crawl of four commits and the snapshot behind
//! them: OPEN, COMMIT, PUBLISH and SHOW may die anywhere, and so may the recovery that follows.

#![cfg(target_os = "linux")]

use std::path::PathBuf;
use std::process::Command;
use std::thread;

use civitrawl::dataset::layout::Layout;
use civitrawl::dataset::read::read_manifest;
use civitrawl::storage::Disk;

use crate::support::{Room, Sandbox, assert_exit, assert_same_rows, copy_tree, killed_at, printed, program, verify};

/// Two tables, and four pages, of which each run that is killed asks for one.
const CRAWL: &str = r#"

[[walk]]
name = "creators"
endpoint = "creators"
params = { limit = 2 }
"#;

const COMMITS: usize = 4;

#[test]
fn a_kill_at_any_call_loses_and_doubles_nothing() {
    let sandbox = Sandbox::start(&["--models", "30", "--creators", "8"]);
    let steady = Room::new(CRAWL, &sandbox.base);
    assert_exit(&steady.run(&[]), 0);
    // The dataset as each run of one page finds it.
    let mut found = vec![Room::new(CRAWL, &sandbox.base)];
    for commits in 1..COMMITS {
        let room = begun(&found[commits - 1], &sandbox);
        assert_exit(&room.run(&["--max-pages", "1"]), 3);
        found.push(room);
    }
    let rooms: Vec<Room> = thread::scope(|scope| {
        let kill = |room| {
            let sandbox = &sandbox;
            scope.spawn(move || kill_everywhere(room, sandbox))
        };
        let killing: Vec<_> = found.iter().map(kill).collect();
        killing.into_iter().flat_map(|killed| killed.join().unwrap()).collect()
    });
    println!("{} kills", rooms.len());
    assert!(rooms.len() > 150, "only {} calls were killed", rooms.len());
    let others = rooms.iter().map(Room::dataset);
    assert_same_rows(&[steady.dataset()].into_iter().chain(others).collect::<Vec<PathBuf>>());
}

/// A room whose dataset is a copy of another one's.
fn begun(found: &Room, sandbox: &Sandbox) -> Room {
    let room = Room::new(CRAWL, &sandbox.base);
    if found.dataset().exists() {
        copy_tree(&found.dataset(), &room.dataset());
    }
    room
}

/// Kills the run that continues from here at each of its calls, and the run that recovers earlier; returns each result.
fn kill_everywhere(found: &Room, sandbox: &Sandbox) -> Vec<Room> {
    let mut rooms = Vec::new();
    for nth in 1.. {
        let room = begun(found, sandbox);
        let mut crawl = room.crawl();
        crawl.args(["--max-pages", "1"]);
        if killed_at(nth, &room.dataset(), &crawl).is_none() {
            break;
        }
        assert_recoverable(&room, nth);
        if killed_at(nth.div_ceil(2), &room.dataset(), &going_on(&room)).is_some() {
            assert_recoverable(&room, nth);
        }
        let output = going_on(&room).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "killed at call {nth}: {}", printed(&output));
        room.assert_sound();
        rooms.push(room);
    }
    rooms
}

/// The command that finishes the pass: the crawl, or, behind its last commit, the snapshot.
fn going_on(room: &Room) -> Command {
    let manifest = read_manifest(&Layout::new(room.dataset()), &Disk).unwrap();
    if !manifest.last.is_some_and(|last| last.is_pass_over()) {
        return room.crawl();
    }
    let mut snapshot = program();
    snapshot.arg("snapshot").arg(room.dataset());
    snapshot
}

/// The dataset is sound, or not there yet.
fn assert_recoverable(room: &Room, nth: u32) {
    let begun = room.dataset().read_dir().is_ok_and(|mut entries| entries.next().is_some());
    let found = verify(&room.dataset());
    assert_eq!(found.status.code(), Some(if begun { 0 } else { 2 }), "killed at call {nth}: {}", printed(&found));
}
