//! Watching a crawl: silence where nobody looks, log lines with the fields that are documented, numbers for Prometheus,
//! `status --watch`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use prometheus_parse::{Scrape, Value};

use crate::support::{Room, SMALL, Sandbox, TWO_WALKS, assert_exit, printed, program};

/// The messages that the README documents, with their fields.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let table = readme.split("| message | fields |").nth(1).expect("the README documents log lines");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        (cells[0].to_owned(), cells[1].split(", ").map(|field| field.trim_matches('`').to_owned()).collect())
    })
    .collect()
}

/// The source of what crawls and of what logs.
fn source() -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let engine = files_below(&source.join("engine"));
    let files =
        engine.into_iter().chain(["logging", "json_log", "output"].map(|name| source.join(format!("cli/{name}.rs"))));
    files.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn log_lines_have_the_fields_that_are_documented() {
    let documented = documented();
    let mut seen = BTreeSet::new();
    for faults in [
        &["kind=status,code=503,nth=2", "kind=status,code=429,retry_after=0,nth=4", "kind=invalid-json,page=5,times=0"]
            [..],
        &["kind=status,code=451,nth=2,times=0"],
    ] {
        let mut arguments = vec!["--models", "240", "--traps", "odd-fields"];
        faults.iter().for_each(|fault| arguments.extend(["--fault", fault]));
        let sandbox = Sandbox::start(&arguments);
        let output = Room::new(SMALL, &sandbox.base).run(&["-v", "-v", "--log-format", "json"]);
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            let line: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
            let mut fields: BTreeSet<String> = line.as_object().unwrap().keys().cloned().collect();
            for always in ["timestamp", "level", "message"] {
                assert!(fields.remove(always), "{line}");
            }
            let message = line["message"].as_str().unwrap();
            let known = documented.get(message).unwrap_or_else(|| panic!("`{message}` is not documented"));
            assert!(fields.is_subset(known), "{line}");
            // What has no value, such as a first page's cursor, is left out.
            let left_out: Vec<_> =
                known.difference(&fields).filter(|field| !["cursor", "detail"].contains(&field.as_str())).collect();
            assert!(left_out.is_empty(), "{line} lacks {left_out:?}");
            seen.insert(message.to_owned());
        }
    }
    // Of those that need a server of their own, the words in the source must do.
    let source = source();
    let missing: Vec<_> = documented.keys().filter(|message| !seen.contains(*message)).collect();
    assert!(missing.iter().all(|message| source.contains(&format!("\"{message}\""))), "never seen: {missing:?}");
    assert!(seen.len() > 14, "seen: {seen:?}");
}

#[test]
fn on_a_pipe_a_crawl_is_silent_until_something_is_wrong() {
    let sandbox = Sandbox::start(&["--models", "60"]);
    let output = Room::new(TWO_WALKS, &sandbox.base).run(&[]);
    assert_exit(&output, 0);
    assert!(output.stderr.is_empty(), "{}", printed(&output));
    assert!(!output.stdout.contains(&0x1b), "{}", printed(&output));
}

/// A sample's value.
fn sample(scrape: &Scrape, name: &str, labels: &[(&str, &str)]) -> f64 {
    let fits = |sample: &&prometheus_parse::Sample| {
        sample.metric == name && labels.iter().all(|(label, value)| sample.labels.get(label) == Some(value))
    };
    match scrape.samples.iter().find(fits).map(|sample| &sample.value) {
        Some(Value::Counter(value) | Value::Gauge(value)) => *value,
        other => panic!("{name} {labels:?}: {other:?}"),
    }
}

fn scrape(file: &Path) -> Scrape {
    let text = std::fs::read_to_string(file).expect("it is written");
    Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).expect("it is Prometheus text")
}

