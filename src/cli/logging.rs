//! Logging and progress of a command: progress bars on a terminal, log lines elsewhere.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clap::ValueEnum;
use indicatif::MultiProgress;
use tracing::field::Field;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::exit::Exit;
use super::json_log::{self, COUNTS};
use super::output::{ALIKE_MAX, warn};
use super::progress::Progress;
use super::shown::{shown, shown_json};
use super::stderr;
use crate::engine::events::{Event, Listener};
use crate::fetch;

/// The values of `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ProgressWhen {
    /// When stderr is a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The values of `--log-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line, with stable field names
    Json,
}

/// The flags of a command that sends requests.
#[derive(Debug, clap::Args)]
pub(super) struct Watching {
    /// Show progress
    #[arg(long, value_enum, default_value_t = ProgressWhen::Auto)]
    progress: ProgressWhen,
    /// Format of log lines
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Log what happens; given twice, each request too
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// Sets up logging and progress, and returns the listener of the run. Warnings are always logged; `expected` counts the pages
/// that each walk may have, where that is known.
pub(super) fn listener(watching: &Watching, expected: BTreeMap<String, u64>) -> Arc<dyn Listener> {
    let (format, verbose) = (watching.log_format, watching.verbose);
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let progress = watching.shows_progress().then(|| Progress::new(expected));
    let screen = progress.as_ref().map(Progress::screen);
    let to = move || Lines { screen: screen.clone(), format };
    let log = tracing_subscriber::fmt().with_max_level(level).with_target(false).with_writer(to);
    // Log lines of libraries have other fields and do not concern the crawl.
    let ours = filter_fn(|facts| facts.target().starts_with(env!("CARGO_PKG_NAME")));
    // A second run in one process, as in tests, keeps the first one's log.
    let _ = match format {
        LogFormat::Text => {
            let lines = TextLines { all: verbose > 0 };
            log.with_ansi(on_terminal()).fmt_fields(fields()).event_format(lines).finish().with(ours).try_init()
        }
        LogFormat::Json => log.json().flatten_event(true).finish().with(ours).try_init(),
    };
    let mut listeners: Vec<Arc<dyn Listener>> = vec![Arc::new(Log)];
    listeners.extend(progress.map(|progress| Arc::new(progress) as Arc<dyn Listener>));
    Arc::new(listeners)
}

impl Watching {
    /// Returns true when progress is shown.
    pub(super) fn shows_progress(&self) -> bool {
        match self.progress {
            ProgressWhen::Auto => on_terminal() && self.log_format == LogFormat::Text,
            ProgressWhen::Always => true,
            ProgressWhen::Never => false,
        }
    }
}

/// Formats the message and the fields of a text line. All that is foreign in a line is in its fields.
fn fields() -> impl for<'w> FormatFields<'w> + 'static {
    debug_fn(|to, field, value| {
        let (name, value) = (field.name(), format!("{value:?}"));
        if name != "message" {
            write!(to, "{name}=")?;
        }
        to.write_str(&shown(&value))
    })
    .delimited(" ")
}

/// Writes log lines to stderr, above the progress lines if there are any.
struct Lines {
    screen: Option<MultiProgress>,
    format: LogFormat,
}

impl io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if line.is_empty() {
            return Ok(0);
        }
        let text = String::from_utf8_lossy(line);
        let text = match self.format {
            LogFormat::Text => text,
            LogFormat::Json => Cow::Owned(shown_json(text.trim_end()).into_owned() + "\n"),
        };
        match &self.screen {
            Some(screen) => screen.suspend(|| stderr::write(text.as_bytes())),
            None => stderr::write(text.as_bytes()),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn on_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr())
}

/// The text lines: the level, the time (on a terminal without the date), the message and its fields. Of each kind of warnings
/// and errors only the first few are shown, unless `all` are.
struct TextLines {
    all: bool,
}

/// The number of warnings and errors of each kind, by their message.
static ALIKE: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

impl<S: Subscriber + for<'a> LookupSpan<'a>, N: for<'w> FormatFields<'w> + 'static> FormatEvent<S, N> for TextLines {
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        let level = *event.metadata().level();
        if level <= Level::WARN && !self.all && count_alike(event) > ALIKE_MAX {
            return Ok(());
        }
        let word = level.as_str().to_lowercase();
        let word = if level == Level::WARN { "warning" } else { &word };
        let form = if on_terminal() { "%H:%M:%S UTC" } else { "%Y-%m-%dT%H:%M:%SZ" };
        match line.has_ansi_escapes() && level <= Level::WARN {
            true => write!(line, "\x1b[33m{word}:\x1b[0m ")?,
            false => write!(line, "{word}: ")?,
        }
        write!(line, "{} ", jiff::Timestamp::now().strftime(form))?;
        context.format_fields(line.by_ref(), event)?;
        writeln!(line)
    }
}

