//! A kill at every call that changes the disk's names or makes them durable, by `strace`: OPEN, COMMIT and PUBLISH may die
//! anywhere, and so may the recovery that follows. `scripts/test` leaves this out where there is no `strace`.

#![cfg(target_os = "linux")]

use std::process::{Command, Output};

use crate::support::{Room, Sandbox, assert_exit, program, read, told};

const CRAWL: &str = r#"
server = "{base}"
dataset = "{dataset}"
pace = { requests_per_second = 1000.0, burst = 1000 }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 10 }
"#;

const CALLS: &str = "mkdir,link,linkat,unlink,unlinkat,rename,fsync,fdatasync";

/// Runs a crawl of one more page that is killed at the `nth` of these calls in a thread.
fn killed(room: &Room, nth: u32) -> Output {
    let inject = format!("inject={CALLS}:signal=KILL:when={nth}");
    let crawl = room.crawl();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={CALLS}"), "-e", &inject]);
    strace.arg(crawl.get_program()).args(crawl.get_args()).args(["--max-pages", "1"]);
    strace.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    strace.output().expect("there is `strace`")
}

#[test]
fn a_kill_at_any_call_loses_and_doubles_nothing() {
    let sandbox = Sandbox::start(&["--models", "30"]);
    let steady = Room::new(CRAWL, &sandbox.base);
    assert_exit(&steady.run(&[]), 0);
    let mut rooms = vec![steady];
    for nth in 1.. {
        let room = Room::new(CRAWL, &sandbox.base);
        let was_killed = killed(&room, nth).status.code() != Some(3);
        if was_killed {
            assert_recoverable(&room, nth);
            // The run that recovers is killed as well, earlier.
            killed(&room, nth.div_ceil(2));
            assert_recoverable(&room, nth);
        }
        let output = room.run(&[]);
        assert_eq!(output.status.code(), Some(0), "killed at call {nth}: {}", told(&output));
        room.assert_sound();
        rooms.push(room);
        if !was_killed {
            break;
        }
    }
    assert!(rooms.len() > 20, "only {} calls were met", rooms.len());
    let datasets: Vec<String> = rooms.iter().map(|room| room.dataset().display().to_string()).collect();
    read("same.py", &datasets.iter().map(String::as_str).collect::<Vec<_>>());
}

/// The dataset is sound, or not there yet.
fn assert_recoverable(room: &Room, nth: u32) {
    let begun = room.dataset().read_dir().is_ok_and(|mut entries| entries.next().is_some());
    let found = program().arg("verify").arg(room.dataset()).output().unwrap();
    assert_eq!(found.status.code(), Some(if begun { 0 } else { 2 }), "killed at call {nth}: {}", told(&found));
}