#[test]
fn the_metrics_are_those_of_the_run() {
    let sandbox = Sandbox::start(&["--models", "120", "--fault", "kind=status,code=503,nth=2"]);
    let room = Room::new(SMALL, &sandbox.base);
    let file = room.file().with_file_name("civitrawl.prom");
    let name = file.display().to_string();
    assert_exit(&room.run(&["--metrics-file", &name, "--max-pages", "3"]), 3);
    let stopped = scrape(&file);
    assert_eq!(sample(&stopped, "civitrawl_running", &[("crawl", "crawl")]), 0.0);
    assert_eq!(sample(&stopped, "civitrawl_complete", &[]), 0.0);
    assert_eq!(sample(&stopped, "civitrawl_walk_pages", &[("walk", "models")]), 3.0);
    assert_eq!(sample(&stopped, "civitrawl_walk_over", &[("walk", "models")]), 0.0);
    assert_eq!(sample(&stopped, "civitrawl_answers_total", &[("status", "503")]), 1.0);
    assert_eq!(sample(&stopped, "civitrawl_retries_total", &[]), 1.0);

    assert_exit(&room.run(&["--metrics-file", &name]), 0);
    let over = scrape(&file);
    assert_eq!(sample(&over, "civitrawl_complete", &[]), 1.0);
    assert_eq!(sample(&over, "civitrawl_walk_over", &[("walk", "models")]), 1.0);
    let requests = crate::support::requests(&sandbox).len() as f64;
    let both = sample(&stopped, "civitrawl_requests_total", &[]) + sample(&over, "civitrawl_requests_total", &[]);
    assert_eq!(both, requests);
    let rows = sample(&stopped, "civitrawl_rows_total", &[("table", "pages")])
        + sample(&over, "civitrawl_rows_total", &[("table", "pages")]);
    assert_eq!(rows, sample(&over, "civitrawl_walk_pages", &[("walk", "models")]));
    // The first run ended within its first pass.
    for (scrape, ended) in [(&stopped, false), (&over, true)] {
        let now = sample(scrape, "civitrawl_written_timestamp_seconds", &[]);
        for name in ["civitrawl_last_complete_timestamp_seconds", "civitrawl_last_snapshot_timestamp_seconds"] {
            let at = sample(scrape, name, &[]);
            assert!(if ended { (now - 60.0..=now).contains(&at) } else { at == 0.0 }, "{name} is {at} at {now}");
        }
        assert!(sample(scrape, "civitrawl_free_bytes", &[]) > 0.0);
    }
    assert_eq!(sample(&over, "civitrawl_dataset_bytes", &[]), standing(&room).0["dataset_bytes"].as_f64().unwrap());
    assert!(sample(&stopped, "civitrawl_dataset_bytes", &[]) > 0.0);
    // Nothing is left beside it, and a place that cannot be written to stops no crawl.
    assert!(!file.with_file_name(".civitrawl.prom.tmp").exists());
    let nowhere = room.run(&["--metrics-file", "/nowhere/civitrawl.prom"]);
    assert_exit(&nowhere, 0);
    assert!(printed(&nowhere).contains("the metrics cannot be written"), "{}", printed(&nowhere));
}

