//! A client as people write it: it follows the links, stops at an empty page, believes totals and 404s, and repairs
//! nothing. What it loses shows that a trap is one.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

/// Pages after which it loses patience.
const PATIENCE: usize = 300;

/// One answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// One GET, its host as the address says.
pub(crate) fn ask(address: &str) -> Answer {
    let url = url::Url::parse(address).expect("it is an address");
    let (host, port) = (url.host_str().expect("a host"), url.port().expect("a port"));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the sandbox answers");
    let path = &url[url::Position::BeforePath..];
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n").expect("it listens");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("it speaks HTTP");
    let status = String::from_utf8_lossy(&answer[9..12]).parse().expect("it has a status");
    Answer { status, body: answer[head + 4..].to_vec() }
}

/// The items from an address on, `nextPage` after `nextPage`, until there is none, or a page is empty or cannot be read.
pub(crate) fn follow(address: &str) -> Vec<Value> {
    let (mut items, mut next) = (Vec::new(), Some(address.to_owned()));
    for _ in 0..PATIENCE {
        let Some(address) = next else { break };
        let page = ask(&address).json();
        let Some(shown) = page["items"].as_array().filter(|shown| !shown.is_empty()) else { break };
        items.extend(shown.iter().cloned());
        next = page["metadata"]["nextPage"].as_str().map(str::to_owned);
    }
    items
}

/// The items of the pages 1, 2, 3 … of an address, until one is refused, empty, or the last by what `totalPages` claims.
pub(crate) fn numbered(address: &str) -> Vec<Value> {
    let mut items = Vec::new();
    for number in 1..PATIENCE {
        let page = ask(&format!("{address}&page={number}")).json();
        let Some(shown) = page["items"].as_array().filter(|shown| !shown.is_empty()) else { break };
        items.extend(shown.iter().cloned());
        if page["metadata"]["totalPages"].as_u64().is_some_and(|last| number as u64 >= last) {
            break;
        }
    }
    items
}

/// The distinct values of a field, sorted.
pub(crate) fn distinct(items: &[Value], field: &str) -> Vec<String> {
    let mut values: Vec<String> = items.iter().map(|item| item[field].to_string()).collect();
    values.sort_unstable();
    values.dedup();
    values
}
