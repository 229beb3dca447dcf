//! Renders a generated model as the server of summer 2023 sent it: ratings, version times, images with their meta.

use super::json::Writer;
use super::view::Item;
use super::{files, meta, model, showcase};
use crate::sandbox::catalog::entry::{Entry, Mode};
use crate::sandbox::catalog::random::{Random, Stream};
use crate::sandbox::catalog::{dates, words};

const SAMPLERS: &[&str] = &["Euler a", "DPM++ 2M Karras", "DPM++ SDE Karras", "DDIM", "UniPC"];

/// Appends the item.
pub(super) fn render(item: &Item<'_>, json: &mut Writer) {
    let Item { generator, entry, view, oddity } = *item;
    let mut random = Random::new(generator.seed, Stream::Text, u64::from(entry.id));
    json.open('{');
    json.int("id", entry.id);
    model::name(item, json);
    model::description(&mut random, &oddity, json);
    json.text("type", entry.kind_name());
    json.flag("poi", false);
    json.flag("nsfw", entry.level & 1 == 0);
    json.flag("allowNoCredit", random.chance(700));
    json.text("allowCommercialUse", random.pick(&["None", "Image", "Rent", "Sell"]));
    json.flag("allowDerivatives", random.chance(800));
    json.flag("allowDifferentLicense", random.chance(600));
    json.open_at("stats", '{');
    json.int("downloadCount", entry.downloads);
    json.int("favoriteCount", entry.collected);
    json.int("commentCount", entry.comments);
    rating(&mut random, entry, json);
    json.close('}');
    model::creator(item, json);
    model::tags(item, json);
    model::mode(entry, json);
    json.open_at("modelVersions", '[');
    for position in item.listed_versions() {
        if view.all_versions || entry.is_public(position) {
            version(item, position, json);
        }
    }
    json.close(']');
    json.close('}');
}

fn rating(random: &mut Random, entry: &Entry, json: &mut Writer) {
    json.int("ratingCount", entry.thumbs_up);
    match (entry.thumbs_up, random.below(4)) {
        (0, _) => json.int("rating", 0),
        (_, 0) => json.raw("rating", "4.83"),
        _ => json.int("rating", 5),
    }
}

fn version(item: &Item<'_>, position: u8, json: &mut Writer) {
    let Item { generator, entry, .. } = *item;
    let id = entry.version_id(position);
    let (created, mut random) = generator.published_at(entry, position);
    json.open('{');
    json.int("id", id);
    json.int("modelId", entry.id);
    json.text("name", &format!("v{}", entry.version_number(position)));
    json.text("createdAt", &dates::iso(created));
    json.text("updatedAt", &dates::iso(created + i64::from(random.below(86_400_000))));
    json.open_at("trainedWords", '[');
    (0..random.below(4)).for_each(|_| json.item(&words::phrase(&mut random)));
    json.close(']');
    json.text("baseModel", generator.base_model(entry, position));
    json.int("earlyAccessTimeFrame", id % 16);
    json.raw("description", if random.chance(550) { "null" } else { "\"<p>First version.</p>\"" });
    json.open_at("stats", '{');
    json.int("downloadCount", entry.downloads / u32::from(entry.versions));
    rating(&mut random, entry, json);
    json.close('}');
    json.open_at("files", '[');
    if entry.mode != Mode::Archived {
        file(&mut random, entry, id, json);
    }
    json.close(']');
    json.open_at("images", '[');
    if entry.mode != Mode::TakenDown {
        (0..showcase::count(generator.seed, id)).for_each(|n| image(generator.seed, entry, id * 32 + n, json));
    }
    json.close(']');
    if entry.mode != Mode::Archived {
        json.text("downloadUrl", &format!("https://civitai.com/api/download/models/{id}"));
    }
    json.close('}');
}

fn file(random: &mut Random, entry: &Entry, version: u32, json: &mut Writer) {
    json.open('{');
    json.text("name", &format!("file_{version}.safetensors"));
    json.int("id", version * 8);
    json.raw("sizeKB", &format!("{}.859375", 40 + random.skewed(22)));
    json.text("type", "Model");
    let known = random.chance(600);
    json.raw(
        "metadata",
        if known {
            "{\"fp\":\"fp16\",\"size\":\"full\",\"format\":\"SafeTensor\"}"
        } else {
            "{\"fp\":null,\"size\":null,\"format\":\"SafeTensor\"}"
        },
    );
    json.text("pickleScanResult", "Success");
    json.text("pickleScanMessage", "No Pickle imports");
    json.text("virusScanResult", "Success");
    json.text("scannedAt", &dates::iso(entry.created_at + i64::from(random.below(86_400_000))));
    files::hashes(random, None, json);
    json.text("downloadUrl", &format!("https://civitai.com/api/download/models/{version}"));
    json.flag("primary", true);
    json.close('}');
}

fn image(seed: u64, entry: &Entry, id: u32, json: &mut Writer) {
    let mut random = Random::new(seed, Stream::Image, u64::from(id));
    json.open('{');
    json.int("id", id);
    json.text("url", &showcase::url(&mut random, "width=450", id, "jpeg"));
    json.text("nsfw", if entry.level & 1 != 0 { "None" } else { random.pick(&["Soft", "Mature", "X"]) });
    json.int("width", 512);
    json.int("height", 768);
    json.text("hash", &showcase::blurhash(&mut random));
    match random.below(200) {
        0 => json.raw("meta", "{}"),
        1..20 => json.raw("meta", "null"),
        _ => meta(&mut random, json),
    }
    json.close('}');
}

/// Appends generation data as uploaded: free-form, with numbers beyond 2^53 and misparsed keys.
fn meta(random: &mut Random, json: &mut Writer) {
    let hash = files::hex(random, 10).to_lowercase();
    json.open_at("meta", '{');
    json.text("Size", "512x768");
    let seed = random.next() >> if random.chance(5) { 1 } else { 32 };
    json.raw("seed", &seed.to_string());
    json.text("Model", &words::phrase(random));
    json.int("steps", 20 + random.below(20));
    match random.below(1000) {
        0..3 => json.raw("hashes", "[\"x\"]"),
        3..520 => json.raw("hashes", &format!("{{\"model\":\"{hash}\"}}")),
        _ => {}
    }
    json.text("prompt", &format!("masterpiece, {}, (\"{}\":1.2)", words::phrase(random), words::phrase(random)));
    json.text("sampler", random.pick(SAMPLERS));
    json.raw("cfgScale", random.pick(&["7", "7.5", "4"]));
    match random.below(10) {
        0..4 => json.text("Clip skip", "2"),
        4 => json.int("clipSkip", 2),
        5 => json.text("", ""),
        6 => json.text("\\\"add_detail", "1\""),
        _ => {}
    }
    meta::resources(random, (&hash, 880), &["0.5", "1", "null"], json);
    json.text("Model hash", &hash);
    json.text("negativePrompt", "worst quality, low quality");
    json.close('}');
}
