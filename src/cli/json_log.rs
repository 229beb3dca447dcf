//! JSON log lines beside those of events: problems, warnings, and the end of the run. Written when `--log-format json` is given.

use std::ffi::OsString;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::exit::Exit;
use super::shown::shown_json;

/// The start of the program, set when its log is JSON.
static BEGAN: OnceLock<Instant> = OnceLock::new();

/// The counts of the run.
pub(super) static COUNTS: Counts = Counts {
    requests: AtomicU64::new(0),
    pages: AtomicU64::new(0),
    items: AtomicU64::new(0),
    commits: AtomicU64::new(0),
    rows: AtomicU64::new(0),
};

/// Counts of what a run did.
pub(super) struct Counts {
    /// Requests sent, retries included.
    pub(super) requests: AtomicU64,
    /// Pages taken, and the items on them.
    pub(super) pages: AtomicU64,
    pub(super) items: AtomicU64,
    /// Commits made, and the rows in them.
    pub(super) commits: AtomicU64,
    pub(super) rows: AtomicU64,
}

/// Makes the log JSON if these arguments ask for it, so that even a mistake in the others is.
pub(super) fn begin(arguments: &[OsString]) {
    let is_asked = |pair: &[OsString]| pair[0] == "--log-format" && pair[1] == "json";
    if arguments.windows(2).any(is_asked) || arguments.iter().any(|argument| argument == "--log-format=json") {
        BEGAN.get_or_init(Instant::now);
    }
}

/// Returns true if the log is JSON.
pub(super) fn is_on() -> bool {
    BEGAN.get().is_some()
}

/// Returns a log line.
pub(super) fn line(level: &str, message: &str, fields: Value) -> String {
    let mut object = Map::new();
    object.insert(String::from("timestamp"), Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string().into());
    object.insert(String::from("level"), level.into());
    object.insert(String::from("message"), message.into());
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    shown_json(&Value::Object(object).to_string()).into_owned() + "\n"
}

/// Returns the last line of the log; `None` if the log is not JSON.
pub(super) fn end(exit: Exit) -> Option<String> {
    let seconds = BEGAN.get()?.elapsed().as_secs_f64();
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let fields = json!({
        "exit": exit as u8,
        "seconds": seconds,
        "requests": count(&COUNTS.requests),
        "pages": count(&COUNTS.pages),
        "items": count(&COUNTS.items),
        "commits": count(&COUNTS.commits),
        "rows": count(&COUNTS.rows),
    });
    Some(line("INFO", "run ended", fields))
}
