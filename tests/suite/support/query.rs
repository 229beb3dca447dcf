//! Datasets as their readers see them: `tests/readers`, run by the Python that has DuckDB, pyarrow and polars.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::crawl_file::Room;
use super::{printed, trust};

impl Room {
    /// Runs `tests/readers/<script>` on the dataset, with these further arguments; returns what it printed.
    pub fn read(&self, script: &str, more: &[&str]) -> String {
        read(script, &[&[&*self.dataset().display().to_string()], more].concat())
    }

    /// Returns the rows of a query over the dataset, a JSON list a line.
    pub fn query(&self, sql: &str) -> String {
        query(&self.dataset(), sql)
    }

    /// Returns the rows of a query over the dataset.
    pub fn rows(&self, sql: &str) -> Vec<Value> {
        self.query(sql).lines().map(|line| serde_json::from_str(line).expect("rows are JSON")).collect()
    }

    /// Returns the one value of a query over the dataset.
    pub fn value(&self, sql: &str) -> Value {
        self.rows(sql)[0][0].clone()
    }
}

/// Returns the rows of a query over a dataset, a JSON list a line.
pub fn query(dataset: &Path, sql: &str) -> String {
    read("query.py", &[&dataset.display().to_string(), sql])
}

/// `tests/readers/<script>`, ready to run. `scripts/test` makes that Python in `.venv`; `CIVITRAWL_PYTHON` names another.
pub fn python(script: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var_os("CIVITRAWL_PYTHON").map_or_else(|| root.join(".venv/bin/python"), PathBuf::from);
    assert!(python.exists(), "there is no {}; run scripts/test once", python.display());
    let mut command = Command::new(python);
    command.arg(root.join("tests/readers").join(script));
    trust(&mut command);
    command
}

/// Runs `tests/readers/<script>`, and fails when it does; returns what it printed. `CIVITRAWL_READERS` is the socket of
/// `serve.py`, which does it in less time. It does not run `scripts`, which measure programs: the system counts the memory that a
/// process had before it became its program, and a copy of `serve.py` has a lot.
pub fn read(script: &str, arguments: &[&str]) -> String {
    let mut command = python(script);
    command.args(arguments);
    let socket = std::env::var_os("CIVITRAWL_READERS").filter(|_| !script.starts_with("../../scripts"));
    let (succeeded, stdout, shown) = match socket {
        Some(socket) => served(&command, Path::new(&socket)),
        None => {
            let output = command.output().expect("the program runs");
            let shown = printed(&output);
            (output.status.success(), String::from_utf8(output.stdout).expect("a reader prints text"), shown)
        }
    };
    assert!(succeeded, "{script} {arguments:?}\n{shown}");
    stdout
}

/// Has `serve.py` run a reader. Returns true if it succeeded, what it printed, and all that is to be shown if it did not.
fn served(command: &Command, socket: &Path) -> (bool, String, String) {
    let text = |part: &OsStr| part.to_str().expect("all of it is text").to_owned();
    let mut environment: BTreeMap<String, String> = std::env::vars().collect();
    environment.extend(command.get_envs().filter_map(|(name, value)| Some((text(name), text(value?)))));
    let request = json!({
        "arguments": command.get_args().map(text).collect::<Vec<_>>(),
        "directory": std::env::current_dir().expect("there is one"),
        "environment": environment,
    });
    let mut stream = UnixStream::connect(socket).expect("serve.py listens");
    writeln!(stream, "{request}").expect("serve.py reads");
    let answer: Value = serde_json::from_reader(stream).expect("serve.py answers");
    let said = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    let shown = format!("stdout:\n{}\nstderr:\n{}", said("stdout"), said("stderr"));
    (answer["code"] == 0, said("stdout"), shown)
}

/// Fails unless the parts of all these datasets hold the same rows.
pub fn assert_same_rows(datasets: &[PathBuf]) {
    let datasets: Vec<String> = datasets.iter().map(|dataset| dataset.display().to_string()).collect();
    read("same.py", &datasets.iter().map(String::as_str).collect::<Vec<_>>());
}
