//! Everything the server knows, and which endpoint answers what.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::json;

use super::answer::Answer;
use super::call::Call;
use super::file_host::Storage;
use crate::sandbox::catalog::Catalog;
use crate::sandbox::catalog::fate::{self, Change, Fate};
use crate::sandbox::catalog::gallery::Gallery;
use crate::sandbox::catalog::night::DAY;
use crate::sandbox::catalog::seed::LAST;
use crate::sandbox::endpoint::creators::{Creators, Directory};
use crate::sandbox::endpoint::images_list::Rules;
use crate::sandbox::endpoint::links::Links;
use crate::sandbox::endpoint::model_versions::Hashes;
use crate::sandbox::endpoint::{creators, enums, feed, images, me, model, model_versions, models, posts, tags, users};
use crate::sandbox::era::Era;
use crate::sandbox::fault::traps::{Trap, Traps};
use crate::sandbox::fault::tricks::Trick;
use crate::sandbox::{Config, Error};

/// Where files are asked for.
const DOWNLOADS: &str = "/api/download/models/";

/// Milliseconds since 1970, by which links grow old.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// The catalog and what is made of it once somebody asks for it.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) traps: Traps,
    pub(crate) catalog: Catalog,
    /// What happens to models, and how much of it has.
    fates: Vec<Fate>,
    happened: usize,
    nights: u32,
    depth_cap: usize,
    images: u32,
    gallery: OnceLock<Gallery>,
    directory: OnceLock<Directory>,
    hashes: OnceLock<Hashes>,
    pub(crate) storage: Storage,
}

impl World {
    pub(crate) fn build(config: &Config, storage: String) -> Result<World, Error> {
        let generated = config.images.unwrap_or_else(|| config.models.saturating_mul(10));
        let mut catalog = Catalog::build(config)?;
        let mutable = config.traps.has(Trap::Mutation) && config.catalog.is_none();
        let fates = if mutable { fate::schedule(config.seed, &catalog.entries) } else { Vec::new() };
        let unborn = fates.iter().filter(|fate| fate.change == Change::Publish);
        unborn.for_each(|fate| catalog.entries[fate.row as usize].hidden = true);
        Ok(World {
            seed: config.seed,
            traps: config.traps,
            catalog,
            fates,
            happened: 0,
            nights: 0,
            depth_cap: config.depth_cap as usize,
            images: if config.catalog.is_some() { 0 } else { generated },
            gallery: OnceLock::new(),
            directory: OnceLock::new(),
            hashes: OnceLock::new(),
            storage: Storage { seed: config.seed, origin: storage },
        })
    }

    /// Lets a night go by, as a request asks for it, and tells what happened.
    pub(crate) fn pass_night(&mut self, pairs: &[(String, String)]) -> Answer {
        let night = match crate::sandbox::catalog::night::Night::asked(self.seed, self.nights + 1, pairs) {
            Ok(night) => night,
            Err(refusal) => return refusal,
        };
        let Some(told) = self.catalog.pass_night(&night) else {
            return Answer::error(400, "a recorded catalog does not change");
        };
        self.nights += 1;
        (self.gallery, self.directory, self.hashes) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Answer::json(200, told.to_string())
    }

    /// Lets happen what has happened after so many requests; tells how old the world is, in changes and nights.
    pub(crate) fn advance(&mut self, requests: u64) -> String {
        while let Some(fate) = self.fates.get(self.happened).filter(|fate| fate.after <= requests) {
            self.happened += 1;
            self.catalog.change(fate.row, fate.change, LAST + 3_600_000 + 1000 * self.happened as i64);
        }
        format!("{}+{}", self.happened, self.nights)
    }

    /// What the server's clock says: it stands still from night to night, behind everything that has happened.
    pub(crate) fn date(&self) -> String {
        let now = Timestamp::from_millisecond(LAST + i64::from(self.nights + 1) * DAY).unwrap_or_default();
        DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap_or_default()
    }

    /// The answer to a request that so many came before.
    pub(crate) fn answer(&self, call: &Call, requests: u64) -> Answer {
        self.filtered(call, &call.pairs, requests)
    }

    /// A false answer.
    pub(crate) fn falsely(&self, call: &Call, requests: u64, trick: Trick) -> Answer {
        match trick {
            Trick::FalseEnd(_) => images::false_end(),
            Trick::Emptied => match call.below() {
                "models" | "images" => images::false_end(),
                _ => {
                    let metadata = json!({ "totalItems": 0, "currentPage": 1, "pageSize": 0, "totalPages": 0 });
                    Answer::json(200, json!({ "items": [], "metadata": metadata }).to_string())
                }
            },
            Trick::CutShort => self.answer(call, requests).without(&["nextCursor", "nextPage"]),
            Trick::LinkOnly => self.answer(call, requests).without(&["nextCursor"]),
            Trick::Discontinued => feed::discontinued(),
            Trick::Unfiltered(parameter) => {
                let kept = call.pairs.iter().filter(|(key, _)| key != parameter).cloned().collect::<Vec<_>>();
                let whole = self.filtered(call, &kept, requests);
                // The whole list of a real server is longer than any page.
                if whole.next_cursor.is_some() { whole } else { self.answer(call, requests) }
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
        if let Some(id) = call.path.strip_prefix(DOWNLOADS) {
            return self.storage.redirect(&self.catalog, call, id, now());
        }
        let Some(path) = call.path.strip_prefix("/api/v1/") else {
            return Answer::html(404, "404: This page could not be found");
        };
        if let ("model-versions/by-hash/ids", Some(body)) = (path, &call.body) {
            return model_versions::by_hashes(&self.catalog, self.hashes(), body);
        }
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
            "me" if self.catalog.era > Era::Y2023 => me::answer(call.key.as_deref()),
            "users" if self.catalog.era > Era::Y2023 => users::answer(&self.catalog, pairs),
            path => self.look_up(path, &call.host),
        }
    }

    fn look_up(&self, path: &str, host: &str) -> Answer {
        let below = |start: &str| path.strip_prefix(start);
        if let Some(id) = below("models/") {
            model::answer(&self.catalog, id)
        } else if let Some(hash) = below("model-versions/by-hash/") {
            model_versions::found(&self.catalog, self.version_of(hash))
        } else if let Some(id) = below("model-versions/") {
            model_versions::answer(&self.catalog, id)
        } else if let (Some(id), Era::Sep2026) = (below("posts/"), self.catalog.era) {
            posts::answer(self.rules(host), id)
        } else {
            Answer::html(404, "404: This page could not be found")
        }
    }

    /// The version a file's hash belongs to.
    pub(crate) fn version_of(&self, hash: &str) -> Option<u32> {
        self.hashes().find(hash)
    }

    fn hashes(&self) -> &Hashes {
        self.hashes.get_or_init(|| Hashes::build(&self.catalog))
    }

    /// True when the same request may be answered differently later.
    pub(crate) fn restless(&self, path: &str) -> bool {
        path.starts_with(DOWNLOADS) || path == "me" || (path == "creators" && self.traps.has(Trap::UnorderedCreators))
    }

    /// What decides which images a host lists.
    pub(crate) fn rules(&self, host: &str) -> Rules<'_> {
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
    pub(crate) fn creators(&self) -> Creators<'_> {
        let directory = self.directory.get_or_init(|| creators::Directory::build(&self.catalog));
        Creators { seed: self.seed, traps: self.traps, catalog: &self.catalog, directory }
    }
}
