//! The server a command asks: its address, the key for it, and the embedded sandbox where it is that.

use std::path::Path;

use url::Url;

use super::exit::{Exit, usage};
use crate::api::pseudonym::Pseudonyms;
use crate::dataset::storage;
use crate::definition::{self, Crawl, Server};
use crate::fetch::{Secret, Settings};
use crate::sandbox::{Config, Sandbox};

/// The variable that holds the API key.
const KEY_VARIABLE: &str = "CIVITAI_API_KEY";
/// The variable that holds the key of pseudonyms.
const PSEUDONYM_VARIABLE: &str = "CIVITRAWL_PSEUDONYM_KEY";

/// How a command without a crawl file asks a server.
#[derive(Debug, clap::Args)]
pub(super) struct Asking {
    /// The server, `/api/v1` included, or `sandbox`
    #[arg(long, value_name = "URL", default_value = "https://civitai.com/api/v1")]
    server: String,
    /// Requests per second
    #[arg(long, value_name = "R", value_parser = rate, default_value = "1")]
    pub(super) rate: f64,
}

impl Asking {
    /// The server named.
    pub(super) fn server(&self) -> Result<Server, Exit> {
        Server::parse(&self.server, false).map_err(|error| usage(&error.to_string()))
    }

    /// The server, ready to be asked, and the key for it.
    pub(super) fn service(&self) -> Result<(Service, Option<Secret>), Exit> {
        Ok((Service::of(&self.server()?, &definition::Sandbox::default())?, key(None)?))
    }

    /// How it is asked: politely.
    pub(super) fn settings(&self, base: &Url, key: Option<Secret>) -> Settings {
        Settings { key, requests_per_second: self.rate, burst: 1, ..Settings::new(base.clone()) }
    }
}

/// A server that can be asked. The embedded one is served as long as this lives.
pub(super) struct Service {
    base: Url,
    _sandbox: Option<Sandbox>,
}

impl Service {
    /// The server of this name; `catalog` is what the embedded one serves.
    pub(super) fn of(server: &Server, catalog: &definition::Sandbox) -> Result<Self, Exit> {
        match server {
            Server::Url(url) => Ok(Self { base: url.clone(), _sandbox: None }),
            Server::Sandbox => {
                let sandbox = embedded(catalog)?;
                let base = Url::parse(&sandbox.base_url())
                    .map_err(|error| usage(&format!("the embedded sandbox has no address: {error}")))?;
                Ok(Self { base, _sandbox: Some(sandbox) })
            }
        }
    }

    /// Its address, `/api/v1` included.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }
}

/// The API key: from the environment, else from the key file, else none. It is never shown.
pub(super) fn key(file: Option<&Path>) -> Result<Option<Secret>, Exit> {
    let text = match (std::env::var(KEY_VARIABLE), file) {
        (Ok(text), _) if !text.is_empty() => text,
        (Err(std::env::VarError::NotUnicode(_)), _) => return Err(usage(&format!("{KEY_VARIABLE} is no text"))),
        (_, Some(path)) => storage::read_private_text(path)
            .map_err(|error| usage(&format!("cannot use the crawl's `key_file`: {error}")))?,
        _ => return Ok(None),
    };
    Secret::parse(&text).map(Some).map_err(|error| usage(&error.to_string()))
}

fn embedded(catalog: &definition::Sandbox) -> Result<Sandbox, Exit> {
    let faults = catalog.faults.iter().map(|text| text.parse()).collect::<Result<_, _>>();
    let config = Config {
        models: catalog.models,
        seed: catalog.seed,
        traps: catalog.traps.parse().map_err(|error| usage(&format!("[sandbox] traps: {error}")))?,
        faults: faults.map_err(|error| usage(&format!("[sandbox] faults: {error}")))?,
        latency: catalog.latency,
        ..Config::default()
    };
    Sandbox::start(config).map_err(|error| usage(&error.to_string()))
}

/// What hides people's names, where the crawl says so: its key is from the environment, else from a file.
pub(super) fn pseudonyms(crawl: &Crawl) -> Result<Option<Pseudonyms>, Exit> {
    if crawl.pseudonymize.is_empty() {
        return Ok(None);
    }
    let text = match (std::env::var(PSEUDONYM_VARIABLE), &crawl.pseudonym_key_file) {
        (Ok(text), _) if !text.is_empty() => text,
        (_, Some(path)) => storage::read_private_text(path)
            .map_err(|error| usage(&format!("cannot use the crawl's `pseudonym_key_file`: {error}")))?,
        _ => {
            return Err(usage(&format!(
                "`pseudonymize` needs a key of its own; set {PSEUDONYM_VARIABLE}, or name a file that holds it with \
                 `pseudonym_key_file`"
            )));
        }
    };
    Pseudonyms::new(&text).map(Some).map_err(|error| usage(&error.to_string()))
}

/// Reads `--rate`.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| String::from("it is no number"))?;
    if (0.01..=1000.0).contains(&rate) { Ok(rate) } else { Err(String::from("it must be from 0.01 to 1000")) }
}
