//! The README's line for a crontab, run as it stands: many short nights make one crawl, and only trouble is printed. Its units
//! for systemd, as systemd reads them. The shipped crawl of nights.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Room, Sandbox, assert_exit, pass_night, printed, program, read, requests, shipped};

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

/// A directory with the program and its crawl file.
fn room(sandbox: &Sandbox) -> TempDir {
    let room = TempDir::new().expect("there is room");
    symlink(env!("CARGO_BIN_EXE_civitrawl"), room.path().join("civitrawl")).expect("it can be linked");
    let text = CRAWL.replace("{base}", &sandbox.base);
    std::fs::write(room.path().join("nightly.toml"), text).expect("it can be written");
    room
}

/// Returns how the runs of a dataset ended, in their order.
fn ends(dataset: &Path) -> Vec<(String, String)> {
    let reports = std::fs::read_dir(dataset.join("runs")).expect("there are reports");
    let mut reports: Vec<Value> = reports
        .map(|report| std::fs::read(report.expect("it can be listed").path()).expect("it can be read"))
        .map(|text| serde_json::from_slice(&text).expect("it is JSON"))
        .collect();
    reports.sort_by_key(|report| report["began_at"].to_string());
    let text = |report: &Value, key: &str| report[key].as_str().unwrap_or_default().to_owned();
    reports.iter().map(|report| (text(report, "state"), text(report, "reason"))).collect()
}

/// No page takes less time than a night has: every night gets one done, the page under way at its deadline, and a second
/// only if the machine stood still meanwhile.
#[test]
fn ten_nights_and_more_make_one_crawl() {
    let sandbox = Sandbox::start(&["--models", "160", "--latency", "400"]);
    let room = room(&sandbox);
    let dataset = room.path().join("data");
    let mut nights = 0;
    let last = || ends(&dataset).pop().unwrap_or_default();
    let silent = |deadline: &str| {
        let night = command(room.path(), deadline).output().expect("a shell runs");
        assert!(night.status.success() && night.stdout.is_empty() && night.stderr.is_empty(), "{}", printed(&night));
    };
    while nights == 0 || (last().0 == "stopped" && !last().1.contains("the pass is over")) {
        silent("150ms");
        nights += 1;
        assert!(nights < 300, "it does not get on: {:?}", last());
    }
    let ends = ends(&dataset);
    let by_deadline =
        |(state, reason): &&(String, String)| state == "stopped" && reason.contains("the deadline is reached");
    assert!(ends.iter().filter(by_deadline).count() >= 10, "{ends:?}");
    // The last page took longer than its night, so the snapshot was left to another one.
    if last().0 == "stopped" {
        silent("5h");
    }
    assert_eq!(last().0, "complete");

    // Exactly that crawl: no page twice, the rows those of a run that nothing disturbed, and those the server has.
    let mut asked: Vec<String> = requests(&sandbox).into_iter().map(|request| request.query).collect();
    let all = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), all, "a page was asked for twice");
    let swift = Sandbox::start(&["--models", "160"]);
    let whole = Room::new(&CRAWL.replace("\"data\"", "\"{dataset}\""), &swift.base);
    assert_exit(&whole.run(&[]), 0);
    let dataset = dataset.display().to_string();
    read("same.py", &[&dataset, &whole.dataset().display().to_string()]);
    read("snapshot.py", &[&dataset]);
    read("truth.py", &[&dataset, sandbox.side("").trim_end_matches('/'), "models=sort=Oldest&nsfw=true&archived=true"]);
}

#[test]
fn only_trouble_is_printed() {
    // Complete: silence, and silence again.
    let sandbox = Sandbox::start(&["--models", "60"]);
    let here = room(&sandbox);
    for _ in 0..2 {
        let night = command(here.path(), "5h").output().expect("a shell runs");
        assert!(night.status.success() && night.stdout.is_empty() && night.stderr.is_empty(), "{}", printed(&night));
    }
    // A dataset that is not what it was.
    std::fs::remove_file(here.path().join("data/commits/00000001.json")).expect("it is there");
    let night = command(here.path(), "5h").output().expect("a shell runs");
    assert!(printed(&night).contains("is damaged and was not touched"), "{}", printed(&night));

    // Rows that could not be had.
    let sandbox = Sandbox::start(&["--models", "60", "--fault", "kind=invalid-json,page=3,times=0"]);
    let here = room(&sandbox);
    let night = command(here.path(), "5h").output().expect("a shell runs");
    assert!(printed(&night).contains("is finished, but rows are missing"), "{}", printed(&night));
    let last = &ends(&here.path().join("data"))[0].0;
    assert_eq!(last, "doubtful");
}

/// The ids of the images that the sandbox lists at the levels of the two walks, from the first page's beginning on.
fn listed_images(sandbox: &Sandbox) -> BTreeSet<i64> {
    let rows = [3, 28].map(|levels| sandbox.truth(&format!("images?browsingLevel={levels}&sort=Oldest")));
    let rows = rows.iter().flatten().filter(|row| row["created_at"].as_str() >= Some(FROM));
    rows.filter_map(|row| row["id"].as_i64()).collect()
}

