//! `civitrawl get model|version|hash|image ID…`: looks things up and prints JSON lines, or writes rows into a dataset.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;

use super::connect::{Asking, Connection};
use super::crawl::conclude;
use super::exit::Exit;
use super::input::{parse_each, words};
use super::local::Local;
use super::output::{complain, failure, is_closed, print_json, usage};
use super::signals::run_until_stopped;
use crate::api::ENDPOINTS;
use crate::api::lookup::Kind;
use crate::dataset::layout::Layout;
use crate::dataset::scan::Scan;
use crate::dataset::values::distinct;
use crate::definition::{self, Crawl};
use crate::engine::crawl as engine;
use crate::engine::pass::Refusal;
use crate::engine::run::Options;
use crate::engine::{Error, Outcome};
use crate::lookup::{Found, Lookup, LookupError};
use crate::stop::Stop;
use crate::storage::Disk;
use crate::table;
use crate::table::choice::Condition;

/// Look things up by id, hash or AIR: JSON lines, or rows into a dataset
///
/// Without --dataset, prints what is found as the server sent it: one JSON object a line, in the order of the arguments. Names
/// what is not found on stderr; then the exit code is 4. With --files each object has one more key, `local_files`: the paths of
/// all files that it was found for.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The kind of thing to look up
    #[arg(value_enum)]
    kind: What,
    /// Ids, hashes, AIRs such as `urn:air:sdxl:lora:civitai:123@456` or `123@456`, or links to the site; `-` reads them
    /// from stdin, one a line
    #[arg(value_name = "ID", required_unless_present = "files")]
    ids: Vec<String>,
    /// Look up the model files of this folder, and of those below it or linked from it, by their SHA256, and by their
    /// AutoV3 where an edited header hides them
    #[arg(long, value_name = "DIR")]
    files: Option<PathBuf>,
    /// Write rows into this dataset instead
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    #[command(flatten)]
    asking: Asking,
}

/// The kinds of things that can be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Models, by id
    Model,
    /// Versions, by id
    Version,
    /// The versions that files belong to, by any hash of the file
    Hash,
    /// Posted images, by id
    Image,
}

impl From<What> for Kind {
    fn from(what: What) -> Self {
        match what {
            What::Model => Self::Model,
            What::Version => Self::Version,
            What::Hash => Self::Hash,
            What::Image => Self::Image,
        }
    }
}

/// One run of the command.
struct Errand<'a> {
    arguments: &'a Arguments,
    kind: Kind,
    keys: Vec<String>,
    /// The files whose hashes are among the keys.
    local: Arc<Local>,
    means: &'a Connection,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    match get(arguments) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn get(arguments: &Arguments) -> Result<Exit, Exit> {
    let kind = Kind::from(arguments.kind);
    let keys = parse_each(&words(&arguments.ids)?, |word| kind.key(word))?;
    if arguments.files.is_some() && kind != Kind::Hash {
        return Err(usage("files have hashes, not ids; write `civitrawl get hash --files DIR`"));
    }
    let means = arguments.asking.connect("get")?;
    let work = async {
        let errand = errand(arguments, keys, &means).await?;
        match &arguments.dataset {
            None => errand.print().await,
            Some(dataset) => errand.keep(dataset).await,
        }
    };
    run_until_stopped(&means.stop, arguments.asking.deadline, work)?
}

/// Returns the run for these keys and those of the files.
async fn errand<'a>(
    arguments: &'a Arguments,
    mut keys: Vec<String>,
    means: &'a Connection,
) -> Result<Errand<'a>, Exit> {
    let local = match arguments.files.clone() {
        None => Local::default(),
        Some(folder) => {
            let shown = arguments.asking.watching.shows_progress();
            aside(&means.stop, move || Local::read(&folder, shown)).await??
        }
    };
    keys.extend_from_slice(local.hashes());
    let mut distinct = BTreeSet::new();
    keys.retain(|key| distinct.insert(key.clone()));
    if keys.is_empty() {
        return Err(usage("there is nothing to look up"));
    }
    Ok(Errand { arguments, kind: arguments.kind.into(), keys, local: Arc::new(local), means })
}

/// Reads files beside the thread that all requests share, until a stop is asked for.
async fn aside<T: Send + 'static>(stop: &Stop, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Exit> {
    tokio::select! {
        biased;
        done = tokio::task::spawn_blocking(work) => {
            Ok(done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())))
        }
        () = stop.asked() => Err(stopped(&LookupError::stopped(stop))),
    }
}

