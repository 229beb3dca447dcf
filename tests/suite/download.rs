//! `civitrawl download`: whole and right files, whatever happens on the way, and a line for each that is not to be had.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::support::{Logged, Room, Sandbox, Server, TWO_WALKS, ask, assert_exit, printed, program, requests};

const KEY: &str = "canary-8d2f";

/// `civitrawl download`, in a hurry.
fn download(sandbox: &Sandbox, into: &Path, ids: &[String]) -> Command {
    let mut command = program();
    command.arg("download").args(ids).arg("--into").arg(into);
    command.args(["--server", &sandbox.base, "--rate", "1000"]);
    command
}

fn run(command: &mut Command) -> Output {
    command.output().expect("the program runs")
}

/// The ids of first versions, of every fifth model up to this one: the storage host keeps files of those.
fn versions(last: u32) -> Vec<String> {
    (5..=last).step_by(5).map(|model| (model * 16).to_string()).collect()
}

/// Asks the API for a file without a key; returns status and message.
fn said(sandbox: &Sandbox, version: &str) -> (u16, String) {
    let origin = sandbox.base.trim_end_matches("/v1");
    let answer = ask(&format!("{origin}/download/models/{version}"));
    (answer.status, answer.json().to_string())
}

/// The versions whose files anybody may have, with the file as the API describes it.
fn free(sandbox: &Sandbox, last: u32) -> Vec<(String, Value)> {
    let free = versions(last).into_iter().filter(|version| said(sandbox, version).0 == 307);
    free.map(|version| {
        let body = ask(&format!("{}/model-versions/{version}", sandbox.base)).json();
        (version, body["files"][0].clone())
    })
    .collect()
}

/// The largest of them.
fn large(sandbox: &Sandbox) -> (String, Value) {
    let size = |file: &Value| file["sizeKB"].as_f64().unwrap_or_default();
    let all = free(sandbox, 300);
    let largest = all.into_iter().max_by(|a, b| size(&a.1).total_cmp(&size(&b.1))).expect("there are files");
    assert!(size(&largest.1) > 16.0, "{largest:?}");
    largest
}

fn outcomes(output: &Output) -> BTreeMap<String, String> {
    let text = String::from_utf8(output.stdout.clone()).expect("it prints text");
    let line = |line: &str| line.split_once(": ").map(|(id, outcome)| (id.to_owned(), outcome.to_owned()));
    text.lines().map(|text| line(text).expect("each line names a version")).collect()
}

fn sha256(path: &Path) -> String {
    Sha256::digest(fs::read(path).expect("it can be read")).iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Every file in a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).expect("it is there").map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The requests to the storage host.
fn stored(sandbox: &Sandbox) -> Vec<Logged> {
    requests(sandbox).into_iter().filter(|request| request.path.starts_with("/model/")).collect()
}

/// Downloads these versions, some of which cannot be had; returns what is printed for each.
fn outcomes_of(command: &mut Command) -> BTreeMap<String, String> {
    let output = run(command);
    assert_exit(&output, 4);
    assert!(!printed(&output).contains(KEY), "{}", printed(&output));
    outcomes(&output)
}

fn count(outcomes: &BTreeMap<String, String>, word: &str) -> usize {
    outcomes.values().filter(|outcome| outcome.starts_with(word)).count()
}

#[test]
fn every_version_has_its_outcome() {
    let sandbox = Sandbox::start(&["--models", "300"]);
    let folder = TempDir::new().unwrap();
    let all = versions(600);
    let outcomes = outcomes_of(&mut download(&sandbox, folder.path(), &all));
    assert_eq!(outcomes.len(), all.len());
    let mut kinds = BTreeMap::new();
    for version in &all {
        let expected = match said(&sandbox, version) {
            (307, _) => "downloaded as ",
            (401, body) if body.contains("disabled") => "downloads_disabled (",
            (401, _) => "login_needed: give a key by CIVITAI_API_KEY or --key-file",
            (403, _) => "early_access (",
            // Query first, the API knows no version without files.
            _ => "gone (",
        };
        assert!(outcomes[version].starts_with(expected), "{version}: `{}` is no `{expected}`", outcomes[version]);
        *kinds.entry(expected).or_insert(0) += 1;
    }
    assert!(kinds.len() >= 4 && kinds["downloaded as "] > 10, "{kinds:?}");
}

#[test]
fn downloads_are_whole_and_in_the_folder_whatever_they_are_called() {
    let sandbox = Sandbox::start(&["--models", "300"]);
    let folder = TempDir::new().unwrap();
    let into = folder.path().join("files");
    let outcomes = outcomes_of(&mut download(&sandbox, &into, &versions(600)));
    assert_eq!(files(folder.path()), [into.as_path()]);
    let hashes: Vec<String> = files(&into).iter().map(|path| sha256(path)).collect();
    let free = free(&sandbox, 600);
    assert!(free.len() > 10 && hashes.len() == count(&outcomes, "downloaded as "), "{outcomes:?}");
    for (version, file) in free {
        assert!(hashes.contains(&file["hashes"]["SHA256"].as_str().unwrap().to_owned()), "{version}");
    }
}

