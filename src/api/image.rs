//! An image in every form the image feed has sent, and its rows in `images` and the tables below it.

use std::collections::BTreeSet;

use serde::de::SeqAccess;

use super::allowance::charge_part;
use super::envelope::is_above_pg13;
use super::extra::{Extra, json_text};
use super::image_meta::Meta;
use super::item::{Item, PageRows};
use super::object::object;
use super::page::{Page, Query, Taken};
use super::place::feed_instant;
use super::rejection::Reason;
use super::twins::{Key, Keyed, keyed};
use super::username::{is_known, same_user};
use super::value::{Accept, Instant, Slot, Text, text};
use crate::table::{gallery_images, image_model_versions, image_tags, images};

object! {
    /// An item of the list. `nsfwLevel` is a word, `browsingLevel` the level as a number.
    Image {
        id: i64 = "id",
        url: Text<'a> = "url",
        kind: Text<'a> = "type",
        width: i64 = "width",
        height: i64 = "height",
        hash: Text<'a> = "hash",
        nsfw: bool = "nsfw",
        nsfw_word: Text<'a> = "nsfwLevel",
        nsfw_level: i64 = "browsingLevel",
        created_at: Instant = "createdAt",
        post_id: i64 = "postId",
        username: Text<'a> = "username",
        base_model: Text<'a> = "baseModel",
        version_ids: Ids = "modelVersionIds",
        stats: Stats<'a> = "stats",
        meta: Meta<'a> = "meta",
        tags: Tags<'a> = "tags",
        thumbnail: Thumbnail<'a> = "thumbnail",
    }
}

object! {
    /// `thumbnail` of a video.
    Thumbnail {
        url: Text<'a> = "url",
        width: i64 = "width",
        height: i64 = "height",
    }
}

object! {
    /// `stats` of an image.
    Stats {
        cry_count: i64 = "cryCount",
        laugh_count: i64 = "laughCount",
        like_count: i64 = "likeCount",
        dislike_count: i64 = "dislikeCount",
        heart_count: i64 = "heartCount",
        comment_count: i64 = "commentCount",
    }
}

object! {
    /// An element of `tags`.
    Tag {
        id: i64 = "id",
        name: Text<'a> = "name",
    }
}

/// `modelVersionIds`, each once. `left` holds the JSON text of elements that are no ids.
#[derive(Debug, PartialEq)]
pub(super) struct Ids {
    ids: BTreeSet<i64>,
    left: Vec<String>,
}

impl<'de> Accept<'de> for Ids {
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Slot<Self>, A::Error> {
        let mut taken = Self { ids: BTreeSet::new(), left: Vec::new() };
        while let Some(element) = list.next_element()? {
            if !charge_part(3 * size_of::<i64>()) {
                continue;
            }
            match element {
                Slot::Value(id) => drop(taken.ids.insert(id)),
                Slot::Null => taken.left.push(String::from("null")),
                Slot::Odd(text) => taken.left.push(text),
            }
        }
        Ok(Slot::Value(taken))
    }
}

/// `tags`: ids and names. `left` holds fields that fit no row, each as a JSON object with the tag's id.
#[derive(Debug, PartialEq)]
pub(super) struct Tags<'a> {
    tags: Vec<(i64, Option<Text<'a>>)>,
    left: Vec<String>,
}

impl<'de> Accept<'de> for Tags<'de> {
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Slot<Self>, A::Error> {
        let mut taken = Self { tags: Vec::new(), left: Vec::new() };
        while let Some(element) = list.next_element::<Slot<Tag<'de>>>()? {
            if !charge_part(2 * size_of::<Text<'_>>()) {
                continue;
            }
            match element {
                Slot::Value(tag) => taken.take(tag),
                Slot::Null => taken.left.push(String::from("null")),
                Slot::Odd(text) => taken.left.push(text),
            }
        }
        Ok(Slot::Value(taken))
    }
}

impl<'a> Tags<'a> {
    fn take(&mut self, tag: Tag<'a>) {
        let Tag { id, name, mut extra, .. } = tag;
        let Some(id) = id else {
            if let Some(Text(name)) = &name {
                extra.add("name", &json_text(name));
            }
            return self.left.push(extra.into_object());
        };
        if !extra.is_empty() {
            extra.add("id", &id.to_string());
            self.left.push(extra.into_object());
        }
        self.tags.push((id, name));
    }
}

