//! `civitrawl doctor`: which facts about the server hold today.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;
use url::Url;

use super::connect::{Asking, Connection};
use super::exit::Exit;
use super::format::{several, span};
use super::output::{complain, is_closed, print, usage};
use super::signals::run_until_stopped;
use crate::definition::Server;
use crate::doctor::about::About;
use crate::doctor::answers::Answers;
use crate::doctor::file::{self, Recorded};
use crate::doctor::finding::{Finding, Verdict};
use crate::doctor::probe::Probe;
use crate::doctor::probes;
use crate::doctor::session::{REQUEST_TIME, Session, judge};
use crate::fetch::{Fetcher, Settings};
use crate::storage;

/// Check which facts about the server hold that crawls rely on: at most 60 requests, about a minute
///
/// Asks the server for each fact that a crawl relies on, and prints a line for it: its name, whether it `holds`, `differs,
/// handled` (the program is ready for that), `DIFFERS` (it is not: a second line says what to do), or why it `cannot tell`.
/// Writes a file of all answers without names, titles, prompts, keys and addresses; attach it to a report. The exit code is 4
/// if a fact DIFFERS.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The file to write, which must not exist [default: `civitrawl-doctor-<time>.jsonl`]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Keep the answers whole in the file; they hold names and prompts
    #[arg(long)]
    keep_bodies: bool,
    /// Also ask for the first byte of a small file
    #[arg(long)]
    download: bool,
    /// Also compare the server with this host, which never gets the key, for example `https://civitai.red/api/v1`
    #[arg(long, value_name = "URL")]
    other_host: Option<String>,
    /// Judge the answers of a file again; sends no request and writes no file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["out", "keep_bodies", "download", "other_host", "server", "key_file", "rate"])]
    replay: Option<PathBuf>,
    #[command(flatten)]
    asking: Asking,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let done = match &arguments.replay {
        Some(path) => replay(path),
        None => examine(arguments),
    };
    done.unwrap_or_else(|exit| exit)
}

fn examine(arguments: &Arguments) -> Result<Exit, Exit> {
    let connection = arguments.asking.connect("doctor")?;
    let base = connection.service.base();
    let settings =
        Settings { in_flight: 1, idle_timeout: REQUEST_TIME, total_timeout: REQUEST_TIME, ..connection.settings() };
    let fetcher = fetcher(&settings)?;
    let other = match &arguments.other_host {
        None => None,
        Some(host) => Some(other(host, &settings)?),
    };
    let now = Timestamp::now();
    let mut answers = Answers::new(about(arguments, &connection, other.as_ref().map(|(_, base)| base), now));
    let path = arguments.out.clone();
    let path = path.unwrap_or_else(|| format!("civitrawl-doctor-{}.jsonl", now.strftime("%Y%m%dT%H%M%SZ")).into());
    // Others on this machine need not see what a key shows, or whole answers.
    let mut file = storage::create_private(&path).map_err(|error| unwritable(&path, &error))?;
    let (mut findings, began) = (Vec::new(), Instant::now());
    run_until_stopped(&connection.stop, arguments.asking.deadline, async {
        let session = Session {
            fetcher: &fetcher,
            base,
            other: other.as_ref().map(|(fetcher, base)| (fetcher, base)),
            stop: &connection.stop,
            notify: &*connection.notify,
            keeps_bodies: arguments.keep_bodies,
        };
        let found = |probe: &'static Probe, finding: Finding| {
            if !print(lines(probe, &finding)) {
                connection.stop.ask("nobody reads on");
            }
            findings.push(Recorded { id: probe.id.to_owned(), finding });
        };
        session.examine(&mut answers, found).await;
    })?;
    file.write_all(file::text(&answers, &findings).as_bytes()).map_err(|error| unwritable(&path, &error))?;
    if is_closed() {
        return Err(Exit::Stopped);
    }
    let requests = several(answers.all().len() as u64, "request");
    print([format!("{requests} in {}: {}", span(began.elapsed().as_secs_f64()), sum(&findings))]);
    conclude(&answers);
    print([format!(
        "The answers are in `{}`, without names, titles, prompts, keys and addresses{}.",
        path.display(),
        match arguments.keep_bodies {
            true => " but in the bodies that you wished to keep, so think before you share it",
            false => "; please attach it to a report",
        }
    )]);
    Ok(exit(&answers, &findings))
}

