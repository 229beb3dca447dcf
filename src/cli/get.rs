//! `civitrawl get model|version|hash|image ID…`: looks things up; JSON lines to stdout, or rows into a dataset.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};

use super::crawl::conclude;
use super::exit::{Exit, usage};
use super::given::{each, given};
use super::heed::heeding;
use super::listen::Watching;
use super::service::{Asking, Means};
use super::{complain, print};
use crate::api::ENDPOINTS;
use crate::api::lookup::Kind;
use crate::dataset::layout::Layout;
use crate::dataset::storage::Disk;
use crate::dataset::values::distinct_where;
use crate::dataset::{digest, folder};
use crate::definition::{self, Crawl};
use crate::engine::crawl::{self as engine, Options};
use crate::engine::lookup::{Broken, Found};
use crate::engine::pass::Refusal;
use crate::engine::{Error, Outcome};
use crate::table;

/// Look things up by id, hash or AIR: JSON lines, or rows into a dataset
///
/// Without --dataset, what is found goes to stdout as the server sent it, one JSON object a line, in the order asked for;
/// what is not found is named on stderr, and the exit code is 4.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What is looked up
    #[arg(value_enum)]
    kind: What,
    /// Ids, hashes, or AIRs such as `urn:air:sdxl:lora:civitai:123@456`; `-` reads them from stdin, one a line
    #[arg(value_name = "ID", required_unless_present = "files")]
    ids: Vec<String>,
    /// Look up the model files of this folder, and of those below it, by their SHA256
    #[arg(long, value_name = "DIR")]
    files: Option<PathBuf>,
    /// Write rows into this dataset instead
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    #[command(flatten)]
    asking: Asking,
}

/// What can be looked up.
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

/// What is looked up, and where.
struct Errand<'a> {
    arguments: &'a Arguments,
    kind: Kind,
    keys: Vec<String>,
    /// The files whose hashes are looked up.
    files: BTreeMap<String, String>,
    means: Means,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    match errand(arguments).and_then(|errand| match &arguments.dataset {
        None => errand.print(),
        Some(dataset) => errand.keep(dataset),
    }) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn errand(arguments: &Arguments) -> Result<Errand<'_>, Exit> {
    let kind = Kind::from(arguments.kind);
    let mut keys = each(&given(&arguments.ids)?, |word| kind.key(word))?;
    let files = match (&arguments.files, kind) {
        (None, _) => BTreeMap::new(),
        (Some(folder), Kind::Hash) => hashed(folder, &arguments.asking.watching)?,
        (Some(_), _) => return Err(usage("files have hashes, not ids; write `civitrawl get hash --files DIR`")),
    };
    keys.extend(files.keys().cloned());
    let mut met = BTreeSet::new();
    keys.retain(|key| met.insert(key.clone()));
    if keys.is_empty() {
        return Err(usage("there is nothing to look up"));
    }
    Ok(Errand { arguments, kind, keys, files, means: arguments.asking.means()? })
}

/// The SHA256 of every model file in a folder, with the file's name.
fn hashed(folder: &Path, watching: &Watching) -> Result<BTreeMap<String, String>, Exit> {
    let cannot = |path: &Path, error| usage(&format!("cannot read `{}`: {error}", path.display()));
    let files = folder::model_files(folder).map_err(|error| cannot(folder, error))?;
    if files.is_empty() {
        let endings = folder::ENDINGS.join(", .");
        return Err(usage(&format!("`{}` holds no model file: none ends in .{endings}", folder.display())));
    }
    let bar = if watching.shows_progress() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    bar.set_length(files.iter().map(|file| file.bytes).sum());
    // The template is a constant that parses.
    let style = ProgressStyle::with_template(
        "hashing {decimal_bytes} of {decimal_total_bytes}  {decimal_bytes_per_sec}, {eta} left  {wide_msg}",
    );
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut hashes = BTreeMap::new();
    for file in &files {
        let name = file.path.display().to_string();
        bar.set_message(name.clone());
        let digest = digest::of_file(&file.path, &mut |bytes| bar.inc(bytes)).map_err(|e| cannot(&file.path, e))?;
        hashes.entry(digest.finish()).or_insert(name);
    }
    bar.finish_and_clear();
    Ok(hashes)
}

