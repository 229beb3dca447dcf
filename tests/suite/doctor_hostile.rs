//! `civitrawl doctor` against servers that are away, hang, loop, refuse, swell or repeat the key: it ends by itself, says why,
//! and neither what it prints nor its file holds a secret or anybody's words.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;

use crate::echo::respond;
use crate::secrets::{CANARY, assert_secret, shows};
use crate::support::{
    Answer, ERAS, Request, Sandbox, Server, answer, ask, assert_exit, get, printed, program, terminate,
};

/// The most requests of an examination.
const REQUESTS_MAX: usize = 60;

/// A directory for the file of one examination.
struct Room(TempDir);

impl Room {
    fn new() -> Self {
        Self(TempDir::new().expect("there is room for a directory"))
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("answers.jsonl")
    }

    /// `civitrawl doctor` of a server, ready to run.
    fn doctor(&self, base: &str) -> Command {
        let mut command = program();
        command.args(["doctor", "--server", base, "--rate", "1000", "--out"]).arg(self.file());
        command
    }

    fn examine(&self, base: &str, code: i32) -> Output {
        let output = self.doctor(base).output().expect("the program runs");
        assert_exit(&output, code);
        output
    }

    /// The lines of the file of one kind.
    fn lines(&self, kind: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.file()).expect("there is a file");
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("it has JSON lines"));
        lines.filter_map(|line| line.get(kind).cloned()).collect()
    }

    /// Judges the file again; it must lead to the same lines and the same exit code.
    fn assert_replays(&self, output: &Output) {
        let again = replay(&self.file());
        assert_eq!(again.status.code(), output.status.code(), "{}{}", printed(output), printed(&again));
        let facts = |output: &Output| {
            let text = String::from_utf8(output.stdout.clone()).expect("it prints text");
            text.lines().filter(|line| !line.contains(" request")).map(str::to_owned).collect::<Vec<_>>()
        };
        let (first, second) = (facts(output), facts(&again));
        assert_eq!(first[..first.len() - 1], second, "all but the name of the file");
    }
}

fn replay(file: &Path) -> Output {
    program().args(["doctor", "--replay"]).arg(file).output().expect("the program runs")
}