#[test]
fn with_a_key_more_is_downloaded_and_nothing_twice() {
    let sandbox = Sandbox::start(&["--models", "300"]);
    let folder = TempDir::new().unwrap();
    let all = versions(600);
    let first = outcomes_of(&mut download(&sandbox, folder.path(), &all));
    let before = stored(&sandbox).len();
    let second = outcomes_of(download(&sandbox, folder.path(), &all).env("CIVITAI_API_KEY", KEY));
    assert_eq!(count(&second, "already_there"), count(&first, "downloaded as "));
    let more = count(&second, "downloaded");
    assert!(more > 0, "{second:?}");
    assert_eq!(stored(&sandbox).len() - before, more);
}

#[test]
fn the_key_goes_to_the_api_and_never_to_the_storage_host() {
    let sandbox = Sandbox::start(&["--models", "300"]);
    let folder = TempDir::new().unwrap();
    outcomes_of(download(&sandbox, folder.path(), &versions(600)).env("CIVITAI_API_KEY", KEY));
    let stored = stored(&sandbox);
    assert!(!stored.is_empty());
    assert!(stored.iter().all(|request| !request.authorization && !request.query.contains(KEY)), "the key leaked");
    let api = requests(&sandbox);
    assert!(api.iter().any(|request| request.authorization && request.path.starts_with("/api/download/")));
}

#[test]
fn a_downloaded_file_is_known_by_its_hash() {
    let sandbox = Sandbox::start(&["--models", "120"]);
    let folder = TempDir::new().unwrap();
    let wanted: Vec<String> = free(&sandbox, 250).into_iter().map(|(version, _)| version).collect();
    assert_exit(&run(&mut download(&sandbox, folder.path(), &wanted)), 0);
    fs::write(folder.path().join("own.safetensors"), "mine").unwrap();
    let before = requests(&sandbox).len();
    let mut get = program();
    get.args(["get", "hash", "--server", &sandbox.base, "--rate", "1000", "--files"]).arg(folder.path());
    let output = run(&mut get);
    assert_exit(&output, 4);
    let found = String::from_utf8(output.stdout.clone()).unwrap();
    let mut found: Vec<String> =
        found.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].to_string()).collect();
    found.sort_by_key(|id| id.parse::<u32>().unwrap());
    assert_eq!(found, wanted);
    assert!(printed(&output).contains("own.safetensors (AutoV2 "), "{}", printed(&output));
    // One question for all hashes, one for each version found, none for what nobody has.
    assert_eq!(requests(&sandbox).len() - before, 1 + wanted.len());
}

