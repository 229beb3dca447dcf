//! A stop bounds the snapshot too: it is cleared away whole, readers keep the one they had, and the next run takes it first.

use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use civitrawl::dataset::snapshot::{SnapshotOptions, Taken, take_unless, threads};
use serde_json::Value;

use crate::support::{Room, Sandbox, assert_exit, open, pass_night, printed, requests, terminate};

const CRAWL: &str = r#"
history = ["models"]
pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 4 }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true }
"#;

/// The numbers of the snapshots and drafts there are, as their directories are called.
fn shelf(room: &Room) -> Vec<String> {
    let entries = std::fs::read_dir(room.dataset().join("snapshots")).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("it can be listed").file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}

fn compared(room: &Room) -> Value {
    let counts = room.read("snapshot.py", &[]);
    serde_json::from_str(counts.lines().last().unwrap_or_default()).expect("it ends with a line of JSON")
}

#[test]
fn it_stops_at_any_look_at_the_disk_and_leaves_nothing() {
    let sandbox = Sandbox::start(&["--models", "60"]);
    let room = Room::new(CRAWL, &sandbox.base);
    assert_exit(&room.run(&[]), 0);
    pass_night(&sandbox, "0.3");
    let file = std::fs::read_to_string(room.file()).expect("it is there");
    std::fs::write(room.file(), format!("snapshot = {{ take = false }}\n{file}")).expect("it can be written");
    assert_exit(&room.run(&[]), 0);
    let mut halted = 0;
    for looks in (0..).step_by(7) {
        let left = AtomicU32::new(looks);
        let cancel = || left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_err();
        let mut store = open(&room.dataset());
        let options = SnapshotOptions {
            tables: &[],
            history: &[],
            split: &[],
            keep: &|_, _| true,
            prune: true,
            threads: threads(),
        };
        let taken = take_unless(&mut store, &options, &cancel).expect("the disk is whole");
        drop(store);
        room.assert_sound();
        match taken {
            None => assert_eq!(shelf(&room), ["000001"], "stopped at look {looks}"),
            Some(Taken::New(_)) => break,
            other => panic!("{other:?}"),
        }
        halted += 1;
    }
    assert!(halted > 10, "it was stopped {halted} times");
    assert_eq!(shelf(&room), ["000001", "000002"]);
    let parts = std::fs::read_dir(room.dataset().join("parts/models")).expect("it is there");
    assert_eq!(parts.count(), 0, "the parts it holds are pruned");
}

/// Ends the crawl by SIGTERM as soon as it makes a snapshot.
fn terminated(room: &Room) -> Output {
    let child = room.crawl().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    while !shelf(room).iter().any(|name| name.contains("tmp")) {
        sleep(Duration::from_millis(1));
    }
    terminate(&child);
    child.wait_with_output().expect("it ends")
}

#[test]
fn a_signal_and_a_deadline_leave_it_to_the_next_run() {
    let sandbox = Sandbox::start(&["--models", "4000"]);
    let room = Room::new(CRAWL, &sandbox.base);
    let output = terminated(&room);
    assert_exit(&output, 3);
    assert!(
        printed(&output).contains("SIGTERM received; the pass is over, its snapshot is left"),
        "{}",
        printed(&output)
    );
    assert!(shelf(&room).is_empty(), "{:?}", shelf(&room));
    room.assert_sound();
    let asked = requests(&sandbox).len();

    // Nothing else is left to do, so the deadline falls on it.
    let output = room.run(&["--deadline", "1ms"]);
    assert_exit(&output, 3);
    assert!(printed(&output).contains("the deadline is reached; the pass is over"), "{}", printed(&output));
    assert!(shelf(&room).is_empty(), "{:?}", shelf(&room));

    let output = room.run(&[]);
    assert_exit(&output, 0);
    assert!(
        printed(&output).contains("pass 1 of `crawl` is complete") && printed(&output).contains("snapshot 1"),
        "{}",
        printed(&output)
    );
    assert_eq!(requests(&sandbox).len(), asked, "the pass was over");
    compared(&room);
    room.assert_sound();

    // Only now the next pass begins.
    let output = room.run(&["--max-pages", "1"]);
    assert_exit(&output, 3);
    assert!(printed(&output).contains("pass 2 of `crawl` is unfinished"), "{}", printed(&output));
}