impl Errand<'_> {
    /// Looks up all keys and prints the results.
    async fn print(&self) -> Result<Exit, Exit> {
        let fetcher = self.means.fetcher()?;
        let lookup = self.means.lookup(&fetcher, self.keys.len() == self.local.hashes().len());
        let (mut exit, mut missing) = (self.local.exit(), Vec::new());
        self.look_up(lookup, &self.keys, |key, found| match found {
            Found::Item(text) => self.show(&self.local.tied(&text, &[key.to_owned()])),
            Found::Missing(words) => {
                exit = Exit::Doubtful;
                // A file may still be found by its tensors.
                match self.local.names(key) {
                    Some(_) => missing.push(key.to_owned()),
                    None => complain(&format!("{}: {words}", self.named(key))),
                }
            }
        })
        .await?;
        let tensors = self.tensors(&missing).await?;
        let keys: Vec<String> = tensors.keys().cloned().collect();
        self.look_up(Lookup { sha256: false, ..lookup }, &keys, |auto_v3, found| {
            let hashes = tensors.get(auto_v3).map(Vec::as_slice).unwrap_or_default();
            if let Found::Item(text) = found {
                self.show(&self.local.tied(&text, hashes));
                missing.retain(|key| !hashes.contains(key));
                hashes.iter().for_each(|key| complain(&self.edited(key, auto_v3)));
            }
        })
        .await?;
        for key in &missing {
            complain(&self.unknown(key, &tensors));
        }
        Ok(exit)
    }

    /// Looks up some keys, unless stdout is closed.
    async fn look_up(&self, lookup: Lookup<'_>, keys: &[String], report: impl FnMut(&str, Found)) -> Result<(), Exit> {
        let looked_up = lookup.look_up(self.kind, keys, report).await;
        // A reader that left has all it wanted, and an error of stdout was reported where it occurred.
        if is_closed() {
            return Err(Exit::Complete);
        }
        looked_up.map_err(|error| stopped(&error))
    }

    /// Returns the AutoV3 of the files with these hashes, each with the hashes.
    async fn tensors(&self, hashes: &[String]) -> Result<BTreeMap<String, Vec<String>>, Exit> {
        let (local, hashes) = (Arc::clone(&self.local), hashes.to_vec());
        aside(&self.means.stop, move || local.tensors(&hashes)).await
    }

    /// Prints one thing; stops the look-ups if stdout is closed.
    fn show(&self, text: &str) {
        if !print_json(text) {
            self.means.stop.ask("nobody reads on");
        }
    }

    /// Writes rows: by a crawl of look-ups, then by another one for the keys that the first did not find.
    async fn keep(&self, dataset: &Path) -> Result<Exit, Exit> {
        let mut missing = self.keys.clone();
        let mut worst = self.local.exit();
        for text in plans(self.kind) {
            if missing.is_empty() {
                break;
            }
            let (exit, found) = self.ask(text, &missing, dataset).await?;
            worst = if exit == Exit::Complete { worst } else { exit };
            missing.retain(|key| !found.contains(key));
        }
        let tensors = self.tensors(&missing).await?;
        if let Some(text) = plans(self.kind).last().filter(|_| !tensors.is_empty()) {
            let (_, found) = self.ask(text, &tensors.keys().cloned().collect::<Vec<_>>(), dataset).await?;
            for (auto_v3, hashes) in tensors.iter().filter(|(auto_v3, _)| found.contains(*auto_v3)) {
                missing.retain(|key| !hashes.contains(key));
                hashes.iter().for_each(|key| complain(&self.edited(key, auto_v3)));
            }
        }
        for key in &missing {
            complain(&self.unknown(key, &tensors));
        }
        Ok(if missing.is_empty() { worst } else { Exit::Doubtful })
    }

    /// Runs the crawl that looks these keys up; returns its exit code and the keys that have rows.
    async fn ask(&self, text: &str, keys: &[String], dataset: &Path) -> Result<(Exit, BTreeSet<String>), Exit> {
        let crawl = self.crawl(text, keys, dataset)?;
        let (exit, pass) = self.crawled(&crawl).await;
        let (layout, kind, pass) = (Layout::new(dataset), self.kind, pass.ok_or(exit)?);
        Ok((exit, aside(&self.means.stop, move || found(&layout, kind, pass)).await??))
    }

    /// Returns the crawl that looks these keys up.
    fn crawl(&self, text: &str, keys: &[String], dataset: &Path) -> Result<Crawl, Exit> {
        let list = keys.iter().map(|key| format!("\"{key}\"")).collect::<Vec<_>>().join(", ");
        let head = "server = \"sandbox\"\ndataset = \"here\"\n";
        let (mut crawl, _) = definition::parse("get", &format!("{head}{}", text.replace("LIST", &list)), ENDPOINTS)
            .map_err(|mistakes| usage(&mistakes.to_string()))?;
        crawl.server = self.arguments.asking.server()?;
        crawl.dataset = definition::dataset_path(dataset.to_owned()).map_err(|fault| usage(&fault))?;
        crawl.pace.requests_per_second = self.means.rate;
        Ok(crawl)
    }

    /// Runs a crawl; returns its exit code, and its pass if that is over. An unfinished pass of other keys is given up.
    async fn crawled(&self, crawl: &Crawl) -> (Exit, Option<i64>) {
        let run = |restart| {
            let options = Options {
                believe: BTreeSet::new(),
                base: self.means.service.base().clone(),
                dataset: Layout::new(&crawl.dataset),
                key: self.means.key.clone(),
                // A later walk may show what this one does not; keys that no walk shows are named at the end.
                tells_unknown: false,
                restart,
                unless_done_within: None,
                hide: None,
                metrics: None,
                min_free: None,
                truth: None,
                stop: self.means.stop.clone(),
            };
            engine::crawl(crawl, options, self.means.listener.clone())
        };
        let result = match run(false).await {
            Err(Error::Refused(Refusal::Changed { .. })) => run(true).await,
            result => result,
        };
        let over = match &result {
            Ok((report, Outcome::Complete | Outcome::Doubtful)) => i64::try_from(report.pass).ok(),
            _ => None,
        };
        (conclude(crawl, result), over)
    }

    /// Returns a key as people know it.
    fn named(&self, key: &str) -> String {
        match self.local.names(key) {
            Some(files) => format!("{files} (AutoV2 {}, SHA256 {key})", &key[..key.len().min(10)]),
            None => format!("{} {key}", self.kind.noun()),
        }
    }

    /// Returns the message for a file that was found although its header was edited.
    fn edited(&self, key: &str, auto_v3: &str) -> String {
        format!("{}: found by its tensors (AutoV3 {auto_v3}); its header was edited", self.named(key))
    }

    /// Returns the message for a key that was not found.
    fn unknown(&self, key: &str, tensors: &BTreeMap<String, Vec<String>>) -> String {
        let auto_v3 = tensors.iter().find(|(_, hashes)| hashes.iter().any(|hash| hash == key));
        let also = auto_v3.map(|(auto_v3, _)| format!(", and none with its tensors (AutoV3 {auto_v3})"));
        match self.local.names(key) {
            Some(_) => format!("{}: the server knows no file like it{}", self.named(key), also.unwrap_or_default()),
            None => format!("{}: the server shows no such thing", self.named(key)),
        }
    }
}

