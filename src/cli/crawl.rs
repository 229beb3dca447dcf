//! `civitrawl crawl FILE`: runs a crawl, or resumes it where it stopped.

use std::convert::Infallible;
use std::future::pending;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use url::Url;

use super::exit::Exit;
use super::grid::{count, grid, span};
use super::listen::{LogFormat, ProgressWhen, listener};
use super::{complain, file, print};
use crate::dataset::layout::Layout;
use crate::dataset::storage;
use crate::definition::{Crawl, Server};
use crate::engine::crawl::{self as engine, Options};
use crate::engine::report::Report;
use crate::engine::stop::Stop;
use crate::engine::{Error, Outcome};
use crate::fetch::Secret;
use crate::sandbox::{Config, Sandbox};
use crate::table;

/// The variable that holds the API key.
const KEY_VARIABLE: &str = "CIVITAI_API_KEY";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The crawl file
    file: PathBuf,
    /// The dataset's directory, instead of the crawl file's
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    /// The server, `/api/v1` included, or `sandbox`; instead of the crawl file's
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Requests per second, instead of the crawl file's
    #[arg(long, value_name = "R", value_parser = rate)]
    rate: Option<f64>,
    /// Requests in flight at once, instead of the crawl file's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    in_flight: Option<u32>,
    /// Stop after this many pages
    #[arg(long, value_name = "N")]
    max_pages: Option<u64>,
    /// Commit and stop after this long, for example `30m`
    #[arg(long, value_name = "TIME", value_parser = duration)]
    deadline: Option<Duration>,
    /// Give up an unfinished pass and begin the next, over the same dataset
    #[arg(long)]
    restart: bool,
    /// Show progress
    #[arg(long, value_enum, default_value_t = ProgressWhen::Auto)]
    progress: ProgressWhen,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Tell what happens; twice tells each request
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let begun = file::read(&arguments.file).and_then(|mut crawl| {
        overrule(&mut crawl, arguments)?;
        let key = key(&crawl)?;
        Ok((crawl, key))
    });
    match begun {
        Ok((crawl, key)) => start(arguments, &crawl, key),
        Err(exit) => exit,
    }
}

/// Puts the command line's words over the crawl file's.
fn overrule(crawl: &mut Crawl, arguments: &Arguments) -> Result<(), Exit> {
    if let Some(text) = &arguments.server {
        crawl.server = Server::parse(text, crawl.insecure_http).map_err(|error| usage(&error.to_string()))?;
    }
    if let Some(dataset) = &arguments.dataset {
        crawl.dataset.clone_from(dataset);
    }
    crawl.pace.requests_per_second = arguments.rate.unwrap_or(crawl.pace.requests_per_second);
    crawl.pace.in_flight = arguments.in_flight.unwrap_or(crawl.pace.in_flight);
    Ok(())
}

/// The API key: from the environment, else from the crawl's key file, else none. It is never shown.
fn key(crawl: &Crawl) -> Result<Option<Secret>, Exit> {
    let text = match (std::env::var(KEY_VARIABLE), &crawl.key_file) {
        (Ok(text), _) if !text.is_empty() => text,
        (Err(std::env::VarError::NotUnicode(_)), _) => return Err(usage(&format!("{KEY_VARIABLE} is no text"))),
        (_, Some(path)) => storage::read_private_text(path)
            .map_err(|error| usage(&format!("cannot use the crawl's `key_file`: {error}")))?,
        _ => return Ok(None),
    };
    Secret::parse(&text).map(Some).map_err(|error| usage(&error.to_string()))
}

fn start(arguments: &Arguments, crawl: &Crawl, key: Option<Secret>) -> Exit {
    // Held until the run is over: dropping it stops the embedded server.
    let sandbox = match &crawl.server {
        Server::Url(_) => None,
        Server::Sandbox => match embedded(crawl) {
            Ok(sandbox) => Some(sandbox),
            Err(exit) => return exit,
        },
    };
    let base = match (&crawl.server, &sandbox) {
        (Server::Url(url), _) => Ok(url.clone()),
        (Server::Sandbox, Some(sandbox)) => Url::parse(&sandbox.base_url()),
        (Server::Sandbox, None) => Err(url::ParseError::EmptyHost),
    };
    let base = match base {
        Ok(base) => base,
        Err(error) => return usage(&format!("the embedded sandbox has no address: {error}")),
    };
    let stop = Stop::new(arguments.max_pages);
    let options =
        Options { base, dataset: Layout::new(&crawl.dataset), key, restart: arguments.restart, stop: stop.clone() };
    let monitor = listener(arguments.progress, arguments.log_format, arguments.verbose);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return usage(&format!("cannot set up networking: {error}")),
    };
    let result = runtime.block_on(async {
        tokio::select! {
            biased;
            result = engine::crawl(crawl, options, monitor) => result,
            never = heed(&stop, arguments.deadline) => match never {},
        }
    });
    // Requests that were dropped are not waited for.
    runtime.shutdown_background();
    conclude(crawl, result)
}

