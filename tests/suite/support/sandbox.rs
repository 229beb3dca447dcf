//! A sandbox in a process of its own, what it was asked, and a client of few words.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use url::Url;

use super::program;
use super::tls::{SANDBOX_PEM, tls_stream};

/// The servers of 2026, either of which may answer: each promise of the program holds for both.
pub const ERAS: [&str; 2] = ["2026-08", "2026-09"];

/// True when sandboxes encrypt and speak HTTP/2, as the service does: `CIVITRAWL_TEST_TRANSPORT=h2`.
pub static OVER_HTTP2: LazyLock<bool> = LazyLock::new(|| match std::env::var("CIVITRAWL_TEST_TRANSPORT") {
    Ok(transport) => {
        assert!(["h1", "h2"].contains(&&*transport), "CIVITRAWL_TEST_TRANSPORT is `{transport}`, neither h1 nor h2");
        transport == "h2"
    }
    Err(_) => false,
});

/// A sandbox, as `civitrawl sandbox` serves it; ends with the value.
pub struct Sandbox {
    process: Child,
    /// Its base URL, `/api/v1` included.
    pub base: String,
}

impl Sandbox {
    /// Starts one with these arguments.
    pub fn start(arguments: &[&str]) -> Self {
        if *OVER_HTTP2 { Self::encrypted(arguments) } else { Self::with(arguments) }
    }

    /// Starts one that encrypts and speaks HTTP/2.
    pub fn encrypted(arguments: &[&str]) -> Self {
        Self::with(&[arguments, &["--tls", SANDBOX_PEM]].concat())
    }

    fn with(arguments: &[&str]) -> Self {
        let mut command = program();
        command.arg("sandbox").args(arguments).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the sandbox starts");
        let mut base = String::new();
        BufReader::new(process.stdout.take().expect("its stdout is piped")).read_line(&mut base).expect("it prints");
        assert!(base.contains("://127.0.0.1:"), "the sandbox printed `{base}`");
        Self { process, base: base.trim().to_owned() }
    }

    /// The address of `/sandbox/<name>`.
    pub fn side(&self, name: &str) -> String {
        format!("{}/sandbox/{name}", self.base.trim_end_matches("/api/v1"))
    }

    /// Returns the rows that a perfect client of a query gets, as `/sandbox/truth` lists them.
    pub fn truth(&self, query: &str) -> Vec<Value> {
        let lines = get(&self.side(&format!("truth/{query}")));
        lines.lines().map(|line| serde_json::from_str(line).expect("the truth is JSON lines")).collect()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One request in the sandbox's log.
#[derive(Debug)]
pub struct Logged {
    /// Seconds since the sandbox began.
    pub at: f64,
    /// The host as asked, with its port.
    pub host: String,
    /// The path as sent.
    pub path: String,
    /// The query as sent.
    pub query: String,
    /// The status answered; `None` while there was no answer.
    pub status: Option<u64>,
    /// Set when it carried an `Authorization` header.
    pub authorization: bool,
    /// The `Range` header.
    pub range: Option<String>,
}

/// Returns every request so far, in order of arrival.
pub fn requests(sandbox: &Sandbox) -> Vec<Logged> {
    get(&sandbox.side("log")).lines().map(logged).collect()
}

fn logged(line: &str) -> Logged {
    let value: Value = serde_json::from_str(line).expect("the log is JSON lines");
    Logged {
        at: value["at_s"].as_f64().expect("every request has its time"),
        host: value["host"].as_str().unwrap_or_default().to_owned(),
        path: value["path"].as_str().unwrap_or_default().to_owned(),
        range: value["range"].as_str().map(str::to_owned),
        query: value["query"].as_str().unwrap_or_default().to_owned(),
        status: value["status"].as_u64(),
        authorization: value["authorization"].as_bool().unwrap_or(false),
    }
}

/// Changes this share of the models, as a night does; returns the ids of what happened, by kind.
pub fn pass_night(sandbox: &Sandbox, share: &str) -> Value {
    let night = send("POST", &sandbox.side(&format!("night?share={share}")));
    assert_eq!(night.status, 200);
    night.json()
}

/// Returns the text at an address of a sandbox, which must be there.
pub fn get(address: &str) -> String {
    let answer = ask(address);
    assert_eq!(answer.status, 200, "{address}");
    String::from_utf8(answer.body).expect("it answers with text")
}

/// One answer.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Sends one GET to a server on loopback, its host as the address says.
pub fn ask(address: &str) -> Answer {
    send("GET", address)
}

fn send(method: &str, address: &str) -> Answer {
    let url = Url::parse(address).expect("it is an address");
    let port = url.port().expect("a port");
    let socket = TcpStream::connect(("127.0.0.1", port)).expect("the sandbox answers");
    match url.scheme() {
        "https" => exchange(tls_stream(socket), method, &url),
        _ => exchange(socket, method, &url),
    }
}

fn exchange(mut stream: impl Read + Write, method: &str, url: &Url) -> Answer {
    let (host, port) = (url.host_str().expect("a host"), url.port().expect("a port"));
    let path = &url[url::Position::BeforePath..];
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 0\r\n").expect("it listens");
    write!(stream, "Connection: close\r\n\r\n").expect("it listens");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("it speaks HTTP");
    let status = String::from_utf8_lossy(&answer[9..12]).parse().expect("it has a status");
    Answer { status, body: answer[head + 4..].to_vec() }
}