fn page(body: &str) -> Vec<u8> {
    answer("200 OK", "", body)
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(body).expect("memory takes it");
    let body = gzip.finish().expect("memory takes it");
    let head = format!("content-encoding: gzip\r\ncontent-length: {}\r\n\r\n", body.len());
    [format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n{head}").as_bytes(), &body]
        .concat()
}

/// A kind of hostility, its answers, and the words that it must lead to.
type Hostile = (&'static str, fn(&Request) -> Vec<u8>, &'static str);

/// The servers that make every request fail, or the examination end. The exit code is 3, or 4 where a refusal is a fact that differs.
const REFUSING: &[Hostile] = &[
    ("resets", |_| Vec::new(), "ended early: the server is away: "),
    ("no HTTP", |_| b"SSH-2.0-OpenSSH_9.6\r\n".repeat(1000), "ended early: the server is away: "),
    (
        "endless headers",
        |_| {
            [b"HTTP/1.1 200 OK\r\n".to_vec(), b"x-filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(50_000)]
                .concat()
        },
        "ended early: the server is away: ",
    ),
    (
        "a network's page",
        |_| {
            b"HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-type: text/html\r\n\r\n<html>error code: 1010 your IP 203.0.113.7".to_vec()
        },
        "ended early: the server answered `models` with status 403: `error code: 1010`",
    ),
    ("throttling", |_| answer("429 Too Many Requests", "retry-after: 60\r\n", "{}"), "with status 429"),
    (
        "a blocked region",
        |_| answer("451 Unavailable", "", r#"{"error":"No.","code":"REGION_BLOCKED"}"#),
        "with status 451",
    ),
];

/// The servers that answer with nonsense for ever: the examination goes on, and tells little.
const TALKING: &[Hostile] = &[
    (
        "a loop of redirects",
        |request| answer("302 Found", &format!("location: {}\r\n", request.target), ""),
        "status 302",
    ),
    (
        "pages of HTML",
        |_| b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/html\r\n\r\n<html>Zanzibarova".to_vec(),
        "no JSON",
    ),
    ("failures", |_| answer("500 Internal Server Error", "", r#"{"error":"boom"}"#), "status 500"),
    ("a bomb of numbers", |_| gzipped(format!("{{\"items\":[{}0]}}", "0,".repeat(1 << 20)).as_bytes()), "cannot tell"),
    (
        "a bomb of nests",
        |_| gzipped(format!("{}0{}", "[".repeat(1 << 19), "]".repeat(1 << 19)).as_bytes()),
        "cannot tell",
    ),
    ("a bomb that never ends", |_| gzipped(&vec![b' '; 17 << 20]), "no JSON"),
    (
        "broken compression",
        |_| b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-encoding: gzip\r\n\r\n\x1f\x8bZanzibarova".to_vec(),
        "no JSON",
    ),
    (
        "keys of people",
        |_| page(r#"{"Zanzibarova Ann":1,"items":[{"Zanzibarova Bob":{"Zanzibarova":1}}],"metadata":{}}"#),
        "cannot tell",
    ),
];

#[test]
fn a_hostile_server_makes_it_end_by_itself_and_say_why() {
    std::thread::scope(|scope| {
        for (kinds, codes) in [(REFUSING, &[3, 4][..]), (TALKING, &[0, 3, 4])] {
            for (kind, respond, words) in kinds {
                scope.spawn(move || {
                    let server = Server::answering(respond);
                    let room = Room::new();
                    let output = room.doctor(&server.base).output().expect("the program runs");
                    let said = printed(&output);
                    assert!(
                        codes.contains(&output.status.code().unwrap_or(-1)) && said.contains(words),
                        "{kind}: {said}"
                    );
                    let asked = server.requests().len();
                    assert!((1..=REQUESTS_MAX).contains(&asked), "{kind}: {asked} requests");
                    assert_eq!(room.lines("exchange").len(), asked, "{kind}: every request is in the file");
                    let file = fs::read_to_string(room.file()).expect("there is a file");
                    // One of a network's answers names the client, and some have a name where the API has lists of words.
                    assert!(!file.contains("203.0.113.7") && !said.contains("203.0.113.7"), "{kind}: {file}");
                    assert!(!file.contains("Zanzibarova Ann") && !file.contains("Zanzibarova Bob"), "{kind}: {file}");
                    room.assert_replays(&output);
                });
            }
        }
    });
}

#[test]
fn a_server_that_is_away_is_asked_twice_and_named() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let room = Room::new();
    let output = room.examine(&format!("http://127.0.0.1:{port}/api/v1"), 3);
    assert!(printed(&output).contains("ended early: the server is away: "), "{}", printed(&output));
    assert_eq!(room.lines("exchange").len(), 2);
    room.assert_replays(&output);
}

#[test]
fn a_server_that_goes_away_in_between_ends_it() {
    let sandbox = Sandbox::start(&["--models", "200"]);
    let asked = AtomicUsize::new(0);
    let server = in_front_of(&sandbox, move |_| (asked.fetch_add(1, Ordering::SeqCst) > 0).then(Vec::new));
    let room = Room::new();
    let output = room.examine(&server.base, 3);
    let first = String::from_utf8_lossy(&output.stdout);
    assert!(first.starts_with("A1 ") && printed(&output).contains("ended early"), "{}", printed(&output));
    assert!(server.requests().len() < 10, "{}", printed(&output));
    room.assert_replays(&output);
}

/// The one test that waits: a request may take 20 s and is sent twice, and all together may take 50 s and what the rate takes.
#[test]
fn a_server_that_hangs_or_drips_is_given_up() {
    let sandbox = Sandbox::start(&["--models", "200"]);
    let asked = AtomicUsize::new(0);
    let slow = in_front_of(&sandbox, move |_| {
        (!asked.fetch_add(1, Ordering::SeqCst).is_multiple_of(3)).then(|| {
            std::thread::park();
            Vec::new()
        })
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for (count, socket) in listener.incoming().flatten().enumerate() {
            std::thread::spawn(move || drip(socket, count > 0));
        }
    });
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let room = Room::new();
            let output = room.examine(&format!("http://127.0.0.1:{port}/api/v1"), 3);
            assert!(printed(&output).contains("is away: the answer took too long"), "{}", printed(&output));
            assert_eq!(room.lines("exchange").len(), 2);
        });
        scope.spawn(|| {
            let room = Room::new();
            let output = room.examine(&slow.base, 3);
            assert!(printed(&output).contains("the server is so slow that the time is over"), "{}", printed(&output));
            assert!(room.lines("finding").iter().any(|finding| finding["verdict"] == "holds"), "{}", printed(&output));
        });
    });
}

/// Sends nothing, or an answer byte by byte without an end.
fn drip(mut socket: std::net::TcpStream, talks: bool) {
    let mut block = [0; 4096];
    let _ = socket.read(&mut block);
    if talks {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"items\":[");
    }
    while talks && socket.write_all(b" ").is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let _ = socket.read(&mut block);
}

