//! Renders the versions of a generated model as today's server sends them, with their files and images.

use super::files;
use super::json::Writer;
use super::model::{Oddity, View};
use super::showcase;
use crate::sandbox::catalog::dates;
use crate::sandbox::catalog::random::{Random, Stream};
use crate::sandbox::catalog::seed::Generator;
use crate::sandbox::catalog::words;
use crate::sandbox::catalog::{Entry, Mode};
use crate::sandbox::endpoint::enums::BASE_MODELS;
use crate::sandbox::fault::traps::{Trap, Traps};

/// How long a version is held back from the public.
const EARLY: i64 = 14 * 86_400_000;

/// The id of a version by its position; ids of different models never meet.
pub(crate) fn version_id(entry: &Entry, position: u8) -> u32 {
    entry.id * 16 + u32::from(position)
}

/// A version's position in its model.
pub(crate) fn position(version: u32) -> u32 {
    version % 16
}

/// The base model of a version.
pub(crate) fn base_model(seed: u64, entry: &Entry, position: u8) -> &'static str {
    let mut random = Random::new(seed, Stream::Version, u64::from(version_id(entry, position)) << 1);
    let end = 1 + random.below(BASE_MODELS.len() as u32);
    BASE_MODELS[random.below(end) as usize]
}

/// When a version was published: one that came later when it came; of the others the newest at the model's own date, the
/// next ones days before one another.
pub(crate) fn published_at(entry: &Entry, position: u8, random: &mut Random) -> i64 {
    let later = position.checked_sub(entry.versions).and_then(|later| entry.added.get(usize::from(later)));
    if let Some(at) = later {
        return *at;
    }
    let newest = entry.base_at.or(entry.last_version_at).unwrap_or(entry.created_at);
    newest - i64::from(position) * (86_400_000 + i64::from(random.below(20 * 86_400_000)))
}

/// Which of the model's versions it was, counted from 1.
pub(crate) fn number(entry: &Entry, position: u8) -> u8 {
    entry.versions.checked_sub(position).filter(|number| *number > 0).unwrap_or(position + 1)
}

/// How often each version of a model was downloaded since the server started: under the trap of mutation edited ones find
/// new friends. Lists are sorted by older figures.
pub(crate) fn gained(traps: Traps, entry: &Entry) -> u32 {
    if entry.edited && traps.has(Trap::Mutation) { 1 + entry.id % 50 } else { 0 }
}

/// Appends `"modelVersions":[…]`.
pub(crate) fn render_all(generator: &Generator, entry: &Entry, view: View, oddity: &Oddity, json: &mut Writer) {
    json.open_at("modelVersions", '[');
    let listed = if oddity.empty_versions && !view.detail { 0 } else { usize::from(entry.version_count()) };
    for (index, position) in (0u8..).zip(entry.listed_versions().take(listed)) {
        let public = entry.early_access & (1 << position) == 0;
        if (public || view.all_versions) && view.among & (1 << position) != 0 {
            Version { generator, entry, position, public, view, created: view.detail, oddity }.render(index, json);
        }
    }
    json.close(']');
}

/// Appends the version that is its VAE, where it has one.
fn vae(version: u32, json: &mut Writer) {
    match version % 11 {
        0 => json.int("vaeId", version / 2),
        _ => json.raw("vaeId", "null"),
    }
}

/// One version and what its rendering depends on.
pub(crate) struct Version<'a> {
    pub(crate) generator: &'a Generator,
    pub(crate) entry: &'a Entry,
    pub(crate) position: u8,
    pub(crate) public: bool,
    pub(crate) view: View,
    /// Tells when it was created too.
    pub(crate) created: bool,
    pub(crate) oddity: &'a Oddity,
}

/// A version's counters; no downloads where the creator hid them.
pub(crate) struct Counts {
    pub(crate) downloads: Option<u32>,
    pub(crate) thumbs_up: u32,
    thumbs_down: u32,
}

impl Version<'_> {
    fn render(&self, index: u8, json: &mut Writer) {
        let id = version_id(self.entry, self.position);
        json.open('{');
        json.int("id", id);
        json.int("index", index);
        if self.view.detail {
            json.text("status", "Published");
        }
        json.text("availability", if self.public { "Public" } else { "EarlyAccess" });
        json.int("nsfwLevel", self.entry.level);
        let published = self.common(json);
        if !self.view.detail && !self.oddity.missing {
            vae(id, json);
        }
        if !self.public {
            json.text("earlyAccessDeadline", &dates::iso(published + EARLY));
        }
        self.stats(json);
        json.flag(if self.view.detail { "covered" } else { "supportsGeneration" }, self.entry.supports_generation);
        if self.oddity.odd {
            json.raw("futureVersionField", "[true]");
        }
        self.media(id, json);
        json.close('}');
    }

    /// Appends what every endpoint tells of a version in the same words; returns when it was published.
    pub(crate) fn common(&self, json: &mut Writer) -> i64 {
        let id = version_id(self.entry, self.position);
        let mut random = Random::new(self.generator.seed, Stream::Version, (u64::from(id) << 1) | 1);
        let published = published_at(self.entry, self.position, &mut random);
        json.text("name", &format!("v{}.{}", number(self.entry, self.position), random.below(4)));
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
    }

    fn access(&self, published: i64, json: &mut Writer) {
        if self.public {
            if !self.view.detail {
                json.raw("paidAccess", "null");
            }
            return;
        }
        json.open_at("paidAccess", '{');
        // Some are to be paid for for ever.
        let permanent = version_id(self.entry, self.position).is_multiple_of(5);
        json.flag("permanent", permanent);
        match permanent {
            true => json.raw("endsAt", "null"),
            false => json.text("endsAt", &dates::iso(published + EARLY)),
        }
        json.close('}');
    }

    /// The counters, shares of the model's own.
    pub(crate) fn counts(&self) -> Counts {
        let id = version_id(self.entry, self.position);
        let mut random = Random::new(self.generator.seed, Stream::Version, (u64::from(id) << 1) | (1 << 41));
        let mut share = |count: u32| count / (1 + random.below(u32::from(self.entry.versions) * 2));
        let (downloads, thumbs_up) = (share(self.entry.downloads), share(self.entry.thumbs_up));
        let downloads = (!self.oddity.null_counters).then_some(downloads + gained(self.generator.traps, self.entry));
        Counts { downloads, thumbs_up, thumbs_down: share(self.entry.thumbs_down) }
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
        let archived = self.entry.mode == Mode::Archived;
        json.open_at("files", '[');
        if !archived {
            files::render(self.generator, self.entry, id, files::Shape::Item, self.oddity, json);
        }
        json.close(']');
        json.open_at("images", '[');
        if self.entry.mode != Mode::TakenDown {
            showcase::render(self.generator, self.entry, id, self.view, self.oddity, json);
        }
        json.close(']');
        if !archived {
            json.text("downloadUrl", &format!("https://civitai.com/api/download/models/{id}"));
        }
    }
}
