//! The text of a crawl file → a checked [`Crawl`], or every mistake in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeTable;

use super::changes::{self, Changes};
use super::crawl::{Absence, Commit, Crawl, Pace, Retry, Sandbox, Server, Timeouts};
use super::mistake::{Findings, Mistakes, Warning};
use super::paths::{expanded, written_dataset_path};
use super::store::Location;
use super::value::Section;
use super::{dropped, privacy, snapshot, walk};
use crate::api::endpoint::Endpoint;

/// Requests per second above which a warning is due, unless the server is local.
const POLITE_RATE: f64 = 5.0;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const MIB: u64 = 1 << 20;
/// Most bytes of `[commit]`: with a fifth of it and one page more, no column reaches the 2 GiB that Arrow can address.
const COMMIT_MAX: u64 = 8 << 30;

/// Parses a crawl file; `name` is its stem, and its walks are checked against `endpoints`.
///
/// # Errors
/// Every mistake in the file, each with its line. Text that is not TOML gets only syntax mistakes.
pub fn parse(name: &str, text: &str, endpoints: &[&'static Endpoint]) -> Result<(Crawl, Vec<Warning>), Mistakes> {
    parse_changed(name, text, &Changes::default(), endpoints)
}

/// Parses a crawl file as [`parse`] does, with the changes of a command line.
///
/// # Errors
/// As [`parse`]; a mistake in a change names its option instead of a line.
pub fn parse_changed(
    name: &str,
    text: &str,
    changes: &Changes,
    endpoints: &[&'static Endpoint],
) -> Result<(Crawl, Vec<Warning>), Mistakes> {
    let changes = changes.written();
    // Each change is read as a line behind the file, so that a place in it is none in the file.
    let mut found = Findings::new(text);
    let lines: Vec<(usize, String)> = changes
        .iter()
        .map(|change| {
            let at = found.add(&change.option, &change.line);
            (at, " ".repeat(at) + &change.line)
        })
        .collect();
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut places: Vec<_> = errors.iter().map(|error| (error.span().map_or(0, |span| span.start), error)).collect();
    places.sort_by_key(|(at, _)| *at);
    // One mistake often causes several errors in the rest of its line.
    places.dedup_by_key(|(at, _)| found.line(*at));
    for (at, error) in places {
        found.mistake(at, format!("this is not TOML: {}.", error.message()));
    }
    // A document recovered from broken syntax would add mistakes that are not in the file.
    if found.any_mistake() {
        return found.conclude(None);
    }
    let mut document = document.into_inner();
    for (change, (at, line)) in changes.iter().zip(&lines) {
        match DeTable::parse(line) {
            Ok(read) => changes::apply(change, read.get_ref(), *at, &mut document, &mut found),
            Err(error) => found.mistake(*at, format!("it is not TOML: {}.", error.message())),
        }
    }
    let crawl = read(name, &document, endpoints, &mut found);
    found.conclude(crawl)
}

/// Reads the whole file.
fn read<'a>(
    name: &str,
    document: &'a DeTable<'a>,
    endpoints: &[&'static Endpoint],
    found: &mut Findings<'_>,
) -> Option<Crawl> {
    let mut file = Section::top(document);
    let named = read_crawl_name(&mut file, found);
    let server = read_server(&mut file, found);
    let dataset = read_dataset(&mut file, found);
    let store = read_store(&mut file, found);
    let insecure_http = file.bool("insecure_http", found).unwrap_or(false);
    let server = server.and_then(|text| check_server(&file, text, insecure_http, found));
    let keep_bodies = file.bool("keep_bodies", found).unwrap_or(false);
    let snapshot = snapshot::read_snapshot(&mut file, found);
    let history = snapshot::read_history(&mut file, found);
    let key_file = file.text("key_file", found).map(PathBuf::from);
    let pace = read_pace(&mut file, server.as_ref(), found);
    let timeouts = read_timeouts(&mut file, found);
    let retry = read_retry(&mut file, found);
    let commit = read_commit(&mut file, found);
    let absence = read_absence(&mut file, found);
    let sandbox = read_sandbox(&mut file, server.as_ref(), found);
    let walks = walk::read_all(&mut file, endpoints, found);
    let (pseudonymize, pseudonym_key_file) = privacy::read(&mut file, keep_bodies, &walks, found);
    let drop = dropped::read(&mut file, &walks, &history, found);
    file.finish(found);
    Some(Crawl {
        name: named.unwrap_or(name).to_owned(),
        server: server?,
        dataset: dataset?,
        store,
        pace,
        timeouts,
        retry,
        commit,
        absence,
        keep_bodies,
        snapshot,
        history,
        drop,
        pseudonymize,
        pseudonym_key_file,
        pseudonym_key_digest: None,
        insecure_http,
        key_file,
        sandbox,
        walks,
    })
}

/// Reads `name`, which stands in for the file's stem. `None` if it is absent or wrong.
fn read_crawl_name<'a>(file: &mut Section<'a>, found: &mut Findings<'_>) -> Option<&'a str> {
    file.read("name", walk::NAME, found, |value| value.as_str().filter(|name| walk::is_name(name)))
}

/// Reads `server`, which is required.
fn read_server<'a>(file: &mut Section<'a>, found: &mut Findings<'_>) -> Option<&'a str> {
    if !file.has("server") {
        found.mistake(
            file.at(),
            "`server` is missing; write `server = \"https://civitai.com/api/v1\"`, or `\"sandbox\"`.",
        );
    }
    file.text("server", found)
}

/// Parses the value of `server`.
fn check_server(file: &Section<'_>, text: &str, insecure_http: bool, found: &mut Findings<'_>) -> Option<Server> {
    Server::parse(text, insecure_http).map_err(|error| found.mistake(file.at_key("server"), format!("{error}."))).ok()
}

/// Reads `dataset`, which is required.
fn read_dataset(file: &mut Section<'_>, found: &mut Findings<'_>) -> Option<PathBuf> {
    if !file.has("dataset") {
        found.mistake(file.at(), "`dataset` is missing; name the directory to write to: `dataset = \"data/catalog\"`.");
    }
    let path = PathBuf::from(file.text("dataset", found)?);
    written_dataset_path(path).map_err(|fault| found.mistake(file.at_key("dataset"), format!("{fault}."))).ok()
}

/// Reads `store`, whatever its variables are replaced by.
fn read_store(file: &mut Section<'_>, found: &mut Findings<'_>) -> Option<String> {
    let text = file.text("store", found)?;
    let replaced = expanded(Path::new(text), &|_| Some("variable".into()));
    let shown = replaced.map_or_else(|_| text.into(), |path| path.to_string_lossy().into_owned());
    let checked =
        Location::parse(&shown).map_err(|fault| found.mistake(file.at_key("store"), format!("`store` {fault}.")));
    checked.ok().map(|_| text.to_owned())
}

/// Reads `[pace]`.
fn read_pace(file: &mut Section<'_>, server: Option<&Server>, found: &mut Findings<'_>) -> Pace {
    let mut section = file.section("pace", found);
    let pace = Pace {
        requests_per_second: section.float("requests_per_second", 0.01..=1000.0, found).unwrap_or(1.0),
        burst: section.int("burst", 1..=1000, found).unwrap_or(1),
        in_flight: section.int("in_flight", 1..=256, found).unwrap_or(4),
    };
    let remote = server.is_some_and(|server| !server.is_local());
    if remote && pace.requests_per_second > POLITE_RATE {
        let text = format!(
            "`pace.requests_per_second` is `{}`: the service publishes no limit, but callers faster than about 2 a \
             second report being blocked.",
            pace.requests_per_second
        );
        found.warn(section.at_key("requests_per_second"), text);
    }
    section.finish(found);
    pace
}

/// Reads `[timeouts]`.
fn read_timeouts(file: &mut Section<'_>, found: &mut Findings<'_>) -> Timeouts {
    let mut section = file.section("timeouts", found);
    let timeouts = Timeouts {
        connect: section.duration("connect", 100 * MILLISECOND..=10 * MINUTE, found).unwrap_or(10 * SECOND),
        idle: section.duration("idle", 100 * MILLISECOND..=HOUR, found).unwrap_or(MINUTE),
        total: section.duration("total", SECOND..=24 * HOUR, found).unwrap_or(5 * MINUTE),
    };
    section.finish(found);
    timeouts
}

/// Reads `[retry]`.
fn read_retry(file: &mut Section<'_>, found: &mut Findings<'_>) -> Retry {
    let mut section = file.section("retry", found);
    let retry = Retry {
        attempts: section.int("attempts", 1..=100, found).unwrap_or(8),
        elapsed: section.duration("elapsed", SECOND..=168 * HOUR, found).unwrap_or(15 * MINUTE),
    };
    section.finish(found);
    retry
}

/// Reads `[commit]`.
fn read_commit(file: &mut Section<'_>, found: &mut Findings<'_>) -> Commit {
    let mut section = file.section("commit", found);
    let commit = Commit {
        every: section.duration("every", 100 * MILLISECOND..=24 * HOUR, found).unwrap_or(MINUTE),
        bytes: section.bytes("bytes", MIB..=COMMIT_MAX, found).unwrap_or(64 * MIB),
    };
    section.finish(found);
    commit
}

/// Reads `[absence]`.
fn read_absence(file: &mut Section<'_>, found: &mut Findings<'_>) -> Absence {
    let mut section = file.section("absence", found);
    let absence = Absence {
        shrink: section.float("shrink", 0.0..=1.0, found).unwrap_or(0.2),
        fewer: section.int("fewer", 0..=10_000_000, found).unwrap_or(100),
        sample: section.int("sample", 20..=1000, found).unwrap_or(20),
    };
    section.finish(found);
    absence
}

/// Reads `[sandbox]`, which is allowed only with `server = "sandbox"`.
fn read_sandbox(file: &mut Section<'_>, server: Option<&Server>, found: &mut Findings<'_>) -> Sandbox {
    if file.has("sandbox") && matches!(server, Some(Server::Url(_))) {
        let text = "`[sandbox]` has a meaning only with `server = \"sandbox\"`; remove it, or change the server.";
        found.mistake(file.at_key("sandbox"), text);
    }
    let mut section = file.section("sandbox", found);
    let default = Sandbox::default();
    let sandbox = Sandbox {
        models: section.int("models", 0..=10_000_000, found).unwrap_or(default.models),
        seed: section.int("seed", 0..=u64::MAX, found).unwrap_or(default.seed),
        era: section.text("era", found).map_or(default.era, str::to_owned),
        traps: section.text("traps", found).map_or(default.traps, str::to_owned),
        faults: section.texts("faults", found).unwrap_or(default.faults),
        latency: section.duration("latency", Duration::ZERO..=10 * MINUTE, found).unwrap_or(default.latency),
    };
    section.finish(found);
    sandbox
}
