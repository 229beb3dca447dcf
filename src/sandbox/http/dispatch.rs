//! The choice of the endpoint that answers a request, and the false answers of tricks.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::call::Call;
use super::file_host::FileHost;
use crate::sandbox::endpoint::answer::Answer;
use crate::sandbox::endpoint::links::Links;
use crate::sandbox::endpoint::world::World;
use crate::sandbox::endpoint::{enums, feed, images, me, model, model_versions, models, posts, tags, users};
use crate::sandbox::era::Era;
use crate::sandbox::fault::tricks::Trick;
use crate::sandbox::traps::Trap;

/// The path of downloads.
const DOWNLOADS: &str = "/api/download/models/";

/// Returns the milliseconds since 1970, by which links to files expire.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// The endpoints as one request sees them.
pub(super) struct Dispatch<'a> {
    pub(super) world: &'a World,
    pub(super) files: &'a FileHost,
    pub(super) call: &'a Call,
    /// Number of requests before this one.
    pub(super) requests: u64,
}

impl Dispatch<'_> {
    /// The true answer.
    pub(super) fn answer(&self) -> Answer {
        self.answer_to(&self.call.pairs)
    }

    /// The false answer of a trick.
    pub(super) fn false_answer(&self, trick: Trick) -> Answer {
        let call = self.call;
        match trick {
            Trick::FalseEnd(_) => images::false_end(),
            Trick::Emptied => match call.below() {
                "models" | "images" => images::false_end(),
                _ => {
                    let metadata = json!({ "totalItems": 0, "currentPage": 1, "pageSize": 0, "totalPages": 0 });
                    Answer::json(200, json!({ "items": [], "metadata": metadata }).to_string())
                }
            },
            Trick::CutShort => self.answer().without(&["nextCursor", "nextPage"]),
            Trick::LinkOnly => self.answer().without(&["nextCursor"]),
            Trick::Discontinued => feed::discontinued(),
            Trick::Unfiltered(parameter) => {
                let kept = call.pairs.iter().filter(|(key, _)| key != parameter).cloned().collect::<Vec<_>>();
                let whole = self.answer_to(&kept);
                // The whole list of a real server is longer than any page.
                if whole.next_cursor.is_some() { whole } else { self.answer() }
            }
            Trick::Denied => match (self.answer(), call.below().strip_prefix("models/")) {
                (truth, _) if truth.status != 200 => truth,
                (_, Some(id)) => model::missing(id),
                (_, None) => Answer::error(404, "Model not found"),
            },
        }
    }

    /// The answer as if these parameters had been sent; links keep those that really were.
    fn answer_to(&self, pairs: &[(String, String)]) -> Answer {
        let (world, call) = (self.world, self.call);
        if let Some(id) = call.path.strip_prefix(DOWNLOADS) {
            return self.files.redirect(&world.catalog, call, id, now());
        }
        let Some(path) = call.path.strip_prefix("/api/v1/") else {
            return no_page();
        };
        if let ("model-versions/by-hash/ids", Some(body)) = (path, &call.body) {
            return model_versions::by_hashes(&world.catalog, world.hashes(), body);
        }
        if !call.get {
            return Answer::error(405, "Method not allowed");
        }
        let links = Links { traps: world.catalog.traps, origin: &call.origin, path, pairs: &call.pairs };
        match path {
            "models" => models::answer(&world.catalog, pairs, &links),
            "images" => images::answer(world.rules(&call.host), pairs, &links),
            "creators" => world.creators().answer(&links, self.requests),
            "tags" => tags::answer(&world.catalog, &links),
            "enums" => enums::answer(world.nights_of_words()),
            "me" if world.catalog.era > Era::Y2023 && !world.catalog.traps.has(Trap::NoAccounts) => {
                me::answer(call.key.as_deref())
            }
            "users" if world.catalog.era > Era::Y2023 => users::answer(&world.catalog, pairs),
            path => match self.look_up(path) {
                answer if answer.status == 404 && world.catalog.traps.has(Trap::HtmlNegatives) => no_page(),
                answer => answer,
            },
        }
    }

    fn look_up(&self, path: &str) -> Answer {
        let (world, traps) = (self.world, self.world.catalog.traps);
        let below = |start: &str| path.strip_prefix(start);
        if let Some(id) = below("models/") {
            model::answer(&world.catalog, id)
        } else if let Some(hash) = below("model-versions/by-hash/") {
            let found = world.hashes().find(hash);
            let after = |id| if traps.has(Trap::OtherHash) { world.hashes().after(id) } else { Some(id) };
            model_versions::found(&world.catalog, found.and_then(after))
        } else if let Some(id) = below("model-versions/") {
            model_versions::answer(&world.catalog, id)
        } else if let (Some(id), Era::Sep2026) = (below("posts/"), world.catalog.era) {
            posts::answer(world.rules(&self.call.host), id)
        } else {
            no_page()
        }
    }

    /// True when the same request may get another answer later, so that no cache may keep this one.
    pub(super) fn may_change(&self) -> bool {
        let path = self.call.below();
        path.starts_with(DOWNLOADS)
            || path == "me"
            || (path == "creators" && self.world.catalog.traps.has(Trap::UnorderedCreators))
    }
}

fn no_page() -> Answer {
    Answer::html(404, "404: This page could not be found")
}
