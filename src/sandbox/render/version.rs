//! Renders the versions of a generated model as today's server sends them, with their files and images.

use super::json::Writer;
use super::view::Item;
use super::{files, showcase};
use crate::sandbox::catalog::entry::{Entry, Mode};
use crate::sandbox::catalog::random::{Random, Stream};
use crate::sandbox::catalog::{dates, words};
use crate::sandbox::traps::{Trap, Traps};

/// The time that a version is held back from the public, in ms.
const EARLY: i64 = 14 * 86_400_000;

/// Returns the downloads of each version of a model since the server started: edited models gain some under the trap
/// `mutation`. Lists are sorted by the older figures.
pub(crate) fn gained(traps: Traps, entry: &Entry) -> u32 {
    if entry.edited && traps.has(Trap::Mutation) { 1 + entry.id % 50 } else { 0 }
}

/// Appends `"modelVersions":[…]`.
pub(super) fn render_all(item: &Item<'_>, json: &mut Writer) {
    json.open_at("modelVersions", '[');
    let view = item.view;
    for (index, position) in (0u8..).zip(item.listed_versions()) {
        let shown = view.all_versions || item.entry.is_public(position);
        if shown && view.among & (1 << position) != 0 {
            Version { item: *item, position, created: view.detail }.render(index, json);
        }
    }
    json.close(']');
}

/// Appends the id of the version's VAE, null for most.
fn vae(version: u32, json: &mut Writer) {
    match version % 11 {
        0 => json.int("vaeId", version / 2),
        _ => json.raw("vaeId", "null"),
    }
}

/// One version being rendered.
pub(super) struct Version<'a> {
    pub(super) item: Item<'a>,
    pub(super) position: u8,
    /// It shows its creation time too.
    pub(super) created: bool,
}

/// A version's counters; no downloads where the creator hid them.
pub(super) struct Counts {
    pub(super) downloads: Option<u32>,
    pub(super) thumbs_up: u32,
    thumbs_down: u32,
}

impl Version<'_> {
    /// The version's id.
    pub(super) fn id(&self) -> u32 {
        self.item.entry.version_id(self.position)
    }

    fn public(&self) -> bool {
        self.item.entry.is_public(self.position)
    }

    fn render(&self, index: u8, json: &mut Writer) {
        let id = self.id();
        json.open('{');
        json.int("id", id);
        json.int("index", index);
        if self.item.view.detail {
            json.text("status", "Published");
        }
        json.text("availability", if self.public() { "Public" } else { "EarlyAccess" });
        json.int("nsfwLevel", self.item.entry.level);
        let published = self.common(json);
        if !self.item.view.detail && !self.item.oddity.missing {
            vae(id, json);
        }
        if !self.public() {
            json.text("earlyAccessDeadline", &dates::iso(published + EARLY));
        }
        self.stats(json);
        json.flag(
            if self.item.view.detail { "covered" } else { "supportsGeneration" },
            self.item.entry.supports_generation,
        );
        if self.item.oddity.odd {
            json.raw("futureVersionField", "[true]");
        }
        self.media(id, json);
        json.close('}');
    }

    /// Appends the fields that every endpoint shows of a version; returns its publication time.
    pub(super) fn common(&self, json: &mut Writer) -> i64 {
        let (published, mut random) = self.item.generator.published_at(self.item.entry, self.position);
        json.text("name", &format!("v{}.{}", self.item.entry.version_number(self.position), random.below(4)));
        let created = published - i64::from(random.below(86_400_000));
        if self.created {
            json.text("createdAt", &dates::iso(created));
        }
        json.text("publishedAt", &dates::iso(published));
        self.bases(&mut random, json);
        json.int("flags", random.below(2) * 64);
        self.prose(&mut random, json);
        self.access(published, json);
        published
    }

    fn bases(&self, random: &mut Random, json: &mut Writer) {
        json.text("baseModel", self.item.generator.base_model(self.item.entry, self.position));
        match random.below(10) {
            0..6 if self.item.oddity.odd => json.text("baseModelType", "Holographic"),
            0..6 => json.text("baseModelType", "Standard"),
            6 => json.text("baseModelType", "Inpainting"),
            _ if self.item.view.detail || self.item.oddity.missing => {}
            _ => json.raw("baseModelType", "null"),
        }
    }

    fn prose(&self, random: &mut Random, json: &mut Writer) {
        if random.chance(450) {
            let bytes = 60 + random.below(600) as usize;
            json.raw("description", "\"");
            words::prose(random, bytes, &mut json.out);
            json.out.push('"');
        } else if !self.item.view.detail {
            json.raw("description", "null");
        }
        let trained = random.below(4);
        if trained > 0 || !self.item.view.detail {
            json.open_at("trainedWords", '[');
            (0..trained).for_each(|_| json.item(&words::phrase(random)));
            json.close(']');
        }
    }

    fn access(&self, published: i64, json: &mut Writer) {
        if self.public() {
            if !self.item.view.detail {
                json.raw("paidAccess", "null");
            }
            return;
        }
        json.open_at("paidAccess", '{');
        // Some have to be paid for ever.
        let permanent = self.id().is_multiple_of(5);
        json.flag("permanent", permanent);
        match permanent {
            true => json.raw("endsAt", "null"),
            false => json.text("endsAt", &dates::iso(published + EARLY)),
        }
        json.close('}');
    }

    /// Draws the counters as shares of the model's.
    pub(super) fn counts(&self) -> Counts {
        let id = self.id();
        let mut random = Random::new(self.item.generator.seed, Stream::Version, (u64::from(id) << 1) | (1 << 41));
        let mut share = |count: u32| count / (1 + random.below(u32::from(self.item.entry.versions) * 2));
        let (downloads, thumbs_up) = (share(self.item.entry.downloads), share(self.item.entry.thumbs_up));
        let downloads =
            (!self.item.oddity.null_counters).then_some(downloads + gained(self.item.generator.traps, self.item.entry));
        Counts { downloads, thumbs_up, thumbs_down: share(self.item.entry.thumbs_down) }
    }

    fn stats(&self, json: &mut Writer) {
        let counts = self.counts();
        json.open_at("stats", '{');
        match counts.downloads {
            Some(downloads) => json.int("downloadCount", downloads),
            None => json.raw("downloadCount", "null"),
        }
        json.int("thumbsUpCount", counts.thumbs_up);
        json.int("thumbsDownCount", counts.thumbs_down);
        json.close('}');
    }

    fn media(&self, id: u32, json: &mut Writer) {
        let archived = self.item.entry.mode == Mode::Archived;
        json.open_at("files", '[');
        if !archived {
            files::render(&self.item, id, files::Shape::Item, json);
        }
        json.close(']');
        json.open_at("images", '[');
        if self.item.entry.mode != Mode::TakenDown {
            showcase::render(&self.item, id, json);
        }
        json.close(']');
        if !archived {
            json.text("downloadUrl", &format!("https://civitai.com/api/download/models/{id}"));
        }
    }
}
