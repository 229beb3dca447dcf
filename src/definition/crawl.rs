//! A checked crawl file: everything a run needs to know.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::snapshot::Snapshot;
use crate::api::endpoint::Endpoint;
use crate::table::Table;

/// A checked crawl file: everything a run needs to know.
#[derive(Debug, Clone)]
pub struct Crawl {
    /// The file's stem (`models` for `crawls/models.toml`); names the crawl in records, parts and logs.
    pub name: String,
    /// Who is asked.
    pub server: Server,
    /// Where the dataset lives, as written (relative to the current directory).
    pub dataset: PathBuf,
    /// How fast.
    pub pace: Pace,
    /// How long one request may take.
    pub timeouts: Timeouts,
    /// How long a failing page is asked again.
    pub retry: Retry,
    /// How often rows and cursors are made durable.
    pub commit: Commit,
    /// When a list is believed that does not show what it showed before.
    pub absence: Absence,
    /// Whether the answers are kept as received in `pages.body`.
    pub keep_bodies: bool,
    /// What is made of the rows when a pass is over.
    pub snapshot: Snapshot,
    /// The tables whose counters and states are kept over time.
    pub history: Vec<&'static Table>,
    /// The fields whose values are replaced by pseudonyms: `username`, or none.
    pub pseudonymize: Vec<String>,
    /// A file that holds the key of the pseudonyms, as written.
    pub pseudonym_key_file: Option<PathBuf>,
    /// Which key hides them, as far as that may be written down. It is not in the file: whoever has read the key says it.
    pub pseudonym_key_digest: Option<String>,
    /// Whether plain `http` to a host that is not loopback is allowed.
    pub insecure_http: bool,
    /// A file that holds the API key, as written.
    pub key_file: Option<PathBuf>,
    /// What the embedded server serves when `server = "sandbox"`.
    pub sandbox: Sandbox,
    /// The walks, in the order of the file. Never empty; names are unique.
    pub walks: Vec<Walk>,
}

/// Who is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// A base URL that includes `/api/v1` and has no trailing slash, query or fragment.
    Url(Url),
    /// The embedded sandbox, started on a loopback port for the run.
    Sandbox,
}

/// `[pace]`: the token bucket that every request of the process goes through.
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
    /// How often one page is asked for before it counts as failed (1 to 100; default 8).
    pub attempts: u32,
    /// How long one page is tried, waits included (1 s to 168 h; default 15 min).
    pub elapsed: Duration,
}

/// `[commit]`: whichever bound is reached first makes a commit due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// Age of the oldest uncommitted row (100 ms to 24 h; default 60 s).
    pub every: Duration,
    /// Bytes of rows held in memory, those being gathered and those being written together (1 MiB to 16 GiB; default 64 MiB).
    pub bytes: u64,
}

/// `[absence]`: when a list is believed that does not show what it showed before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Absence {
    /// The share of the things that may be missing from one pass to the next (0 to 1; default 0.2).
    pub shrink: f64,
    /// So many may be missing whatever their share (0 to 10 million; default 100).
    pub fewer: u64,
    /// How many of the missing are asked for singly (20 to 1000; default 20). Up to as many, all of them are settled by that.
    pub sample: u32,
}

/// `[sandbox]`: what the embedded server serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// Models in the catalog (0 to 10 million; default 2000).
    pub models: u32,
    /// Seed of the catalog (default 1).
    pub seed: u64,
    /// The time whose server is served, as `civitrawl sandbox --era` takes it (default `2026-09`).
    pub era: String,
    /// Traps to switch on, as `civitrawl sandbox --traps` takes them (default `all`).
    pub traps: String,
    /// Faults to inject, each as `civitrawl sandbox --fault` takes it (default none).
    pub faults: Vec<String>,
    /// Added to every answer (0 to 10 min; default 0).
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
    /// What is walked.
    pub endpoint: &'static Endpoint,
    /// Query parameters in the order of the file, lists already spread over repeated keys; without `limit` and `cursor`.
    pub params: Vec<(String, String)>,
    /// Items asked for per page; 0 where the endpoint has no pages.
    pub limit: u32,
    /// Whether it is one sequence of pages, or many.
    pub partitioning: Partitioning,
    /// What passes after the first do differently.
    pub later: Later,
}