#[test]
fn a_download_continues_where_it_was_killed() {
    let sandbox = Sandbox::start(&["--models", "120", "--fault", "kind=slow,path=/model/,nth=1"]);
    let (version, file) = large(&sandbox);
    let folder = TempDir::new().unwrap();
    let part = folder.path().join(format!(".{version}.part"));
    let mut command = download(&sandbox, folder.path(), &[version]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while fs::metadata(&part).map_or(0, |facts| facts.len()) < 2048 {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing arrives");
        sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = fs::metadata(&part).unwrap().len();
    assert_exit(&run(command.stdout(Stdio::piped())), 0);
    let ranges: Vec<Option<String>> = stored(&sandbox).into_iter().map(|request| request.range).collect();
    assert_eq!(ranges, [None, Some(format!("bytes={kept}-"))]);
    let [path] = &files(folder.path())[..] else { panic!("one file, no part: {:?}", files(folder.path())) };
    assert_eq!(sha256(path), file["hashes"]["SHA256"]);
}

#[test]
fn broken_connections_and_old_links_are_survived() {
    for (fault, resumes) in [
        ("kind=cut,path=/model/,nth=1", true),
        ("kind=truncate,path=/model/,nth=1", true),
        ("kind=status,code=403,path=/model/,nth=1", false),
        ("kind=status,code=503,path=/api/download/models/ID,nth=1", false),
        ("kind=status,code=429,retry_after=0,path=/api/download/models/ID,nth=1", false),
    ] {
        let plain = Sandbox::start(&["--models", "120"]);
        let (version, file) = large(&plain);
        let sandbox = Sandbox::start(&["--models", "120", "--fault", &fault.replace("ID", &version)]);
        let folder = TempDir::new().unwrap();
        let output = run(&mut download(&sandbox, folder.path(), &[version]));
        assert_exit(&output, 0);
        assert!(printed(&output).contains("SHA256 checked"), "{fault}: {}", printed(&output));
        assert_eq!(sha256(&files(folder.path())[0]), file["hashes"]["SHA256"], "{fault}");
        let asked = requests(&sandbox).iter().filter(|request| request.path.starts_with("/api/download/")).count();
        assert_eq!(asked, 2, "{fault}: each attempt asks for a fresh link");
        assert_eq!(stored(&sandbox).iter().any(|request| request.range.is_some()), resumes, "{fault}");
    }
}

#[test]
fn wrong_bytes_are_named_and_set_aside() {
    let sandbox = Sandbox::start(&["--models", "120", "--fault", "kind=flip,path=/model/"]);
    let (version, file) = large(&sandbox);
    let folder = TempDir::new().unwrap();
    let output = run(&mut download(&sandbox, folder.path(), std::slice::from_ref(&version)));
    assert_exit(&output, 4);
    let expected = file["hashes"]["SHA256"].as_str().unwrap();
    let told_of = &outcomes(&output)[&version];
    assert!(told_of.starts_with("hash_mismatch: ") && told_of.contains(expected), "{told_of}");
    let kept = folder.path().join(format!("{version}.{}.hash-mismatch", &expected[..10]));
    assert_eq!(files(folder.path()), [kept]);
}

#[test]
fn nothing_is_overwritten() {
    let sandbox = Sandbox::start(&["--models", "120"]);
    let (version, file) = large(&sandbox);
    let folder = TempDir::new().unwrap();
    let name = file["name"].as_str().unwrap();
    fs::write(folder.path().join(name), "somebody's own").unwrap();
    let output = run(&mut download(&sandbox, folder.path(), std::slice::from_ref(&version)));
    assert_exit(&output, 0);
    let numbered = name.replace(".safetensors", &format!(".{version}.safetensors"));
    assert!(outcomes(&output)[&version].starts_with(&format!("downloaded as {numbered} (")), "{}", printed(&output));
    assert_eq!(fs::read(folder.path().join(name)).unwrap(), b"somebody's own");
    assert_eq!(sha256(&folder.path().join(&numbered)), file["hashes"]["SHA256"]);
    let again = run(&mut download(&sandbox, folder.path(), std::slice::from_ref(&version)));
    assert_exit(&again, 0);
    assert_eq!(outcomes(&again)[&version], format!("already_there as {numbered}"));
}

#[test]
fn a_file_that_only_its_size_proves_is_said_to_be_no_more() {
    let version = r#"{"id":7,"modelId":1,"name":"v","files":[{"id":70,"name":"x.pt","sizeKB":1,"primary":true}]}"#;
    let server = Server::of_json(move |_| Some(version.to_owned()));
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("x.pt"), [0; 1024]).unwrap();
    let output = run(program().args(["download", "7", "--server", &server.base, "--into"]).arg(folder.path()));
    assert_exit(&output, 0);
    let said = "already_there as x.pt (of the same size; no SHA256 is known)";
    assert_eq!(outcomes(&output)["7"], said);
}

#[test]
fn a_dataset_saves_the_questions() {
    let sandbox = Sandbox::start(&["--models", "120"]);
    let room = Room::new(TWO_WALKS, &sandbox.base);
    assert_exit(&room.run(&[]), 0);
    let wanted: Vec<String> = free(&sandbox, 250).into_iter().map(|(version, _)| version).collect();
    let folder = TempDir::new().unwrap();
    let before = requests(&sandbox).len();
    let output = run(download(&sandbox, folder.path(), &wanted).arg("--dataset").arg(room.dataset()));
    assert_exit(&output, 0);
    assert!(outcomes(&output).values().all(|outcome| outcome.contains("SHA256 checked")), "{}", printed(&output));
    assert_eq!(requests(&sandbox).len() - before, 2 * wanted.len(), "a redirect and a file each, nothing else");
}

/// A refusal that is asked for again only to be believed is no warning: its outcome has a line.
#[test]
fn each_outcome_has_one_line_and_no_warning() {
    let sandbox = Sandbox::start(&["--models", "120", "--traps", "none"]);
    let versions = sandbox.truth("model_versions");
    let ids = versions.iter().take(12).map(|row| row["id"].to_string());
    let ids: Vec<String> = ids.chain(["2147483000".to_owned()]).collect();
    let folder = TempDir::new().unwrap();
    let into = folder.path().display().to_string();
    let mut download = program();
    download.arg("download").args(&ids).args(["--into", &into, "--server", &sandbox.base, "--rate", "1000"]);
    let output = download.output().unwrap();
    assert!(output.stderr.is_empty(), "{}", printed(&output));
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut named: Vec<&str> = lines.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    let mut asked: Vec<&str> = ids.iter().map(String::as_str).collect();
    named.sort_unstable();
    asked.sort_unstable();
    assert_eq!(named, asked, "{lines}");
    assert!(lines.contains(": gone") && lines.contains(": downloaded"), "{lines}");
}
