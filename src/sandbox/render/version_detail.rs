//! Renders one version as its own endpoint sends it: the list's version, and fields that no other endpoint has.

use super::json::Writer;
use super::version::Version;
use super::view::{Item, View};
use super::{files, model, showcase};
use crate::sandbox::catalog::dates;
use crate::sandbox::catalog::entry::{Entry, Mode};
use crate::sandbox::catalog::random::{Random, Stream};
use crate::sandbox::catalog::seed::Generator;

const TRAINING: &str =
    "{\"type\":\"Character\",\"params\":{\"engine\":\"kohya\",\"unetLR\":0.0005},\"baseModel\": \"sdxl\"}";

/// Appends the version.
pub(crate) fn render(generator: &Generator, entry: &Entry, position: u8, json: &mut Writer) {
    let item = Item::new(generator, entry, View::EVERYTHING);
    let version = Version { item, position, created: true };
    let id = version.id();
    json.open('{');
    json.int("id", id);
    json.int("modelId", entry.id);
    json.int("nsfwLevel", entry.level);
    json.text("status", "Published");
    let published = version.common(json);
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
    stats(&version, json);
    embedded_model(generator, entry, json);
    media(&item, id, json);
    json.text("downloadUrl", &format!("https://civitai.com/api/download/models/{id}"));
    json.close('}');
}

/// Appends the list's counters without the thumbs down.
fn stats(version: &Version<'_>, json: &mut Writer) {
    let counts = version.counts();
    json.open_at("stats", '{');
    match counts.downloads {
        Some(downloads) => json.int("downloadCount", downloads),
        None => json.raw("downloadCount", "null"),
    }
    json.int("thumbsUpCount", counts.thumbs_up);
    json.close('}');
}

fn embedded_model(generator: &Generator, entry: &Entry, json: &mut Writer) {
    json.open_at("model", '{');
    json.text("name", &generator.name(entry));
    json.text("type", entry.kind_name());
    json.flag("nsfw", entry.level & 1 == 0);
    json.flag("poi", false);
    model::mode(entry, json);
    json.close('}');
}

fn media(item: &Item<'_>, id: u32, json: &mut Writer) {
    json.open_at("files", '[');
    files::render(item, id, files::Shape::Lookup, json);
    json.close(']');
    json.open_at("images", '[');
    if item.entry.mode != Mode::TakenDown {
        showcase::render_lookup(item, id, json);
    }
    json.close(']');
}