impl Absence {
    /// How many of so many may be missing before that is much.
    pub fn most_missing(self, of: u64) -> u64 {
        self.fewer.max((self.shrink * of as f64) as u64)
    }

    /// How many there are at least of what were so many before, unless much is missing.
    pub fn least(self, before: u64) -> u64 {
        before.saturating_sub(self.most_missing(before))
    }
}

impl Walk {
    /// True when it begins only when the walks before it are over: it fans out over the rows they took.
    pub fn needs_rows(&self) -> bool {
        let reads =
            |source: &Source| matches!(source, Source::Column { .. } | Source::Changed { .. } | Source::Newest { .. });
        matches!(&self.partitioning, Partitioning::Each(Each { source, .. }) if reads(source))
    }

    /// What is to be said of a list that the server cuts off.
    pub const CUT_OFF: &str = "of a list this long the server shows only a part, and ends as if it were all";

    /// Whether the server cuts its list off, and ends as if there were no more.
    pub fn is_cut_off(&self) -> bool {
        let whole_with = |name: &str| self.endpoint.whole_with.contains(&name);
        let each =
            matches!(&self.partitioning, Partitioning::Each(each) if each.param.as_deref().is_some_and(whole_with));
        !(self.endpoint.whole_with.is_empty() || each || self.params.iter().any(|(name, _)| whole_with(name)))
    }

    /// Whether what a later walk of the same list does not meet is gone: not where the list moves on with time.
    pub fn finds_gone(&self) -> bool {
        !self.is_cut_off() && !self.params.iter().any(|(name, value)| name == "period" && value != "AllTime")
    }
}

/// What the passes after the first do differently in a walk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Later {
    /// `incremental = { overlap = "3d" }`: they begin this far before what the last pass reached, not at the list's beginning.
    pub incremental: Option<Duration>,
    /// `confirm_gone = true`: models that they do not meet in the whole list, though earlier passes did, are looked up.
    pub confirm_gone: bool,
}

/// How a walk is divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partitioning {
    /// One sequence of pages.
    One,
    /// `split = { windows = 4, from = "2022-11-01" }`: time windows, split further while they are walked.
    Windows {
        /// Windows walked side by side.
        count: u32,
        /// About when the catalog begins, in milliseconds since 1970; what is older is in the first window.
        from: i64,
    },
    /// `for_each` or `split = { by = "types" }`: one sequence for each value.
    Each(Each),
}

/// `for_each`: the values a walk fans out over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Each {
    /// Where they come from.
    pub source: Source,
    /// The query parameter they are sent as; `None` where they are part of the path.
    pub param: Option<String>,
    /// How many are sent at once, with commas.
    pub batch: u32,
}

/// Where the values of a fan-out come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The distinct values of a column, in rows committed by the walks before it or by earlier passes.
    Column {
        /// The table's name.
        table: &'static str,
        /// The column's name.
        column: &'static str,
    },
    /// Those of them whose rows say something that no earlier pass said: `only = "changed"`. None in the first pass.
    Changed {
        /// The table's name.
        table: &'static str,
        /// The column's name.
        column: &'static str,
    },
    /// These.
    List(Vec<String>),
    /// The whole numbers from the first to the last.
    Range {
        /// The first.
        first: i64,
        /// The last.
        last: i64,
    },
    /// The whole numbers from the first to a little above the highest id in the tables: `range = [1, "newest"]`.
    Newest {
        /// The first.
        first: i64,
    },
    /// The model types that the server knows.
    Types,
}