#[test]
fn a_watched_dataset_is_reported_until_its_run_has_ended() {
    let sandbox = Sandbox::start(&["--models", "300", "--latency", "150"]);
    let room = Room::new(SMALL, &sandbox.base);
    assert_exit(&room.run(&["--max-pages", "1"]), 3);
    let mut crawl = room.crawl().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // A dataset that nobody writes to is not watched.
    until_held(&room);
    let output = program().arg("status").arg("--watch").arg(room.dataset()).output().unwrap();
    assert_exit(&output, 0);
    assert_eq!(crawl.wait().unwrap().code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let standings: Vec<&str> = text.lines().filter(|line| line.contains(": pass 1 is ")).collect();
    assert!(standings.len() >= 2, "{text}");
    assert!(standings[0].contains("unfinished") && standings.last().unwrap().contains("pass 1 is over"), "{text}");
    let last = &text[text.rfind(": pass 1 is ").unwrap()..];
    assert!(last.contains("\nsnapshot 1 of ") && last.contains(": complete; "), "it is watched to its end: {last}");
    assert!(!text.contains('\u{1b}'), "no terminal, no codes");
}

/// Returns the object of `status --json`, and the exit code.
fn standing(room: &Room) -> (serde_json::Value, i32) {
    let output = program().args(["status", "--json"]).arg(room.dataset()).output().unwrap();
    let object = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", printed(&output)));
    (object, output.status.code().expect("no signal ended it"))
}

/// Returns once a process writes to the dataset.
fn until_held(room: &Room) {
    while standing(room).0["locked"] != true {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn a_killed_run_is_known_by_its_lock() {
    let sandbox = Sandbox::start(&["--models", "300", "--latency", "150"]);
    let room = Room::new(SMALL, &sandbox.base);
    assert_exit(&room.run(&["--max-pages", "1"]), 3);
    let mut crawl = room.crawl().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let first = standing(&room).0["commit"].clone();
    while standing(&room).0["commit"] == first {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let (running, code) = standing(&room);
    assert_eq!((code, &running["state"], &running["run"]["state"]), (3, &"unfinished".into(), &"running".into()));
    assert_eq!((&running["locked"], &running["holder"]["pid"]), (&true.into(), &crawl.id().into()));
    let named = format!("process {} since ", crawl.id());
    assert!(room.status().contains(&format!("\n{named}")), "{}", room.status());
    let second = room.run(&[]);
    assert_exit(&second, 75);
    assert!(printed(&second).contains(&format!("dataset` ({named}")), "{}", printed(&second));

    let watch = program().args(["status", "--watch"]).arg(room.dataset()).stdout(Stdio::piped()).spawn().unwrap();
    crawl.kill().unwrap();
    crawl.wait().unwrap();
    let watched = watch.wait_with_output().unwrap();
    assert_exit(&watched, 3);
    for said in [printed(&watched), room.status()] {
        assert!(said.contains("the last run was killed, or failed: run it again"), "{said}");
        assert!(said.contains(": killed; "), "{said}");
    }
    let (killed, code) = standing(&room);
    assert_eq!((code, &killed["state"], &killed["run"]["state"]), (3, &"unfinished".into(), &"killed".into()));
    assert_eq!((&killed["locked"], &killed["holder"]), (&false.into(), &serde_json::Value::Null));

    // The name that the killed run left is nobody's, whoever holds the lock now.
    let lock = room.dataset().join(".lock");
    assert!(std::fs::read_to_string(&lock).unwrap().contains(&named));
    let mut backup = std::process::Command::new("flock").arg(&lock).args(["sleep", "1000"]).spawn().unwrap();
    until_held(&room);
    let refused = room.run(&[]);
    assert_exit(&refused, 75);
    assert!(!printed(&refused).contains("process "), "{}", printed(&refused));
    let (held, _) = standing(&room);
    assert_eq!((&held["locked"], &held["holder"]), (&true.into(), &serde_json::Value::Null));
    // Its child has the lock as well.
    let child = std::process::Command::new("pkill").arg("-P").arg(backup.id().to_string()).status().unwrap();
    assert!(child.success());
    backup.wait().unwrap();

    assert_exit(&room.run(&[]), 0);
    let (over, code) = standing(&room);
    assert_eq!((code, &over["state"], &over["run"]["state"]), (0, &"complete".into(), &"complete".into()));
    assert!(room.status().contains(": complete; "));
}

#[test]
fn the_state_of_a_dataset_is_an_exit_code_and_an_object() {
    let fault = "kind=invalid-json,page=3,times=0";
    let sandbox = Sandbox::start(&["--models", "120", "--fault", fault]);
    let room = Room::new(SMALL, &sandbox.base);
    let absent = program().args(["status", "--json"]).arg(room.dataset()).output().unwrap();
    assert_exit(&absent, 2);
    assert_exit(&room.run(&["--max-pages", "2"]), 3);
    let (unfinished, code) = standing(&room);
    assert_eq!((code, &unfinished["state"], &unfinished["run"]["state"]), (3, &"unfinished".into(), &"stopped".into()));
    assert_eq!((&unfinished["last_complete_at"], &unfinished["snapshot"]), (&().into(), &().into()));
    assert_exit(&room.run(&[]), 4);
    let (doubtful, code) = standing(&room);
    assert_eq!((code, &doubtful["state"], &doubtful["last_complete_at"]), (4, &"doubtful".into(), &().into()));
    assert!(doubtful["doubts"].to_string().contains("page 3 "), "{doubtful}");

    let sound = Sandbox::start(&["--models", "120"]);
    let room = Room::new(SMALL, &sound.base);
    assert_exit(&room.run(&[]), 0);
    let (complete, code) = standing(&room);
    assert_eq!((code, &complete["state"]), (0, &"complete".into()));
    assert_eq!(complete["walks"]["models"]["state"], "complete");
    assert_eq!(complete["snapshot"]["number"], 1);
    assert!(complete["last_complete_at"].is_string() && complete["free_bytes"].as_u64() > Some(0), "{complete}");
    let pages = room.query("SELECT count(*) FROM pages");
    assert_eq!(format!("[{}]\n", complete["tables"]["pages"]["rows"]), pages);
    let files = |folder: &str| {
        files_below(&room.dataset().join(folder))
            .into_iter()
            .filter(|path| path.extension().is_some_and(|e| e == "parquet"))
    };
    let bytes: u64 = files("parts").chain(files("snapshots")).map(|path| path.metadata().unwrap().len()).sum();
    assert_eq!(complete["dataset_bytes"], bytes);

    // The names that the README lists are those that there are.
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let documented = readme.split("| name in `status --json` |").nth(1).expect("the README lists them");
    let documented = documented.lines().skip(2).take_while(|line| line.starts_with('|'));
    let documented: BTreeSet<String> = documented
        .flat_map(|line| {
            line.split('|').nth(1).unwrap().split(',').map(|name| name.trim().trim_matches('`').to_owned())
        })
        .collect();
    let names: BTreeSet<String> = complete.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, documented);
    // A damaged snapshot is damage.
    let inventory = room.dataset().join("snapshots/000001/snapshot.json");
    std::fs::remove_file(inventory).unwrap();
    assert_eq!(standing(&room).1, 65);
}

/// Fails unless every line on stderr is JSON, and the last one says that the run ended with this code; returns it.
fn assert_json_to_the_end(output: &std::process::Output, code: i32) -> serde_json::Value {
    assert_exit(output, code);
    let text = String::from_utf8_lossy(&output.stderr);
    let mut lines = text.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(["timestamp", "level", "message"].iter().all(|name| line[name].is_string()), "{line}");
        line
    });
    let last = lines.next_back().unwrap_or_else(|| panic!("nothing was logged: {}", printed(output)));
    assert_eq!((&last["message"], &last["exit"]), (&"run ended".into(), &code.into()), "{text}");
    assert_eq!(text.matches("\"run ended\"").count(), 1, "{text}");
    last
}

#[test]
fn a_json_log_is_json_to_its_last_line() {
    let sandbox = Sandbox::start(&["--models", "200", "--latency", "100"]);
    let room = Room::new(SMALL, &sandbox.base);
    let file = room.file().display().to_string();
    let run = |words: &[&str]| program().args(words).output().unwrap();
    let json = ["--log-format", "json"];
    // The file is bad, or missing, or an argument is.
    let bad = room.file().with_file_name("bad.toml");
    std::fs::write(&bad, "colour = 1\nserver = 2\n").unwrap();
    for words in [
        &["crawl", bad.to_str().unwrap()][..],
        &["crawl", "no/such.toml"],
        &["crawl", &file, "--rate", "fast"],
        &["crawl", &file, "--nonsense"],
        &["get", "model", "x", "--server", &sandbox.base],
        &["download", "80", "--into", &file, "--server", &sandbox.base],
    ] {
        let output = run(&[words, &json].concat());
        let last = assert_json_to_the_end(&output, 2);
        assert_eq!(last["requests"], 0);
        assert!(printed(&output).contains("\"problem\",\"text\":"), "{}", printed(&output));
    }
    assert_json_to_the_end(&run(&["crawl", &file, "--log-format=json", "--min-free", "1000TB"]), 74);
    let stopped = assert_json_to_the_end(&room.run(&[&json[..], &["--max-pages", "3"]].concat()), 3);
    assert_eq!((&stopped["requests"], &stopped["pages"], &stopped["items"]), (&3.into(), &3.into(), &30.into()));

    let crawl = room.crawl().args(json).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    until_held(&room);
    let held = room.run(&json);
    assert!(printed(&held).contains("another crawl holds the dataset"), "{}", printed(&held));
    assert_json_to_the_end(&held, 75);
    crate::support::terminate(&crawl);
    assert_json_to_the_end(&crawl.wait_with_output().unwrap(), 3);
    let over = assert_json_to_the_end(&room.run(&json), 0);
    assert!(over["rows"].as_u64() > Some(200) && over["seconds"].as_f64() > Some(0.0), "{over}");
}

#[test]
fn warnings_say_so_and_those_of_a_kind_are_few() {
    let faults: Vec<String> = [2, 4, 6, 8, 10].iter().map(|nth| format!("kind=status,code=503,nth={nth}")).collect();
    let faults = faults.iter().flat_map(|fault| ["--fault", fault]);
    let arguments: Vec<&str> = ["--models", "120"].into_iter().chain(faults).collect();
    let sandbox = Sandbox::start(&arguments);
    let walks: String = (1..=5)
        .map(|walk| {
            format!("[[walk]]\nname = \"models{walk}\"\nendpoint = \"models\"\nparams = {{ sort = \"Oldest\", tag = \"a{walk}, b\" }}\n")
        })
        .collect();
    let room = Room::new(SMALL, &sandbox.base);
    let output = room.run(&[]);
    assert_exit(&output, 0);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.lines().all(|line| line.starts_with("warning: ")), "{text}");
    assert_eq!(text.matches("Z asking again walk=\"models\" ").count(), 3, "{text}");
    assert!(text.ends_with("warning: asking again: and 2 more; `-v` shows each\n"), "{text}");

    let verbose = Sandbox::start(&arguments);
    let text = printed(&Room::new(SMALL, &verbose.base).run(&["-v"]));
    assert_eq!(text.matches("Z asking again walk=\"models\" ").count(), 5, "{text}");
    assert!(text.contains("\ninfo: ") && !text.contains("more; `-v`"), "{text}");

    let plan = Room::new(&walks, "https://civitai.com/api/v1");
    let output = program().arg("plan").arg(plan.file()).output().unwrap();
    assert_exit(&output, 0);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.lines().all(|line| line.starts_with("warning: ")), "{text}");
    assert_eq!(text.matches("a tag the server does not know").count(), 3, "{text}");
    assert_eq!(text.matches(" (and 2 more like it)\n").count(), 1, "{text}");
}