fn replay(path: &Path) -> Result<Exit, Exit> {
    let unusable = |error: String| usage(&format!("cannot replay `{}`: {error}", path.display()));
    let text = storage::read_foreign_text(path, file::BYTES_MAX).map_err(|error| unusable(error.to_string()))?;
    let (answers, recorded) = file::read(&text).map_err(unusable)?;
    let mut findings = Vec::new();
    for probe in probes::all().filter(|probe| answers.about().meets(probe.needs)) {
        if let Ok(finding) = judge(&answers, probe) {
            let before = recorded.iter().find(|recorded| recorded.id == probe.id).map(|recorded| &recorded.finding);
            let before = before.filter(|before| before.verdict != finding.verdict);
            let changed =
                before.map(|before| format!("    in the file: {}: {}", before.verdict.words(), before.evidence));
            print(lines(probe, &finding).into_iter().chain(changed));
            findings.push(Recorded { id: probe.id.to_owned(), finding });
        }
    }
    let requests = several(answers.all().len() as u64, "request");
    print([format!("{requests} of `{}`: {}", path.display(), sum(&findings))]);
    conclude(&answers);
    Ok(exit(&answers, &findings))
}

fn about(arguments: &Arguments, connection: &Connection, other: Option<&Url>, now: Timestamp) -> About {
    About {
        civitrawl: env!("CARGO_PKG_VERSION").to_owned(),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        server: connection.service.base().to_string(),
        other_host: other.map(Url::to_string),
        began: now.as_millisecond(),
        key: connection.key.is_some(),
        download: arguments.download,
    }
}

fn fetcher(settings: &Settings) -> Result<Fetcher, Exit> {
    Fetcher::new(settings).map_err(|error| usage(&error.to_string()))
}

/// Returns the means to ask another host, without the key.
fn other(host: &str, settings: &Settings) -> Result<(Fetcher, Url), Exit> {
    match Server::parse(host, false) {
        Ok(Server::Url(base)) => {
            let settings = Settings { base: base.clone(), key: None, ..settings.clone() };
            Ok((fetcher(&settings)?, base))
        }
        Ok(Server::Sandbox) => Err(usage("the other host must be a URL, like `https://civitai.red/api/v1`")),
        Err(error) => Err(usage(&format!("--other-host: {error}"))),
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Exit {
    if error.kind() == io::ErrorKind::AlreadyExists {
        return usage(&format!("`{}` exists already; name another file with --out, or remove it", path.display()));
    }
    complain(&format!("cannot write `{}`: {error}; name another file with --out", path.display()));
    Exit::from(error)
}

/// Returns the lines of a finding: one, or a second one with the advice.
fn lines(probe: &Probe, finding: &Finding) -> Vec<String> {
    let Finding { verdict, evidence } = finding;
    let line = format!("{:<3} {:<16} {}: {evidence}", probe.id, verdict.words(), probe.fact);
    let files = probe.relied_on.iter().map(|file| format!("src/{file}")).collect::<Vec<_>>().join(", ");
    let advice = (*verdict == Verdict::Differs).then(|| format!("    {} (relied on by {files})", probe.remedy));
    [Some(line), advice].into_iter().flatten().collect()
}

/// Returns the numbers of facts by verdict: `40 hold, 4 differ and are handled, 1 DIFFERS, 1 cannot be told`.
fn sum(findings: &[Recorded]) -> String {
    let count = |verdict| findings.iter().filter(|recorded| recorded.finding.verdict == verdict).count();
    let part = |verdict, one: &str, many: &str| match count(verdict) {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    };
    let parts = [
        part(Verdict::Holds, "holds", "hold"),
        part(Verdict::Handled, "differs and is handled", "differ and are handled"),
        part(Verdict::Differs, "DIFFERS", "DIFFER"),
        part(Verdict::Untold, "cannot be told", "cannot be told"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Says why the examination ended early, or that the key was refused.
fn conclude(answers: &Answers) {
    if answers.is_key_refused() {
        complain("the server refused the API key; crawls would go on without it, and miss what it shows");
    }
    if let Some(reason) = answers.ended() {
        complain(&format!("ended early: {reason}"));
    }
}

fn exit(answers: &Answers, findings: &[Recorded]) -> Exit {
    match answers.ended() {
        _ if answers.is_key_refused() => Exit::Key,
        _ if findings.iter().any(|recorded| recorded.finding.verdict == Verdict::Differs) => Exit::Doubtful,
        Some(_) => Exit::Stopped,
        None => Exit::Complete,
    }
}
