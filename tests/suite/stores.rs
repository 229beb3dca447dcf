//! `civitrawl download` from stores as they are: ranges stated oddly, pages in place of files, hashes and names that are not what
//! they were.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::support::{Request, Server, answer, assert_exit, printed, program};

const FILE: &[u8] = b"the whole file, all of its bytes";

/// An answer of a store.
fn sent(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A store that gives the nth request the nth of these answers, and then the last one.
fn store(answers: Vec<Vec<u8>>) -> Server {
    let asked = AtomicUsize::new(0);
    Server::answering(move |_| answers[asked.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1)].clone())
}

/// The API: describes the one file of a version so, and redirects to a store.
fn api(file: &Value, store: &str) -> Server {
    let version = json!({ "id": 7, "files": [file] }).to_string();
    let location = format!("location: {store}\r\n");
    Server::answering(move |Request { target, .. }| match target.starts_with("/api/download/") {
        true => answer("307 Temporary Redirect", &location, ""),
        false => answer("200 OK", "", &version),
    })
}

/// The file of version 7 as the API describes it.
fn file(name: &str, sha256: Option<&str>) -> Value {
    let hashes = sha256.map_or(json!({}), |sha256| json!({ "SHA256": sha256 }));
    json!({ "name": name, "primary": true, "sizeKB": FILE.len() as f64 / 1024.0, "hashes": hashes })
}

fn sha256() -> String {
    Sha256::digest(FILE).iter().map(|byte| format!("{byte:02X}")).collect()
}

fn download(api: &Server, into: &Path) -> Output {
    let mut command = program();
    command.args(["download", "7", "--server", &api.base, "--rate", "1000", "--into"]).arg(into);
    command.output().expect("the program runs")
}

fn names(folder: &Path) -> Vec<String> {
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("names are text");
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| name(entry.unwrap())).collect();
    names.sort();
    names
}

#[test]
fn a_range_may_come_with_status_200() {
    let range = format!("content-range: bytes 10-{}/{}\r\n", FILE.len() - 1, FILE.len());
    let whole = sent("200 OK", &range, FILE);
    let rest = sent("200 OK", &range, &FILE[10..]);
    // Half of the rest is no whole file, although it is all of an answer.
    let half = sent("206 Partial Content", &format!("content-range: bytes 10-19/{}\r\n", FILE.len()), &FILE[10..20]);
    let last = format!("content-range: bytes 20-{}/{}\r\n", FILE.len() - 1, FILE.len());
    let last = sent("206 Partial Content", &last, &FILE[20..]);
    // Without a hash the rest of a part is not asked for, because the state in which it began is unknown.
    for (answers, hash) in [(vec![rest], Some(sha256())), (vec![whole], None), (vec![half, last], Some(sha256()))] {
        let (folder, store) = (TempDir::new().unwrap(), store(answers));
        fs::write(folder.path().join(".7.part"), &FILE[..10]).unwrap();
        let mut file = file("x.pt", hash.as_deref());
        file["sizeKB"] = Value::Null;
        let output = download(&api(&file, &store.base), folder.path());
        assert_exit(&output, 0);
        assert_eq!(fs::read(folder.path().join("x.pt")).unwrap(), FILE, "{}", printed(&output));
    }
}

#[test]
fn a_page_to_log_in_at_is_no_file_whoever_sends_it() {
    let page = sent("200 OK", "content-type: text/html\r\n", b"<!DOCTYPE html><title>Log in</title>");
    let sister = store(vec![page]);
    let link = sister.base.replace("/api/v1", "/login?returnUrl=%2Fmodels%2F1");
    for hash in [Some(sha256()), None] {
        let folder = TempDir::new().unwrap();
        let output = download(&api(&file("x.pt", hash.as_deref()), &link), folder.path());
        assert_exit(&output, 4);
        assert!(printed(&output).contains("7: login_needed: "), "{}", printed(&output));
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }
}