/// Returns the number of lines of this kind, with this one.
fn count_alike(event: &tracing::Event<'_>) -> usize {
    let mut message = String::new();
    event.record(&mut |field: &Field, value: &dyn std::fmt::Debug| {
        if field.name() == "message" {
            message = format!("{value:?}");
        }
    });
    let mut alike = ALIKE.lock().unwrap_or_else(PoisonError::into_inner);
    let count = alike.entry(message).or_default();
    *count += 1;
    *count
}

/// Prints the last lines of the log, before the program ends with this code.
pub(super) fn close(exit: Exit) {
    for (message, count) in ALIKE.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        if *count > ALIKE_MAX {
            warn(&format!("{message}: and {} more; `-v` shows each", count - ALIKE_MAX));
        }
    }
    if let Some(line) = json_log::end(exit) {
        stderr::write(line.as_bytes());
    }
}

/// Writes events as log lines.
struct Log;

impl Listener for Log {
    fn event(&self, event: &Event<'_>) {
        count(event);
        match event {
            Event::Started { run, pass, resumed } => tracing::info!(%run, pass, resumed, "run started"),
            Event::WalkStarted { walk, pages, items } => tracing::info!(walk, pages, items, "walk started"),
            Event::Fetch { walk, event } => log_fetch(walk, event),
            Event::Page { walk, page, items, rejects, repairs, .. } => {
                tracing::debug!(walk, page, items, rejects, repairs, "page taken");
                if *rejects > 0 {
                    tracing::warn!(walk, page, rejects, "items that no table could take were kept as rejects");
                }
            }
            Event::GivenUp { walk, page, cursor, reason } => {
                tracing::error!(walk, page, cursor, reason, "page given up");
            }
            Event::Smaller { walk, limit, reason } => tracing::warn!(walk, limit, reason, "asking for smaller pages"),
            Event::WalkEnded { walk, end } => {
                tracing::info!(walk, why = end.why.as_str(), detail = end.detail, "walk ended");
            }
            Event::WalkStopped { walk, reason } => {
                tracing::error!(walk, reason, "walk stopped; the next run continues it");
            }
            Event::Committed { record, took } => {
                let rows: u64 = record.parts.iter().map(|part| part.rows).sum();
                tracing::info!(commit = record.commit, rows, took_ms = took.as_millis() as u64, "committed");
            }
            Event::SnapshotTaken { inventory, took } => {
                let rewritten = inventory.files.iter().filter(|file| file.rewritten).count();
                let (snapshot, took_ms) = (inventory.snapshot, took.as_millis() as u64);
                tracing::info!(snapshot, files = inventory.files.len(), rewritten, took_ms, "snapshot taken");
            }
            Event::Pruned { bytes } => tracing::info!(bytes, "parts removed"),
        }
    }
}

/// Counts what the last line of a JSON log reports.
fn count(event: &Event<'_>) {
    let add = |count: &AtomicU64, by: u64| _ = count.fetch_add(by, Ordering::Relaxed);
    match event {
        Event::Fetch { event: fetch::Event::Sent { .. }, .. } => add(&COUNTS.requests, 1),
        Event::Page { items, .. } => {
            add(&COUNTS.pages, 1);
            add(&COUNTS.items, *items);
        }
        Event::Committed { record, .. } => {
            add(&COUNTS.commits, 1);
            add(&COUNTS.rows, record.parts.iter().map(|part| part.rows).sum());
        }
        _ => {}
    }
}

fn log_fetch(walk: &str, event: &fetch::Event) {
    match event {
        fetch::Event::Sent { attempt } => tracing::debug!(walk, attempt, "request sent"),
        fetch::Event::Answered { status, bytes, latency } => {
            tracing::debug!(walk, status, bytes, latency_ms = latency.as_millis() as u64, "answer received");
        }
        fetch::Event::Retrying { attempt, wait, reason } => {
            tracing::warn!(walk, attempt, wait_ms = wait.as_millis() as u64, reason, "asking again");
        }
        fetch::Event::Throttled { pause, rate, endpoint } => {
            tracing::warn!(endpoint, pause_ms = pause.as_millis() as u64, rate, "the server asked to slow down");
        }
        fetch::Event::Recovered { rate, endpoint } => tracing::info!(endpoint, rate, "the pace is again what was set"),
    }
}
