//! `civitrawl download` from hosts that lie, break off, change their files or send without end: only the file is kept, and what
//! had arrived is not lost.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::scope;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::support::{Request, Sandbox, Server, answer, assert_exit, printed, program};

/// Ending of a part before its rest is asked for.
const PART: usize = 20_000;

/// The bytes of a file; each kind has others.
fn content(kind: u8) -> Vec<u8> {
    (0..60_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 ^ kind).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The facts of a file as the API shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Hash,
    Size,
    Nothing,
}

const KNOWN: [Known; 3] = [Known::Hash, Known::Size, Known::Nothing];

fn version(id: &str, known: Known, bytes: &[u8]) -> Value {
    let mut file = json!({ "id": 70, "name": "f.safetensors", "primary": true, "hashes": {} });
    if known != Known::Nothing {
        file["sizeKB"] = json!(bytes.len() as f64 / 1024.0);
    }
    if known == Known::Hash {
        file["hashes"]["SHA256"] = json!(sha256(bytes));
    }
    json!({ "id": id.parse::<u64>().unwrap(), "files": [file] })
}

/// An API that knows each version's file like this, and sends to a host for it.
fn api(host: &Server, known: Known, bytes: Vec<u8>) -> Server {
    let port = host.port;
    Server::answering(move |request| match request.target.rsplit_once("/model-versions/") {
        Some((_, id)) => answer("200 OK", "", &version(id, known, &bytes).to_string()),
        None => answer("302 Found", &format!("location: http://127.0.0.1:{port}/file\r\n"), ""),
    })
}

fn sent(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n").as_bytes(), body].concat()
}

fn sized(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    sent(status, &format!("content-length: {}\r\n{headers}", body.len()), body)
}

fn first_asked(request: &Request) -> Option<usize> {
    request.header("range").strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
}

/// The answer of a host that does everything right.
fn honest(request: &Request, bytes: &[u8], tag: &str) -> Vec<u8> {
    let (whole, tag) = (bytes.len(), format!("etag: {tag}\r\n"));
    let same = ["", tag.trim_start_matches("etag: ").trim()].contains(&request.header("if-range"));
    match first_asked(request).filter(|_| same) {
        Some(first) if first >= whole => {
            sized("416 Range Not Satisfiable", &format!("content-range: bytes */{whole}\r\n"), b"")
        }
        Some(first) => {
            let place = format!("content-range: bytes {first}-{}/{whole}\r\n", whole - 1);
            sized("206 Partial Content", &(place + &tag), &bytes[first..])
        }
        None => sized("200 OK", &tag, bytes),
    }
}

fn download(api: &Server, folder: &Path, ids: &[&str]) -> Command {
    let mut command = program();
    command.arg("download").args(ids).arg("--into").arg(folder);
    command.args(["--server", &api.base, "--rate", "1000"]);
    command
}

