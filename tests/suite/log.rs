//! What a sandbox was asked, and when: its own log, read back over HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::support::Sandbox;

/// One request as the sandbox saw it.
#[derive(Debug)]
pub(crate) struct Request {
    /// Seconds since the sandbox began.
    pub(crate) at: f64,
    /// The path as sent.
    pub(crate) path: String,
    /// The query as sent.
    pub(crate) query: String,
    /// The status answered; `None` while there was no answer.
    pub(crate) status: Option<u64>,
    /// Whether it carried an `Authorization` header.
    pub(crate) authorization: bool,
    /// The `Range` header.
    pub(crate) range: Option<String>,
}

/// Every request so far, in order of arrival.
pub(crate) fn requests(sandbox: &Sandbox) -> Vec<Request> {
    get(&sandbox.side("log")).lines().map(request).collect()
}

/// Lets a night go by in which this share of the models changes; gives the ids of what happened, by kind.
pub(crate) fn pass_night(sandbox: &Sandbox, share: &str) -> Value {
    let told = ask("POST", &sandbox.side(&format!("night?share={share}")));
    serde_json::from_str(&told).expect("a night is told in JSON")
}

/// The text at an address of a sandbox.
pub(crate) fn get(address: &str) -> String {
    ask("GET", address)
}

fn ask(method: &str, address: &str) -> String {
    let url = url::Url::parse(address).expect("sandboxes have addresses");
    let (host, port) = (url.host_str().expect("a host"), url.port().expect("a port"));
    let mut stream = TcpStream::connect((host, port)).expect("the sandbox answers");
    let path = &url[url::Position::BeforePath..];
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 0\r\n").expect("it listens");
    write!(stream, "Connection: close\r\n\r\n").expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers whole");
    let (head, body) = answer.split_once("\r\n\r\n").expect("it speaks HTTP");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    body.to_owned()
}

fn request(line: &str) -> Request {
    let value: Value = serde_json::from_str(line).expect("the log is JSON lines");
    Request {
        at: value["at_s"].as_f64().expect("every request has its time"),
        path: value["path"].as_str().unwrap_or_default().to_owned(),
        range: value["range"].as_str().map(str::to_owned),
        query: value["query"].as_str().unwrap_or_default().to_owned(),
        status: value["status"].as_u64(),
        authorization: value["authorization"].as_bool().unwrap_or(false),
    }
}