/// The beginning of the image walks in the test of the shipped nights: the sandbox's catalog ends soon after it.
const FROM: &str = "2026-09-01";

#[test]
fn the_shipped_nights_bring_new_models_and_images_for_a_few_requests() {
    let sandbox = Sandbox::start(&["--models", "1500", "--images", "20000"]);
    let from = shipped("nightly").replace("from = \"now - 30d\"", &format!("from = \"{FROM}\""));
    let room = Room::new(&from, &sandbox.base);
    // Its nights prune, so only the snapshot has all rows.
    let latest = room.dataset().join("latest");
    let ids = |table: &str| -> BTreeSet<i64> {
        let rows = room.rows(&format!("SELECT id FROM '{}/{table}'", latest.display()));
        rows.iter().filter_map(|row| row[0].as_i64()).collect()
    };
    let models = || -> BTreeSet<i64> {
        let rows = sandbox.truth("models?sort=Oldest&nsfw=true&archived=true");
        rows.iter().filter_map(|row| row["id"].as_i64()).collect()
    };
    let mut asked = 0;
    for night in 0..3 {
        if night > 0 {
            pass_night(&sandbox, "0.03");
        }
        let output = room.run(&[]);
        assert_exit(&output, 0);
        assert!(printed(&output).contains("\npruned: parts of "), "{}", printed(&output));
        let parts = room.dataset().join("parts/models").read_dir().expect("it is there");
        assert_eq!(parts.count(), 0, "the snapshot has their rows");
        let log = requests(&sandbox);
        assert!(log.iter().all(|request| !request.query.contains("modelVersionId")), "a version was asked for");
        assert!(night == 0 || log.len() - asked < 20, "{} requests in night {night}", log.len() - asked);
        asked = log.len();
        assert!(ids("models.parquet").is_superset(&models()), "night {night}");
        let (images, listed) = (ids("images.parquet/*.parquet"), listed_images(&sandbox));
        let missing: Vec<_> = listed.difference(&images).collect();
        assert!(listed.len() > 100 && missing.is_empty(), "night {night}: {missing:?} of {}", listed.len());
        assert!(images.len() < 2 * listed.len(), "{} images, {} are listed", images.len(), listed.len());
    }
    room.assert_sound();
}

/// Wants `systemd-analyze`; where there is none, scripts/test leaves it out and says so.
#[test]
fn systemd_understands_the_units() {
    let readme = std::fs::read_to_string("README.md").expect("there is a README");
    let (_, units) = readme.split_once("```ini\n").expect("it has units");
    let (units, _) = units.split_once("```").expect("they end");
    let room = TempDir::new().expect("there is room");
    let mut files = Vec::new();
    for unit in units.split("# /etc/systemd/system/").skip(1) {
        let (name, text) = unit.split_once('\n').expect("it has lines");
        let file = room.path().join(name);
        let text = text.replace("/usr/local/bin/civitrawl", env!("CARGO_BIN_EXE_civitrawl"));
        std::fs::write(&file, text).expect("it can be written");
        files.push(file);
    }
    assert_eq!(files.len(), 2, "{units}");
    let verify = Command::new("systemd-analyze").arg("verify").args(files).output().expect("systemd-analyze runs");
    assert!(verify.status.success() && verify.stdout.is_empty() && verify.stderr.is_empty(), "{}", printed(&verify));
}

/// The name is the crawl's own, so that the file may be moved and called otherwise.
#[test]
fn a_file_has_a_name_of_its_own_and_lists_ids_as_numbers() {
    let sandbox = Sandbox::start(&["--models", "20", "--traps", "none"]);
    let ids: Vec<String> = sandbox.truth("models").iter().take(2).map(|row| row["id"].to_string()).collect();
    let walk = "[[walk]]\nname = \"chosen\"\nendpoint = \"model\"\nfor_each = { list = [IDS] }\n";
    let text = format!("name = \"top-two\"\n{walk}").replace("IDS", &ids.join(", "));
    let text = format!("server = \"{{base}}\"\ndataset = \"{{dataset}}\"\n{text}");
    let room = Room::new(&text, &sandbox.base);
    let first = room.run(&[]);
    assert_exit(&first, 0);
    assert!(printed(&first).contains("pass 1 of `top-two` is complete: 2 requests"), "{}", printed(&first));
    let moved = room.file().with_file_name("another.toml");
    std::fs::rename(room.file(), &moved).expect("the crawl file can be renamed");
    let second = program().arg("crawl").arg(&moved).output().expect("the program runs");
    assert_exit(&second, 0);
    assert!(printed(&second).contains("pass 2 of `top-two` is complete: 2 requests"), "{}", printed(&second));
    room.assert_sound();
}
