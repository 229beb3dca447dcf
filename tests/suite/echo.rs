//! A server that repeats the request's credentials in all it says, however written: nothing that is stored or printed holds
//! the key.

use std::io::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::secrets::{CANARY, assert_secret, base64, shows};

use crate::support::{Request, Room, Server, assert_exit, printed, program};

/// Every place in which a server may repeat something, a walk each.
const CRAWL: &str = r#"
keep_bodies = true
retry = { attempts = 3, elapsed = "5s" }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", limit = 10 }

[[walk]]
name = "refused"
endpoint = "tags"

[[walk]]
name = "redirected"
endpoint = "creators"

[[walk]]
name = "busy"
endpoint = "images"
params = { postId = 7, sort = "Newest" }

[[walk]]
name = "versions"
endpoint = "model_version"
for_each = { list = ["80", "81"] }
"#;

/// The header's value, written as servers and what stands before them write it.
fn written(authorization: &str) -> [String; 9] {
    let each = |write: fn(u8) -> String| authorization.bytes().map(write).collect::<String>();
    let padded = format!("{authorization}  ");
    let encoded = base64(&padded.as_bytes()[..padded.len() / 3 * 3]);
    [
        authorization.to_owned(),
        authorization.to_uppercase(),
        url::form_urlencoded::byte_serialize(authorization.as_bytes()).collect(),
        each(|byte| format!("%{byte:02x}")),
        each(|byte| format!("&#{byte};")),
        authorization.replace('+', "&#x2b;").replace('=', "&#61;"),
        authorization.trim_start_matches("Bearer ").to_owned(),
        encoded.replace('+', "-").replace('/', "_"),
        encoded,
    ]
}

/// An answer that repeats the credentials in its headers, and compresses its body.
fn answer(status: &str, headers: &str, authorization: &str, body: &str) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(body.as_bytes()).unwrap();
    let body = gzip.finish().unwrap();
    let repeated: String = ["cf-cache-status", "etag", "age", "retry-after", "x-debug", "location"]
        .iter()
        .map(|name| format!("{name}: {authorization}\r\n"))
        .collect();
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-encoding: gzip\r\n{headers}{repeated}");
    [format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat()
}

fn json_answer(status: &str, authorization: &str, body: &Value) -> Vec<u8> {
    // Some of what is repeated is escaped as JSON may be.
    let escaped = CANARY.bytes().map(|byte| format!("\\u{byte:04x}")).collect::<String>();
    let body = body.to_string().replace("ESCAPED", &escaped);
    answer(status, &format!("content-type: application/json; for={authorization}\r\n"), authorization, &body)
}

fn items(forms: &[String]) -> Vec<Value> {
    let mut items: Vec<Value> = (1..)
        .zip(forms)
        .map(|(id, form)| {
            json!({ "id": id, "name": form, "description": "ESCAPED", "tags": [form], "unknown": { form: [form] },
                    "creator": { "username": form }, "modelVersions": [{ "id": id, "name": form, "files": [], "images": [] }] })
        })
        .collect();
    items.push(json!({ "id": null, "name": forms, "why": "ESCAPED" }));
    items
}

pub(crate) fn respond(request: &Request, asked: &AtomicUsize) -> Vec<u8> {
    let (authorization, target) = (request.header("authorization"), &*request.target);
    let forms = written(authorization);
    let said = json!({ "error": format!("bad key {}", forms.join(" | ")), "message": "ESCAPED" });
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let version = |id: u32| {
        json!({ "id": id, "modelId": 8, "name": forms[0], "description": forms.join(" "),
                "files": [{ "id": 1, "name": format!("{}.safetensors", forms[6]), "type": "Model", "primary": true }] })
    };
    match path.trim_start_matches("/api/v1/") {
        "models" if !query.contains("cursor") => {
            let link = format!("https://civitai.com/api/v1/models?token={}&cursor=2", forms[2]);
            let metadata = json!({ "nextCursor": "2", "nextPage": link });
            json_answer("200 OK", authorization, &json!({ "items": items(&forms), "metadata": metadata }))
        }
        "models" if asked.fetch_add(1, Ordering::SeqCst) == 0 => {
            let page = format!("<html><title>{}</title>{}</html>", forms[0], forms.join("<br>"));
            answer("200 OK", &format!("content-type: text/html; for={authorization}\r\n"), authorization, &page)
        }
        "models" => {
            let metadata = json!({ "nextCursor": format!("3|{}", forms[7]) });
            json_answer("200 OK", authorization, &json!({ "items": items(&forms), "metadata": metadata }))
        }
        "tags" => json_answer("400 Bad Request", authorization, &said),
        "creators" => answer("302 Found", "", &format!("http://{}/", &forms[6][..7]), &said.to_string()),
        "images" => json_answer("500 Internal Server Error", authorization, &said),
        "model-versions/80" => json_answer("200 OK", authorization, &version(80)),
        "/api/download/models/80" => {
            // A file that comes compressed although nobody asked for that is not taken.
            let name = format!("content-disposition: attachment; filename*=UTF-8''{}.bin\r\n", forms[3]);
            format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{name}content-length: 6\r\n\r\na file").into_bytes()
        }
        "/api/download/models/82" => json_answer("403 Forbidden", authorization, &said),
        "model-versions/82" => json_answer("200 OK", authorization, &version(82)),
        _ => json_answer("404 Not Found", authorization, &said),
    }
}

