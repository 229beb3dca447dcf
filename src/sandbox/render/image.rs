//! Renders one image of the images list.

use super::json::Writer;
use super::showcase;
use super::{meta, number};
use crate::sandbox::catalog::Catalog;
use crate::sandbox::catalog::dates;
use crate::sandbox::catalog::gallery::{Media, Picture};
use crate::sandbox::catalog::random::{Random, Stream};
use crate::sandbox::catalog::words;
use crate::sandbox::endpoint::enums::BASE_MODELS;
use crate::sandbox::endpoint::images_list::Rules;
use crate::sandbox::endpoint::images_query::Path;
use crate::sandbox::era::Era;
use crate::sandbox::fault::traps::{Trap, Traps};

/// The tag for which lists above PG13 leave an image out; other tags are numbered from [`FIRST_TAG`].
const CHILD_TAG: (u32, &str) = (999, "child");
/// The id of tag number 0.
pub(crate) const FIRST_TAG: u32 = 1000;

/// How a request looks at images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) with_meta: bool,
    pub(crate) with_tags: bool,
    /// Meta as it is rather than wrapped as `{id, meta}`.
    pub(crate) flat: bool,
    /// The part of the server that the item comes from.
    pub(crate) path: Path,
}

/// Appends the item.
pub(crate) fn render(rules: Rules<'_>, picture: &Picture, look: Look, json: &mut Writer) {
    let Rules { seed, traps, catalog, .. } = rules;
    let mut random = Random::new(seed, Stream::Picture, u64::from(picture.id) | 1 << 40);
    json.open('{');
    json.int("id", picture.id);
    let extension = if picture.media.word() == "image" { "jpeg" } else { "mp4" };
    json.text("url", &showcase::url(&mut random, "original=true", picture.id, extension));
    hash_and_size(&mut random, json);
    if look.path == Path::Feed {
        thumbnail(seed, picture, json);
    }
    json.text("type", picture.media.word());
    json.flag("nsfw", picture.level != 1);
    json.text("nsfwLevel", level_name(picture.level));
    json.int("browsingLevel", picture.level);
    // The database means another instant by the same word.
    let earlier = if look.path == Path::Database { i64::from(random.below(3_600_000)) } else { 0 };
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
    for id in picture.detected(traps) {
        json.separate();
        json.out.push_str(&id.to_string());
    }
    json.close(']');
    stats(picture, json);
    generation(seed, traps, picture, look, json);
    if look.with_tags {
        tags(seed, catalog, picture, json);
    }
    json.close('}');
}

/// The base model an image is listed under.
pub(crate) fn base_model(seed: u64, picture: &Picture) -> Option<&'static str> {
    let mut random = Random::new(seed, Stream::Picture, u64::from(picture.id) | 1 << 41);
    match random.below(50) {
        0 | 1 => None,
        _ => Some(random.pick(BASE_MODELS)),
    }
}

/// The tags of an image, by number.
pub(crate) fn tag_numbers(seed: u64, catalog: &Catalog, picture: &Picture) -> Vec<u32> {
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

/// The still of a video; nothing for others.
fn thumbnail(seed: u64, picture: &Picture, json: &mut Writer) {
    if picture.media != Media::Video {
        return json.raw("thumbnail", "null");
    }
    let mut random = Random::new(seed, Stream::Picture, u64::from(picture.id) | 1 << 42);
    json.open_at("thumbnail", '{');
    json.text("url", &showcase::url(&mut random, "width=450", picture.id, "jpeg"));
    json.int("width", 450);
    json.int("height", 450 + 50 * random.below(5));
    json.close('}');
}

/// Users who are gone have no name in the database and a placeholder in the index; names that look like numbers become some
/// on their way out of the index, in the newest era as JavaScript reads them.
fn username(traps: Traps, catalog: &Catalog, user: u32, look: Look, json: &mut Writer) {
    let gone = traps.has(Trap::AbsentCreators) && user % 97 == 3;
    let name = catalog.users().get(user as usize).filter(|_| !gone);
    let numeric = traps.has(Trap::NumericUsernames);
    let as_number = |name: &String| match (catalog.era, look.path) {
        (Era::Sep2026, Path::Search) => number::of(name),
        (Era::Sep2026, _) => None,
        _ => words::is_number(name).then(|| name.clone()),
    };
    match (name, name.filter(|_| numeric).and_then(as_number), look.path) {
        (_, Some(number), _) => json.raw("username", &number),
        (Some(name), None, _) => json.text("username", name),
        (None, _, Path::Search) if numeric && catalog.era == Era::Sep2026 => json.text("username", "null"),
        (None, _, Path::Search) => json.text("username", "unknown"),
        (None, ..) => json.raw("username", "null"),
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

fn generation(seed: u64, traps: Traps, picture: &Picture, look: Look, json: &mut Writer) {
    json.key("meta");
    let wrapped = look.with_meta && !look.flat;
    if wrapped {
        json.open('{');
        json.int("id", picture.id);
        json.key("meta");
    }
    if look.with_meta && picture.has_meta {
        let versions: Vec<u32> = picture.detected(traps).collect();
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