/// Returns the keys that the pass has rows for.
fn found(layout: &Layout, kind: Kind, pass: i64) -> Result<BTreeSet<String>, Exit> {
    let (table, column, narrowed) = match kind {
        Kind::Model => (&table::models::TABLE, "id", None),
        Kind::Version => (&table::model_versions::TABLE, "id", None),
        Kind::Image => (&table::images::TABLE, "id", None),
        Kind::Hash => (&table::pages::TABLE, "walk", Some(("status", 200))),
    };
    let narrowed = [("pass", pass)].into_iter().chain(narrowed);
    let narrowed = narrowed.map(|(column, number)| Condition::equals(column, number)).collect();
    let rows = Scan::open(layout, &Disk, table);
    let values = rows.and_then(|rows| distinct(&rows, column, narrowed)).map_err(|error| failure(&error))?;
    let values = values.slice(0, values.len()).into_iter();
    Ok(values.map(|value| value.trim_start_matches("hashes/").to_owned()).collect())
}

/// Returns the walks that look such things up, cheapest first; each is for the keys that those before it did not find.
fn plans(kind: Kind) -> &'static [&'static str] {
    match kind {
        // The list hides some models that a look-up shows.
        Kind::Model => &[
            "[[walk]]\nname = \"models\"\nendpoint = \"models\"\nparams = { nsfw = true, archived = true }\n\
             for_each = { list = [LIST], param = \"ids\", batch = 100 }\n",
            "[[walk]]\nname = \"model\"\nendpoint = \"model\"\nfor_each = { list = [LIST] }\n",
        ],
        Kind::Version => {
            &["[[walk]]\nname = \"versions\"\nendpoint = \"model_version\"\nfor_each = { list = [LIST] }\n"]
        }
        Kind::Hash => {
            &["[[walk]]\nname = \"hashes\"\nendpoint = \"model_version_by_hash\"\nfor_each = { list = [LIST] }\n"]
        }
        // With the higher levels the server hides some images of the lower ones.
        Kind::Image => &[
            "[[walk]]\nname = \"images\"\nendpoint = \"images\"\nfor_each = { list = [LIST], param = \"imageId\" }\n\
             params = { browsingLevel = 31, withMeta = true, flatMeta = true, withTags = true }\n",
            "[[walk]]\nname = \"images\"\nendpoint = \"images\"\nfor_each = { list = [LIST], param = \"imageId\" }\n\
             params = { browsingLevel = 3, withMeta = true, flatMeta = true, withTags = true }\n",
        ],
    }
}

/// Reports why a command without a dataset ended early; returns its exit code.
pub(super) fn stopped(error: &LookupError) -> Exit {
    complain(&format!("stopped early: {error}"));
    match error {
        LookupError::KeyRefused(_) => Exit::Key,
        LookupError::Stopped(_) => Exit::Stopped,
    }
}