fn run(command: &mut Command) -> Output {
    command.output().expect("the program runs")
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Writes the first bytes of a file as an earlier run would have left them.
fn leave_part(folder: &Path, bytes: &[u8], tag: Option<&str>) {
    fs::write(folder.join(".80.part"), &bytes[..PART]).unwrap();
    if let Some(tag) = tag {
        fs::write(folder.join(".80.source"), format!("{tag}\n{}\n", bytes.len())).unwrap();
    }
}

/// Wrong answers of a host, by number.
const LIES: usize = 16;

/// Returns a wrong answer to a request for a file of these bytes.
fn lie(nth: usize, request: &Request, bytes: &[u8]) -> Vec<u8> {
    let (whole, junk) = (bytes.len(), b"maintenance".as_slice());
    let place = |first: usize, last: usize, whole: usize| format!("content-range: bytes {first}-{last}/{whole}\r\n");
    let asked = first_asked(request).unwrap_or(0);
    let part =
        |first: usize, last: usize| sized("206 Partial Content", &place(first, last, whole), &bytes[first..=last]);
    match nth {
        0 => sized("200 OK", "content-type: text/html\r\n", b"<html>sorry</html>"),
        1 => sized("200 OK", "", b"<!DOCTYPE html><title>Just a moment...</title>"),
        2 => sized("200 OK", "content-type: application/json\r\n", br#"{"error":"quota"}"#),
        3 => sent("204 No Content", "", b""),
        4 => sized("200 OK", "content-encoding: gzip\r\n", bytes),
        5 if asked == 0 => part(0, whole / 2),
        5 => sized("206 Partial Content", "", &bytes[asked..]),
        6 => part(whole / 4, whole - 1),
        7 => sized("206 Partial Content", &place(asked, whole - 2, whole - 1), &bytes[asked..whole - 1]),
        8 => sized(
            "206 Partial Content",
            &(place(asked, whole - 1, whole) + "etag: \"other\"\r\n"),
            &content(9)[asked..],
        ),
        9 => sent("200 OK", &format!("content-length: {whole}\r\n"), &bytes[..whole / 2]),
        10 => sent("200 OK", &format!("content-length: {whole}\r\n"), &bytes[..100]),
        11 => sized("416 Range Not Satisfiable", "content-range: bytes */7\r\n", b""),
        12 => sent("200 OK", "transfer-encoding: chunked\r\n", b"b\r\nmaintenance\r\n0\r\n\r\n"),
        13 => sized("503 Service Unavailable", "", junk),
        14 => sized("200 OK", "content-type: text/plain\r\n", junk),
        _ => sized("206 Partial Content", "content-type: multipart/byteranges; boundary=x\r\n", junk),
    }
}

/// A host that first tells these lies, each once, and then the truth.
fn host(lies: Vec<usize>, tag: &'static str) -> (Server, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = Server::answering(move |request| match lies.get(count.fetch_add(1, Ordering::SeqCst)) {
        Some(nth) => lie(*nth, request, &content(0)),
        None => honest(request, &content(0), tag),
    });
    (server, asked)
}

#[test]
fn a_file_is_asked_for_by_its_id() {
    let (host, _) = host(Vec::new(), "\"v1\"");
    let (api, folder) = (api(&host, Known::Hash, content(0)), TempDir::new().unwrap());
    assert_exit(&run(&mut download(&api, folder.path(), &["80"])), 0);
    let targets: Vec<String> = api.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/api/v1/model-versions/80", "/api/download/models/80?fileId=70"]);
    assert_eq!(names(folder.path()), ["f.safetensors"]);
}

#[test]
fn what_is_no_file_is_a_setback_and_what_arrived_stays() {
    scope(|threads| {
        for nth in 0..LIES {
            for known in KNOWN {
                threads.spawn(move || {
                    let (host, asked) = host(vec![nth], "\"v1\"");
                    let (api, folder) = (api(&host, known, content(0)), TempDir::new().unwrap());
                    leave_part(folder.path(), &content(0), Some("\"v1\""));
                    let output = run(&mut download(&api, folder.path(), &["80"]));
                    assert_exit(&output, 0);
                    let message = format!("lie {nth}, {known:?}: {}", printed(&output));
                    assert_eq!(names(folder.path()), ["f.safetensors"], "{message}");
                    assert!(fs::read(folder.path().join("f.safetensors")).unwrap() == content(0), "{message}");
                    let word = if known == Known::Nothing { "unchecked" } else { "downloaded" };
                    assert!(printed(&output).contains(&format!("80: {word} as f.safetensors")), "{message}");
                    let requests = host.requests();
                    assert!((2..=3).contains(&asked.load(Ordering::SeqCst)), "{message}");
                    assert_eq!(requests[0].header("range"), format!("bytes={PART}-"), "{message}");
                    assert_eq!(requests[0].header("if-range"), "\"v1\"", "{message}");
                });
            }
        }
    });
}

