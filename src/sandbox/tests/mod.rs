//! Tests over real sockets, with a client of a few lines that shares nothing with the crawler.

mod eras;
mod faults;
mod feed;
mod images;
mod lookups;
mod mutation;
mod names;
mod night;
mod other_servers;
mod paging;
mod service;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::{Config, Era, Sandbox};

/// An answer as received.
pub(super) struct Reply {
    pub(super) status: u16,
    /// Head lines, names in lower case.
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(super) fn ids(&self) -> Vec<i64> {
        self.json()["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap()).collect()
    }

    pub(super) fn next_cursor(&self) -> Option<String> {
        self.json()["metadata"]["nextCursor"].as_str().map(str::to_owned)
    }
}

/// A server with these traps and faults, and a small catalog.
pub(super) fn sandbox(models: u32, traps: &str, faults: &[&str]) -> Sandbox {
    let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    Sandbox::start(Config { models, traps: traps.parse().unwrap(), faults, ..Config::default() }).unwrap()
}

/// A server of an era with these traps, and a small catalog.
pub(super) fn of_era(era: Era, models: u32, traps: &str) -> Sandbox {
    Sandbox::start(Config { models, era, traps: traps.parse().unwrap(), ..Config::default() }).unwrap()
}

/// Sends one GET of a path with query, below `/`, on a connection of its own, with further head lines.
pub(super) fn fetch(sandbox: &Sandbox, path: &str, head: &str) -> io::Result<Reply> {
    send(sandbox, "GET", path, head)
}

/// Sends one request to the API.
pub(super) fn send(sandbox: &Sandbox, method: &str, path: &str, head: &str) -> io::Result<Reply> {
    let base = sandbox.base_url();
    exchange(base.strip_prefix("http://").unwrap().split('/').next().unwrap(), method, path, head)
}

/// Sends one request to a host.
pub(super) fn exchange(host: &str, method: &str, path: &str, head: &str) -> io::Result<Reply> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_millis(if head.contains("impatient") { 400 } else { 20_000 })))?;
    let path = path.replace(' ', "%20").replace('|', "%7C");
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{head}\r\n")?;
    let (mut bytes, mut error) = (Vec::new(), None);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(failure) => {
                error = Some(failure);
                break;
            }
        }
    }
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(split) = split else {
        return Err(error.unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()));
    };
    let head = lower_names(&String::from_utf8_lossy(&bytes[..split]));
    let body = bytes[split + 4..].to_vec();
    let wanted: usize = field(&head, "content-length").unwrap().parse().unwrap();
    match error {
        Some(error) => Err(error),
        None if body.len() != wanted => Err(io::ErrorKind::UnexpectedEof.into()),
        None => Ok(Reply { status: head[9..12].parse().unwrap(), head, body }),
    }
}

fn lower_names(head: &str) -> String {
    let lower = |line: &str| match line.split_once(": ") {
        Some((name, value)) => format!("{}: {value}\n", name.to_lowercase()),
        None => format!("{line}\n"),
    };
    head.lines().map(lower).collect()
}

/// A header's value.
pub(super) fn field(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
}

pub(super) fn get(sandbox: &Sandbox, path: &str) -> Reply {
    fetch(sandbox, path, "").unwrap()
}

/// The JSON lines of an inspection path.
pub(super) fn lines(sandbox: &Sandbox, path: &str) -> Vec<Value> {
    get(sandbox, path).text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The model ids that a perfect client of a query gets, by the server's own report.
pub(super) fn truth(sandbox: &Sandbox, query: &str) -> Vec<i64> {
    let rows = lines(sandbox, &format!("/sandbox/truth/models?{query}"));
    rows.iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

/// Walks a list to its end, each cursor passed through `repair`; returns its pages.
pub(super) fn walk(sandbox: &Sandbox, query: &str, repair: impl Fn(&str) -> String) -> Vec<Vec<i64>> {
    let mut pages = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let part = cursor.map(|cursor| format!("&cursor={}", repair(&cursor))).unwrap_or_default();
        let reply = get(sandbox, &format!("/api/v1/models?{query}{part}"));
        assert_eq!(reply.status, 200, "{}", reply.text());
        pages.push(reply.ids());
        cursor = reply.next_cursor();
        assert!(pages.len() < 5000, "the walk does not end");
        if cursor.is_none() {
            return pages;
        }
    }
}

/// Repairs a cursor as a careful client does: three digits of fraction, and under Newest the id plus one.
pub(super) fn repair(newest: bool, cursor: &str) -> String {
    let (date, id) = cursor.split_once('|').unwrap();
    let (seconds, fraction) = date.split_once('.').unwrap_or((date, ""));
    let id: i64 = id.parse().unwrap();
    format!("{seconds}.{fraction:0<3}|{}", id + i64::from(newest))
}

/// All ids of the pages, sorted, without repeats.
pub(super) fn union(pages: &[Vec<i64>]) -> Vec<i64> {
    let mut ids = pages.concat();
    ids.sort_unstable();
    ids.dedup();
    ids
}
