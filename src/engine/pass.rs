//! Which pass a run works on: the unfinished one, or the next. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::dataset::commit::Walk;
use crate::dataset::manifest::{Manifest, Met};
use crate::definition::{Crawl, difference, fingerprint};

/// The pass a run works on.
#[derive(Debug)]
pub struct Pass {
    /// Its number, counted from 1.
    pub number: u64,
    /// Whether an earlier run began it.
    pub resumed: bool,
    /// Where each walk stands, by name.
    pub walks: BTreeMap<String, Walk>,
    /// Fingerprints of the cursors met so far.
    pub met: Met,
    /// What decides which rows the pass gets.
    pub definition: Value,
}

/// Why a crawl may not write to a dataset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It belongs to another crawl.
    #[error("the dataset belongs to the crawl `{theirs}`, and this is `{ours}`; give this one another `--dataset`")]
    OtherCrawl {
        /// The crawl that made it.
        theirs: String,
        /// The crawl that was asked for.
        ours: String,
    },
    /// The definition changed in the middle of a pass.
    #[error(
        "the crawl file changed while pass {pass} is unfinished:{}\nundo the change to finish the pass, start a new one with `--restart` (its rows are added to the same dataset), or give it another `--dataset`",
        differences.iter().map(|line| format!("\n  {line}")).collect::<String>()
    )]
    Changed {
        /// The unfinished pass.
        pass: u64,
        /// What is different, a line each.
        differences: Vec<String>,
    },
}

/// The pass that a run of `crawl` works on in a dataset whose records say this. `restart` gives up an unfinished one.
///
/// # Errors
/// When the dataset is another crawl's, or the definition changed in the middle of a pass.
pub fn choose(crawl: &Crawl, manifest: &Manifest, restart: bool) -> Result<Pass, Refusal> {
    let definition = fingerprint(crawl);
    let fresh = |number| Pass {
        number,
        resumed: false,
        walks: crawl.walks.iter().map(|walk| (walk.name.clone(), Walk::default())).collect(),
        met: Met::new(),
        definition: definition.clone(),
    };
    let Some(last) = &manifest.last else { return Ok(fresh(1)) };
    if last.crawl != crawl.name {
        return Err(Refusal::OtherCrawl { theirs: last.crawl.clone(), ours: crawl.name.clone() });
    }
    if restart || last.is_pass_over() {
        return Ok(fresh(last.pass + 1));
    }
    if last.definition != definition {
        let differences = difference(&last.definition, &definition);
        return Err(Refusal::Changed { pass: last.pass, differences });
    }
    let mut walks = last.walks.clone();
    for strand in walks.values_mut().flat_map(|walk| walk.strands.values_mut()) {
        strand.met.clear();
    }
    Ok(Pass { number: last.pass, resumed: true, walks, met: manifest.met.clone(), definition })
}

#[cfg(test)]
mod tests;