impl Errand<'_> {
    /// Prints what is found.
    fn print(&self) -> Result<Exit, Exit> {
        let fetcher = self.means.fetcher()?;
        let desk = self.means.desk(&fetcher, self.keys.len() == self.files.len());
        let mut exit = Exit::Complete;
        let tell = |key: &str, found| match found {
            Found::Item(text) => print(&format!("{text}\n")),
            Found::Missing(words) => {
                complain(&format!("{}: {words}", self.named(key)));
                exit = Exit::Doubtful;
            }
        };
        let looked_up = heeding(&self.means.stop, None, desk.look_up(self.kind, &self.keys, tell))?;
        match looked_up {
            Ok(()) => Ok(exit),
            Err(broken) => Err(stopped(&broken)),
        }
    }

    /// Writes rows of what is found: a crawl made of look-ups, and another one of what the first could not show.
    fn keep(&self, dataset: &Path) -> Result<Exit, Exit> {
        let mut missing = self.keys.clone();
        let mut worst = Exit::Complete;
        for text in plans(self.kind) {
            if missing.is_empty() {
                break;
            }
            let crawl = self.crawl(text, &missing, dataset)?;
            let (exit, pass) = self.crawled(&crawl)?;
            let Some(pass) = pass else { return Ok(exit) };
            worst = if exit == Exit::Complete { worst } else { exit };
            let found = self.found(dataset, pass)?;
            missing.retain(|key| !found.contains(key));
        }
        for key in &missing {
            complain(&format!("{}: the server shows no such thing", self.named(key)));
        }
        Ok(if missing.is_empty() { worst } else { Exit::Doubtful })
    }

    /// The crawl that looks these keys up.
    fn crawl(&self, text: &str, keys: &[String], dataset: &Path) -> Result<Crawl, Exit> {
        let list = keys.iter().map(|key| format!("\"{key}\"")).collect::<Vec<_>>().join(", ");
        let head = "server = \"sandbox\"\ndataset = \"here\"\n";
        let (mut crawl, _) = definition::parse("get", &format!("{head}{}", text.replace("LIST", &list)), ENDPOINTS)
            .map_err(|mistakes| usage(&mistakes.to_string()))?;
        crawl.server = self.arguments.asking.server()?;
        crawl.dataset = dataset.to_owned();
        crawl.pace.requests_per_second = self.arguments.asking.rate;
        Ok(crawl)
    }

    /// Runs a crawl; gives its exit, and its pass when that is over. An unfinished one of other keys is given up.
    fn crawled(&self, crawl: &Crawl) -> Result<(Exit, Option<i64>), Exit> {
        let run = |restart| {
            let options = Options {
                believe: BTreeSet::new(),
                base: self.means.service.base().clone(),
                dataset: Layout::new(&crawl.dataset),
                key: self.means.key.clone(),
                // Another walk may show what one does not; in the end each that none showed is named.
                tells_unknown: false,
                restart,
                hide: None,
                metrics: None,
                stop: self.means.stop.clone(),
            };
            heeding(&self.means.stop, None, engine::crawl(crawl, options, self.means.monitor.clone()))
        };
        let result = match run(false)? {
            Err(Error::Refused(Refusal::Changed { .. })) => run(true)?,
            result => result,
        };
        let over = match &result {
            Ok((report, Outcome::Complete | Outcome::Doubtful)) => i64::try_from(report.pass).ok(),
            _ => None,
        };
        Ok((conclude(crawl, result), over))
    }

    /// The keys that the pass has rows for.
    fn found(&self, dataset: &Path, pass: i64) -> Result<BTreeSet<String>, Exit> {
        let layout = Layout::new(dataset);
        let (table, column, narrowed) = match self.kind {
            Kind::Model => (&table::models::TABLE, "id", None),
            Kind::Version => (&table::model_versions::TABLE, "id", None),
            Kind::Image => (&table::images::TABLE, "id", None),
            Kind::Hash => (&table::pages::TABLE, "walk", Some(("status", 200))),
        };
        let narrowed: Vec<(&str, i64)> = [("pass", pass)].into_iter().chain(narrowed).collect();
        let values = distinct_where(&layout, &Disk, table, column, &narrowed).map_err(|error| {
            complain(&error.to_string());
            Exit::from(&error)
        })?;
        let values = values.slice(0, values.len()).into_iter();
        Ok(values.map(|value| value.trim_start_matches("hashes/").to_owned()).collect())
    }

    /// A key as people know it.
    fn named(&self, key: &str) -> String {
        match self.files.get(key) {
            Some(file) => format!("{file} (AutoV2 {}, SHA256 {key})", &key[..key.len().min(10)]),
            None => format!("{} {key}", self.kind.noun()),
        }
    }
}

/// The walks that look such things up, cheapest first; each is for what the ones before it did not find.
fn plans(kind: Kind) -> &'static [&'static str] {
    match kind {
        // The list hides what a look-up shows.
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

/// Why a command that stores no dataset ended early.
pub(super) fn stopped(broken: &Broken) -> Exit {
    complain(&format!("stopped early: {broken}"));
    match broken {
        Broken::KeyRefused(_) => Exit::Key,
        Broken::Stopped(_) => Exit::Stopped,
    }
}