#[test]
fn a_host_that_only_lies_yields_nothing_and_costs_no_part() {
    scope(|threads| {
        // Of a half that ends with its connection nothing shows that it is one, if nothing is known.
        for nth in [0, 1, 2, 3, 4, 6, 12, 14, 15] {
            for known in KNOWN {
                threads.spawn(move || {
                    let (host, _) = host(vec![nth; 50], "\"v1\"");
                    let (api, folder) = (api(&host, known, content(0)), TempDir::new().unwrap());
                    leave_part(folder.path(), &content(0), Some("\"v1\""));
                    let output = run(&mut download(&api, folder.path(), &["80"]));
                    assert_exit(&output, 4);
                    let part = fs::read(folder.path().join(".80.part")).unwrap();
                    assert!(part == content(0)[..PART], "lie {nth}, {known:?}: {}", printed(&output));
                    let words = ["80: unfinished (", "80: size_mismatch: "];
                    assert!(words.iter().any(|word| printed(&output).contains(word)), "{}", printed(&output));
                });
            }
        }
    });
}

#[test]
fn a_part_is_only_continued_in_the_state_it_is_of() {
    let date = "Sat, 01 Aug 2026 12:00:00 GMT";
    for (tag, known, range, if_range) in [
        (Some("\"v1\""), Known::Size, "bytes=20000-", "\"v1\""),
        (Some(date), Known::Nothing, "bytes=20000-", date),
        (Some("\"v1\""), Known::Hash, "bytes=20000-", "\"v1\""),
        (Some("W/\"v1\""), Known::Size, "", ""),
        (None, Known::Size, "", ""),
        (None, Known::Nothing, "", ""),
        (None, Known::Hash, "bytes=20000-", ""),
    ] {
        // The file was replaced meanwhile by another of its size.
        let host = Server::answering(|request| honest(request, &content(1), "\"v2\""));
        let (api, folder) = (api(&host, known, content(1)), TempDir::new().unwrap());
        leave_part(folder.path(), &content(0), tag);
        let output = run(&mut download(&api, folder.path(), &["80"]));
        assert_exit(&output, 0);
        assert!(fs::read(folder.path().join("f.safetensors")).unwrap() == content(1), "{tag:?}: {}", printed(&output));
        let asked = &host.requests()[0];
        assert_eq!((asked.header("range"), asked.header("if-range")), (range, if_range), "{tag:?} {known:?}");
        assert_eq!(names(folder.path()), ["f.safetensors"]);
    }
}

#[test]
fn a_cut_download_is_resumed_by_the_next_run_in_its_state() {
    let host = Server::answering(|request| match first_asked(request) {
        None => sent("200 OK", "content-length: 60000\r\netag: \"v1\"\r\n", &content(0)[..PART]),
        Some(_) => honest(request, &content(0), "\"v1\""),
    });
    let (api, folder) = (api(&host, Known::Nothing, content(0)), TempDir::new().unwrap());
    assert_exit(&run(&mut download(&api, folder.path(), &["80"])), 0);
    let ranges: Vec<String> = host.requests().iter().map(|request| request.header("range").to_owned()).collect();
    assert_eq!(ranges, ["", "bytes=20000-"]);
    assert!(fs::read(folder.path().join("f.safetensors")).unwrap() == content(0));
}

#[test]
fn no_host_sends_more_than_the_file_may_have() {
    let endless = |_: &Request| {
        let chunk = [b"100000\r\n".as_slice(), &vec![0; 1 << 20], b"\r\n"].concat();
        sent("200 OK", "transfer-encoding: chunked\r\n", &chunk.repeat(8))
    };
    let announced = |_: &Request| sent("200 OK", "content-length: 999999999999999\r\n", &[7; 1000]);
    for (host, known, exit, word) in [
        (Server::answering(endless), Known::Hash, 4, "size_mismatch"),
        (Server::answering(endless), Known::Size, 4, "size_mismatch"),
        (Server::answering(announced), Known::Hash, 4, "size_mismatch"),
        (Server::answering(announced), Known::Size, 4, "size_mismatch"),
        (Server::answering(announced), Known::Nothing, 74, "disk_refused"),
    ] {
        let (api, folder) = (api(&host, known, content(0)), TempDir::new().unwrap());
        let output = run(&mut download(&api, folder.path(), &["80"]));
        assert_exit(&output, exit);
        assert!(printed(&output).contains(&format!("80: {word}: ")), "{}", printed(&output));
        assert_eq!(names(folder.path()), [""; 0], "{known:?}");
    }
}