#[test]
fn a_signal_and_the_deadline_leave_a_file_of_what_was_known() {
    let hanging = || {
        Server::answering(|_| {
            std::thread::park();
            Vec::new()
        })
    };
    let (room, server) = (Room::new(), hanging());
    let output = room.doctor(&server.base).args(["--deadline", "1s"]).output().unwrap();
    assert_exit(&output, 3);
    assert!(printed(&output).contains("ended early: the deadline is reached"), "{}", printed(&output));
    assert!(room.lines("finding").iter().all(|finding| finding["verdict"] == "cannot tell"));
    room.assert_replays(&output);

    let (room, server) = (Room::new(), hanging());
    let mut command = room.doctor(&server.base);
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    while server.requests().is_empty() && !room.file().exists() {
        std::thread::yield_now();
    }
    terminate(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", printed(&output));
    // A signal may arrive before the first request; the file is there in any case.
    assert!(room.file().exists() && printed(&output).contains("SIGTERM"), "{}", printed(&output));
}

#[test]
fn a_key_that_the_server_repeats_is_in_no_file_and_no_line() {
    let asked = AtomicUsize::new(0);
    let server = Server::answering(move |request| respond(request, &asked));
    for more in [&[][..], &["--keep-bodies", "--download"]] {
        let room = Room::new();
        let output = room.doctor(&server.base).args(more).env("CIVITAI_API_KEY", CANARY).output().unwrap();
        assert!(!shows(&output.stdout) && !shows(&output.stderr), "{}", printed(&output));
        assert_secret(room.0.path());
        let replayed = replay(&room.file());
        assert!(!shows(&replayed.stdout) && !shows(&replayed.stderr), "{}", printed(&replayed));
    }
    assert!(server.requests().iter().any(|request| request.header("authorization").contains(CANARY)));
    assert!(server.requests().iter().all(|request| !shows(request.target.as_bytes())));
}

#[test]
fn a_key_in_the_name_of_a_header_is_masked() {
    let key = "0b7c9d1e2f3a4b5c6d7e8f9a0b1c2d3e";
    let sandbox = Sandbox::start(&["--models", "200"]);
    let behind = sandbox.base.trim_end_matches("/api/v1").to_owned();
    let server = Server::answering(move |request| {
        let headers = format!("ratelimit-{key}: 1\r\nx-ratelimit-limit: {key}\r\nserver: {key}\r\n");
        answer("200 OK", &headers, &String::from_utf8_lossy(&ask(&format!("{behind}{}", request.target)).body))
    });
    let room = Room::new();
    let output = room.doctor(&server.base).env("CIVITAI_API_KEY", key).output().unwrap();
    let file = fs::read_to_string(room.file()).unwrap();
    assert!(file.contains("ratelimit-*API-KEY*") && !file.contains(&key[..12]), "{}", printed(&output));
    assert!(!printed(&output).contains(&key[..12]), "{}", printed(&output));
}

#[test]
fn another_host_never_gets_the_key() {
    let sandbox = Sandbox::start(&["--models", "200"]);
    let other = in_front_of(&sandbox, |_| None);
    let room = Room::new();
    let output =
        room.doctor(&sandbox.base).args(["--other-host", &other.base]).env("CIVITAI_API_KEY", CANARY).output().unwrap();
    assert!(output.status.code().is_some(), "{}", printed(&output));
    let asked = other.requests();
    assert!(!asked.is_empty() && asked.iter().all(|request| request.header("authorization").is_empty()));
    assert_secret(room.0.path());
    let refused = room.doctor(&sandbox.base).args(["--other-host", "sandbox"]).output().unwrap();
    assert_exit(&refused, 2);
}

/// Stands in front of a sandbox and passes its answers on, but those to these paths.
fn in_front_of(sandbox: &Sandbox, instead: impl Fn(&Request) -> Option<Vec<u8>> + Send + Sync + 'static) -> Server {
    let behind = sandbox.base.trim_end_matches("/api/v1").to_owned();
    Server::answering(move |request| {
        instead(request).unwrap_or_else(|| {
            let Answer { status, body } = ask(&format!("{behind}{}", request.target));
            answer(&format!("{status} As Behind"), "", &String::from_utf8_lossy(&body))
        })
    })
}

#[test]
fn a_refused_key_has_its_own_exit_code() {
    let sandbox = Sandbox::start(&["--models", "200"]);
    let refuses = |request: &Request| {
        let is_me = request.target.ends_with("/me") && !request.header("authorization").is_empty();
        is_me.then(|| answer("401 Unauthorized", "", r#"{"error":"Unauthorized"}"#))
    };
    let (room, server) = (Room::new(), in_front_of(&sandbox, refuses));
    let output = room.doctor(&server.base).env("CIVITAI_API_KEY", CANARY).output().unwrap();
    assert_exit(&output, 77);
    assert!(printed(&output).contains("the server refused the API key"), "{}", printed(&output));
    room.assert_replays(&output);
}

#[test]
fn a_download_is_followed_as_downloads_are_and_without_the_key() {
    let sandbox = Sandbox::start(&["--models", "200"]);
    let storage = Server::answering(|_| {
        let head = "HTTP/1.1 206 Partial\r\nconnection: close\r\ncontent-range: bytes 0-0/7\r\n";
        let name = "content-disposition: attachment; filename=\"Zanzibarova.safetensors\"\r\n";
        format!("{head}{name}content-length: 1\r\n\r\nZ").into_bytes()
    });
    let (own, private) =
        (format!("http://127.0.0.1:{}/file?sig=Zanzibarova", storage.port), String::from("https://10.0.0.1/file"));
    for (target, is_followed) in [(own, true), (private, false), (String::from("file:///etc/passwd"), false)] {
        let location = target.clone();
        let redirects = move |request: &Request| {
            let is_file = request.target.starts_with("/api/download/");
            is_file.then(|| answer("307 Temporary Redirect", &format!("location: {location}\r\n"), ""))
        };
        let (room, server) = (Room::new(), in_front_of(&sandbox, redirects));
        let output = room.doctor(&server.base).arg("--download").env("CIVITAI_API_KEY", CANARY).output().unwrap();
        let files: Vec<Value> =
            room.lines("exchange").into_iter().filter(|exchange| exchange["request"]["to"] == "storage").collect();
        assert!(!files.is_empty(), "{}", printed(&output));
        let refused =
            files.iter().filter_map(|file| file["failure"].as_str()).find(|why| why.contains("a redirect to"));
        assert_eq!(refused.is_none(), is_followed, "{target}: {files:?}");
        let asked = storage.requests();
        assert_eq!(asked.len(), 1, "{target}: {asked:?}");
        assert!(asked[0].header("authorization").is_empty() && asked[0].header("range") == "bytes=0-0", "{asked:?}");
        assert!(!fs::read_to_string(room.file()).unwrap().contains("Zanzibarova"), "{files:?}");
    }
}

/// The words of people in an answer: texts that the API has no list of.
fn words_of_people(value: &Value, key: &str, words: &mut Vec<String>) {
    match value {
        Value::String(text)
            if ["name", "username", "description", "prompt", "negativePrompt", "tags", "trainedWords"]
                .contains(&key) =>
        {
            words.push(text.clone());
        }
        Value::Array(elements) => elements.iter().for_each(|element| words_of_people(element, key, words)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| words_of_people(value, key, words)),
        _ => {}
    }
}

#[test]
fn nobodys_words_are_in_the_file_unless_the_user_keeps_bodies() {
    for era in ERAS {
        let sandbox = Sandbox::start(&["--models", "300", "--era", era, "--traps", "all"]);
        let room = Room::new();
        let output = room.doctor(&sandbox.base).output().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 4)), "{}", printed(&output));
        let file = fs::read_to_string(room.file()).unwrap();
        let mut words = Vec::new();
        for list in
            ["models?sort=Oldest&limit=3&nsfw=true&archived=true&period=AllTime", "creators?limit=20", "tags?limit=20"]
        {
            if let Ok(page) = serde_json::from_str(&get(&format!("{}/{list}", sandbox.base))) {
                words_of_people(&page, "", &mut words);
            }
        }
        words.retain(|word| word.len() > 12);
        assert!(words.len() > 5, "{words:?}");
        let shown: Vec<&String> = words.iter().filter(|word| file.contains(&***word)).collect();
        assert!(shown.is_empty(), "{era}: {shown:?}");
        let whole = Room::new();
        whole.doctor(&sandbox.base).arg("--keep-bodies").output().unwrap();
        assert!(whole.lines("exchange").iter().any(|exchange| exchange["body"].is_string()));
        room.assert_replays(&output);
    }
}

