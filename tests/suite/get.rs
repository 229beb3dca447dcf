//! `civitrawl get`: what is looked up is there, in order and as it was sent; what is not there is named.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::naive::follow;
use crate::support::{Logged, Room, Sandbox, Server, ask, assert_exit, printed, program, requests};

/// `civitrawl get`, in a hurry.
fn get(sandbox: &Sandbox, arguments: &[&str], stdin: &str) -> Output {
    let mut command = program();
    command.arg("get").args(arguments).args(["--server", &sandbox.base, "--rate", "1000"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("it is piped").write_all(stdin.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).expect("it prints text");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

fn ids(output: &Output) -> Vec<String> {
    lines(output).iter().map(|item| item["id"].to_string()).collect()
}

/// Returns those of these ids that the server has, past every cache.
fn there(sandbox: &Sandbox, path: &str, ids: &[String]) -> Vec<String> {
    let there = |id: &&String| ask(&format!("{}/{path}/{id}?past=cache", sandbox.base)).status == 200;
    ids.iter().filter(there).cloned().collect()
}

fn misses(output: &Output) -> usize {
    String::from_utf8_lossy(&output.stderr).lines().filter(|line| line.starts_with("civitrawl: ")).count()
}

fn begins<'a>(log: &'a [Logged], path: &'a str) -> impl Iterator<Item = &'a Logged> {
    log.iter().filter(move |request| request.path.starts_with(path))
}

#[test]
fn models_come_in_the_order_asked_for_and_mostly_together() {
    let sandbox = Sandbox::start(&["--models", "70", "--traps", "all,-control-bytes"]);
    let asked: Vec<String> = (1..=120).rev().map(|id| id.to_string()).collect();
    let all = there(&sandbox, "models", &asked);
    let before = requests(&sandbox).len();
    let output = get(&sandbox, &["model", "-"], &asked.join("\n"));
    assert_exit(&output, 4);
    assert_eq!(ids(&output), all);
    assert_eq!(misses(&output), asked.len() - all.len(), "{}", printed(&output));
    let log = requests(&sandbox).split_off(before);
    assert_eq!(begins(&log, "/api/v1/models").filter(|r| r.query.contains("ids=")).count(), 2);
    // The list shows most of them; only what it hides, or nobody has, is asked for by itself.
    let by_themselves = begins(&log, "/api/v1/models/").filter(|r| r.status == Some(200)).count();
    assert!(by_themselves > 0 && by_themselves < all.len() / 2, "{by_themselves} of {}", all.len());

    let one = get(&sandbox, &["model", &format!("urn:air:sdxl:lora:civitai:{}@1", all[0])], "");
    assert_exit(&one, 0);
    let sent = ask(&format!("{}/models/{}?past=cache", sandbox.base, all[0])).body;
    assert_eq!(one.stdout.trim_ascii_end(), sent, "as the server sent it");
}

#[test]
fn a_dataset_of_look_ups_has_the_same_models_and_records_the_misses() {
    let sandbox = Sandbox::start(&["--models", "70", "--traps", "all"]);
    let asked: Vec<String> = (1..=120).map(|id| id.to_string()).collect();
    let all = there(&sandbox, "models", &asked);
    let room = Room::new("", &sandbox.base);
    let dataset = room.dataset().display().to_string();
    let output = get(&sandbox, &["model", "-", "--dataset", &dataset], &asked.join("\n"));
    assert_exit(&output, 4);
    assert_eq!(misses(&output), asked.len() - all.len(), "{}", printed(&output));
    room.assert_sound();
    let found = room.query("SELECT DISTINCT id FROM models ORDER BY id");
    assert_eq!(found.lines().count(), all.len());
    let named: String = all.iter().map(|id| format!("[{id}]\n")).collect();
    assert_eq!(found, named);
    let missed = room.query("SELECT count(DISTINCT walk) FROM pages WHERE status = 404");
    assert_eq!(missed, format!("[{}]\n", asked.len() - all.len()));
    // Others may be added later.
    let again = [&["model", "--dataset", &dataset][..], &[&all[0], &all[1]]].concat();
    assert_exit(&get(&sandbox, &again, ""), 0);
    room.assert_sound();
}

#[test]
fn versions_are_found_by_id_by_air_and_by_any_hash() {
    let sandbox = Sandbox::start(&["--models", "60", "--traps", "cached-negatives"]);
    let models = follow(&format!("{}/models?nsfw=true", sandbox.base));
    let version = |model: &Value| model["modelVersions"][0]["id"].to_string();
    let asked: Vec<String> = models.iter().take(12).map(version).collect();
    let all = there(&sandbox, "model-versions", &asked);
    assert!(all.len() > 6);
    let csv: String = asked.iter().map(|id| format!("{id},a name\n")).collect();
    let output = get(&sandbox, &["version", "-"], &csv);
    assert_eq!(ids(&output), all, "{}", printed(&output));
    let airs: Vec<String> = lines(&output).iter().map(|item| item["air"].as_str().unwrap().to_owned()).collect();
    let by_air = get(&sandbox, &["version", "-"], &airs.join("\n"));
    assert_exit(&by_air, 0);
    assert_eq!(by_air.stdout, output.stdout);

    for algorithm in ["SHA256", "AutoV2", "BLAKE3"] {
        let of = |item: &Value| item["files"][0]["hashes"][algorithm].as_str().map(str::to_lowercase);
        let hashes: Vec<String> = lines(&output).iter().filter_map(of).collect();
        let found = get(&sandbox, &["hash", "-", "00ff00ff00"], &hashes.join("\n"));
        assert_exit(&found, 4);
        assert_eq!(ids(&found).len(), hashes.len(), "{algorithm}: {}", printed(&found));
        assert!(printed(&found).contains("hash 00FF00FF00: "), "{}", printed(&found));
        let room = Room::new("", &sandbox.base);
        let dataset = room.dataset().display().to_string();
        let kept = get(&sandbox, &["hash", "-", "00ff00ff00", "--dataset", &dataset], &hashes.join("\n"));
        assert_exit(&kept, 4);
        assert_eq!(misses(&kept), 1, "{}", printed(&kept));
    }
}

#[test]
fn images_are_found_at_every_level() {
    let sandbox = Sandbox::start(&["--models", "60", "--traps", "all"]);
    let mut all = Vec::new();
    for levels in ["3", "28"] {
        let page = ask(&format!("{}/images?limit=30&browsingLevel={levels}&past=cache", sandbox.base)).json();
        all.extend(page["items"].as_array().unwrap().iter().map(|image| image["id"].to_string()));
    }
    all.truncate(45);
    let output = get(&sandbox, &["image", "-", "2147483647"], &all.join("\n"));
    assert_exit(&output, 4);
    assert_eq!(ids(&output), all, "{}", printed(&output));
    assert!(printed(&output).contains("image 2147483647: the server shows no such image"), "{}", printed(&output));
    let room = Room::new("", &sandbox.base);
    let dataset = room.dataset().display().to_string();
    let kept = get(&sandbox, &["image", "-", "--dataset", &dataset], &all.join("\n"));
    assert_exit(&kept, 0);
    let count = room.query("SELECT count(DISTINCT id) FROM images");
    assert_eq!(count, format!("[{}]\n", all.len()));
}

#[test]
fn all_mistakes_are_named_at_once_and_nothing_is_asked() {
    let sandbox = Sandbox::start(&["--models", "5"]);
    let output = get(&sandbox, &["version", "x", "12", "civitai:7"], "");
    assert_exit(&output, 2);
    for word in ["`x` is no version id", "`civitai:7` names no version"] {
        assert!(printed(&output).contains(word), "{}", printed(&output));
    }
    assert_exit(&get(&sandbox, &["model", "-"], "\n"), 2);
    assert_exit(&get(&sandbox, &["model", "1", "--files", "."], ""), 2);
    assert!(requests(&sandbox).is_empty());
    let refusing = Sandbox::start(&["--models", "5", "--fault", "kind=status,code=401,times=0"]);
    assert_exit(&get(&refusing, &["model", "1"], ""), 77);
}

#[test]
fn a_deadline_ends_look_ups_and_what_was_found_is_printed() {
    let server = Server::of_json(|target| {
        let id = target.strip_prefix("model-versions/")?.to_owned();
        if id != "1" {
            std::thread::sleep(std::time::Duration::from_secs(60));
        }
        Some(format!("{{\"id\":{id}}}"))
    });
    let mut command = program();
    command.args(["get", "version", "1", "2", "--server", &server.base, "--rate", "1000", "--deadline", "2s"]);
    let output = command.output().unwrap();
    assert_exit(&output, 3);
    assert_eq!(output.stdout, b"{\"id\":1}\n");
    assert!(printed(&output).contains("the deadline is reached"), "{}", printed(&output));
}