fn embedded(crawl: &Crawl) -> Result<Sandbox, Exit> {
    let faults = crawl.sandbox.faults.iter().map(|text| text.parse()).collect::<Result<_, _>>();
    let config = Config {
        models: crawl.sandbox.models,
        seed: crawl.sandbox.seed,
        traps: crawl.sandbox.traps.parse().map_err(|error| usage(&format!("[sandbox] traps: {error}")))?,
        faults: faults.map_err(|error| usage(&format!("[sandbox] faults: {error}")))?,
        latency: crawl.sandbox.latency,
        ..Config::default()
    };
    Sandbox::start(config).map_err(|error| usage(&error.to_string()))
}

/// Turns the deadline and the signals into a stop: the first signal finishes the pages under way and commits, the second
/// ends the process at once (the next run goes on from the last commit).
async fn heed(stop: &Stop, deadline: Option<Duration>) -> Infallible {
    let deadline = async {
        match deadline {
            Some(deadline) => tokio::time::sleep(deadline).await,
            None => pending().await,
        }
        stop.ask("the deadline is reached");
        pending::<()>().await;
    };
    let signals = async {
        let mut signals = Signals::new();
        stop.ask(format!("{} received", signals.next().await));
        signals.next().await;
        complain("stopped at once; run again to go on from the last commit");
        std::process::exit(Exit::Stopped as i32)
    };
    tokio::join!(deadline, signals).1
}

/// The signals that ask a program to end.
#[cfg(unix)]
struct Signals(Option<(tokio::signal::unix::Signal, tokio::signal::unix::Signal)>);

#[cfg(unix)]
impl Signals {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self(signal(SignalKind::interrupt()).ok().zip(signal(SignalKind::terminate()).ok()))
    }

    async fn next(&mut self) -> &'static str {
        let Some((interrupt, terminate)) = &mut self.0 else { return pending().await };
        tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        }
    }
}

/// The signal that asks a program to end.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Self {
        Self
    }

    async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => pending().await,
        }
    }
}

/// Tells what the run came to.
fn conclude(crawl: &Crawl, result: Result<(Report, Outcome), Error>) -> Exit {
    match result {
        Ok((report, outcome)) => {
            print(&summary(crawl, &report, &outcome));
            if let Outcome::Stopped(reason) | Outcome::KeyRefused(reason) = &outcome {
                complain(&format!("stopped early: {reason}"));
            }
            Exit::from(&outcome)
        }
        Err(error) => {
            complain(&error.to_string());
            Exit::from(&error)
        }
    }
}

fn summary(crawl: &Crawl, report: &Report, outcome: &Outcome) -> String {
    let seconds = report.written_at.duration_since(report.began_at).as_secs_f64();
    let state = match outcome {
        Outcome::Complete => "complete",
        Outcome::Doubtful => "over, but rows are missing",
        Outcome::Stopped(_) | Outcome::KeyRefused(_) => "unfinished; run again to go on",
    };
    let dataset = crawl.dataset.display();
    let mut text = format!(
        "pass {} of `{}` is {state}: {} requests in {} into {dataset}\n\n",
        report.pass,
        report.crawl,
        count(report.requests),
        span(seconds)
    );
    let rows: Vec<Vec<String>> = table::ALL
        .iter()
        .filter_map(|table| Some(vec![table.name.to_owned(), count(*report.rows.get(table.name)?)]))
        .collect();
    text.push_str(&grid(&["table", "new rows"], &rows));
    for doubt in &report.doubts {
        text.push_str(&format!("\n{doubt}\n"));
    }
    let layout = Layout::new(&crawl.dataset);
    if let Some(snapshot) = &report.snapshot {
        let (number, files) = (snapshot.number, snapshot.rewritten.len() + snapshot.taken_over.len());
        let seconds = span(snapshot.seconds);
        text.push_str(&format!("\nsnapshot {number}: {files} tables in {}, {seconds}\n", layout.latest().display()));
    }
    if report.snapshot.is_some() && report.rows.contains_key(table::models::TABLE.name) {
        let models = layout.latest_table(&table::models::TABLE);
        text.push_str(&format!(
            "\ntry:\n  duckdb -c \"SELECT type, count(*) AS models FROM '{}' GROUP BY type ORDER BY models DESC\"\n",
            models.display()
        ));
    }
    text
}

fn usage(text: &str) -> Exit {
    complain(text);
    Exit::Usage
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| String::from("it is no number"))?;
    if (0.01..=1000.0).contains(&rate) { Ok(rate) } else { Err(String::from("it must be from 0.01 to 1000")) }
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration: SignedDuration = text.parse().map_err(|_| String::from("write it like `90s`, `30m` or `2h 30m`"))?;
    Duration::try_from(duration).ok().filter(|d| !d.is_zero()).ok_or_else(|| String::from("it must be more than zero"))
}