#[test]
fn an_answer_that_is_no_file_is_a_failed_attempt_and_the_part_stays() {
    let page = |kind: &str| sent("200 OK", kind, b"\n<!doctype HTML><title>Just a moment...</title>");
    let range = format!("content-range: bytes 10-{}/{}\r\n", FILE.len() - 1, FILE.len());
    let pages = [
        page("content-type: text/html\r\n"),
        page("content-type: application/octet-stream\r\n"),
        sent("200 OK", "content-type: application/json\r\n", b"{\"error\":\"busy\"}"),
    ];
    // Without a hash the rest of a part is not asked for, because the state in which it began is unknown.
    let rest = sent("206 Partial Content", &range, &FILE[10..]);
    for (hash, file_sent) in [(Some(sha256()), rest), (None, sent("200 OK", "", FILE))] {
        let answers: Vec<_> = pages.iter().cloned().chain([file_sent]).collect();
        let (folder, store) = (TempDir::new().unwrap(), store(answers.clone()));
        fs::write(folder.path().join(".7.part"), &FILE[..10]).unwrap();
        let output = download(&api(&file("x.pt", hash.as_deref()), &store.base), folder.path());
        assert_exit(&output, 0);
        assert_eq!(fs::read(folder.path().join("x.pt")).unwrap(), FILE);
        assert_eq!(store.requests().len(), answers.len());
    }
    let encoded = sent("200 OK", "content-encoding: gzip\r\n", &[0x1f; 32]);
    let (folder, store) = (TempDir::new().unwrap(), store(vec![encoded, sent("200 OK", "", FILE)]));
    assert_exit(&download(&api(&file("x.pt", None), &store.base), folder.path()), 0);
    assert_eq!(fs::read(folder.path().join("x.pt")).unwrap(), FILE);
}

#[test]
fn a_file_whose_hash_is_listed_wrong_is_fetched_once() {
    let (folder, store) = (TempDir::new().unwrap(), store(vec![sent("200 OK", "", FILE)]));
    let wrong = "AB".repeat(32);
    for _ in 0..2 {
        let output = download(&api(&file("x.pt", Some(&wrong)), &store.base), folder.path());
        assert_exit(&output, 4);
        assert!(printed(&output).contains("7: hash_mismatch: "), "{}", printed(&output));
        assert!(printed(&output).contains("7.ABABABABAB.hash-mismatch"), "{}", printed(&output));
        assert_eq!(names(folder.path()), ["7.ABABABABAB.hash-mismatch"]);
    }
    assert_eq!(store.requests().len(), 1);
    // The site corrects its hash: what is there is the file.
    assert_exit(&download(&api(&file("x.pt", Some(&sha256())), &store.base), folder.path()), 0);
    assert_eq!((store.requests().len(), names(folder.path())), (1, vec!["x.pt".to_owned()]));
    // Another hash is another file, which may be had.
    let other = "CD".repeat(32);
    assert_exit(&download(&api(&file("y.pt", Some(&other)), &store.base), folder.path()), 4);
    assert_eq!(store.requests().len(), 2);
}

#[test]
fn a_file_that_the_server_renamed_is_not_fetched_again() {
    let (folder, store) = (TempDir::new().unwrap(), store(vec![sent("200 OK", "", FILE)]));
    for name in ["old.pt", "new.pt"] {
        let output = download(&api(&file(name, Some(&sha256())), &store.base), folder.path());
        assert_exit(&output, 0);
        assert!(printed(&output).contains("as old.pt"), "{}", printed(&output));
    }
    assert_eq!((store.requests().len(), names(folder.path())), (1, vec!["old.pt".to_owned()]));
}

#[test]
fn the_only_file_of_a_version_is_checked_though_it_is_not_primary() {
    let (folder, store) = (TempDir::new().unwrap(), store(vec![sent("200 OK", "", FILE)]));
    let mut file = file("only_vae.pt", Some(&sha256()));
    file["primary"] = json!(false);
    let output = download(&api(&file, &store.base), folder.path());
    assert_exit(&output, 0);
    assert!(
        printed(&output).contains("as only_vae.pt (") && printed(&output).contains("SHA256 checked"),
        "{}",
        printed(&output)
    );
}
