//! `civitrawl crawl FILE`: runs a crawl, or continues it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::connect::{Service, duration};
use super::copies::{logged, place_of};
use super::crawl_file::CrawlFile;
use super::estimate::Estimates;
use super::exit::Exit;
use super::format::{count, grid, several, size, span};
use super::keys::{api_key, pseudonyms};
use super::logging::{Watching, listener};
use super::min_free::Keeping;
use super::output::{complain, failure, print, usage};
use super::signals::{attend, run_until_stopped};
use crate::api::pseudonym::Pseudonyms;
use crate::dataset;
use crate::dataset::layout::Layout;
use crate::dataset::place::{Opened, Opening, Truth, Whose};
use crate::dataset::sources::literal;
use crate::definition::{Crawl, identity};
use crate::engine::crawl as engine;
use crate::engine::events::{Event, Listener};
use crate::engine::pass::Refusal;
use crate::engine::report::Report;
use crate::engine::run::{Options, new_id};
use crate::engine::{Error, Outcome};
use crate::fetch::Secret;
use crate::stop::Stop;
use crate::storage::{self, Disk, Storage};
use crate::table;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    crawl: CrawlFile,
    /// A file with the API key that only you can read, instead of the crawl file's; used if CIVITAI_API_KEY is not set
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Requests in flight at once, instead of the crawl file's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    in_flight: Option<u32>,
    /// Stop after this many pages
    #[arg(long, value_name = "N")]
    max_pages: Option<u64>,
    /// Commit and stop after this long, for example `30m`
    #[arg(long, value_name = "TIME", value_parser = duration)]
    deadline: Option<Duration>,
    /// Do nothing if the last pass of the same crawl is over; exits with 0, or with 4 if rows are missing
    #[arg(long, conflicts_with_all = ["restart", "if_older_than"])]
    once: bool,
    /// Do nothing if the last pass of the same crawl ended less than this long ago, for example `20h`
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "restart")]
    if_older_than: Option<Duration>,
    /// Give up an unfinished pass and begin the next one; the rows stay
    #[arg(long)]
    restart: bool,
    /// Accept in this run that the list of this walk has become as short, or as empty, as the server shows it
    #[arg(long, value_name = "WALK")]
    believe_shorter: Vec<String>,
    /// Write metrics for Prometheus' textfile collector to this file at every commit
    #[arg(long, value_name = "FILE")]
    metrics_file: Option<PathBuf>,
    #[command(flatten)]
    keeping: Keeping,
    #[command(flatten)]
    watching: Watching,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let stop = Stop::new(arguments.max_pages);
    attend(&stop, arguments.deadline);
    let begun = arguments.crawl.read().and_then(|mut crawl| {
        apply_options(&mut crawl, arguments)?;
        has_parent(&crawl.dataset, "dataset")?;
        let key = api_key(&crawl.server, arguments.key_file.as_deref(), Some((arguments.crawl.path(), &crawl)))?;
        let hide = pseudonyms(arguments.crawl.path(), &crawl)?;
        crawl.pseudonym_key_digest = hide.as_ref().map(Pseudonyms::digest);
        Ok((crawl, key, hide))
    });
    match begun {
        Ok((crawl, key, hide)) => start(arguments, &stop, &crawl, key, hide),
        Err(exit) => exit,
    }
}

/// Applies the options of a run to the crawl.
fn apply_options(crawl: &mut Crawl, arguments: &Arguments) -> Result<(), Exit> {
    let known = |name: &&String| crawl.walks.iter().any(|walk| walk.name == **name);
    if let Some(other) = arguments.believe_shorter.iter().find(|name| !known(name)) {
        return Err(usage(&format!("`--believe-shorter` names `{other}`, and `{}` has no such walk", crawl.name)));
    }
    crawl.pace.in_flight = arguments.in_flight.unwrap_or(crawl.pace.in_flight);
    Ok(())
}

/// Fails if the directory above this one, which is `what` in the crawl file and has an absolute path, is missing, since its disk
/// may not be mounted.
fn has_parent(directory: &Path, what: &str) -> Result<(), Exit> {
    let Some(parent) = directory.parent().filter(|_| directory.is_absolute()) else { return Ok(()) };
    match storage::resolved(parent) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let (parent, directory) = (parent.display(), directory.display());
            Err(usage(&format!(
                "there is no directory `{parent}` for the {what} `{directory}`: mount its disk, or move the {what} back; for a new \
                 {what}, create the directory"
            )))
        }
        _ => Ok(()),
    }
}