#[test]
fn a_disk_is_left_the_room_that_it_has_to_keep() {
    let sandbox = Sandbox::start(&["--models", "60"]);
    let room = Room::new(SMALL, &sandbox.base);
    let full = room.run(&["--min-free", "1000TB"]);
    assert_exit(&full, 74);
    for word in ["left, and `--min-free` keeps 1000000.0 GB", "free some space and run it again"] {
        assert!(printed(&full).contains(word), "{}", printed(&full));
    }
    assert!(crate::support::requests(&sandbox).is_empty(), "nothing is asked for");
    for wrong in ["5", "a lot", "-1GB"] {
        assert_exit(&room.run(&[&format!("--min-free={wrong}")]), 2);
    }
    assert_exit(&room.run(&["--min-free", "1MB"]), 0);
    assert_exit(&room.run(&["--max-pages", "1"]), 3);
    let snapshots = || std::fs::read_dir(room.dataset().join("snapshots")).unwrap().count();
    let take = |size: &str| program().args(["snapshot", "--min-free", size]).arg(room.dataset()).output().unwrap();
    let refused = take("1000TB");
    assert_exit(&refused, 74);
    assert!(printed(&refused).contains("`--min-free` keeps"), "{}", printed(&refused));
    assert_eq!(snapshots(), 1);
    assert_exit(&take("1MB"), 0);
    assert_eq!(snapshots(), 2);
}

