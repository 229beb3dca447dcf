//! The crawl file of a command, and what the command line changes in it; prints its mistakes and warnings to stderr.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::connect::rate;
use super::exit::Exit;
use super::format::several;
use super::input::words;
use super::output::{complain, complain_of, failure, usage, warn_of};
use crate::api::ENDPOINTS;
use crate::dataset::layout::Layout;
use crate::dataset::read::read_manifest;
use crate::definition::{self, Changes, Crawl, Location, Server, dataset_path};
use crate::storage::{self, Disk};

/// Most bytes of a crawl file: a list in it may have millions of values.
const FILE_MAX: u64 = 64 << 20;

/// A crawl file, and the settings that stand in for its own.
#[derive(Debug, clap::Args)]
pub(super) struct CrawlFile {
    /// The crawl file: TOML that says what to fetch, such as `crawls/models.toml`
    file: PathBuf,
    /// The dataset's directory, instead of the crawl file's
    #[arg(long, value_name = "DIR")]
    dataset: Option<PathBuf>,
    /// The server's URL, ending in `/api/v1`, or `sandbox`; instead of the crawl file's
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Requests per second, instead of the crawl file's
    #[arg(long, value_name = "R", value_parser = rate)]
    rate: Option<f64>,
    /// A parameter of a walk, instead of the crawl file's: `--set models.nsfw=true`, `--set 'models.types=["LORA", "VAE"]'`
    #[arg(long, value_name = "WALK.KEY=VALUE")]
    set: Vec<String>,
    /// Take the values of a fan-out from stdin, a line each; those that the first run of a pass recorded where stdin has none.
    /// `WALK=-` names the walk if several have a `for_each`
    #[arg(long, value_name = "[WALK=]-", value_parser = each)]
    each: Vec<Each>,
}

/// The walk of `--each`; `None` if there is only one.
#[derive(Debug, Clone)]
struct Each(Option<String>);

/// Parses `--each`.
fn each(text: &str) -> Result<Each, String> {
    match text.rsplit_once('=') {
        None if text == "-" => Ok(Each(None)),
        Some((walk, "-")) => Ok(Each(Some(walk.to_owned()))),
        _ => Err(String::from("write `-` for the values on stdin, or `WALK=-`")),
    }
}

impl CrawlFile {
    /// Returns the path of the file.
    pub(super) fn path(&self) -> &Path {
        &self.file
    }

    /// Reads and checks the file, and applies the settings.
    pub(super) fn read(&self) -> Result<Crawl, Exit> {
        let shown = self.file.display().to_string();
        let text = storage::read_text(&self.file, FILE_MAX).map_err(|error| {
            let remedy = match error.kind() {
                ErrorKind::NotFound => "; `civitrawl init` lists those that are ready to use, and writes them here",
                ErrorKind::IsADirectory => "; name the file that says what to fetch",
                _ => "",
            };
            complain(&format!("cannot read the crawl file `{shown}`: {error}{remedy}"));
            Exit::from(&error)
        })?;
        let name = self.file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let parse = |changes: &Changes| -> Result<_, Exit> {
            let (mut crawl, warnings) =
                definition::parse_changed(&name, &text, changes, ENDPOINTS).map_err(|mistakes| {
                    complain_of(mistakes.lines(&shown));
                    Exit::Usage
                })?;
            self.apply(&mut crawl)?;
            Ok((crawl, warnings))
        };
        let each = self.each.iter().map(|Each(walk)| walk.clone()).collect::<Vec<_>>();
        let mut changes = Changes { set: self.set.clone(), each: Vec::new(), values: Vec::new() };
        if !each.is_empty() {
            let mut values = words(&[String::from("-")])?;
            if values.is_empty() {
                values = recorded(&parse(&changes)?.0, each[0].as_deref())?;
            }
            // In whatever order a query finds them, they are the same values.
            values.sort_unstable();
            changes = Changes { each, values, ..changes };
        }
        let (crawl, warnings) = parse(&changes)?;
        let warnings = warnings.iter().map(|warning| format!("{}: {}", warning.place.shown(&shown), warning.text));
        warn_of(&warnings.collect::<Vec<_>>());
        Ok(crawl)
    }