fn start(arguments: &Arguments, stop: &Stop, crawl: &Crawl, key: Option<Secret>, hide: Option<Pseudonyms>) -> Exit {
    let (service, min_free) = match (Service::of(&crawl.server, &crawl.sandbox), arguments.keeping.of(&crawl.dataset)) {
        (Ok(service), Ok(min_free)) => (service, min_free),
        (Err(exit), _) | (_, Err(exit)) => return exit,
    };
    let mut options = Options {
        base: service.base().clone(),
        dataset: Layout::new(&crawl.dataset),
        key,
        tells_unknown: true,
        restart: arguments.restart,
        unless_done_within: arguments.if_older_than.or(arguments.once.then_some(Duration::MAX)),
        believe: arguments.believe_shorter.iter().cloned().collect(),
        hide,
        metrics: arguments.metrics_file.clone(),
        min_free,
        truth: None,
        stop: stop.clone(),
    };
    let truth = match crawl.store.as_deref().map(|store| open_truth(store, crawl, &options)).transpose() {
        Ok(truth) => truth.map(|truth| Arc::new(Mutex::new(truth))),
        Err(exit) => return exit,
    };
    options.truth.clone_from(&truth);
    let expected =
        if arguments.watching.shows_progress() { Estimates::of(crawl).pages(crawl) } else { BTreeMap::new() };
    let listener = listener(&arguments.watching, expected);
    // On a pipe a crawl is silent until something is wrong.
    let listener: Arc<dyn Listener> = match arguments.watching.shows_progress() {
        true => Arc::new(vec![Arc::new(NewPass) as Arc<dyn Listener>, listener]),
        false => listener,
    };
    let ran = run_until_stopped(stop, arguments.deadline, engine::crawl(crawl, options, listener));
    // The client of a store ends here, outside of what ran.
    match (ran, truth.as_deref()) {
        (Ok(result), None) => conclude(crawl, result),
        (Ok(result), Some(truth)) => {
            let truth = truth.lock().unwrap_or_else(PoisonError::into_inner);
            match (conclude(crawl, result), logged(truth.unlogged())) {
                (Exit::Complete, logs) => logs,
                (exit, _) => exit,
            }
        }
        (Err(exit), _) => exit,
    }
}

/// Opens the truth of a dataset, and makes the directory the same, unless the run has nothing to do.
fn open_truth(store: &str, crawl: &Crawl, options: &Options) -> Result<Truth, Exit> {
    let stop = &options.stop;
    // What was begun is sent to its end, also after a stop.
    let place = place_of(store, &Stop::new(None))?;
    has_parent(place.root(), "store")?;
    let server = identity(crawl);
    let (layout, whose) = (&options.dataset, Whose { crawl: &crawl.name, server: &server });
    let (directory, storage): (_, Arc<dyn Storage>) = (layout.root().display(), Arc::new(Disk));
    let opening = Opening::read(place, layout, &storage, whose).map_err(|error| failure(&error))?;
    if let Some((manifest, newest)) = opening.state()
        && let Err(refusal) = engine::next_pass(crawl, options, manifest, newest, jiff::Timestamp::now())
    {
        let is_done = matches!(refusal, Refusal::Done { .. });
        let exit = conclude(crawl, Err(refusal.into()));
        if is_done && opening.is_behind() {
            complain(&format!("`{directory}` lacks some of it; to fetch that: civitrawl pull {store} {directory}"));
        }
        return Err(exit);
    }
    if opening.is_empty() {
        complain(&format!(
            "`{directory}` and `{store}` are empty, so a new dataset begins with pass 1; if it was in another place before, stop this run, \
             and fetch it first: civitrawl pull PLACE {directory}"
        ));
    }
    match opening.fence(new_id(true), &|| stop.is_asked()) {
        Ok((truth, Opened { aside })) => {
            if let Some(aside) = aside {
                complain(&format!(
                    "another machine went on with the dataset in `{store}`, and that one counts: what only `{directory}` held is set \
                     aside in `{}`, and its pages are asked for again",
                    aside.display()
                ));
            }
            Ok(truth)
        }
        Err(dataset::Error::Cancelled) => {
            complain(&format!("stopped early: {}; run again to continue", stop.reason().unwrap_or_default()));
            Err(Exit::Stopped)
        }
        Err(error) => Err(failure(&error)),
    }
}