/// Runs a command that has the key; nothing it prints may show it.
fn run(mut command: Command, code: i32) {
    let output = command.env("CIVITAI_API_KEY", CANARY).output().expect("the program runs");
    for text in [&output.stdout, &output.stderr] {
        assert!(!shows(text), "the key was printed: {}", printed(&output));
    }
    assert_exit(&output, code);
}

/// The rows of every table, read as its users read them.
fn assert_rows_hold_no_key(room: &Room) {
    for table in std::fs::read_dir(room.dataset().join("parts")).expect("there are parts").flatten() {
        let table = table.file_name().into_string().expect("tables have names");
        if std::fs::read_dir(room.dataset().join("parts").join(&table)).expect("it is a folder").next().is_some() {
            let rows = room.query(&format!("SELECT CAST(row AS VARCHAR) FROM {table} row"));
            assert!(!rows.is_empty() && !shows(rows.as_bytes()), "{table}: {rows}");
        }
    }
    // Each answer repeats the key, so none may be kept as it came.
    let kept = "SELECT count(body), count(*) FILTER (body_encoding = 'gzip') FROM pages";
    let kept: Value = serde_json::from_str(&room.query(kept)).expect("it is a row");
    assert!(kept[0].as_u64() > Some(2) && kept[1] == 0, "{kept}");
}

#[test]
fn a_key_that_the_server_repeats_is_stored_and_printed_nowhere() {
    let asked = AtomicUsize::new(0);
    let server = Server::answering(move |request| respond(request, &asked));
    let room = Room::new(CRAWL, &server.base);
    let metrics = room.file().with_file_name("metrics.prom");
    let mut crawl = room.crawl();
    crawl.args(["-v", "-v", "--log-format", "json", "--metrics-file"]).arg(&metrics);
    run(crawl, 3);
    let mut crawl = room.crawl();
    crawl.args(["-v", "-v", "--progress", "always"]);
    run(crawl, 3);
    for word in ["status", "verify", "snapshot", "report", "replay", "status"] {
        let mut command = program();
        command.arg(word).arg(room.dataset()).current_dir(room.file().parent().expect("it lies somewhere"));
        // The crawl was stopped, and says so.
        run(command, if word == "status" { 3 } else { 0 });
    }
    let beside = |words: &[&str], code| {
        let mut command = program();
        command.args(words).args(["--server", &server.base, "--rate", "1000", "-v", "-v"]);
        command.current_dir(room.file().parent().expect("it lies somewhere"));
        run(command, code);
    };
    beside(&["get", "version", "80", "81"], 4);
    beside(&["get", "version", "80", "81", "--dataset", "looked-up"], 4);
    beside(&["download", "80", "82", "--into", "files"], 4);

    let all = room.file().parent().expect("it lies somewhere").to_owned();
    assert_secret(&all);
    assert_rows_hold_no_key(&room);
    let files: Vec<_> = std::fs::read_dir(all.join("files")).unwrap().flatten().map(|file| file.file_name()).collect();
    assert!(files.iter().any(|name| name.to_string_lossy().contains("API-KEY")), "{files:?}");
    let last = room.query("SELECT max(page) FROM pages WHERE walk = 'models'");
    assert_eq!(last, "[2]\n", "a cursor that holds the key leads nowhere");
    assert!(server.requests().iter().all(|request| !shows(request.target.as_bytes())));
}
