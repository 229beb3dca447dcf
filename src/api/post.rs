//! A post as a look-up shows it, and its rows in `posts`, `post_tags` and `post_images`.

use std::borrow::Cow;

use serde::de::{IgnoredAny, MapAccess, SeqAccess};
use serde_json::value::RawValue;

use super::allowance::{charge_part, note_twice};
use super::item::{Item, PageRows};
use super::object::object;
use super::page::{Query, Taken};
use super::rejection::Reason;
use super::twins::{Key, Keyed, keyed};
use super::value::{Accept, Instant, Objects, Slot, Text, text};
use crate::table::{post_images, post_tags, posts};

object! {
    /// The answer. `nsfwLevel` is a mask here.
    Post {
        id: i64 = "id",
        title: Text<'a> = "title",
        detail: Text<'a> = "detail",
        nsfw_level: i64 = "nsfwLevel",
        published_at: Instant = "publishedAt",
        model_version_id: i64 = "modelVersionId",
        user: User<'a> = "user",
        tags: TagList<'a> = "tags",
        images: Objects<Picture> = "images",
    }
}

object! {
    /// `user`.
    User {
        id: i64 = "id",
        username: Text<'a> = "username",
    }
}

/// An element of `images`: the ids of the image and of its post. All else of it is the business of the walks of images, which
/// show more of it; here it is passed over.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Picture {
    id: Option<i64>,
    post_id: Option<i64>,
}

impl<'de> Accept<'de> for Picture {
    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Slot<Self>, A::Error> {
        let mut picture = Self::default();
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            let (known, name) = match &*key {
                "id" => (&mut picture.id, "id"),
                "postId" => (&mut picture.post_id, "postId"),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if let Slot::Value(id) = map.next_value::<Slot<i64>>()?
                && known.replace(id).is_some_and(|known| known != id)
            {
                note_twice(name);
            }
        }
        Ok(Slot::Value(picture))
    }
}

/// `tags`: names, or objects with an id and a name. If the objects have other fields too, the whole list is kept as well.
#[derive(Debug, Default, PartialEq)]
pub(super) struct TagList<'a> {
    tags: Vec<(Option<i64>, Cow<'a, str>)>,
    whole: Option<String>,
}

object! {
    /// A tag as an object.
    Tag {
        id: i64 = "id",
        name: Text<'a> = "name",
    }
}

impl<'de> Accept<'de> for TagList<'de> {
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Slot<Self>, A::Error> {
        let (mut tags, mut texts, mut plain) = (Vec::new(), Vec::new(), true);
        while let Some(element) = list.next_element::<&'de RawValue>()? {
            if !charge_part(element.get().len() + size_of::<(&str, Option<i64>, Cow<'_, str>)>()) {
                continue;
            }
            texts.push(element.get());
            let tag = tag(element.get());
            plain &= tag.as_ref().is_some_and(|(.., more)| !more);
            tags.extend(tag.map(|(id, name, _)| (id, name)));
        }
        let whole = format!("[{}]", texts.join(","));
        Ok(match tags.len() == texts.len() {
            true => Slot::Value(Self { tags, whole: (!plain).then_some(whole) }),
            false => Slot::Odd(whole),
        })
    }
}

/// Returns the id and the name of a tag, and true if the tag has other fields.
fn tag(json: &str) -> Option<(Option<i64>, Cow<'_, str>, bool)> {
    if json.starts_with('{') {
        return match serde_json::from_str(json) {
            Ok(Slot::Value(Tag { id, name: Some(Text(name)), extra, .. })) => Some((id, name, !extra.is_empty())),
            _ => None,
        };
    }
    match serde_json::from_str(json) {
        Ok(Slot::Value(Text(name))) => Some((None, name, false)),
        _ => None,
    }
}

keyed!(Post<'_>, "post", |post| post.id.map(Key::Id));
keyed!(Picture, "image", |picture| picture.id.map(Key::Id));
keyed!((Option<i64>, Cow<'_, str>), "tag", |tag| Some(Key::Name(&tag.1)));

impl Item for Post<'_> {
    /// The server has answered the images of one post with its whole feed.
    fn stray(&self, query: &Query<'_>) -> Option<Reason> {
        let id = self.id?;
        if let Some(key) = query.key.filter(|key| key.parse() != Ok(id)) {
            return Some(Reason::foreign(&format!("it is post {id}, not {key}")));
        }
        let pictures = self.images.iter().flat_map(|images| &images.items);
        let other = |picture: &Picture| Some((picture.id?, picture.post_id.filter(|post| *post != id)?));
        let (image, post) = pictures.filter_map(other).next()?;
        Some(Reason::foreign(&format!("its image {image} belongs to post {post}, not to {id}")))
    }

    fn push(self, _: &Query<'_>, rows: &mut PageRows<'_>) -> Result<Taken, Reason> {
        let id = self.id.ok_or_else(|| Reason::missing_key("the post", "id"))?;
        let Post { user, tags, images, mut extra, .. } = self;
        let mut pictures = match images {
            Some(images) if images.strays > 0 => return Err(Reason::malformed_part("`images`")),
            Some(images) if images.items.iter().any(|picture| picture.id.is_none()) => {
                return Err(Reason::missing_key("an image", "id"));
            }
            images => images.map(|images| images.items).unwrap_or_default(),
        };
        let (user, mut tags) = (user.unwrap_or_default(), tags.unwrap_or_default());
        extra.nest("user", user.extra);
        if let Some(whole) = tags.whole {
            extra.add("tags", &whole);
        }
        rows.sieve.sift(&mut tags.tags);
        for (position, (tag_id, tag)) in (0..).zip(&tags.tags) {
            let (post_id, tag_id, tag) = (id, *tag_id, Some(&**tag));
            rows.tables.post_tags.push(post_tags::Row { post_id, position, tag_id, tag, at: &rows.at });
        }
        rows.sieve.sift(&mut pictures);
        for (position, image_id) in (0..).zip(pictures.iter().filter_map(|picture| picture.id)) {
            rows.tables.post_images.push(post_images::Row { post_id: id, position, image_id, at: &rows.at });
        }
        rows.tables.posts.push(posts::Row {
            id,
            title: text(&self.title),
            detail: text(&self.detail),
            nsfw_level: self.nsfw_level,
            published_at: self.published_at.map(|at| at.0),
            model_version_id: self.model_version_id,
            user_id: user.id,
            username: text(&user.username),
            extra: extra.into_column_of(&posts::TABLE, &mut rows.tables.unknown).as_deref(),
            at: &rows.at,
        });
        Ok(Taken { id: Some(id), ..Taken::default() })
    }
}
