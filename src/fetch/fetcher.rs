//! The client, the pace and the budget that all fetches of a process share.

use std::time::Duration;

use super::client::Client;
use super::pace::Pace;
use super::retry::Budget;
use super::settings::{Error, Settings};
use super::verdict::Judge;

/// Fetches from one server, at one pace for all its users.
pub struct Fetcher {
    pub(super) client: Client,
    pub(super) pace: Pace,
    attempts_max: u32,
    elapsed_max: Duration,
    keyless: bool,
}

impl Fetcher {
    /// Sets up the client and the pace; sends nothing.
    ///
    /// # Errors
    /// When a setting is out of range, or the client cannot be built.
    pub fn new(settings: &Settings) -> Result<Fetcher, Error> {
        settings.check()?;
        Ok(Fetcher {
            client: Client::new(settings)?,
            pace: Pace::new(settings)?,
            attempts_max: settings.attempts_max,
            elapsed_max: settings.elapsed_max,
            keyless: settings.key.is_none(),
        })
    }

    /// Requests per second allowed now: the configured rate, or less after the server asked to slow down.
    pub fn rate(&self) -> f64 {
        self.pace.rate()
    }

    /// Returns an unused budget for one page or file.
    pub(super) fn budget(&self) -> Budget {
        Budget::new(self.attempts_max, self.elapsed_max)
    }

    /// Returns a judge for one page.
    pub(super) fn judge(&self) -> Judge {
        if self.keyless { Judge::keyless() } else { Judge::default() }
    }
}