/// Prints the result of a run and returns its exit code.
pub(super) fn conclude(crawl: &Crawl, result: Result<(Report, Outcome), Error>) -> Exit {
    match result {
        Ok((report, outcome)) => {
            print(summary(crawl, &report, &outcome));
            if let Some(reason) = outcome.reason() {
                complain(&format!("stopped early: {reason}"));
            }
            Exit::from(&outcome)
        }
        Err(Error::Refused(refusal @ Refusal::Done { is_complete, .. })) => {
            print([refusal.to_string()]);
            if is_complete { Exit::Complete } else { Exit::Doubtful }
        }
        Err(error) => failure(&error),
    }
}

/// Says that a run begins a pass behind another one, since that asks for everything again.
struct NewPass;

impl Listener for NewPass {
    fn event(&self, event: &Event<'_>) {
        if let Event::Started { pass, resumed: false, .. } = event
            && *pass > 1
        {
            let before = pass - 1;
            complain(&format!(
                "pass {pass} begins, behind pass {before}; `--once` begins none behind one that is over"
            ));
        }
    }
}

fn summary(crawl: &Crawl, report: &Report, outcome: &Outcome) -> Vec<String> {
    let state = match outcome {
        Outcome::Complete => "complete",
        Outcome::Doubtful => "finished, but rows are missing",
        Outcome::Stopped(_) | Outcome::KeyRefused(_) | Outcome::DiskLow(_) => "unfinished; run again to continue",
    };
    let dataset = crawl.dataset.display();
    let head = format!(
        "pass {} of `{}` is {state}: {} in {} into {dataset}",
        report.pass,
        report.crawl,
        several(report.traffic.requests, "request"),
        span(report.took_s)
    );
    let mut lines = vec![head, String::new()];
    let rows: Vec<Vec<String>> = table::ALL
        .iter()
        .filter_map(|table| Some(vec![table.name.to_owned(), count(*report.rows.get(table.name)?)]))
        .collect();
    if !rows.is_empty() {
        lines.extend(grid(&["table", "new rows"], &rows));
    }
    for sentence in report.findings.doubts.iter().chain(&report.findings.words) {
        lines.extend([String::new(), sentence.clone()]);
    }
    let layout = Layout::new(&crawl.dataset);
    if let Some(snapshot) = &report.snapshot {
        let (number, files) = (snapshot.number, snapshot.rewritten.len() + snapshot.taken_over.len());
        let (tables, seconds) = (several(files as u64, "table"), span(snapshot.seconds));
        let line = format!("snapshot {number}: {tables} in {}, {seconds}", layout.latest().display());
        lines.extend([String::new(), line]);
    }
    if report.pruned_bytes > 0 {
        lines.push(format!("pruned: parts of {} removed", size(report.pruned_bytes)));
    }
    if report.snapshot.is_none() && !outcome.is_over() && !report.rows.is_empty() {
        let line = format!("to read what is there already: civitrawl snapshot {dataset}");
        lines.extend([String::new(), line]);
    }
    if report.snapshot.is_some() && report.rows.contains_key(table::models::TABLE.name) {
        let models = layout.latest_table(&table::models::TABLE);
        let query = format!(
            "  duckdb -c \"SELECT type, count(*) AS models FROM '{}' GROUP BY type ORDER BY models DESC\"",
            in_query(&models.display().to_string())
        );
        lines.extend([String::new(), String::from("try:"), query]);
    }
    lines
}

/// Returns a path as a file that DuckDB reads, in a query between double quotes of a shell.
fn in_query(path: &str) -> String {
    let quoted = literal(path).replace('\'', "''");
    let special = |c: char| matches!(c, '"' | '$' | '`' | '\\');
    quoted.chars().map(|c| if special(c) { format!("\\{c}") } else { c.to_string() }).collect()
}
