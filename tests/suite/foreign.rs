//! Foreign text on terminals and in logs: whatever a server, a file name, a crawl file or an argument holds, nothing in what is
//! printed steers a terminal, is invisible, turns a line around, or begins a line of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::support::{Request, Room, Sandbox, Server, answer, ask, printed, program};

/// A bit of everything that must not be seen raw: escape sequences of both kinds, directions, separators, fillers, tags.
const NASTY: &str = "\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}31m\u{7f}\u{202e}\u{2066}\u{200e}\u{61c}\u{2028}\u{200b}\u{ad}\u{feff}\u{e0041}\r\nFORGED";

/// Fails if something raw is in what was printed.
fn assert_plain(output: &Output, what: &str) {
    for text in [&output.stdout, &output.stderr] {
        let text = std::str::from_utf8(text).unwrap_or_else(|_| panic!("{what}: {}", printed(output)));
        let raw = |c: &char| *c != '\n' && (c.is_control() || NASTY.contains(*c)) && !c.is_ascii_graphic();
        let raw: String = text.chars().filter(raw).filter(|c| *c != ' ').collect();
        assert!(raw.is_empty(), "{what}: {raw:?} is in\n{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("FORGED")), "{what}: a line is forged in\n{text}");
    }
}

/// Appends [`NASTY`] to the strings of a value under the keys that `spoils` picks, and to some of the keys.
fn spoil(value: &mut Value, spoils: &dyn Fn(&str) -> bool) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| spoil(value, spoils)),
        Value::Object(fields) => {
            let mut more = Map::new();
            for (key, value) in fields.iter_mut() {
                match value {
                    Value::String(text) if spoils(key) => text.push_str(NASTY),
                    Value::String(_) => {}
                    _ => spoil(value, spoils),
                }
                if spoils(key) && key == "name" {
                    more.insert(format!("odd{NASTY}"), Value::from(NASTY));
                }
            }
            fields.extend(more);
        }
        _ => {}
    }
}

fn spoilt(sandbox: &Sandbox, spoils: impl Fn(&str) -> bool + Send + Sync + 'static) -> Server {
    let behind = sandbox.side("").trim_end_matches("/sandbox/").to_owned();
    Server::answering(move |Request { target, .. }| {
        // Cursors come back as they were given.
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query: Vec<&str> = query.split('&').map(|pair| pair.split("%1B").next().unwrap_or_default()).collect();
        let found = ask(&format!("{behind}{path}?{}", query.join("&")));
        let mut value = found.json();
        spoil(&mut value, &spoils);
        answer(if found.status == 200 { "200 OK" } else { "404 Not Found" }, "", &value.to_string())
    })
}

const CRAWL: &str = r#"
pace = { requests_per_second = 1000.0, burst = 1000, in_flight = 4 }
retry = { attempts = 3, elapsed = "2s" }
keep_bodies = true

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 10 }

[[walk]]
name = "model"
endpoint = "model"
for_each = { list = [5, 10, 999999] }
"#;

/// Runs every command that shows something of a server.
fn all_commands(base: &str, what: &str) {
    let room = Room::new(CRAWL, base);
    for log in [&["-v", "-v"][..], &["--log-format", "json", "-v", "-v", "--restart"]] {
        assert_plain(&room.run(log), what);
    }
    let (dataset, files) = (room.dataset().display().to_string(), room.file().with_file_name("files"));
    let (page, files) = (room.file().with_file_name("page.html"), files.display().to_string());
    let page = page.display().to_string();
    for words in [
        &["status", &dataset][..],
        &["verify", &dataset],
        &["snapshot", &dataset],
        &["report", &dataset, "-o", &page],
        &["replay", &dataset],
        &["schema", "--format", "sql", "--dataset", &dataset],
        &["get", "model", "5", "10", "999999", "--server", base, "--rate", "1000", "-v", "-v"],
        &["get", "version", "80", "160", "--server", base, "--rate", "1000"],
        &["get", "hash", "AAAAAAAAAA", "--server", base, "--rate", "1000"],
        &["download", "80", "160", "16000000", "--into", &files, "--server", base, "--rate", "1000"],
    ] {
        let output = program().args(words).output().expect("the program runs");
        assert_plain(&output, &format!("{what}, {}", words[0]));
        if words[0] == "get" {
            for line in String::from_utf8_lossy(&output.stdout).lines() {
                let value: Value = serde_json::from_str(line).expect("each line is JSON");
                // The server's text is there in full, escaped.
                assert!(what != "every field" || value.to_string().contains("FORGED"), "{line}");
            }
        }
    }
}