keyed!(Image<'_>, "image", |image| image.id.map(Key::Id));
keyed!((i64, Option<Text<'_>>), "tag", |pair| Some(Key::Id(pair.0)));

impl Item for Image<'_> {
    /// An image names only the versions detected in it, and is also listed for the version it was posted for.
    const SILENT: &'static [&'static str] = &["modelVersionId", "modelId", "userId"];

    fn shows(&self, filter: &str, query: &Query<'_>) -> bool {
        // With `modelVersionId` the server ignores `modelId`.
        let version = query.number("modelVersionId").filter(|_| filter != "userId");
        version.is_some_and(|version| self.version_ids.as_ref().is_some_and(|versions| versions.ids.contains(&version)))
    }

    fn date(&self) -> Option<i64> {
        self.created_at.as_ref().map(|at| at.0)
    }

    /// A page behind a cursor of the feed service has a cursor of that service, and by age no row before that cursor.
    fn is_elsewhere(page: &Page, query: &Query<'_>) -> bool {
        let Some(at) = query.cursor.and_then(feed_instant) else { return false };
        let (rises, next) = (query.param("sort") == Some("Oldest"), page.next_cursor.as_deref().map(feed_instant));
        let instants = page.dates.map(|(first, _)| first).into_iter().chain(next.flatten());
        next == Some(None) || (rises && instants.into_iter().any(|instant| instant < at))
    }

    /// The server has answered filters with its whole feed (`imageId` until 2026-03, `modelId` for weeks before 2026-04-27).
    fn is_another(&self) -> bool {
        let has_picture = self.url.is_some() || self.width.is_some() || self.height.is_some();
        !has_picture && (self.extra.has("modelVersions") || self.extra.has("images"))
    }

    fn stray(&self, query: &Query<'_>) -> Option<Reason> {
        let id = self.id?;
        if let Some(wanted) = query.number("imageId").filter(|wanted| *wanted != id) {
            return Some(Reason::foreign(&format!("it is image {id}, not {wanted}")));
        }
        if let (Some(wanted), Some(post)) = (query.number("postId"), self.post_id)
            && post != wanted
        {
            return Some(Reason::foreign(&format!("it belongs to post {post}, not to {wanted}")));
        }
        let (wanted, user) = (query.param("username")?, text(&self.username)?);
        (is_known(user) && !same_user(wanted, user))
            .then(|| Reason::foreign(&format!("it is by `{user}`, not by `{wanted}`")))
    }

    fn push(self, query: &Query<'_>, rows: &mut PageRows<'_>) -> Result<Taken, Reason> {
        let id = self.id.ok_or_else(|| Reason::missing_key("the image", "id"))?;
        let Image { version_ids, stats, meta, tags, thumbnail, mut extra, .. } = self;
        let (stats, thumbnail) = (stats.unwrap_or_default(), thumbnail.unwrap_or_default());
        extra.nest("stats", stats.extra);
        extra.nest("thumbnail", thumbnail.extra);
        if let Some(Ids { ids, left }) = version_ids {
            add_left("modelVersionIds", &left, &mut extra);
            for model_version_id in ids {
                rows.tables.image_model_versions.push(image_model_versions::Row {
                    image_id: id,
                    model_version_id,
                    at: &rows.at,
                });
            }
        }
        if let Some(Tags { mut tags, left }) = tags {
            add_left("tags", &left, &mut extra);
            rows.sieve.sift(&mut tags);
            for (tag_id, tag) in &tags {
                rows.tables.image_tags.push(image_tags::Row {
                    image_id: id,
                    tag_id: *tag_id,
                    tag: text(tag),
                    at: &rows.at,
                });
            }
        }
        if let Some(meta) = meta {
            meta.push(id, rows);
        }
        if let Some(model_version_id) = query.number("modelVersionId") {
            let post_id = self.post_id;
            rows.tables.gallery_images.push(gallery_images::Row {
                image_id: id,
                model_version_id,
                post_id,
                at: &rows.at,
            });
        }
        rows.tables.images.push(images::Row {
            id,
            url: text(&self.url),
            r#type: text(&self.kind),
            width: self.width,
            height: self.height,
            hash: text(&self.hash),
            nsfw: self.nsfw,
            nsfw_word: text(&self.nsfw_word),
            nsfw_level: self.nsfw_level,
            created_at: self.created_at.map(|at| at.0),
            post_id: self.post_id,
            username: text(&self.username),
            base_model: text(&self.base_model),
            cry_count: stats.cry_count,
            laugh_count: stats.laugh_count,
            like_count: stats.like_count,
            dislike_count: stats.dislike_count,
            heart_count: stats.heart_count,
            comment_count: stats.comment_count,
            thumbnail_url: text(&thumbnail.url),
            thumbnail_width: thumbnail.width,
            thumbnail_height: thumbnail.height,
            extra: extra.into_column_of(&images::TABLE, &mut rows.tables.unknown).as_deref(),
            at: &rows.at,
        });
        Ok(Taken { id: Some(id), above_pg13: is_above_pg13(self.nsfw_level), ..Taken::default() })
    }
}

fn add_left(key: &str, left: &[String], extra: &mut Extra) {
    if !left.is_empty() {
        extra.add(key, &format!("[{}]", left.join(",")));
    }
}
