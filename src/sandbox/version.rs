//! Renders the versions of a generated model as today's server sends them, with their files and images.

use super::catalog::{Entry, Mode};
use super::dates;
use super::enums::BASE_MODELS;
use super::files;
use super::generate::Generator;
use super::item::{Oddity, View};
use super::json::Writer;
use super::random::{Random, Stream};
use super::showcase;
use super::words;

/// The id of a version by its position; ids of different models never meet.
pub(super) fn version_id(entry: &Entry, position: u8) -> u32 {
    entry.id * 16 + u32::from(position)
}

/// The base model of a version.
pub(super) fn base_model(seed: u64, entry: &Entry, position: u8) -> &'static str {
    let mut random = Random::new(seed, Stream::Version, u64::from(version_id(entry, position)) << 1);
    let end = 1 + random.below(BASE_MODELS.len() as u32);
    BASE_MODELS[random.below(end) as usize]
}

/// When a version was published: the newest at the model's own date, the others days before one another.
pub(super) fn published_at(entry: &Entry, position: u8, random: &mut Random) -> i64 {
    let newest = entry.last_version_at.unwrap_or(entry.created_at);
    newest - i64::from(position) * (86_400_000 + i64::from(random.below(20 * 86_400_000)))
}

/// Appends `"modelVersions":[…]`.
pub(super) fn render_all(generator: &Generator, entry: &Entry, view: View, oddity: &Oddity, json: &mut Writer) {
    json.open_at("modelVersions", '[');
    let listed = if oddity.empty_versions && !view.detail { 0 } else { entry.versions };
    for position in 0..listed {
        let public = entry.early_access & (1 << position) == 0;
        if public || view.all_versions {
            Version { generator, entry, position, public, view, oddity }.render(json);
        }
    }
    json.close(']');
}

/// One version and what its rendering depends on.
struct Version<'a> {
    generator: &'a Generator,
    entry: &'a Entry,
    position: u8,
    public: bool,
    view: View,
    oddity: &'a Oddity,
}

impl Version<'_> {
    fn render(&self, json: &mut Writer) {
        let id = version_id(self.entry, self.position);
        let mut random = Random::new(self.generator.seed, Stream::Version, (u64::from(id) << 1) | 1);
        let published = published_at(self.entry, self.position, &mut random);
        json.open('{');
        json.int("id", id);
        json.int("index", self.position);
        json.text("name", &format!("v{}.{}", self.entry.versions - self.position, random.below(4)));
        self.bases(&mut random, json);
        if self.view.detail {
            json.text("createdAt", &dates::iso(published - i64::from(random.below(86_400_000))));
            json.text("status", "Published");
        }
        json.text("publishedAt", &dates::iso(published));
        json.int("flags", random.below(2) * 64);
        json.text("availability", if self.public { "Public" } else { "EarlyAccess" });
        json.int("nsfwLevel", self.entry.level);
        self.prose(&mut random, json);
        self.access(published, json);
        self.stats(&mut random, json);
        json.flag(if self.view.detail { "covered" } else { "supportsGeneration" }, self.entry.supports_generation);
        if self.oddity.odd {
            json.raw("futureVersionField", "[true]");
        }
        self.media(id, json);
        json.close('}');
    }

    fn bases(&self, random: &mut Random, json: &mut Writer) {
        json.text("baseModel", base_model(self.generator.seed, self.entry, self.position));
        match random.below(10) {
            0..6 if self.oddity.odd => json.text("baseModelType", "Holographic"),
            0..6 => json.text("baseModelType", "Standard"),
            6 => json.text("baseModelType", "Inpainting"),
            _ if self.view.detail || self.oddity.missing => {}
            _ => json.raw("baseModelType", "null"),
        }
    }

    fn prose(&self, random: &mut Random, json: &mut Writer) {
        if random.chance(450) {
            let bytes = 60 + random.below(600) as usize;
            json.raw("description", "\"");
            words::prose(random, bytes, &mut json.out);
            json.out.push('"');
        } else if !self.view.detail {
            json.raw("description", "null");
        }
        let trained = random.below(4);
        if trained > 0 || !self.view.detail {
            json.open_at("trainedWords", '[');
            (0..trained).for_each(|_| json.item(&words::phrase(random)));
            json.close(']');
        }
        if !self.view.detail && !self.oddity.missing {
            json.raw("vaeId", "null");
        }
    }

    fn access(&self, published: i64, json: &mut Writer) {
        if self.public {
            if !self.view.detail {
                json.raw("paidAccess", "null");
            }
            return;
        }
        let ends = dates::iso(published + 14 * 86_400_000);
        json.text("earlyAccessDeadline", &ends);
        json.open_at("paidAccess", '{');
        json.flag("permanent", false);
        json.text("endsAt", &ends);
        json.close('}');
    }

    fn stats(&self, random: &mut Random, json: &mut Writer) {
        let share = |count: u32, random: &mut Random| count / (1 + random.below(u32::from(self.entry.versions) * 2));
        json.open_at("stats", '{');
        if self.oddity.null_counters {
            json.raw("downloadCount", "null");
        } else {
            json.int("downloadCount", share(self.entry.downloads, random));
        }
        json.int("thumbsUpCount", share(self.entry.thumbs_up, random));
        json.int("thumbsDownCount", share(self.entry.thumbs_down, random));
        json.close('}');
    }

    fn media(&self, id: u32, json: &mut Writer) {
        let archived = self.entry.mode == Mode::Archived;
        json.open_at("files", '[');
        if !archived {
            files::render(self.generator, self.entry, id, self.oddity, json);
        }
        json.close(']');
        json.open_at("images", '[');
        if self.entry.mode != Mode::TakenDown {
            showcase::render(self.generator.seed, self.entry, id, self.view, self.oddity, json);
        }
        json.close(']');
        if !archived {
            json.text("downloadUrl", &format!("https://civitai.com/api/download/models/{id}"));
        }
    }
}
