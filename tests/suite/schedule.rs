//! The README's line for a crontab, run as it stands: many short nights make one crawl, and only trouble is told.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::log::requests;
use crate::support::{Sandbox, program, read, told};

const CRAWL: &str = r#"
server = "{base}"
dataset = "data"
pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 2 }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 10 }
incremental = { overlap = "3d" }
"#;

/// The command of the crontab's line, for a directory and a deadline.
fn command(directory: &Path, deadline: &str) -> Command {
    let readme = std::fs::read_to_string("README.md").expect("there is a README");
    let line = readme.lines().find_map(|line| line.strip_prefix("15 3 * * *")).expect("it has a crontab's line");
    let here = directory.display().to_string();
    let text = line.trim().replace("/srv/civitai", &here).replace("--deadline 5h", &format!("--deadline {deadline}"));
    assert!(text.contains(&here) && text.contains(deadline), "{text}");
    let mut command = Command::new("sh");
    let path = std::env::var("PATH").expect("there is a path");
    command.arg("-c").arg(text).env_clear().env("PATH", format!("{here}:{path}"));
    command
}

#[test]
fn short_nights_make_one_crawl_and_only_trouble_is_told() {
    let sandbox = Sandbox::start(&["--models", "200", "--latency", "60"]);
    let room = TempDir::new().expect("there is room");
    symlink(env!("CARGO_BIN_EXE_civitrawl"), room.path().join("civitrawl")).expect("it can be linked");
    std::fs::write(room.path().join("nightly.toml"), CRAWL.replace("{base}", &sandbox.base))
        .expect("it can be written");
    let dataset = room.path().join("data").display().to_string();
    let mut nights = 0;
    let over = || {
        let status = program().arg("status").arg(&dataset).output().expect("the program runs");
        told(&status).contains("pass 1 is over")
    };
    while nights == 0 || !over() {
        let night = command(room.path(), "150ms").output().expect("a shell runs");
        assert!(night.status.success() && night.stdout.is_empty() && night.stderr.is_empty(), "{}", told(&night));
        nights += 1;
    }
    assert!(nights >= 3, "{nights} nights");
    let mut asked: Vec<String> = requests(&sandbox).into_iter().map(|request| request.query).collect();
    let all = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), all, "a page was asked for twice");
    read("truth.py", &[&dataset, sandbox.side("").trim_end_matches('/'), "models=sort=Oldest&nsfw=true&archived=true"]);

    // A night without trouble is silent, one with trouble says what it was.
    let night = command(room.path(), "5h").output().expect("a shell runs");
    assert!(night.status.success() && night.stdout.is_empty(), "{}", told(&night));
    std::fs::remove_file(room.path().join("data/commits/00000001.json")).expect("it is there");
    let night = command(room.path(), "5h").output().expect("a shell runs");
    assert!(told(&night).contains("is damaged and was not touched"), "{}", told(&night));
}
