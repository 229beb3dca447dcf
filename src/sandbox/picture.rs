//! Renders one image of the images list.

use super::catalog::Catalog;
use super::dates;
use super::enums::BASE_MODELS;
use super::gallery::Picture;
use super::image_list::Rules;
use super::json::Writer;
use super::meta;
use super::random::{Random, Stream};
use super::showcase;
use super::traps::{Trap, Traps};

/// The tag for which lists above PG13 leave an image out; other tags are numbered from [`FIRST_TAG`].
const CHILD_TAG: (u32, &str) = (999, "child");
/// The id of tag number 0.
pub(super) const FIRST_TAG: u32 = 1000;

/// How a request looks at images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) with_meta: bool,
    pub(super) with_tags: bool,
    /// Meta as it is rather than wrapped as `{id, meta}`.
    pub(super) flat: bool,
    /// The item of the database path rather than that of the feed.
    pub(super) legacy: bool,
}

/// Appends the item.
pub(super) fn render(rules: Rules<'_>, picture: &Picture, look: Look, json: &mut Writer) {
    let Rules { seed, traps, catalog, .. } = rules;
    let mut random = Random::new(seed, Stream::Picture, u64::from(picture.id) | 1 << 40);
    json.open('{');
    json.int("id", picture.id);
    let extension = if picture.media.word() == "image" { "jpeg" } else { "mp4" };
    json.text("url", &showcase::url(&mut random, "original=true", picture.id, extension));
    hash_and_size(&mut random, json);
    json.text("type", picture.media.word());
    json.flag("nsfw", picture.level != 1);
    json.text("nsfwLevel", level_name(picture.level));
    json.int("browsingLevel", picture.level);
    // The two backends mean different instants by the same word.
    let earlier = if look.legacy { i64::from(random.below(3_600_000)) } else { 0 };
    json.text("createdAt", &dates::iso(picture.sorted_at - earlier));
    match picture.post {
        0 => json.raw("postId", "null"),
        post => json.int("postId", post),
    }
    username(traps, catalog, picture.user, look, json);
    let mut random = Random::new(seed, Stream::Picture, u64::from(picture.id) | 1 << 41);
    match random.below(50) {
        0 => json.raw("baseModel", "null"),
        1 => json.text("baseModel", ""),
        _ => json.text("baseModel", random.pick(BASE_MODELS)),
    }
    json.open_at("modelVersionIds", '[');
    for id in picture.version_ids() {
        json.separate();
        json.out.push_str(&id.to_string());
    }
    json.close(']');
    stats(picture, json);
    thumbnail(picture, json);
    generation(seed, traps, picture, look, json);
    if look.with_tags {
        tags(seed, catalog, picture, json);
    }
    json.close('}');
}

/// The base model an image is listed under.
pub(super) fn base_model(seed: u64, picture: &Picture) -> Option<&'static str> {
    let mut random = Random::new(seed, Stream::Picture, u64::from(picture.id) | 1 << 41);
    match random.below(50) {
        0 | 1 => None,
        _ => Some(random.pick(BASE_MODELS)),
    }
}

/// The tags of an image, by number.
pub(super) fn tag_numbers(seed: u64, catalog: &Catalog, picture: &Picture) -> Vec<u32> {
    let mut random = Random::new(seed, Stream::Tags, u64::from(picture.id) | 1 << 40);
    let mut tags = Vec::new();
    for _ in 0..random.below(7) {
        let tag = random.skewed(11);
        if (tag as usize) < catalog.tags().len() && !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

fn hash_and_size(random: &mut Random, json: &mut Writer) {
    if random.chance(15) {
        json.raw("hash", "null");
    } else {
        json.text("hash", &showcase::blurhash(random));
    }
    if random.chance(15) {
        json.raw("width", "null");
        json.raw("height", "null");
    } else {
        json.int("width", 512 + 64 * random.below(16));
        json.int("height", 512 + 64 * random.below(24));
    }
}

/// The names of before there were levels.
fn level_name(level: u8) -> &'static str {
    match level {
        2 => "Soft",
        4 => "Mature",
        8 | 16 => "X",
        32 => "Blocked",
        _ => "None",
    }
}

/// Users who are gone have no name on one path and a placeholder on the other.
fn username(traps: Traps, catalog: &Catalog, user: u32, look: Look, json: &mut Writer) {
    let gone = traps.has(Trap::AbsentCreators) && user % 97 == 3;
    match catalog.users().get(user as usize) {
        Some(name) if !gone && traps.has(Trap::NumericUsernames) && name.bytes().all(|b| b.is_ascii_digit()) => {
            json.raw("username", name);
        }
        Some(name) if !gone => json.text("username", name),
        _ if look.legacy => json.raw("username", "null"),
        _ => json.text("username", "unknown"),
    }
}

fn stats(picture: &Picture, json: &mut Writer) {
    json.open_at("stats", '{');
    json.int("cryCount", picture.reactions / 20);
    json.int("laughCount", picture.reactions / 11);
    json.int("likeCount", picture.reactions / 2);
    json.int("dislikeCount", 0u32);
    json.int("heartCount", picture.reactions / 3);
    json.int("commentCount", picture.comments);
    json.close('}');
}

/// The still of a video.
fn thumbnail(picture: &Picture, json: &mut Writer) {
    if picture.media.word() != "video" {
        return json.raw("thumbnail", "null");
    }
    json.open_at("thumbnail", '{');
    json.text("url", &format!("https://image.civitai.com/xG1nkqKTMzGDvpLrqFT7WA/still/width=450/{}.jpeg", picture.id));
    json.int("width", 450u32);
    json.int("height", 300 + picture.id % 300);
    json.close('}');
}

fn generation(seed: u64, traps: Traps, picture: &Picture, look: Look, json: &mut Writer) {
    json.key("meta");
    let wrapped = look.with_meta && !look.flat;
    if wrapped {
        json.open('{');
        json.int("id", picture.id);
        json.key("meta");
    }
    if look.with_meta && picture.has_meta {
        let versions: Vec<u32> = picture.version_ids().collect();
        meta::render(seed, picture.id, &versions, traps, json);
    } else {
        json.out.push_str("null");
    }
    if wrapped {
        json.close('}');
    }
}

fn tags(seed: u64, catalog: &Catalog, picture: &Picture, json: &mut Writer) {
    let mut tags: Vec<(u32, &str)> = tag_numbers(seed, catalog, picture)
        .into_iter()
        .map(|tag| (FIRST_TAG + tag, catalog.tags()[tag as usize].as_str()))
        .collect();
    if picture.child {
        tags.push(CHILD_TAG);
    }
    json.open_at("tags", '[');
    for (id, name) in tags {
        json.open('{');
        json.int("id", id);
        json.text("name", name);
        json.close('}');
    }
    json.close(']');
}
