//! Standing readers, files without a writer, signals that are ignored: the program ends when it is asked to, and works on when
//! nobody asks.

#![cfg(target_os = "linux")]

use std::io::{PipeReader, PipeWriter, Write as _, pipe};
use std::process::{Child, Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use crate::support::{Room, SMALL, Sandbox, assert_exit, printed, program, requests, terminate};

/// The promise is 10 s; the rest is for a busy machine.
const BOUND: Duration = Duration::from_secs(15);

/// A pipe that is full: nobody reads it as long as the reader lives.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = pipe().expect("there is a pipe");
    let mut filler = writer.try_clone().expect("it can be shared");
    // Ends with an error once the reader is dropped.
    thread::spawn(move || _ = filler.write_all(&vec![b'x'; 1 << 20]));
    (reader, writer)
}

/// Waits for a program's end within [`BOUND`]; gives its exit code.
fn ended(child: &mut Child) -> Option<i32> {
    let began = Instant::now();
    while began.elapsed() < BOUND {
        if let Some(status) = child.try_wait().expect("it is a child") {
            return status.code();
        }
        sleep(Duration::from_millis(20));
    }
    child.kill().expect("it can be killed");
    panic!("it has not ended after {BOUND:?}");
}

fn fifo(room: &Room) -> String {
    let path = room.file().with_file_name("fifo.toml");
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo runs").success());
    path.display().to_string()
}

#[test]
fn a_reader_of_stderr_that_stands_still_holds_no_crawl_up() {
    let sandbox = Sandbox::start(&["--models", "100"]);
    let room = Room::new(SMALL, &sandbox.base);
    let (reader, writer) = full_pipe();
    let mut crawl = room.crawl();
    let mut child = crawl.args(["-v", "-v"]).stdout(Stdio::null()).stderr(writer).spawn().expect("it starts");
    drop(crawl);
    // It waits for the reader a few seconds, once.
    assert_eq!(ended(&mut child), Some(0));
    drop(reader);
    room.assert_sound();
}

#[test]
fn a_signal_ends_what_waits_for_a_reader_or_a_writer() {
    let sandbox = Sandbox::start(&["--models", "20"]);
    let room = Room::new(SMALL, &sandbox.base);
    assert_exit(&room.run(&[]), 0);
    let (reader, writer) = full_pipe();
    let (dataset, fifo) = (room.dataset().display().to_string(), fifo(&room));
    let waiting = |words: &[&str], both: bool| {
        let stderr = if both { Stdio::from(writer.try_clone().unwrap()) } else { Stdio::null() };
        program().args(words).stdout(writer.try_clone().unwrap()).stderr(stderr).spawn().expect("it starts")
    };
    let mut children = [
        waiting(&["status", &dataset], false),
        waiting(&["status", &dataset], true),
        waiting(&["verify", &dataset], true),
        waiting(&["get", "model", "5", "--server", &sandbox.base], false),
        waiting(&["--help"], true),
        waiting(&["plan", &fifo], false),
        waiting(&["crawl", &fifo], false),
        waiting(&["crawl", &fifo, "--deadline", "1s"], true),
    ];
    // Each waits soon; one that is asked before it waits has to end as well.
    sleep(Duration::from_millis(500));
    let (by_deadline, by_signal) = children.split_last_mut().expect("there are some");
    by_signal.iter().for_each(terminate);
    for child in by_signal {
        assert_eq!(ended(child), Some(3));
    }
    assert_eq!(ended(by_deadline), Some(3));
    drop(reader);
}

#[test]
fn a_hang_up_is_a_signal_unless_it_is_ignored() {
    for (disposition, code) in [("--default-signal=HUP,INT", 3), ("--ignore-signal=HUP,INT", 0)] {
        let sandbox = Sandbox::start(&["--models", "300", "--latency", "50"]);
        let room = Room::new(SMALL, &sandbox.base);
        let mut env = Command::new("env");
        env.arg(disposition).arg(room.crawl().get_program()).arg("crawl").arg(room.file());
        let child = env.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        while requests(&sandbox).len() < 3 {
            sleep(Duration::from_millis(10));
        }
        for signal in ["-HUP", "-INT"] {
            let sent = Command::new("kill").arg(signal).arg(child.id().to_string()).status().expect("kill runs");
            assert!(sent.success() || code == 3);
            if code == 3 {
                break;
            }
        }
        let output = child.wait_with_output().expect("it ends");
        assert_exit(&output, code);
        assert_eq!(printed(&output).contains("SIGHUP received"), code == 3, "{}", printed(&output));
        room.assert_sound();
    }
}
