//! `civitrawl sandbox`: the embedded server alone, for trying things and for tests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::exit::Exit;
use super::output::{complain, failure, print};
use crate::sandbox::{Config, DEAD_KEY, Era, Fault, Sandbox, Traps};
use crate::storage;

/// Most bytes of a recorded catalog.
const CATALOG_MAX: u64 = 4 << 30;

#[derive(Debug, clap::Args)]
#[command(after_help = format!("`/me` knows every key but `{DEAD_KEY}`."))]
pub(super) struct Arguments {
    /// The port on 127.0.0.1; 0 takes a free one, which is printed
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Models in the catalog
    #[arg(long, default_value_t = 2000)]
    models: u32,
    /// Images posted with the models' versions [default: ten a model]
    #[arg(long)]
    images: Option<u32>,
    /// Tags [default: two for three models]
    #[arg(long)]
    tags: Option<u32>,
    /// Creators [default: one for six models]
    #[arg(long)]
    creators: Option<u32>,
    /// Seed of the catalog
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Serve recorded items (JSON lines) instead of generated ones
    #[arg(long, value_name = "FILE")]
    catalog: Option<PathBuf>,
    /// The time whose server is served: 2023, 2026-08 or 2026-09
    #[arg(long, default_value_t)]
    era: Era,
    /// Traps to set: all, none, or names with commas; `-name` takes one off
    #[arg(long, default_value = "none", allow_hyphen_values = true, long_help = traps_help())]
    traps: Traps,
    /// A fault to inject, such as `kind=status,code=503,retry_after=2,every=50`; may be given more than once
    #[arg(long = "fault", value_name = "FAULT")]
    faults: Vec<Fault>,
    /// Added to every answer, in milliseconds
    #[arg(long, default_value_t = 0, value_name = "MS")]
    latency: u64,
    /// Encrypt, and speak HTTP/2, with the certificate and the key in this PEM file; clients trust it by SSL_CERT_FILE
    #[arg(long, value_name = "FILE")]
    tls: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let texts = text_of("catalog", arguments.catalog.as_deref())
        .and_then(|catalog| Ok((catalog, text_of("certificate", arguments.tls.as_deref())?)));
    let (catalog, tls) = match texts {
        Ok(texts) => texts,
        Err(exit) => return exit,
    };
    let config = Config {
        port: arguments.port,
        models: arguments.models,
        images: arguments.images,
        tags: arguments.tags,
        creators: arguments.creators,
        seed: arguments.seed,
        catalog,
        era: arguments.era,
        traps: arguments.traps,
        faults: arguments.faults.clone(),
        latency: Duration::from_millis(arguments.latency),
        tls,
        ..Config::default()
    };
    match Sandbox::start(config) {
        Ok(sandbox) => {
            print([sandbox.base_url()]);
            sandbox.wait();
            Exit::Complete
        }
        Err(error) => failure(&error),
    }
}

/// Reads a file that an option names, if it does.
fn text_of(what: &str, path: Option<&Path>) -> Result<Option<String>, Exit> {
    let Some(path) = path else { return Ok(None) };
    let text = storage::read_text(path, CATALOG_MAX);
    text.map(Some).map_err(|error| {
        complain(&format!("cannot read the {what} `{}`: {error}", path.display()));
        Exit::from(&error)
    })
}

fn traps_help() -> String {
    let traps: String = Traps::NAMES.iter().map(|(name, about)| format!("\n  {name}: {about}")).collect();
    format!("Traps to set: all, none, or names with commas; `-name` takes one off\n{traps}")
}