#[test]
fn the_file_is_private_and_replaces_none() {
    let sandbox = Sandbox::start(&["--models", "200"]);
    let room = Room::new();
    fs::write(room.file(), "precious").unwrap();
    let output = room.examine(&sandbox.base, 2);
    assert!(printed(&output).contains("exists already; name another file with --out"), "{}", printed(&output));
    assert_eq!(fs::read_to_string(room.file()).unwrap(), "precious");
    fs::remove_file(room.file()).unwrap();
    room.doctor(&sandbox.base).output().unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(room.file()).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let named = program().args(["doctor", "--server", "sandbox"]).current_dir(room.0.path()).output().unwrap();
    let named = String::from_utf8(named.stdout).unwrap();
    let name =
        named.split('`').find(|word| word.starts_with("civitrawl-doctor-2")).unwrap_or_else(|| panic!("{named}"));
    assert!(room.0.path().join(name).exists());
}

#[test]
fn a_file_that_is_none_is_refused_with_its_reason() {
    let sandbox = Sandbox::start(&["--models", "200"]);
    let room = Room::new();
    room.doctor(&sandbox.base).output().unwrap();
    let own = fs::read_to_string(room.file()).unwrap();
    let half = own.char_indices().nth(own.chars().count() / 2).unwrap().0;
    let cases: [(&str, Vec<u8>); 8] = [
        ("is no file of `civitrawl doctor`", Vec::new()),
        ("is no file of `civitrawl doctor`", b"id,name\n1,a\n".to_vec()),
        ("cannot be read", own.as_bytes()[..half].to_vec()),
        ("has the format 99", own.replacen("\"format\":1", "\"format\":99", 1).into_bytes()),
        ("cannot be read", format!("{own}{}", "[".repeat(1 << 20)).into_bytes()),
        ("has more than", format!("{own}[{}0]", "0,".repeat(4 << 20)).into_bytes()),
        ("is larger than", vec![b' '; 65 << 20]),
        ("is not UTF-8", b"\xff\xfe{\"about\"".to_vec()),
    ];
    for (reason, bytes) in cases {
        fs::write(room.file(), bytes).unwrap();
        let output = replay(&room.file());
        assert_exit(&output, 2);
        assert!(printed(&output).contains(reason), "{reason}: {}", printed(&output));
    }
    fs::remove_file(room.file()).unwrap();
    assert_exit(&replay(&room.file()), 2);
    assert_exit(&replay(room.0.path()), 2);
}

#[test]
fn a_verdict_that_changed_since_is_named() {
    let sandbox = Sandbox::start(&["--models", "200"]);
    let room = Room::new();
    room.doctor(&sandbox.base).output().unwrap();
    let own = fs::read_to_string(room.file()).unwrap();
    fs::write(
        room.file(),
        own.replacen("\"verdict\":\"holds\",\"evidence\":\"", "\"verdict\":\"DIFFERS\",\"evidence\":\"once ", 1),
    )
    .unwrap();
    let output = replay(&room.file());
    assert!(printed(&output).contains("\n    in the file: DIFFERS: once "), "{}", printed(&output));
}
