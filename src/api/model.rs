//! A model in every form the server has sent, in lists or by id, and its rows in `models`, `model_tags` and the tables of its
//! versions.

use std::borrow::Cow;

use serde::de::SeqAccess;
use serde_json::value::RawValue;

use super::allowance::charge_part;
use super::envelope::is_above_pg13;
use super::item::{Item, PageRows};
use super::object::object;
use super::page::{Lack, Query, Taken};
use super::rejection::Reason;
use super::twins::{Key, Keyed, keyed};
use super::value::{Accept, Objects, Slot, Text, TextList, text};
use super::version::{self, Version};
use crate::table::{model_tags, models};

object! {
    /// An item of the list.
    Model {
        id: i64 = "id",
        name: Text<'a> = "name",
        description: Text<'a> = "description",
        kind: Text<'a> = "type",
        nsfw: bool = "nsfw",
        nsfw_levels: i64 = "nsfwLevel",
        minor: bool = "minor",
        sfw_only: bool = "sfwOnly",
        poi: bool = "poi",
        mode: Text<'a> = "mode",
        availability: Text<'a> = "availability",
        user_id: i64 = "userId",
        creator: Creator<'a> = "creator",
        supports_generation: bool = "supportsGeneration",
        allow_no_credit: bool = "allowNoCredit",
        allow_commercial_use: Licence<'a> = "allowCommercialUse",
        allow_derivatives: bool = "allowDerivatives",
        allow_different_license: bool = "allowDifferentLicense",
        base_models: TextList<'a> = "baseModels",
        stats: Stats<'a> = "stats",
        tags: TagList<'a> = "tags",
        versions: Objects<Version<'a>> = "modelVersions",
    } exactly {
        cosmetic = "cosmetic",
    }
}

object! {
    /// `creator`. The name may be sent as a number.
    Creator {
        username: Text<'a> = "username",
        image: Text<'a> = "image",
    }
}

object! {
    /// `stats` of a model: the counters of today and of 2023.
    Stats {
        download_count: i64 = "downloadCount",
        favorite_count: i64 = "favoriteCount",
        thumbs_up_count: i64 = "thumbsUpCount",
        thumbs_down_count: i64 = "thumbsDownCount",
        comment_count: i64 = "commentCount",
        rating_count: i64 = "ratingCount",
        rating: f64 = "rating",
        tipped_amount_count: i64 = "tippedAmountCount",
    }
}

/// `allowCommercialUse`: a list, the text of a Postgres array (`{Image,Rent}`), or one word, depending on the year.
#[derive(Debug, PartialEq)]
pub(super) struct Licence<'a>(Vec<Cow<'a, str>>);

impl<'de> Accept<'de> for Licence<'de> {
    fn text(v: Cow<'de, str>) -> Result<Self, Cow<'de, str>> {
        let words = |inner: &'de str| inner.split(',').filter(|w| !w.is_empty()).map(Cow::Borrowed).collect();
        match v {
            Cow::Borrowed(text) => match text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
                Some(inner) => Ok(Self(words(inner))),
                None => Ok(Self(vec![Cow::Borrowed(text)])),
            },
            // Escapes do not occur in the known words of a licence.
            owned @ Cow::Owned(_) => Err(owned),
        }
    }
    fn list<A: SeqAccess<'de>>(list: A) -> Result<Slot<Self>, A::Error> {
        Ok(match TextList::list(list)? {
            Slot::Value(TextList(words)) => Slot::Value(Self(words)),
            Slot::Null => Slot::Null,
            Slot::Odd(text) => Slot::Odd(text),
        })
    }
}

/// `tags`: a list of names, or of objects with a name. If the objects have other fields too, the whole list is kept as well.
#[derive(Debug, Default, PartialEq)]
pub(super) struct TagList<'a> {
    names: Vec<Cow<'a, str>>,
    whole: Option<String>,
}

object! {
    /// A tag as an object.
    Tag {
        name: Text<'a> = "name",
    }
}

impl<'de> Accept<'de> for TagList<'de> {
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Slot<Self>, A::Error> {
        let (mut names, mut texts, mut plain) = (Vec::new(), Vec::new(), true);
        while let Some(element) = list.next_element::<&'de RawValue>()? {
            if !charge_part(element.get().len() + 2 * size_of::<Cow<'_, str>>()) {
                continue;
            }
            texts.push(element.get());
            let name = tag_name(element.get());
            plain &= name.as_ref().is_some_and(|(_, more)| !more);
            names.extend(name.map(|(name, _)| name));
        }
        let whole = format!("[{}]", texts.join(","));
        Ok(match names.len() == texts.len() {
            true => Slot::Value(Self { names, whole: (!plain).then_some(whole) }),
            false => Slot::Odd(whole),
        })
    }
}

/// Returns the name of a tag, and true if the tag has other fields.
fn tag_name(json: &str) -> Option<(Cow<'_, str>, bool)> {
    if json.starts_with('{') {
        return match serde_json::from_str(json) {
            Ok(Slot::Value(Tag { name: Some(Text(name)), extra, .. })) => Some((name, !extra.is_empty())),
            _ => None,
        };
    }
    match serde_json::from_str(json) {
        Ok(Slot::Value(Text(name))) => Some((name, false)),
        _ => None,
    }
}

