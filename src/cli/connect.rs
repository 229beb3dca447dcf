//! The server a command asks: its address, the key for it, and the embedded sandbox where it is that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use url::Url;

use super::exit::Exit;
use super::logging::{Watching, listener};
use super::output::{complain, usage};
use crate::api::pseudonym::Pseudonyms;
use crate::definition::{self, Crawl, Server};
use crate::engine::events::{Event, Listener};
use crate::fetch::{self, Fetcher, Secret, Settings};
use crate::lookup::Lookup;
use crate::sandbox::{Config, Sandbox};
use crate::stop::Stop;
use crate::storage;

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
    /// A file that only you can read and that holds the API key, where CIVITAI_API_KEY does not
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) watching: Watching,
}

/// What a command without a crawl file asks with.
pub(super) struct Means {
    pub(super) service: Service,
    pub(super) key: Option<Secret>,
    pub(super) listener: Arc<dyn Listener>,
    /// Passes the events of requests to the listener, under the command's name.
    notify: Box<dyn Fn(fetch::Event) + Send + Sync>,
    pub(super) stop: Stop,
    rate: f64,
}

impl Asking {
    /// The server named.
    pub(super) fn server(&self) -> Result<Server, Exit> {
        Server::parse(&self.server, false).map_err(|error| usage(&error.to_string()))
    }

    /// Connects this command to the server.
    pub(super) fn means(&self, command: &'static str) -> Result<Means, Exit> {
        let listener = listener(&self.watching, BTreeMap::new());
        let hears = Arc::clone(&listener);
        Ok(Means {
            service: Service::of(&self.server()?, &definition::Sandbox::default())?,
            key: key(self.key_file.as_deref())?,
            listener,
            notify: Box::new(move |event| hears.event(&Event::of(command, &event))),
            stop: Stop::new(None),
            rate: self.rate,
        })
    }
}

impl Means {
    /// Who asks: politely.
    pub(super) fn fetcher(&self) -> Result<Fetcher, Exit> {
        Fetcher::new(&self.settings()).map_err(|error| usage(&error.to_string()))
    }

    /// Looks things up; `sha256` says that every hash is one.
    pub(super) fn lookup<'a>(&'a self, fetcher: &'a Fetcher, sha256: bool) -> Lookup<'a> {
        let in_flight = self.settings().in_flight as usize;
        Lookup { base: self.service.base(), fetcher, sha256, in_flight, stop: &self.stop, notify: &*self.notify }
    }

    fn settings(&self) -> Settings {
        let base = self.service.base().clone();
        Settings { key: self.key.clone(), requests_per_second: self.rate, burst: 1, ..Settings::new(base) }
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

/// The text of a file that nobody else may read.
fn private(path: &Path) -> Result<String, Exit> {
    storage::read_private_text(path)
        .map_err(|error| usage(&format!("cannot use the key file `{}`: {error}", path.display())))
}

/// The API key: from the environment, else from the key file, else none. It is never shown.
pub(super) fn key(file: Option<&Path>) -> Result<Option<Secret>, Exit> {
    let text = match (std::env::var(KEY_VARIABLE), file) {
        (Ok(text), _) if !text.is_empty() => text,
        (Err(std::env::VarError::NotUnicode(_)), _) => return Err(usage(&format!("{KEY_VARIABLE} is no text"))),
        (_, Some(path)) => private(path)?,
        _ => return Ok(None),
    };
    let key = Secret::parse(&text).map_err(|error| usage(&error.to_string()))?;
    if !key.is_masked() {
        complain(
            "the API key is so short or plain that it is not masked where the server repeats it; real keys are 32 digits \
             and letters",
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
    Sandbox::start(config).map_err(|error| usage(&error.to_string()))
}

/// What hides people's names, where the crawl says so: its key is from the environment, else from a file.
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

/// Reads `--rate`.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| String::from("it is no number"))?;
    if (0.01..=1000.0).contains(&rate) { Ok(rate) } else { Err(String::from("it must be from 0.01 to 1000")) }
}
