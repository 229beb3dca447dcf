//! Renders the showcase images of a generated version as today's server sends them.

use super::json::Writer;
use super::meta;
use super::view::{Item, Oddity};
use crate::sandbox::catalog::random::{Random, Stream};
use crate::sandbox::traps::Trap;

const BASE_83: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";
const SIZES: &[(u32, u32)] = &[(512, 512), (832, 1216), (1024, 1024), (1216, 832), (1536, 2304), (768, 1152)];

/// Appends the elements of a version's `images`; without nsfw only the PG ones.
pub(super) fn render(item: &Item<'_>, version: u32, json: &mut Writer) {
    let Item { generator, entry, view, .. } = *item;
    for position in 0..count(generator.seed, version) {
        let id = version * 32 + position;
        let mut random = Random::new(generator.seed, Stream::Image, u64::from(id));
        let level = level(&mut random, entry.level);
        let clamped = level > 2 && generator.traps.has(Trap::RegionClamp);
        if (view.nsfw || level == 1) && !clamped {
            image(&mut random, id, level, item, json);
        }
    }
}

/// Appends the first ten as the endpoint of one version sends them: without id, with their generation data.
pub(super) fn render_lookup(item: &Item<'_>, version: u32, json: &mut Writer) {
    let Item { generator, entry, oddity, .. } = *item;
    for position in 0..count(generator.seed, version).min(10) {
        let id = version * 32 + position;
        let mut random = Random::new(generator.seed, Stream::Image, u64::from(id));
        let level = level(&mut random, entry.level);
        json.open('{');
        let (width, height) = common(&mut random, id, level, &oddity, json);
        json.raw("metadata", &format!("{{\"size\":{},\"width\":{width},\"height\":{height}}}", id % 4_000_000));
        json.text("availability", "Public");
        json.int("flags", 0u32);
        json.key("meta");
        match random.chance(800) {
            true => meta::render(generator.seed, id, &[version], generator.traps, json),
            false => json.out.push_str("null"),
        }
        json.close('}');
    }
}

/// Returns the number of a version's images: 0 to 20, about 7.
pub(super) fn count(seed: u64, version: u32) -> u32 {
    let mut random = Random::new(seed, Stream::Image, u64::from(version) << 32);
    if random.chance(30) { 0 } else { 1 + random.below(13).min(19) + random.skewed(2) }
}

/// Draws one of the levels of the model's mask.
fn level(random: &mut Random, mask: u8) -> u8 {
    let bits: Vec<u8> = (0..5).map(|bit| 1 << bit).filter(|bit| mask & bit != 0).collect();
    if bits.is_empty() { 1 } else { random.pick(&bits) }
}

fn image(random: &mut Random, id: u32, level: u8, item: &Item<'_>, json: &mut Writer) {
    let oddity = &item.oddity;
    json.open('{');
    if !item.view.detail {
        json.int("id", id);
    }
    common(random, id, level, oddity, json);
    json.flag("minor", id.is_multiple_of(83));
    json.flag("poi", id.is_multiple_of(89));
    if !oddity.missing {
        json.flag("hasMeta", random.chance(800));
    }
    json.flag("hasPositivePrompt", random.chance(700));
    json.flag("onSite", random.chance(200));
    match id % 17 {
        0 => json.int("remixOfId", id / 2),
        _ => json.raw("remixOfId", "null"),
    }
    if oddity.odd {
        json.raw("futureImageField", "0.5");
    }
    json.close('}');
}

/// Appends the fields that every endpoint shows of a showcase image; returns its width and height.
fn common(random: &mut Random, id: u32, level: u8, oddity: &Oddity, json: &mut Writer) -> (u32, u32) {
    let video = random.chance(40);
    let (width, height) = random.pick(SIZES);
    json.text("url", &url(random, "original=true", id, if video { "mp4" } else { "jpeg" }));
    json.int("nsfwLevel", level);
    json.int("width", width);
    json.int("height", height);
    if random.chance(10) {
        json.raw("hash", "null");
    } else {
        json.text("hash", &blurhash(random));
    }
    let media = if video { "video" } else { "image" };
    json.text("type", if oddity.odd { "hologram" } else { media });
    (width, height)
}

/// Draws an image's URL, ending in its id.
pub(super) fn url(random: &mut Random, transform: &str, id: u32, extension: &str) -> String {
    let (a, b) = (random.next(), random.next());
    let uuid = format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xfff,
        b >> 52,
        b & 0xffff_ffff_ffff
    );
    format!("https://image.civitai.com/xG1nkqKTMzGDvpLrqFT7WA/{uuid}/{transform}/{id}.{extension}")
}

/// Draws a text that looks like a blurhash.
pub(super) fn blurhash(random: &mut Random) -> String {
    let mut text = String::with_capacity(36);
    text.push('U');
    while text.len() < 36 {
        let mut bits = random.next();
        for _ in 0..7 {
            text.push(char::from(BASE_83[(bits % 83) as usize]));
            bits /= 83;
        }
    }
    text.truncate(36);
    text
}