keyed!(Model<'_>, "model", |model| model.id.map(Key::Id));
keyed!(Cow<'_, str>, "tag", |name| Some(Key::Name(name)));

impl Item for Model<'_> {
    fn is_another(&self) -> bool {
        self.name.is_none() && self.versions.is_none() && self.extra.has("postId")
    }

    /// The server answers a filter it does not understand with the whole catalog.
    fn stray(&self, query: &Query<'_>) -> Option<Reason> {
        let id = self.id?;
        if let Some(key) = query.key.filter(|key| key.parse() != Ok(id)) {
            return Some(Reason::foreign(&format!("it is model {id}, not {key}")));
        }
        if let Some(tag) = query.param("tagname").or(query.param("tag"))
            && let Some(tags) = &self.tags
            && !tags.names.iter().any(|name| name.eq_ignore_ascii_case(tag))
        {
            return Some(Reason::foreign(&format!("it does not carry the tag `{tag}`")));
        }
        let kind = text(&self.kind)?;
        let types = query.params.iter().filter(|(name, _)| name == "types").map(|(_, kind)| kind.as_str());
        let types: Vec<&str> = types.collect();
        let strays = !types.is_empty() && !types.contains(&kind);
        strays.then(|| Reason::foreign(&format!("it is of type `{kind}`, not `{}`", types.join("` or `"))))
    }

    fn push(self, query: &Query<'_>, rows: &mut PageRows<'_>) -> Result<Taken, Reason> {
        let id = check(&self)?;
        let lack = lack(&self, query);
        let Model { creator, stats, tags, versions, mut extra, .. } = self;
        let creator = creator.unwrap_or_default();
        let stats = stats.unwrap_or_default();
        extra.nest("creator", creator.extra);
        extra.nest("stats", stats.extra);
        let mut tags = tags.unwrap_or_default();
        rows.sieve.sift(&mut tags.names);
        if let Some(whole) = tags.whole {
            extra.add("tags", &whole);
        }
        for (position, tag) in tags.names.iter().enumerate() {
            rows.tables.model_tags.push(model_tags::Row {
                model_id: id,
                position: position as i64,
                tag: Some(tag),
                at: &rows.at,
            });
        }
        let mut versions = versions.map(|versions| versions.items).unwrap_or_default();
        rows.sieve.sift_versions(&mut versions);
        for (position, version) in versions.into_iter().enumerate() {
            version::push(version, id, Some(position as i64), rows);
        }
        rows.tables.models.push(models::Row {
            id,
            name: text(&self.name),
            description: text(&self.description),
            r#type: text(&self.kind),
            nsfw: self.nsfw,
            nsfw_levels: self.nsfw_levels,
            minor: self.minor,
            sfw_only: self.sfw_only,
            poi: self.poi,
            mode: text(&self.mode),
            availability: text(&self.availability),
            user_id: self.user_id,
            creator_username: text(&creator.username),
            creator_image: text(&creator.image),
            supports_generation: self.supports_generation,
            allow_no_credit: self.allow_no_credit,
            allow_commercial_use: self.allow_commercial_use.as_ref().map(|words| &*words.0),
            allow_derivatives: self.allow_derivatives,
            allow_different_license: self.allow_different_license,
            base_models: self.base_models.as_ref().map(|names| &*names.0),
            download_count: stats.download_count,
            favorite_count: stats.favorite_count,
            thumbs_up_count: stats.thumbs_up_count,
            thumbs_down_count: stats.thumbs_down_count,
            comment_count: stats.comment_count,
            rating_count: stats.rating_count,
            rating: stats.rating,
            tipped_amount_count: stats.tipped_amount_count,
            cosmetic: self.cosmetic,
            extra: extra.into_column_of(&models::TABLE, &mut rows.tables.unknown).as_deref(),
            at: &rows.at,
        });
        Ok(Taken { id: Some(id), above_pg13: is_above_pg13(self.nsfw_levels), lack, ..Taken::default() })
    }
}

/// Parameters with which the list also shows versions that are not public.
const SHOW_ALL_VERSIONS: &[&str] = &["ids", "username", "user"];
/// Parameters with which the list shows only the matching versions.
const NARROW_VERSIONS: &[&str] = &["baseModels", "modelVersionIds", "supportsGeneration"];

/// Returns the versions that the model lacks. `baseModels` names the base models of all its versions, hidden ones included.
fn lack(model: &Model<'_>, query: &Query<'_>) -> Lack {
    let versions = model.versions.as_ref().map(|versions| versions.items.as_slice()).unwrap_or_default();
    let named = model.base_models.iter().flat_map(|names| &names.0);
    let shown = |base: &Cow<'_, str>| versions.iter().any(|version| text(&version.base_model) == Some(base));
    let given = |names: &[&str]| names.iter().any(|name| query.param(name).is_some());
    if !versions.is_empty() && (given(NARROW_VERSIONS) || named.into_iter().all(shown)) {
        Lack::Nothing
    } else if query.key.is_some() || (!versions.is_empty() && given(SHOW_ALL_VERSIONS)) {
        Lack::ForGood
    } else if versions.is_empty() {
        Lack::All
    } else {
        Lack::Some
    }
}

/// Returns the model's id, after checking that every part has the key of its table.
fn check(model: &Model<'_>) -> Result<i64, Reason> {
    let id = model.id.ok_or_else(|| Reason::missing_key("the model", "id"))?;
    let Some(versions) = &model.versions else { return Ok(id) };
    if versions.strays > 0 {
        return Err(Reason::malformed_part("`modelVersions`"));
    }
    versions.items.iter().try_for_each(|version| version::check(version).map(drop))?;
    Ok(id)
}

#[cfg(test)]
mod tests;
