//! The log of API requests, and counts over it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde_json::json;

use super::call::Call;

/// One API request. `status` and `items` are those of its answer, null before it is sent.
pub(super) struct Record {
    pub(super) at_s: f64,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) cursor: Option<String>,
    pub(super) host: String,
    pub(super) authorization: bool,
    pub(super) range: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) fault: Option<&'static str>,
    pub(super) http2: bool,
    pub(super) status: Option<u16>,
    pub(super) items: Option<usize>,
    /// Body bytes sent so far.
    pub(super) bytes: Arc<AtomicU64>,
}

/// Every request since the server's start.
pub(super) struct Journal {
    pub(super) start: Instant,
    records: Vec<Record>,
    /// Per endpoint, the distinct items of its answers.
    served: HashMap<String, HashSet<u32>>,
    items: u64,
}

impl Journal {
    pub(super) fn new() -> Journal {
        Journal { start: Instant::now(), records: Vec::new(), served: HashMap::new(), items: 0 }
    }

    /// Starts the record of a call; returns its number, counted from 0. A `token` in the query is not logged.
    pub(super) fn open(&mut self, call: &Call, bytes: Arc<AtomicU64>) -> usize {
        let secret = |part: &str| part.starts_with("token=");
        let hide = |part| if secret(part) { "token=***" } else { part };
        let cursor = call.pairs.iter().find(|(key, value)| key == "cursor" && !value.is_empty());
        let record = Record {
            at_s: self.start.elapsed().as_secs_f64(),
            path: call.path.clone(),
            query: call.query.split('&').map(hide).collect::<Vec<_>>().join("&"),
            cursor: cursor.map(|(_, value)| value.clone()),
            host: call.host.clone(),
            http2: call.http2,
            authorization: call.authorization,
            range: call.range.clone(),
            user_agent: call.user_agent.clone(),
            fault: None,
            status: None,
            items: None,
            bytes,
        };
        self.records.push(record);
        self.records.len() - 1
    }

    /// The record of a request.
    pub(super) fn record(&mut self, number: usize) -> Option<&mut Record> {
        self.records.get_mut(number)
    }

    /// Counts the items of an endpoint's answer that the client can read.
    pub(super) fn serve(&mut self, endpoint: &str, items: &[u32]) {
        self.items += items.len() as u64;
        self.served.entry(endpoint.to_owned()).or_default().extend(items);
    }

    /// Returns the cursor sent this many requests before a request, or the nearest one before that on the same path.
    pub(super) fn earlier_cursor(&self, number: usize, back: usize) -> Option<String> {
        let path = &self.records.get(number)?.path;
        let older = self.records[..=number].iter().rev().skip(back);
        older.filter(|record| record.path == *path).find_map(|record| record.cursor.clone())
    }

    /// Returns the log as JSON lines; `n` counts from 1.
    pub(super) fn lines(&self) -> String {
        let line = |(n, record): (usize, &Record)| {
            let line = json!({
                "n": n, "at_s": record.at_s, "path": record.path, "query": record.query, "host": record.host,
                "status": record.status, "items": record.items, "bytes": record.bytes.load(Ordering::Relaxed),
                "fault": record.fault, "authorization": record.authorization, "user_agent": record.user_agent,
                "range": record.range, "http2": record.http2,
            });
            format!("{line}\n")
        };
        (1usize..).zip(&self.records).map(line).collect()
    }

    /// Returns the number of requests, of items served, and of items served before.
    pub(super) fn stats(&self) -> String {
        let repeats = self.items - self.served.values().map(|served| served.len() as u64).sum::<u64>();
        json!({ "requests": self.records.len(), "items": self.items, "repeats": repeats }).to_string()
    }
}