#[test]
fn pruning_says_what_it_frees_and_would_free() {
    let sandbox = Sandbox::start(&["--models", "60"]);
    let room = Room::new(SMALL, &sandbox.base);
    assert_exit(&room.run(&[]), 0);
    let snapshot = |words: &[&str]| {
        let output = program().arg("snapshot").args(words).arg(room.dataset()).output().unwrap();
        assert_exit(&output, 0);
        String::from_utf8(output.stdout).unwrap()
    };
    let parts = || {
        let files = files_below(&room.dataset().join("parts")).into_iter();
        files.filter(|path| !path.display().to_string().contains("/pages/")).count()
    };
    let before = parts();
    let wanted = snapshot(&["--prune", "--dry-run"]);
    let size = wanted
        .strip_prefix(&format!("`--prune` would remove {before} parts of "))
        .unwrap_or_else(|| panic!("{wanted}"));
    assert_eq!(parts(), before);
    let done = snapshot(&["--prune"]);
    assert!(done.ends_with(&format!("\npruned: parts of {} removed\n", size.trim_end())), "{done} {wanted}");
    assert_eq!(parts(), 0);
    assert!(snapshot(&["--prune"]).ends_with("\npruned: parts of 0 B removed\n"));
    assert!(!snapshot(&[]).contains("pruned"));
    assert_exit(&program().args(["snapshot", "--dry-run"]).arg(room.dataset()).output().unwrap(), 2);
}
