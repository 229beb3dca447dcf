//! The types of a checked crawl file.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use url::Url;

use super::quantity::duration_text;
use super::snapshot::Snapshot;
use crate::api::endpoint::{Endpoint, Paging, Windows};
use crate::api::post_by_id::POST;
use crate::table::Table;
use crate::table::choice::Choice;
use crate::table::dropped::Dropped;

/// A checked crawl file.
#[derive(Debug, Clone)]
pub struct Crawl {
    /// `name`, or the file's stem (`models` for `crawls/models.toml`): the crawl's name in records, parts and logs.
    pub name: String,
    /// The server to request.
    pub server: Server,
    /// The dataset's directory. As written until the CLI replaces `~` and variables; it counts from the crawl file.
    pub dataset: PathBuf,
    /// The place that is the truth of the dataset, as written; `None` if the directory is.
    pub store: Option<String>,
    /// Rate and concurrency of requests.
    pub pace: Pace,
    /// Time limits of one request.
    pub timeouts: Timeouts,
    /// Limits of all attempts at one page.
    pub retry: Retry,
    /// Bounds that make a commit due.
    pub commit: Commit,
    /// The limits for believing a list that became shorter.
    pub absence: Absence,
    /// True to keep answers as received in `pages.body`.
    pub keep_bodies: bool,
    /// Snapshots at the end of a pass.
    pub snapshot: Snapshot,
    /// The tables with a history of counters and states.
    pub history: Vec<&'static Table>,
    /// The tables and columns that are left out.
    pub drop: Dropped,
    /// The fields whose values are replaced by pseudonyms: `username` or nothing.
    pub pseudonymize: Vec<String>,
    /// The file with the pseudonyms' key, as written.
    pub pseudonym_key_file: Option<PathBuf>,
    /// Digest of the pseudonyms' key. Not in the file: the CLI sets it after reading the key.
    pub pseudonym_key_digest: Option<String>,
    /// True to allow plain `http` to a host that is not loopback.
    pub insecure_http: bool,
    /// The file with the API key, as written.
    pub key_file: Option<PathBuf>,
    /// The catalog of the embedded server, for `server = "sandbox"`.
    pub sandbox: Sandbox,
    /// The walks, in the order of the file. Never empty; names are unique.
    pub walks: Vec<Walk>,
}

/// The server to request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// A base URL that ends in `/api/v1`, without trailing slash, query and fragment.
    Url(Url),
    /// The embedded sandbox, started on a loopback port for the run.
    Sandbox,
}

/// `[pace]`: the token bucket of all requests of the process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Tokens per second (0.01 to 1000; default 1).
    pub requests_per_second: f64,
    /// Size of the bucket in requests (1 to 1000; default 1).
    pub burst: u32,
    /// Requests in flight at once (1 to 256; default 4).
    pub in_flight: u32,
}

/// `[timeouts]`: bounds of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect, TLS included (100 ms to 10 min; default 10 s).
    pub connect: Duration,
    /// From sending the request to the first byte of the answer's head, and between two reads of its body (100 ms to 1 h; default 60 s).
    pub idle: Duration,
    /// For the whole answer (1 s to 24 h; default 5 min).
    pub total: Duration,
}

/// `[retry]`: bounds of all attempts at one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Most requests for one page before it counts as failed (1 to 100; default 8).
    pub attempts: u32,
    /// Longest time for one page, waits included (1 s to 168 h; default 15 min).
    pub elapsed: Duration,
}

/// `[commit]`: a commit is due once either bound is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// Age of the oldest uncommitted row (100 ms to 24 h; default 60 s).
    pub every: Duration,
    /// Bytes of rows in memory, gathered and being written together (1 MiB to 8 GiB; default 64 MiB).
    pub bytes: u64,
}

/// `[absence]`: the limits for believing a list that became shorter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Absence {
    /// The share of things that may be missing since the last pass (0 to 1; default 0.2).
    pub shrink: f64,
    /// The number that may be missing even if its share is larger (0 to 10 million; default 100).
    pub fewer: u64,
    /// The number of missing things that are looked up one by one (20 to 1000; default 20). If no more are missing, this settles
    /// all of them.
    pub sample: u32,
}

/// `[sandbox]`: the catalog of the embedded server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// Models in the catalog (0 to 10 million; default 2000).
    pub models: u32,
    /// Seed of the catalog (default 1).
    pub seed: u64,
    /// The era of the server's behaviour, as for `civitrawl sandbox --era` (default `2026-09`).
    pub era: String,
    /// Traps to switch on, as for `civitrawl sandbox --traps` (default `all`).
    pub traps: String,
    /// Faults to inject, each as for `civitrawl sandbox --fault` (default none).
    pub faults: Vec<String>,
    /// Delay of every answer (0 to 10 min; default 0).
    pub latency: Duration,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self {
            models: 2000,
            seed: 1,
            era: "2026-09".to_owned(),
            traps: "all".to_owned(),
            faults: Vec::new(),
            latency: Duration::ZERO,
        }
    }
}

/// One `[[walk]]`.
#[derive(Debug, Clone)]
pub struct Walk {
    /// Unique within the file: letters, digits, `-` and `_`, at most 64.
    pub name: String,
    /// The endpoint to walk.
    pub endpoint: &'static Endpoint,
    /// Query parameters in the order of the file, without `limit` and `cursor`; a list is spread over repeated keys.
    pub params: Vec<(String, String)>,
    /// Page size in items; 0 for look-ups.
    pub limit: u32,
    /// The division into sequences of pages.
    pub partitioning: Partitioning,
    /// Settings for passes after the first.
    pub later: Later,
}

impl Absence {
    /// Returns how many of `of` things may be missing.
    pub fn most_missing(self, of: u64) -> u64 {
        self.fewer.max((self.shrink * of as f64) as u64)
    }

