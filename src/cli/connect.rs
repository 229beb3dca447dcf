//! Connects a command to its server: the address, the API key, and the embedded sandbox if that is the server.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use url::Url;

use super::exit::Exit;
use super::keys::api_key;
use super::logging::{Watching, listener};
use super::output::{failure, usage};
use crate::definition::{self, Server};
use crate::engine::events::{Event, Listener};
use crate::fetch::{self, Fetcher, Secret, Settings};
use crate::lookup::Lookup;
use crate::sandbox::{Config, Sandbox};
use crate::stop::Stop;

/// The options for requests of a command without a crawl file.
#[derive(Debug, clap::Args)]
pub(super) struct Asking {
    /// The server's URL, ending in `/api/v1`, or `sandbox`
    #[arg(long, value_name = "URL", default_value = "https://civitai.com/api/v1")]
    server: String,
    /// Requests per second [default: 1; `sandbox` is asked as fast as it answers]
    #[arg(long, value_name = "R", value_parser = rate)]
    rate: Option<f64>,
    /// A file with the API key that only you can read; used if CIVITAI_API_KEY is not set
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Stop after this long, for example `30m`; what has arrived is kept
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) deadline: Option<Duration>,
    #[command(flatten)]
    pub(super) watching: Watching,
}

/// The connection of a command without a crawl file.
pub(super) struct Connection {
    pub(super) service: Service,
    pub(super) key: Option<Secret>,
    pub(super) listener: Arc<dyn Listener>,
    /// Passes the events of requests to the listener, under the command's name.
    pub(super) notify: Box<dyn Fn(fetch::Event) + Send + Sync>,
    pub(super) stop: Stop,
    /// Requests per second.
    pub(super) rate: f64,
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
        let server = self.server()?;
        Ok(Connection {
            key: api_key(&server, self.key_file.as_deref(), None)?,
            service: Service::of(&server, &definition::Sandbox::default())?,
            listener,
            notify: Box::new(move |event| hears.event(&Event::Fetch { walk: command, event: &event })),
            stop: Stop::new(None),
            rate: self.rate.unwrap_or(if server == Server::Sandbox { RATE_MAX } else { 1.0 }),
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

    /// Returns the settings of that fetcher.
    pub(super) fn settings(&self) -> Settings {
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

/// The most requests per second.
const RATE_MAX: f64 = 1000.0;

/// Parses `--rate`.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| String::from("it is not a number"))?;
    if (0.01..=RATE_MAX).contains(&rate) { Ok(rate) } else { Err(format!("it must be from 0.01 to {RATE_MAX}")) }
}

/// Parses `--deadline`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration: SignedDuration = text.parse().map_err(|_| String::from("write it like `90s`, `30m` or `2h 30m`"))?;
    Duration::try_from(duration).ok().filter(|d| !d.is_zero()).ok_or_else(|| String::from("it must be more than zero"))
}
