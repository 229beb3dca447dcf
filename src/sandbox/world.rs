//! Everything the server knows, and which endpoint answers what.

use std::sync::OnceLock;

use super::answer::Answer;
use super::call::Call;
use super::catalog::Catalog;
use super::creators::{Creators, Directory};
use super::gallery::Gallery;
use super::image_list::Rules;
use super::links::Links;
use super::traps::{Trap, Traps};
use super::tricks::Trick;
use super::{Config, Error, creators, enums, images, model, models, tags};

/// The catalog and what is made of it once somebody asks for it.
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) traps: Traps,
    pub(super) catalog: Catalog,
    depth_cap: usize,
    images: u32,
    gallery: OnceLock<Gallery>,
    directory: OnceLock<Directory>,
}

impl World {
    pub(super) fn build(config: &Config) -> Result<World, Error> {
        let generated = config.images.unwrap_or_else(|| config.models.saturating_mul(10));
        Ok(World {
            seed: config.seed,
            traps: config.traps,
            catalog: Catalog::build(config)?,
            depth_cap: config.depth_cap as usize,
            images: if config.catalog.is_some() { 0 } else { generated },
            gallery: OnceLock::new(),
            directory: OnceLock::new(),
        })
    }

    /// The answer to a request that so many came before.
    pub(super) fn answer(&self, call: &Call, requests: u64) -> Answer {
        self.filtered(call, &call.pairs, requests)
    }

    /// A false answer.
    pub(super) fn falsely(&self, call: &Call, requests: u64, trick: Trick) -> Answer {
        match trick {
            Trick::FalseEnd(_) => images::false_end(),
            Trick::Unfiltered(parameter) => {
                let kept = call.pairs.iter().filter(|(key, _)| key != parameter).cloned().collect::<Vec<_>>();
                self.filtered(call, &kept, requests)
            }
            Trick::Denied => match (self.answer(call, requests), call.below().strip_prefix("models/")) {
                (truth, _) if truth.status != 200 => truth,
                (_, Some(id)) => model::missing(id),
                (_, None) => Answer::error(404, "Model not found"),
            },
        }
    }

    /// The answer as if these parameters had been sent; links are made from those that were.
    fn filtered(&self, call: &Call, pairs: &[(String, String)], requests: u64) -> Answer {
        let Some(path) = call.path.strip_prefix("/api/v1/") else {
            return Answer::html(404, "404: This page could not be found");
        };
        if !call.get {
            return Answer::error(405, "Method not allowed");
        }
        let links = Links { traps: self.traps, host: &call.host, path, pairs: &call.pairs };
        match path {
            "models" => models::answer(&self.catalog, pairs, &links),
            "images" => images::answer(self.rules(&call.host), pairs, &links),
            "creators" => self.creators().answer(&links, requests),
            "tags" => tags::answer(&self.catalog, &links),
            "enums" => enums::answer(),
            path => match path.strip_prefix("models/") {
                Some(id) => model::answer(&self.catalog, id),
                None => Answer::html(404, "404: This page could not be found"),
            },
        }
    }

    /// True when the same request may be answered differently later.
    pub(super) fn restless(&self, path: &str) -> bool {
        path == "creators" && self.traps.has(Trap::UnorderedCreators)
    }

    /// What decides which images a host lists.
    pub(super) fn rules(&self, host: &str) -> Rules<'_> {
        let users = u32::try_from(self.catalog.users().len()).unwrap_or(u32::MAX);
        let gallery = || Gallery::build(self.seed, &self.catalog, self.images, users);
        let second = host.split(':').next() == Some("localhost");
        Rules {
            seed: self.seed,
            traps: self.traps,
            catalog: &self.catalog,
            gallery: self.gallery.get_or_init(gallery),
            depth_cap: self.depth_cap,
            both_levels: second && self.traps.has(Trap::HostDifference),
        }
    }

    /// The list of creators.
    pub(super) fn creators(&self) -> Creators<'_> {
        let directory = self.directory.get_or_init(|| creators::Directory::build(&self.catalog));
        Creators { seed: self.seed, traps: self.traps, catalog: &self.catalog, directory }
    }
}