    /// Returns the smallest count that is believed after `before` things.
    pub fn least(self, before: u64) -> u64 {
        before.saturating_sub(self.most_missing(before))
    }
}

impl Walk {
    /// True if the walk must wait for the walks before it, since it fans out over their rows.
    pub fn needs_rows(&self) -> bool {
        let reads =
            |source: &Source| matches!(source, Source::Column { .. } | Source::Changed { .. } | Source::Newest { .. });
        matches!(&self.partitioning, Partitioning::Each(Each { source, .. }) if reads(source))
    }

    /// The sentence for a list that the server cuts off.
    pub const CUT_OFF: &str = "of a list this long the server shows only a part, and ends as if it were all";

    /// True if the server cuts the list off and ends it as if that were all. Not so if the walk begins with a forged cursor; if
    /// the server refuses that one, the walk is doubtful.
    pub fn is_cut_off(&self) -> bool {
        let is_whole = match &self.partitioning {
            Partitioning::Each(each) => {
                each.param.as_deref().is_some_and(|param| self.endpoint.whole_with.contains(&param))
            }
            Partitioning::One | Partitioning::Windows { .. } => self.forges_first().is_some(),
        };
        !is_whole && !self.endpoint.shows_whole(&self.params)
    }

    /// Returns the forged cursors of a list that is whole only behind one, so that the walk sends one from its first page on.
    pub fn forges_first(&self) -> Option<Windows> {
        let Paging::Cursor { windows, .. } = self.endpoint.paging else { return None };
        windows.filter(|windows| windows.without.is_some() && (windows.fits)(&self.params))
    }

    /// True if things that a later walk of the list does not show are gone. Not so if the list is cut off or depends on the date,
    /// if its values are chosen anew in each pass, if it is one answer, which nothing confirms, nor for posts: one that is
    /// hidden from this region is answered like one that is deleted.
    pub fn finds_gone(&self) -> bool {
        let chosen = |source: &Source| matches!(source, Source::Column { choice, .. } if !choice.is_everything());
        !matches!(self.endpoint.paging, Paging::Single)
            && self.endpoint.name != POST.name
            && !matches!(&self.partitioning, Partitioning::Each(each) if chosen(&each.source))
            && !self.is_cut_off()
            && !self.params.iter().any(|(name, value)| name == "period" && value != "AllTime")
    }
}

/// Settings of a walk that decide where its passes begin, and what later ones look up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Later {
    /// `from = "2026-11-01"` or `"now - 30d"`: the first pass begins there, and no later one before it.
    pub from: Option<Beginning>,
    /// `incremental = { overlap = "3d" }`: begin this long before the end of the last pass, not at the list's beginning.
    pub incremental: Option<Duration>,
    /// `confirm_gone = true`: look up models that earlier passes saw and the whole list no longer shows.
    pub confirm_gone: bool,
}

/// The instant at which the first pass of a walk begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// `"2026-11-01"`: the midnight (UTC) that begins this day, in milliseconds since 1970.
    Date(i64),
    /// `"now - 30d"`: this long before the first pass.
    Ago(Duration),
}

impl Beginning {
    /// Returns the instant (milliseconds since 1970) for a first pass at `now`.
    pub fn at(self, now: i64) -> i64 {
        match self {
            Self::Date(date) => date,
            Self::Ago(ago) => now.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)),
        }
    }
}

impl fmt::Display for Beginning {
    /// Writes it as crawl files do.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: u64 = 86_400;
        match self {
            Self::Date(date) => match Timestamp::from_millisecond(*date) {
                Ok(date) => write!(to, "{}", date.strftime("%Y-%m-%d")),
                Err(_) => write!(to, "{date} ms"),
            },
            Self::Ago(ago) if ago.subsec_nanos() == 0 && ago.as_secs().is_multiple_of(DAY) => {
                write!(to, "now - {}d", ago.as_secs() / DAY)
            }
            Self::Ago(ago) => write!(to, "now - {}", duration_text(*ago)),
        }
    }
}

/// The division of a walk into sequences of pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partitioning {
    /// One sequence of pages.
    One,
    /// `split = { windows = 4, from = "2022-11-01" }`: time windows, split further during the walk.
    Windows {
        /// Most windows walked in parallel; fewer while other walks keep the requests in flight.
        count: u32,
        /// The approximate beginning of the catalog, in milliseconds since 1970; the first window also takes what is older.
        /// `None` if the walk's own `from` is enough.
        from: Option<i64>,
    },
    /// `for_each` or `split = { by = "types" }`: one sequence per value.
    Each(Each),
}

/// `for_each`: the values a walk fans out over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Each {
    /// The source of the values.
    pub source: Source,
    /// The query parameter of the values; `None` if they are part of the path.
    pub param: Option<String>,
    /// Values per request, sent with commas.
    pub batch: u32,
}

/// The source of the values of a fan-out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The distinct values of a column, in rows of the walks before it and of earlier passes.
    Column {
        /// The table's name.
        table: &'static str,
        /// The column's name.
        column: &'static str,
        /// The rows that count.
        choice: Choice,
    },
    /// `only = "changed"`: those whose rows differ from all earlier passes. Empty in the first pass.
    Changed {
        /// The table's name.
        table: &'static str,
        /// The column's name.
        column: &'static str,
    },
    /// `list`: the values themselves.
    List(Vec<String>),
    /// `range = [1, 9]`: whole numbers, both ends included.
    Range {
        /// The first.
        first: i64,
        /// The last.
        last: i64,
    },
    /// `range = [1, "newest"]`: whole numbers up to a little above the highest id in the tables.
    Newest {
        /// The first.
        first: i64,
    },
    /// The model types that the server knows.
    Types,
}