#[test]
fn no_field_of_an_answer_reaches_a_terminal_raw() {
    let sandbox = Sandbox::start(&["--models", "30"]);
    all_commands(&spoilt(&sandbox, |key| !["nextCursor", "nextPage"].contains(&key)).base, "every field");
    all_commands(
        &spoilt(&sandbox, |key| ["nextCursor", "nextPage", "type", "publishedAt"].contains(&key)).base,
        "cursors",
    );
    // A cursor that comes round, and errors in words.
    let items = serde_json::json!({ "items": [{ "id": 1, "name": NASTY }], "metadata": { "nextCursor": NASTY } });
    all_commands(&Server::of_models(items.to_string()).base, "a loop");
    for status in ["400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found", "451 Unavailable"] {
        let body = serde_json::json!({ "error": NASTY, "message": NASTY }).to_string();
        let server = Server::answering(move |_| answer(status, "cf-cache-status: \u{9b}HIT\r\n", &body));
        all_commands(&server.base, status);
    }
}

/// Runs a command in a folder.
fn run(folder: &Path, words: &[&str]) -> Output {
    let mut command: Command = program();
    command.args(words).current_dir(folder).output().expect("the program runs")
}

#[test]
fn no_name_of_a_file_and_no_argument_is_shown_raw() {
    let sandbox = Sandbox::start(&["--models", "10"]);
    let folder = TempDir::new().unwrap();
    let place = folder.path();
    let (file, odd) = (format!("{NASTY}.toml"), NASTY.replace('/', ""));
    let head = format!("server = \"{}\"\n", sandbox.base);
    fs::write(place.join(&file), format!("{head}dataset = \"odd\\u001b\\n\\u202eset\"\n{CRAWL}")).unwrap();
    fs::write(place.join("bad.toml"), format!("{head}dataset = \"d\"\n\"k\\u001b\\nFORGED\" = \"v\\u202e\"\n[[walk]]\nname = \"w\\u001b\\nFORGED\"\nendpoint = \"e\\u009b\\nFORGED\"\n")).unwrap();
    fs::create_dir(place.join("models")).unwrap();
    for (name, content) in [("a", "one"), ("empty", "")] {
        fs::write(place.join("models").join(format!("{name}{odd}.safetensors")), content).unwrap();
    }
    let server = ["--server", sandbox.base.as_str(), "--rate", "1000"];
    for words in [
        &["crawl", &file][..],
        &["crawl", &file, "-v", "--metrics-file", "no\u{1b}\nFORGED/m.prom"],
        &["plan", &file],
        &["plan", "bad.toml"],
        &["crawl", "bad.toml"],
        &["crawl", "bad.toml", "--dataset", NASTY],
        &["crawl", &file, "--believe-shorter", NASTY],
        &["status", "odd\u{1b}\n\u{202e}set"],
        &["verify", "odd\u{1b}\n\u{202e}set"],
        &["snapshot", "odd\u{1b}\n\u{202e}set"],
        &["replay", "odd\u{1b}\n\u{202e}set"],
        &["report", "odd\u{1b}\n\u{202e}set", "-o", "page\u{1b}\nFORGED.html"],
        &["report", "odd\u{1b}\n\u{202e}set", "-o", "no\u{1b}\nFORGED/page.html"],
        &["schema", "--format", "sql", "--dataset", "odd\u{1b}\n\u{202e}set"],
        &["schema", "--format", "spark", "--dataset", "odd\u{1b}\n\u{202e}set"],
        &["schema", NASTY],
        &["explain", NASTY],
        &["man", NASTY],
        &["completions", NASTY],
        &["status", NASTY],
        &["verify", NASTY],
        &["plan", NASTY],
        &["get", "model", NASTY],
        &["get", NASTY, "1"],
        &["get", "model", "1", "--server", NASTY],
        &["download", "1", NASTY, "--into", NASTY],
        &["sandbox", "--traps", NASTY],
        &["sandbox", "--catalog", NASTY],
        &[NASTY],
        &["crawl", &file, "--deadline", NASTY],
    ] {
        let words: Vec<&str> = words.iter().copied().filter(|word| !word.contains('\0')).collect();
        assert_plain(&run(place, &words), &words.join(" "));
    }
    for words in [&["get", "hash", "--files", "models"][..], &["get", "hash", "--files", "models", "--dataset", "kept"]]
    {
        let output = run(place, &[words, &server].concat());
        assert_plain(&output, &words.join(" "));
        assert!(printed(&output).contains("is empty"), "{}", printed(&output));
    }
}
