//! `civitrawl doctor`: which facts about the server hold today.

use std::path::PathBuf;

use jiff::Timestamp;
use tokio::time::Instant;

use super::connect::Asking;
use super::exit::Exit;
use super::output::{complain, print};
use super::signals::run_until_stopped;
use crate::doctor::about::About;
use crate::doctor::answers::Answers;
use crate::doctor::finding::{Finding, Verdict};
use crate::doctor::probe::Probe;
use crate::doctor::session::Session;
use crate::doctor::{file, probes, session};
use crate::storage;

/// Check the facts about the server that crawls rely on: about 45 requests, a minute at one a second
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The file to write; `civitrawl-doctor-<time>.jsonl` if none is named
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Keep the answers whole in the file; they hold names and prompts
    #[arg(long)]
    keep_bodies: bool,
    /// Ask for the first byte of a small file
    #[arg(long)]
    download: bool,
    /// Judge the answers of a file again; sends no request
    #[arg(long, value_name = "FILE")]
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
    let fetcher = connection.fetcher()?;
    let now = Timestamp::now();
    let mut answers = Answers::new(About {
        civitrawl: env!("CARGO_PKG_VERSION").to_owned(),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        server: connection.service.base().to_string(),
        other_host: None,
        began: now.as_millisecond(),
        key: connection.key.is_some(),
        download: arguments.download,
    });
    let mut findings = Vec::new();
    run_until_stopped(&connection.stop, arguments.asking.deadline, async {
        let session = Session {
            fetcher: &fetcher,
            base: connection.service.base(),
            other: None,
            until: Instant::now() + std::time::Duration::from_secs(110),
            keeps_bodies: arguments.keep_bodies,
        };
        let found = |probe: &'static Probe, finding: &Finding| {
            print([line(probe, finding)]);
            findings.push((probe.id, finding.clone()));
        };
        session.examine(&mut answers, found).await;
    })?;
    let name = || PathBuf::from(format!("civitrawl-doctor-{}.jsonl", now.strftime("%Y%m%dT%H%M%SZ")));
    let path = arguments.out.clone().unwrap_or_else(name);
    if let Err(error) = storage::replace_text(&path, &file::text(&answers, &findings)) {
        complain(&format!("cannot write `{}`: {error}; name another file with --out", path.display()));
        return Err(Exit::Disk);
    }
    Ok(exit(&answers, &findings))
}

fn replay(path: &std::path::Path) -> Result<Exit, Exit> {
    let unusable = |error: String| super::output::usage(&format!("cannot replay `{}`: {error}", path.display()));
    let text = storage::read_text(path).map_err(|error| unusable(error.to_string()))?;
    let answers = file::read(&text).map_err(unusable)?;
    let mut findings = Vec::new();
    for probe in probes::all().filter(|probe| answers.about().meets(probe.needs)) {
        if let Ok(finding) = session::judge(&answers, probe) {
            print([line(probe, &finding)]);
            findings.push((probe.id, finding));
        }
    }
    Ok(exit(&answers, &findings))
}

fn line(probe: &Probe, finding: &Finding) -> String {
    format!("{:<3} {:<16}  {}: {}", probe.id, finding.verdict.words(), probe.fact, finding.evidence)
}

fn exit(answers: &Answers, findings: &[(&str, Finding)]) -> Exit {
    let has = |verdict| findings.iter().any(|(_, finding)| finding.verdict == verdict);
    match answers.over() {
        _ if has(Verdict::Differs) => Exit::Doubtful,
        Some(_) => Exit::Stopped,
        None => Exit::Complete,
    }
}
