//! The catalog and the indexes that endpoints derive from it, and the changes that happen to it while the server runs.

use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::Value;

use super::creators::{Creators, Directory};
use super::images_query::Rules;
use super::model_versions::Hashes;
use crate::sandbox::catalog::Catalog;
use crate::sandbox::catalog::dates::{DAY, LAST};
use crate::sandbox::catalog::entry::Change;
use crate::sandbox::catalog::gallery::Gallery;
use crate::sandbox::catalog::night::Night;
use crate::sandbox::catalog::options::CatalogOptions;
use crate::sandbox::catalog::schedule::{self, ScheduledChange};
use crate::sandbox::error::Error;
use crate::sandbox::traps::Trap;

/// The catalog, and its indexes from the first request that needs them.
pub(crate) struct World {
    pub(crate) catalog: Catalog,
    schedule: Vec<ScheduledChange>,
    /// Number of changes of the schedule that are done.
    happened: usize,
    nights: Vec<Night>,
    /// Number of requests so far under the trap `mutation`.
    requests: u64,
    mutable: bool,
    depth_cap: usize,
    images: u32,
    gallery: OnceLock<Gallery>,
    directory: OnceLock<Directory>,
    hashes: OnceLock<Hashes>,
}

impl World {
    /// Builds the catalog; `images` is the number of its images.
    ///
    /// # Errors
    /// If the recorded catalog is damaged.
    pub(crate) fn build(options: &CatalogOptions<'_>, images: u32, depth_cap: usize) -> Result<World, Error> {
        let mut catalog = Catalog::build(options)?;
        let generated = options.recorded.is_none();
        let mutable = options.traps.has(Trap::Mutation) && generated;
        let schedule = if mutable { schedule::schedule(options.seed, &catalog.entries) } else { Vec::new() };
        let unpublished = schedule.iter().filter(|scheduled| scheduled.change == Change::Publish);
        unpublished.for_each(|scheduled| catalog.entries[scheduled.row as usize].hidden = true);
        Ok(World {
            catalog,
            schedule,
            happened: 0,
            nights: Vec::new(),
            requests: 0,
            mutable,
            depth_cap,
            images: if generated { images } else { 0 },
            gallery: OnceLock::new(),
            directory: OnceLock::new(),
            hashes: OnceLock::new(),
        })
    }

    /// Applies a night in which this share of the models and of the images changes, and reports its changes; `None` for a
    /// recorded catalog, which does not change.
    pub(crate) fn pass_night(&mut self, share: f64) -> Option<Value> {
        let night = Night { seed: self.catalog.seed, number: self.nights.len() as u32 + 1, share };
        let before = self.gallery.take();
        let before = before.unwrap_or_else(|| Gallery::build(&self.catalog, self.images, &self.nights));
        let mut report = self.catalog.pass_night(&night)?;
        self.nights.push(night);
        (self.directory, self.hashes) = (OnceLock::new(), OnceLock::new());
        report.as_object_mut()?.extend(self.gallery().changes_since(&before).as_object()?.clone());
        Some(report)
    }

    /// Applies the changes due after this many requests; returns the version of the catalog and of the images.
    pub(crate) fn advance(&mut self, requests: u64) -> String {
        if self.mutable {
            self.requests = requests;
        }
        while let Some(due) = self.schedule.get(self.happened).filter(|scheduled| scheduled.after <= requests) {
            self.happened += 1;
            self.catalog.change(due.row, due.change, LAST + 3_600_000 + 1000 * self.happened as i64);
        }
        format!("{}+{}+{}", self.happened, self.nights.len(), self.requests)
    }

    /// The `Date` header: the server's clock moves only from night to night, and is later than every change.
    pub(crate) fn date(&self) -> String {
        let now = Timestamp::from_millisecond(LAST + (self.nights.len() as i64 + 1) * DAY).unwrap_or_default();
        DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap_or_default()
    }

    /// The version of every file's hash.
    pub(crate) fn hashes(&self) -> &Hashes {
        self.hashes.get_or_init(|| Hashes::build(&self.catalog))
    }

    /// The number of nights whose new words are known.
    pub(crate) fn nights_of_words(&self) -> usize {
        self.nights.len() + usize::from(self.catalog.traps.has(Trap::NewWords))
    }

    fn gallery(&self) -> &Gallery {
        self.gallery.get_or_init(|| Gallery::build(&self.catalog, self.images, &self.nights))
    }

    /// The rules of the images list on a host.
    pub(crate) fn rules(&self, host: &str) -> Rules<'_> {
        let second = host.split(':').next() == Some("localhost");
        Rules {
            catalog: &self.catalog,
            gallery: self.gallery(),
            requests: self.requests,
            depth_cap: self.depth_cap,
            both_levels: second && self.catalog.traps.has(Trap::HostDifference),
        }
    }

    /// The list of creators.
    pub(crate) fn creators(&self) -> Creators<'_> {
        let directory = self.directory.get_or_init(|| Directory::build(&self.catalog));
        Creators { catalog: &self.catalog, directory }
    }
}
