//! What every test needs: a sandbox of its own, the program in a clean environment, a directory, the readers.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// The program under test.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_civitrawl"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
    command
}

/// The servers of 2026, either of which may answer: what the program promises it promises of both.
pub const ERAS: [&str; 2] = ["2026-08", "2026-09"];

/// A sandbox in a process of its own, as `civitrawl sandbox` serves it; ends with the value.
pub struct Sandbox {
    process: Child,
    /// Its base URL, `/api/v1` included.
    pub base: String,
}

impl Sandbox {
    /// Starts one with these arguments.
    pub fn start(arguments: &[&str]) -> Self {
        let mut process =
            program().arg("sandbox").args(arguments).stdout(Stdio::piped()).spawn().expect("the sandbox starts");
        let mut base = String::new();
        BufReader::new(process.stdout.take().expect("its stdout is piped")).read_line(&mut base).expect("it prints");
        assert!(base.starts_with("http://127.0.0.1:"), "the sandbox printed `{base}`");
        Self { process, base: base.trim().to_owned() }
    }

    /// The address of `/sandbox/<what>`.
    pub fn side(&self, what: &str) -> String {
        format!("{}/sandbox/{what}", self.base.trim_end_matches("/api/v1"))
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A directory with a crawl file, and room for its dataset.
pub struct Room {
    directory: TempDir,
}

impl Room {
    /// Writes `text` as the crawl file `crawl.toml`; its dataset is `dataset` beside it, and `{base}` and `{dataset}`
    /// in the text stand for the server and that directory.
    pub fn new(text: &str, base: &str) -> Self {
        let room = Self { directory: TempDir::new().expect("there is room for a directory") };
        let text = text.replace("{base}", base).replace("{dataset}", &room.dataset().display().to_string());
        std::fs::write(room.file(), text).expect("the crawl file can be written");
        room
    }

    /// The crawl file.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("crawl.toml")
    }

    /// The dataset.
    pub fn dataset(&self) -> PathBuf {
        self.directory.path().join("dataset")
    }

    /// `civitrawl crawl` on the crawl file, ready to run.
    pub fn crawl(&self) -> Command {
        let mut command = program();
        command.arg("crawl").arg(self.file());
        command
    }

    /// Runs the crawl to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.crawl().args(arguments).output().expect("the program runs")
    }

    /// Fails unless `civitrawl verify` calls the dataset sound.
    pub fn assert_sound(&self) {
        assert_sound(&self.dataset());
    }
}

/// Fails unless `civitrawl verify` calls the dataset sound.
pub fn assert_sound(dataset: &Path) {
    assert_exit(&verify(dataset), 0);
}

/// What `civitrawl verify` makes of a dataset.
pub fn verify(dataset: &Path) -> Output {
    program().arg("verify").arg(dataset).output().expect("the program runs")
}

/// Copies a directory and all that is in it.
pub fn copy_tree(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp runs");
    assert!(status.success());
}

/// Runs a command and kills it at the `nth` call, of all its threads, by which it changes something in this directory; `None`
/// when it ended before.
pub fn killed_at(nth: u32, directory: &Path, command: &Command) -> Option<()> {
    let output = killer(nth, directory, command).output().expect("the program runs");
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", told(&output));
    output.status.success().then_some(())
}

/// Runs a command to its end; gives how many such calls it made.
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
    killer
}

/// Asks a program to end, as a service manager does.
pub fn terminate(child: &Child) {
    let status = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().expect("kill runs");
    assert!(status.success());
}

/// Fails, showing what was printed, unless the program ended with this code.
pub fn assert_exit(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", told(output));
}

/// What a program printed, for messages.
pub fn told(output: &Output) -> String {
    format!(
        "stdout:\n{}\nstderr:\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// `tests/readers/<script>`, to be run by the Python that has DuckDB, pyarrow and polars.
///
/// `scripts/test` makes that Python in `.venv`; `CIVITRAWL_PYTHON` names another.
fn python(script: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var_os("CIVITRAWL_PYTHON").map_or_else(|| root.join(".venv/bin/python"), PathBuf::from);
    assert!(python.exists(), "there is no {}; run scripts/test once", python.display());
    let mut command = Command::new(python);
    command.arg(root.join("tests/readers").join(script));
    command
}

/// Runs `tests/readers/<script>`, and fails when it does; gives what it printed.
pub fn read(script: &str, arguments: &[&str]) -> String {
    let output = python(script).args(arguments).output().expect("the program runs");
    assert!(output.status.success(), "{script} {arguments:?}\n{}", told(&output));
    String::from_utf8(output.stdout).expect("a reader prints text")
}

/// Fails unless the parts of all these datasets hold the same rows.
pub fn assert_same_rows(datasets: &[PathBuf]) {
    let datasets: Vec<String> = datasets.iter().map(|dataset| dataset.display().to_string()).collect();
    read("same.py", &datasets.iter().map(String::as_str).collect::<Vec<_>>());
}

/// One walk in small pages, committed often.
pub const SMALL: &str = r#"
server = "{base}"
dataset = "{dataset}"
pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 8 }
commit = { every = "100ms" }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 10 }
"#;

/// Two walks whose union is every model the list shows, as the shipped crawls have them.
pub const TWO_WALKS: &str = r#"
server = "{base}"
dataset = "{dataset}"

[pace]
requests_per_second = 1000.0
burst = 1000
in_flight = 8

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true }

[[walk]]
name = "models_pg"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", archived = true }
"#;
