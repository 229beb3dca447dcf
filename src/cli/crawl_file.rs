//! The crawl file of a command, and what the command line changes in it; prints its mistakes and warnings to stderr.

use std::path::{Path, PathBuf};

use super::connect::rate;
use super::exit::Exit;
use super::output::{complain, complain_of, usage};
use crate::api::ENDPOINTS;
use crate::definition::{self, Crawl, Server, dataset_path};
use crate::storage;

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
}

impl CrawlFile {
    /// Returns the path of the file.
    pub(super) fn path(&self) -> &Path {
        &self.file
    }

    /// Reads and checks the file, and applies the settings.
    pub(super) fn read(&self) -> Result<Crawl, Exit> {
        let shown = self.file.display().to_string();
        let text = storage::read_text(&self.file).map_err(|error| {
            complain(&format!("cannot read the crawl file `{shown}`: {error}"));
            Exit::from(&error)
        })?;
        let name = self.file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let (mut crawl, warnings) = definition::parse(&name, &text, ENDPOINTS).map_err(|mistakes| {
            complain_of(mistakes.lines(&shown));
            Exit::Usage
        })?;
        for warning in warnings {
            complain(&format!("{shown}:{}: {}", warning.line, warning.text));
        }
        if let Some(text) = &self.server {
            crawl.server = Server::parse(text, crawl.insecure_http).map_err(|error| usage(&error.to_string()))?;
        }
        if let Some(dataset) = &self.dataset {
            crawl.dataset = dataset_path(dataset.clone()).map_err(|fault| usage(&fault))?;
        }
        crawl.pace.requests_per_second = self.rate.unwrap_or(crawl.pace.requests_per_second);
        Ok(crawl)
    }
}