#[test]
fn the_key_does_not_come_back_once_a_download_has_left() {
    let host = Server::answering(|request| {
        let port = request.header("cookie").to_owned() + request.target.rsplit('/').next().unwrap_or_default();
        sized("302 Found", &format!("location: http://127.0.0.1:{port}/api/account?delete=1\r\n"), b"")
    });
    let port = host.port;
    let api = Server::answering(move |request| {
        let own = request.header("host").rsplit(':').next().unwrap_or_default().to_owned();
        match request.target.contains("/model-versions/") {
            true => answer("200 OK", "", &version("80", Known::Hash, &content(0)).to_string()),
            false if request.target.contains("/download/") => {
                answer("302 Found", &format!("location: http://127.0.0.1:{port}/{own}\r\n"), "")
            }
            false => sized("200 OK", "", &content(0)),
        }
    });
    let folder = TempDir::new().unwrap();
    let output =
        run(download(&api, folder.path(), &["80"]).env("CIVITAI_API_KEY", "canary8d2f0a1b2c3d4e5f60718293a4b5c6"));
    assert_exit(&output, 0);
    let keys: Vec<(bool, bool)> = api
        .requests()
        .iter()
        .map(|request| (request.target.contains("/account"), !request.header("authorization").is_empty()))
        .collect();
    assert_eq!(keys, [(false, true), (false, true), (true, false)]);
    assert!(host.requests().iter().all(|request| request.header("authorization").is_empty()));
}

