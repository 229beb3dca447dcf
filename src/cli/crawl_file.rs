//! Reads a crawl file and prints its mistakes and warnings to stderr.

use std::path::Path;

use super::exit::Exit;
use super::output::{complain, complain_of, warn_of};
use crate::api::ENDPOINTS;
use crate::definition::{self, Crawl};
use crate::storage;

/// Reads and checks a crawl file; prints its mistakes and warnings.
pub(super) fn read(path: &Path) -> Result<Crawl, Exit> {
    let shown = path.display().to_string();
    let text = storage::read_text(path).map_err(|error| {
        complain(&format!("cannot read the crawl file `{shown}`: {error}"));
        Exit::from(&error)
    })?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    match definition::parse(&name, &text, ENDPOINTS) {
        Ok((crawl, warnings)) => {
            let warnings = warnings.iter().map(|warning| format!("{shown}:{}: {}", warning.line, warning.text));
            warn_of(&warnings.collect::<Vec<_>>());
            Ok(crawl)
        }
        Err(mistakes) => {
            complain_of(mistakes.lines(&shown));
            Err(Exit::Usage)
        }
    }
}
