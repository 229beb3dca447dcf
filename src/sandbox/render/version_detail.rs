//! Renders one version as its own endpoint sends it: the list's version with what only this endpoint tells.

use super::files;
use super::json::Writer;
use super::model::{Oddity, View};
use super::showcase;
use super::version::{self, Version};
use crate::sandbox::catalog::dates;
use crate::sandbox::catalog::random::{Random, Stream};
use crate::sandbox::catalog::seed::Generator;
use crate::sandbox::catalog::{Entry, Mode};

const TRAINING: &str =
    "{\"type\":\"Character\",\"params\":{\"engine\":\"kohya\",\"unetLR\":0.0005},\"baseModel\": \"sdxl\"}";

/// Appends the version.
pub(crate) fn render(generator: &Generator, entry: &Entry, position: u8, json: &mut Writer) {
    let oddity = Oddity::of(generator.seed, entry.id, generator.traps);
    let view = View { nsfw: true, all_versions: true, among: u16::MAX, detail: false };
    let public = entry.early_access & (1 << position) == 0;
    let shown = Version { generator, entry, position, public, view, created: true, oddity: &oddity };
    let id = version::version_id(entry, position);
    json.open('{');
    json.int("id", id);
    json.int("modelId", entry.id);
    json.int("nsfwLevel", entry.level);
    json.text("status", "Published");
    let published = shown.common(json);
    let mut random = Random::new(generator.seed, Stream::Version, u64::from(id) << 1 | 1 << 40);
    json.text("updatedAt", &dates::iso(published + i64::from(random.below(40 * 86_400_000))));
    let trained = random.chance(100);
    json.raw("trainingStatus", if trained { "\"Approved\"" } else { "null" });
    json.raw("trainingDetails", if trained { TRAINING } else { "null" });
    json.text("uploadType", if trained { "Trained" } else { "Created" });
    let controls = ["Download", "Generation", "InternalGeneration", "ExternalGeneration"];
    json.text("usageControl", if random.chance(950) { "Download" } else { random.pick(&controls) });
    json.raw("licensingFee", if random.chance(30) { "0.25" } else { "null" });
    json.text("air", &format!("urn:air:sdxl:{}:civitai:{}@{id}", entry.kind_name().to_lowercase(), entry.id));
    stats(&shown, json);
    model(generator, entry, json);
    media(generator, entry, id, &oddity, json);
    json.text("downloadUrl", &format!("https://civitai.com/api/download/models/{id}"));
    json.close('}');
}

/// When the version was published.
pub(crate) fn published_at(generator: &Generator, entry: &Entry, position: u8) -> i64 {
    let id = version::version_id(entry, position);
    let mut random = Random::new(generator.seed, Stream::Version, (u64::from(id) << 1) | 1);
    version::published_at(entry, position, &mut random)
}

/// Downloads as the list has them; of the thumbs only those up.
fn stats(shown: &Version<'_>, json: &mut Writer) {
    let counts = shown.counts();
    json.open_at("stats", '{');
    match counts.downloads {
        Some(downloads) => json.int("downloadCount", downloads),
        None => json.raw("downloadCount", "null"),
    }
    json.int("thumbsUpCount", counts.thumbs_up);
    json.close('}');
}

fn model(generator: &Generator, entry: &Entry, json: &mut Writer) {
    json.open_at("model", '{');
    json.text("name", &generator.name(entry));
    json.text("type", entry.kind_name());
    json.flag("nsfw", entry.level & 1 == 0);
    json.flag("poi", false);
    super::model::mode(entry, json);
    json.close('}');
}

fn media(generator: &Generator, entry: &Entry, id: u32, oddity: &Oddity, json: &mut Writer) {
    json.open_at("files", '[');
    files::render(generator, entry, id, files::Shape::Lookup, oddity, json);
    json.close(']');
    json.open_at("images", '[');
    if entry.mode != Mode::TakenDown {
        showcase::render_lookup(generator, entry, id, oddity, json);
    }
    json.close(']');
}
