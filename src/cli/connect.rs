//! Connects a command to its server: the address, the API key, and the embedded sandbox if that is the server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use url::Url;

use super::exit::Exit;
use super::logging::{Watching, listener};
use super::output::{complain, failure, usage};
use crate::api::pseudonym::Pseudonyms;
use crate::definition::{self, Crawl, Server};
use crate::engine::events::{Event, Listener};
use crate::fetch::{self, Fetcher, Secret, Settings};
use crate::lookup::Lookup;
use crate::sandbox::{Config, Sandbox};
use crate::stop::Stop;
use crate::storage;

/// The environment variable of the API key.
const KEY_VARIABLE: &str = "CIVITAI_API_KEY";
/// The environment variable of the pseudonyms' key.
const PSEUDONYM_VARIABLE: &str = "CIVITRAWL_PSEUDONYM_KEY";

/// The options for requests of a command without a crawl file.
#[derive(Debug, clap::Args)]
pub(super) struct Asking {
    /// The server's URL, ending in `/api/v1`, or `sandbox`
    #[arg(long, value_name = "URL", default_value = "https://civitai.com/api/v1")]
    server: String,
    /// Requests per second
    #[arg(long, value_name = "R", value_parser = rate, default_value = "1")]
    pub(super) rate: f64,
    /// A file with the API key that only you can read; used if CIVITAI_API_KEY is not set
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) watching: Watching,
}

/// The connection of a command without a crawl file.
pub(super) struct Connection {
    pub(super) service: Service,
    pub(super) key: Option<Secret>,
    pub(super) listener: Arc<dyn Listener>,
    /// Passes the events of requests to the listener, under the command's name.
    notify: Box<dyn Fn(fetch::Event) + Send + Sync>,
    pub(super) stop: Stop,
    rate: f64,
}

impl Asking {
    /// Returns the server of `--server`.
    pub(super) fn server(&self) -> Result<Server, Exit> {
        Server::parse(&self.server, false).map_err(|error| usage(&error.to_string()))
    }

    /// Connects to the server; `command` names it in log lines.
    pub(super) fn connect(&self, command: &'static str) -> Result<Connection, Exit> {
        let listener = listener(&self.watching, BTreeMap::new());
        let hears = Arc::clone(&listener);
        Ok(Connection {
            service: Service::of(&self.server()?, &definition::Sandbox::default())?,
            key: key(self.key_file.as_deref())?,
            listener,
            notify: Box::new(move |event| hears.event(&Event::Fetch { walk: command, event: &event })),
            stop: Stop::new(None),
            rate: self.rate,
        })
    }
}

impl Connection {
    /// Returns a fetcher with the options' rate.
    pub(super) fn fetcher(&self) -> Result<Fetcher, Exit> {
        Fetcher::new(&self.settings()).map_err(|error| usage(&error.to_string()))
    }

    /// Returns a look-up service; `sha256` is true if every hash is a SHA256.
    pub(super) fn lookup<'a>(&'a self, fetcher: &'a Fetcher, sha256: bool) -> Lookup<'a> {
        let in_flight = self.settings().in_flight as usize;
        Lookup { base: self.service.base(), fetcher, sha256, in_flight, stop: &self.stop, notify: &*self.notify }
    }

    fn settings(&self) -> Settings {
        let base = self.service.base().clone();
        Settings { key: self.key.clone(), requests_per_second: self.rate, burst: 1, ..Settings::new(base) }
    }
}

/// A server that can be reached. The embedded sandbox runs as long as this value lives.
pub(super) struct Service {
    base: Url,
    _sandbox: Option<Sandbox>,
}

impl Service {
    /// Returns the server; starts the embedded sandbox with `catalog` if that is the server.
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

    /// Returns the base URL, ending in `/api/v1`.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }
}

/// Reads a file that must not be readable by others.
fn private(path: &Path) -> Result<String, Exit> {
    storage::read_private_text(path)
        .map_err(|error| usage(&format!("cannot use the key file `{}`: {error}", path.display())))
}

/// Returns the API key from the environment, else from the key file, else `None`.
pub(super) fn key(file: Option<&Path>) -> Result<Option<Secret>, Exit> {
    let text = match (std::env::var(KEY_VARIABLE), file) {
        (Ok(text), _) if !text.is_empty() => text,
        (Err(std::env::VarError::NotUnicode(_)), _) => return Err(usage(&format!("{KEY_VARIABLE} is not valid text"))),
        (_, Some(path)) => private(path)?,
        _ => return Ok(None),
    };
    let key = Secret::parse(&text).map_err(|error| usage(&error.to_string()))?;
    if !key.is_masked() {
        complain(
            "the API key is so short or simple that it cannot be masked in the server's answers; real keys have 32 digits and \
             letters",
        );
    }
    Ok(Some(key))
}

fn embedded(catalog: &definition::Sandbox) -> Result<Sandbox, Exit> {
    let faults = catalog.faults.iter().map(|text| text.parse()).collect::<Result<_, _>>();
    let config = Config {
        models: catalog.models,
        seed: catalog.seed,
        era: catalog.era.parse().map_err(|error| usage(&format!("[sandbox] era: {error}")))?,
        traps: catalog.traps.parse().map_err(|error| usage(&format!("[sandbox] traps: {error}")))?,
        faults: faults.map_err(|error| usage(&format!("[sandbox] faults: {error}")))?,
        latency: catalog.latency,
        ..Config::default()
    };
    Sandbox::start(config).map_err(|error| failure(&error))
}

/// Returns the pseudonyms if the crawl uses them; their key is from the environment, else from a file.
pub(super) fn pseudonyms(crawl: &Crawl) -> Result<Option<Pseudonyms>, Exit> {
    if crawl.pseudonymize.is_empty() {
        return Ok(None);
    }
    let text = match (std::env::var(PSEUDONYM_VARIABLE), &crawl.pseudonym_key_file) {
        (Ok(text), _) if !text.is_empty() => text,
        (_, Some(path)) => private(path)?,
        _ => {
            return Err(usage(&format!(
                "`pseudonymize` needs a key of its own; set {PSEUDONYM_VARIABLE}, or name a file that holds it with \
                 `pseudonym_key_file`"
            )));
        }
    };
    Pseudonyms::new(&text).map(Some).map_err(|error| usage(&error.to_string()))
}

/// Parses `--rate`.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| String::from("it is not a number"))?;
    if (0.01..=1000.0).contains(&rate) { Ok(rate) } else { Err(String::from("it must be from 0.01 to 1000")) }
}