    /// Applies the settings that are no part of the parsed text.
    fn apply(&self, crawl: &mut Crawl) -> Result<(), Exit> {
        if let Some(text) = &self.server {
            crawl.server = Server::parse(text, crawl.insecure_http).map_err(|error| usage(&error.to_string()))?;
        }
        for (setting, file) in
            [("key_file", crawl.key_file.as_mut()), ("pseudonym_key_file", crawl.pseudonym_key_file.as_mut())]
        {
            if let Some(file) = file {
                *file = Layout::beside(&self.file, &self.expanded(setting, file)?);
            }
        }
        crawl.dataset = match &self.dataset {
            Some(dataset) => dataset_path(dataset.clone()).map_err(|fault| usage(&fault))?,
            None => {
                let named = dataset_path(self.expanded("dataset", &crawl.dataset)?);
                let named = named.map_err(|fault| usage(&format!("{}: {fault}", self.file.display())))?;
                let dataset = Layout::beside(&self.file, &named);
                self.leaves_nothing_behind(&crawl.name, &named, &dataset)?;
                dataset
            }
        };
        if let Some(store) = &mut crawl.store {
            *store = self.store(store, &crawl.dataset)?;
        }
        crawl.pace.requests_per_second = self.rate.unwrap_or(crawl.pace.requests_per_second);
        Ok(())
    }

    /// Returns the place that is the truth of this dataset, with `~` and variables replaced.
    fn store(&self, written: &str, dataset: &Path) -> Result<String, Exit> {
        let refused = |fault: String| usage(&format!("{}: {fault}", self.file.display()));
        let text = |path: PathBuf| {
            let unfit =
                |path: OsString| format!("`store` is `{}`, which is not UTF-8; name another directory", path.display());
            path.into_os_string().into_string().map_err(|path| refused(unfit(path)))
        };
        let place = text(self.expanded("store", Path::new(written))?)?;
        match Location::parse(&place).map_err(|fault| refused(format!("`store` {fault}")))? {
            Location::Bucket(_) => Ok(place),
            Location::Directory(named) => {
                let directory = Layout::beside(&self.file, &named);
                definition::store_beside(&directory, dataset).map_err(refused)?;
                text(directory)
            }
        }
    }

    /// Returns a path of the crawl file with `~` and variables replaced.
    fn expanded(&self, setting: &str, written: &Path) -> Result<PathBuf, Exit> {
        definition::expanded(written, &|name| std::env::var_os(name)).map_err(|fault| {
            usage(&format!("{}: `{setting}` is `{}`, {fault}", self.file.display(), written.display()))
        })
    }

    /// Fails if the crawl has no rows in its dataset, but in that of the same name in the working directory, from which it
    /// counted in the past.
    fn leaves_nothing_behind(&self, crawl: &str, named: &Path, dataset: &Path) -> Result<(), Exit> {
        let is_same = || storage::resolved(named).ok() == storage::resolved(dataset).ok();
        if named.is_absolute() || named == dataset || !has_rows(named, crawl) || is_same() || has_rows(dataset, crawl) {
            return Ok(());
        }
        Err(usage(&format!(
            "{}: `dataset` counts from the directory of this file and is `{}`, which holds no rows of `{crawl}`; `{}` in the \
             working directory does: move it there, or name it, in the file or by `--dataset {2}`",
            self.file.display(),
            dataset.display(),
            named.display()
        )))
    }
}

/// True if a crawl of this name has rows in the dataset, or may have: its records cannot be read.
fn has_rows(dataset: &Path, crawl: &str) -> bool {
    let read = read_manifest(&Layout::new(dataset), &Disk);
    read.map_or(true, |manifest| manifest.last.is_some_and(|last| last.crawl == crawl))
}

/// Returns the values that the last pass of the dataset recorded for `--each` of this walk, or of any.
fn recorded(crawl: &Crawl, walk: Option<&str>) -> Result<Vec<String>, Exit> {
    let manifest = read_manifest(&Layout::new(&crawl.dataset), &Disk).map_err(|error| failure(&error))?;
    let last = manifest.last.filter(|last| last.crawl == crawl.name);
    let walks = last.as_ref().and_then(|last| last.definition["walks"].as_array()).into_iter().flatten();
    let of_walk = walks.filter(|known| walk.is_none_or(|walk| known["name"] == walk));
    let list = of_walk.filter_map(|known| known["for_each"]["source"]["list"].as_array()).next();
    let values: Vec<String> = list.into_iter().flatten().filter_map(|value| Some(value.as_str()?.to_owned())).collect();
    match last {
        Some(last) if !values.is_empty() => {
            let (values, pass) = (several(values.len() as u64, "value"), last.pass);
            complain(&format!("stdin has no values for `--each`; the {values} that pass {pass} recorded are taken"));
        }
        _ => return Err(usage("stdin has no values for `--each`, and no pass has recorded any; write one a line")),
    }
    Ok(values)
}
