//! Renders one image of the images list.

use super::json::Writer;
use super::{meta, number, showcase};
use crate::sandbox::catalog::gallery::{Media, Picture};
use crate::sandbox::catalog::random::{Random, Stream};
use crate::sandbox::catalog::words::BASE_MODELS;
use crate::sandbox::catalog::{Catalog, dates, words};
use crate::sandbox::era::Era;
use crate::sandbox::traps::Trap;

/// The tag for which lists above PG13 leave an image out; all others are numbered from [`FIRST_TAG`].
const CHILD_TAG: (u32, &str) = (999, "child");
/// The id of tag number 0.
pub(crate) const FIRST_TAG: u32 = 1000;

/// The part of the server that answers a query for images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// The database, paged by image id.
    Database,
    /// The search index, paged by offset.
    Search,
    /// The feed service of era 2026-09, paged by sort value and id.
    Feed,
}

/// The parts of an image that a request gets to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ImageView {
    pub(crate) with_meta: bool,
    pub(crate) with_tags: bool,
    /// Meta is sent bare rather than wrapped as `{id, meta}`.
    pub(crate) flat: bool,
    pub(crate) backend: Backend,
}

/// Appends the item.
pub(crate) fn render(catalog: &Catalog, picture: &Picture, view: ImageView, json: &mut Writer) {
    let (seed, traps) = (catalog.seed, catalog.traps);
    let mut random = Random::new(seed, Stream::Picture, u64::from(picture.id) | 1 << 40);
    json.open('{');
    json.int("id", picture.id);
    let extension = if picture.media.word() == "image" { "jpeg" } else { "mp4" };
    json.text("url", &showcase::url(&mut random, "original=true", picture.id, extension));
    hash_and_size(&mut random, json);
    if view.backend == Backend::Feed {
        thumbnail(seed, picture, json);
    }
    json.text("type", picture.media.word());
    json.flag("nsfw", picture.level != 1);
    json.text("nsfwLevel", level_name(picture.level));
    json.int("browsingLevel", picture.level);
    // The database sends another instant under the same key.
    let earlier = if view.backend == Backend::Database { i64::from(random.below(3_600_000)) } else { 0 };
    json.text("createdAt", &dates::iso(picture.sorted_at - earlier));
    match picture.post {
        0 => json.raw("postId", "null"),
        post => json.int("postId", post),
    }
    username(catalog, picture.user, view, json);
    match base_model(seed, picture) {
        None => json.raw("baseModel", "null"),
        Some(name) => json.text("baseModel", name),
    }
    json.open_at("modelVersionIds", '[');
    for id in picture.detected(traps) {
        json.separate();
        json.out.push_str(&id.to_string());
    }
    json.close(']');
    stats(picture, json);
    generation(catalog, picture, view, json);
    if view.with_tags {
        tags(catalog, picture, json);
    }
    json.close('}');
}

/// Returns the base model of an image; a few have none, and a few an empty one.
pub(crate) fn base_model(seed: u64, picture: &Picture) -> Option<&'static str> {
    let mut random = Random::new(seed, Stream::Picture, u64::from(picture.id) | 1 << 41);
    match random.below(50) {
        0 => None,
        1 => Some(""),
        _ => Some(random.pick(BASE_MODELS)),
    }
}

/// Returns the tags of an image, by number.
pub(crate) fn tag_numbers(catalog: &Catalog, picture: &Picture) -> Vec<u32> {
    let mut random = Random::new(catalog.seed, Stream::Tags, u64::from(picture.id) | 1 << 40);
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

/// Returns a level by the name it had before levels were numbers.
fn level_name(level: u8) -> &'static str {
    match level {
        2 => "Soft",
        4 => "Mature",
        8 | 16 => "X",
        32 => "Blocked",
        _ => "None",
    }
}

/// Appends the still of a video; null for others.
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

/// Appends the user's name. Deleted users have no name in the database and a placeholder in the index; the index sends names
/// that look like numbers as numbers, in the newest era as JavaScript reads them.
fn username(catalog: &Catalog, user: u32, view: ImageView, json: &mut Writer) {
    let gone = catalog.traps.has(Trap::AbsentCreators) && user % 97 == 3;
    let name = catalog.users().get(user as usize).filter(|_| !gone);
    let numeric = catalog.traps.has(Trap::NumericUsernames);
    let as_number = |name: &String| match (catalog.era, view.backend) {
        (Era::Sep2026, Backend::Search) => number::of(name),
        (Era::Sep2026, _) => None,
        _ => words::is_number(name).then(|| name.clone()),
    };
    match (name, name.filter(|_| numeric).and_then(as_number), view.backend) {
        (_, Some(number), _) => json.raw("username", &number),
        (Some(name), None, _) => json.text("username", name),
        (None, _, Backend::Search) if numeric && catalog.era == Era::Sep2026 => json.text("username", "null"),
        (None, _, Backend::Search) => json.text("username", "unknown"),
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

fn generation(catalog: &Catalog, picture: &Picture, view: ImageView, json: &mut Writer) {
    json.key("meta");
    let wrapped = view.with_meta && !view.flat;
    if wrapped {
        json.open('{');
        json.int("id", picture.id);
        json.key("meta");
    }
    if view.with_meta && picture.has_meta {
        let versions: Vec<u32> = picture.detected(catalog.traps).collect();
        meta::render(catalog.seed, picture.id, &versions, catalog.traps, json);
    } else {
        json.out.push_str("null");
    }
    if wrapped {
        json.close('}');
    }
}

fn tags(catalog: &Catalog, picture: &Picture, json: &mut Writer) {
    let child = picture.child.then_some(CHILD_TAG);
    tag_list(named_tags(catalog, picture).chain(child), json);
}

/// Returns the tags of an image but for that of child images, by id and name.
pub(crate) fn named_tags<'a>(catalog: &'a Catalog, picture: &Picture) -> impl Iterator<Item = (u32, &'a str)> {
    tag_numbers(catalog, picture).into_iter().map(|tag| (FIRST_TAG + tag, catalog.tags()[tag as usize].as_str()))
}

/// Writes `tags`, as lists of images and posts have them.
pub(crate) fn tag_list<'a>(tags: impl Iterator<Item = (u32, &'a str)>, json: &mut Writer) {
    json.open_at("tags", '[');
    for (id, name) in tags {
        json.open('{');
        json.int("id", id);
        json.text("name", name);
        json.close('}');
    }
    json.close(']');
}