#[cfg(unix)]
#[test]
fn nothing_in_the_folder_is_followed_or_waited_for() {
    use std::os::unix::fs::symlink;
    let fifo = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let victim = |path: &Path| symlink("../victim", path).unwrap();
    let zero = |path: &Path| symlink("/dev/zero", path).unwrap();
    let nowhere = |path: &Path| symlink("/nowhere/x", path).unwrap();
    let directory = |path: &Path| fs::create_dir(path).unwrap();
    let things: [&(dyn Fn(&Path) + Sync); 5] = [&fifo, &victim, &zero, &nowhere, &directory];
    let (host, _) = host(Vec::new(), "\"v1\"");
    let api = api(&host, Known::Hash, content(0));
    for name in [".80.part", "f.safetensors"] {
        for (nth, thing) in things.iter().enumerate() {
            let (room, message) = (TempDir::new().unwrap(), format!("{name}, thing {nth}"));
            let folder = room.path().join("files");
            fs::create_dir(&folder).unwrap();
            fs::write(room.path().join("victim"), &content(0)[..PART]).unwrap();
            thing(&folder.join(name));
            let output = run(&mut download(&api, &folder, &["80"]));
            assert_exit(&output, 4);
            let line = format!("80: name_taken: something else is called {name}");
            assert!(printed(&output).contains(&line), "{message}: {}", printed(&output));
            assert!(fs::read(room.path().join("victim")).unwrap() == content(0)[..PART], "{message}");
            assert_eq!(names(&folder), [name], "{message}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_second_name_of_a_part_is_not_written_through() {
    let (host, _) = host(Vec::new(), "\"v1\"");
    let (api, room) = (api(&host, Known::Hash, content(0)), TempDir::new().unwrap());
    let (victim, folder) = (room.path().join("victim"), room.path().join("files"));
    fs::create_dir(&folder).unwrap();
    fs::write(&victim, "precious").unwrap();
    fs::hard_link(&victim, folder.join(".80.part")).unwrap();
    assert_exit(&run(&mut download(&api, &folder, &["80"])), 0);
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert!(fs::read(folder.join("f.safetensors")).unwrap() == content(0));
}

#[test]
fn an_answer_about_another_version_is_not_taken() {
    let server = Server::of_json(|target| {
        target.starts_with("model-versions/").then(|| version("999", Known::Hash, &content(0)).to_string())
    });
    let folder = TempDir::new().unwrap();
    let output = run(&mut download(&server, folder.path(), &["80"]));
    assert_exit(&output, 4);
    assert!(printed(&output).contains("80: gone (") && printed(&output).contains("999"), "{}", printed(&output));
    assert!(server.requests().iter().all(|request| !request.target.contains("/download/")));
    let output = program().args(["get", "version", "80", "--server", &server.base, "--rate", "1000"]).output().unwrap();
    assert_exit(&output, 4);
    assert!(output.stdout.is_empty(), "{}", printed(&output));
}

#[test]
fn a_deadline_keeps_what_arrived() {
    let sandbox = Sandbox::start(&["--models", "120", "--fault", "kind=slow,path=/model/,nth=1"]);
    let folder = TempDir::new().unwrap();
    let run = |deadline: &str| {
        let mut command = program();
        command.args(["download", "80", "--into"]).arg(folder.path());
        command.args(["--server", &sandbox.base, "--rate", "1000", "--deadline", deadline]).output().unwrap()
    };
    let output = run("1500ms");
    assert_exit(&output, 3);
    assert!(printed(&output).contains("the deadline is reached"), "{}", printed(&output));
    assert!(names(folder.path()).contains(&".80.part".to_owned()), "{:?}", names(folder.path()));
    let output = run("10m");
    assert_exit(&output, 0);
    assert_eq!(names(folder.path()).len(), 1, "{}", printed(&output));
}

/// Some random sequences of lies, each of them told to a download of a file of which so much is known.
#[test]
fn whatever_a_host_answers_a_file_is_proved_or_called_unchecked() {
    let mut runner = TestRunner::deterministic();
    let lies = proptest::collection::vec(0..LIES + 2, 0..6);
    let cases = (lies, proptest::sample::select(&KNOWN[..]), any::<bool>(), any::<bool>());
    scope(|threads| {
        for _ in 0..24 {
            let (lies, known, has_part, has_state) = cases.new_tree(&mut runner).unwrap().current();
            threads.spawn(move || {
                let (message, script) = (format!("{lies:?} {known:?} {has_part} {has_state}"), lies);
                let nth = AtomicUsize::new(0);
                let host = Server::answering(move |request| match script.get(nth.fetch_add(1, Ordering::SeqCst)) {
                    Some(&LIES) => honest(request, &content(1), "\"v2\""),
                    Some(nth) if *nth > LIES => sent("200 OK", "", &content(0)[..30_000]),
                    Some(nth) => lie(*nth, request, &content(0)),
                    None => honest(request, &content(0), "\"v1\""),
                });
                let (api, folder) = (api(&host, known, content(0)), TempDir::new().unwrap());
                if has_part {
                    leave_part(folder.path(), &content(0), has_state.then_some("\"v1\""));
                }
                let output = run(&mut download(&api, folder.path(), &["80"]));
                let text = format!("{message}: {}", printed(&output));
                let file = fs::read(folder.path().join("f.safetensors")).ok();
                let whole = |file: &Vec<u8>| *file == content(0) || *file == content(1);
                match known {
                    Known::Hash => assert!(file.is_none_or(|file| file == content(0)), "{text}"),
                    Known::Size => assert!(file.is_none_or(|file| whole(&file)), "{text}"),
                    Known::Nothing => assert!(!text.contains("80: downloaded"), "{text}"),
                }
                assert!(matches!(output.status.code(), Some(0 | 4)), "{text}");
            });
        }
    });
}
