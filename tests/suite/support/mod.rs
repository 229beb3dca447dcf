//! Everything a test needs: a sandbox or a server of its own, crawl files, the program in a clean environment, the readers.

#[cfg(feature = "stores")]
pub mod bucket;
mod crawl_file;
mod query;
mod sandbox;
mod server;
mod tls;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use civitrawl::dataset::Error;
use civitrawl::dataset::layout::Layout;
use civitrawl::dataset::store::Store;
use civitrawl::storage::Disk;

pub use crawl_file::{Room, SMALL, TWO_WALKS, Walk, crawl, crawl_file, shipped};
pub use query::python;
pub use query::{assert_same_rows, query, read};
pub use sandbox::{Answer, ERAS, Logged, OVER_HTTP2, Sandbox, ask, get, pass_night, requests};
pub use server::{Request, Server, Trap, answer};
pub use tls::{PEM, SANDBOX_PEM, pem, tls_config, tls_config_of};

/// The program under test.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_civitrawl"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
    trust(&mut command);
    command
}

/// Lets a command trust the sandboxes, if they encrypt.
fn trust(command: &mut Command) {
    command.envs(OVER_HTTP2.then_some(("SSL_CERT_FILE", SANDBOX_PEM)));
}

/// Fails, showing what was printed, unless the program ended with this code.
pub fn assert_exit(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", printed(output));
}

/// Returns what a program printed, for messages.
pub fn printed(output: &Output) -> String {
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("stdout:\n{stdout}\nstderr:\n{stderr}")
}

/// Fails unless `civitrawl verify` calls the dataset sound.
pub fn assert_sound(dataset: &Path) {
    assert_exit(&verify(dataset), 0);
}

/// Runs `civitrawl verify` on a dataset.
pub fn verify(dataset: &Path) -> Output {
    program().arg("verify").arg(dataset).output().expect("the program runs")
}

/// Opens a dataset to write to it. A process that another test starts has a copy of the lock until it becomes its program, so
/// one that was given back may be held a moment longer.
pub fn open(dataset: &Path) -> Store {
    for _ in 0..1000 {
        match Store::open(Layout::new(dataset), Arc::new(Disk)) {
            Err(Error::Held { .. }) => thread::sleep(Duration::from_millis(10)),
            opened => return opened.expect("it is sound"),
        }
    }
    panic!("{} stays held", dataset.display());
}

/// Copies a directory and all that is in it.
pub fn copy_tree(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp runs");
    assert!(status.success());
}

/// Runs a command and kills it at the `nth` call, of all its threads, that changes something in this directory; returns `None`
/// if it ended before.
pub fn killed_at(nth: u32, directory: &Path, command: &Command) -> Option<()> {
    let output = killer(nth, directory, command).output().expect("the program runs");
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", printed(&output));
    output.status.success().then_some(())
}

/// Runs a command to its end; returns how many such calls it made.
pub fn calls_made(directory: &Path, command: &Command) -> u32 {
    let output = killer(0, directory, command).output().expect("the program runs");
    assert_exit(&output, 1);
    let printed = String::from_utf8(output.stdout).expect("it prints text");
    printed.lines().last().and_then(|line| line.parse().ok()).expect("it ends with a number")
}

fn killer(nth: u32, directory: &Path, command: &Command) -> Command {
    let mut killer = python("kill.py");
    killer.arg(nth.to_string()).arg(directory).arg(command.get_program()).args(command.get_args());
    killer.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    trust(&mut killer);
    killer
}

/// Runs a command to its end; returns the most memory that it had, in KiB, as far as the system knew it.
#[cfg(target_os = "linux")]
pub fn most_memory(command: &mut Command) -> (Output, u64) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().expect("it is a child").is_none() {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        most = most.max(peak.unwrap_or(0));
        thread::sleep(Duration::from_millis(5));
    }
    (child.wait_with_output().expect("it is a child"), most)
}

/// Asks a program to end, as a service manager does.
pub fn terminate(child: &Child) {
    let status = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().expect("kill runs");
    assert!(status.success());
}
