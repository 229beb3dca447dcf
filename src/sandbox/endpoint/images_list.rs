//! The images that a query lists, their pages and cursors: the rules of visibility, and paging in the search index and the
//! database.

use std::borrow::Cow;

use super::answer::Answer;
use super::images_query::{ImagesQuery, Rules};
use super::posts;
use super::users::FIRST_USER;
use crate::sandbox::catalog::Catalog;
use crate::sandbox::catalog::gallery::{ImageSort, Picture};
use crate::sandbox::era::Era;
use crate::sandbox::render::image::{self, Backend};
use crate::sandbox::traps::{Trap, Traps};

/// One page: the ranks of its images, and the cursor of the next page.
#[derive(Debug, Default)]
pub(crate) struct ImagesPage {
    pub(crate) ranks: Vec<u32>,
    pub(crate) next: Option<String>,
}

/// The list of one query, names already looked up.
pub(crate) struct ImagesList<'a> {
    pub(crate) rules: Rules<'a>,
    pub(crate) query: &'a ImagesQuery,
    /// The users that the query names by name and by id; an unknown one is past all numbers.
    users: Vec<u32>,
    oldest: Option<i64>,
}

impl<'a> ImagesList<'a> {
    pub(crate) fn new(rules: Rules<'a>, query: &'a ImagesQuery) -> Result<ImagesList<'a>, Answer> {
        let named = query.username.as_ref().map(|name| rules.catalog.user(name));
        if named == Some(None) && (query.legacy() || rules.catalog.traps.has(Trap::ImageUsersRefused)) {
            return Err(coded(404, "User not found", "NOT_FOUND"));
        }
        let by_id = query.user.map(|id| id.checked_sub(FIRST_USER));
        let users = [named, by_id].into_iter().flatten().map(|user| user.unwrap_or(u32::MAX)).collect();
        // A period ends at the newest date of the catalog, not today: the same query must give the same rows every day.
        let newest = || rules.gallery.pictures.iter().map(|picture| picture.sorted_at).max();
        let oldest = query.period_days.and_then(|days| Some(newest()? - days * 86_400_000));
        Ok(ImagesList { rules, query, users, oldest })
    }

    /// Every image that a perfect client of this query gets to see, from its first page on.
    pub(crate) fn everything(&self) -> Vec<u32> {
        let mut ranks = self.hits();
        self.remove_hidden(&mut ranks);
        ranks
    }

    /// Removes the rows that a trap hides on every page.
    pub(super) fn remove_hidden(&self, ranks: &mut Vec<u32>) {
        ranks.retain(|rank| !self.rules.gallery.picture(*rank).removed.under(self.rules.catalog.traps));
    }

    /// Every hit in order, as far as the backend reaches, those included that no page shows.
    pub(crate) fn hits(&self) -> Vec<u32> {
        let mut ranks: Vec<u32> = self.ordered().iter().copied().filter(|rank| self.matches(*rank)).collect();
        if self.query.backend == Backend::Search && self.rules.catalog.traps.has(Trap::DepthCap) {
            ranks.truncate(self.rules.depth_cap);
        }
        ranks
    }

    /// Returns the images of the narrowest key that the query names, or all, in the order of the backend.
    pub(crate) fn ordered(&self) -> Cow<'a, [u32]> {
        let (gallery, sort) = (self.rules.gallery, self.query.sort);
        let Some(mut ranks) = self.candidates() else {
            return Cow::Borrowed(gallery.order(sort));
        };
        match self.query.backend {
            Backend::Database if sort != ImageSort::Oldest => ranks.sort_unstable_by(|a, b| b.cmp(a)),
            Backend::Database => ranks.sort_unstable(),
            Backend::Search | Backend::Feed => gallery.sort(sort, &mut ranks),
        }
        Cow::Owned(ranks)
    }

    /// Returns the images of the narrowest key that the query names; `None` when it names no key.
    fn candidates(&self) -> Option<Vec<u32>> {
        let (query, gallery) = (self.query, self.rules.gallery);
        if let Some(ids) = &query.ids {
            let mut ranks: Vec<u32> = ids.iter().filter_map(|id| gallery.find(*id)).collect();
            ranks.sort_unstable();
            ranks.dedup();
            return Some(ranks);
        }
        match (query.image, query.version, query.model, query.post, self.users.first()) {
            (Some(id), ..) => Some(gallery.find(id).into_iter().collect()),
            (_, Some(version), ..) => Some(gallery.of_versions(version, version.saturating_add(1))),
            (_, _, Some(model), ..) => {
                let first = model.saturating_mul(16);
                Some(gallery.of_versions(first, first.saturating_add(16)))
            }
            (_, _, _, Some(post), _) => Some(gallery.of_post(post)),
            (_, _, _, _, Some(user)) => Some(gallery.of_user(*user)),
            _ => None,
        }
    }

    /// Returns a page of the search index: the cursor is an offset, and its second half filters nothing.
    pub(super) fn search_page(&self) -> Result<ImagesPage, Answer> {
        let limit = self.query.limit as usize;
        if limit == 0 {
            return Err(coded(500, "Invalid limit", "INTERNAL_SERVER_ERROR"));
        }
        let hits = self.hits();
        let date = |place: usize| hits.get(place).map(|rank| self.rules.gallery.picture(*rank).sorted_at);
        let offset = match &self.query.cursor {
            None => 0,
            Some(text) => {
                let (offset, at) = text.split_once('|').unwrap_or((text, ""));
                let offset: usize = offset.parse().map_err(|_| refused(text))?;
                let named = offset.checked_sub(1).and_then(date).map(|ms| ms.to_string());
                if self.rules.catalog.traps.has(Trap::ForgedCursorsRefused) && named.as_deref() != Some(at) {
                    return Err(refused(text));
                }
                offset
            }
        };
        let end = offset.saturating_add(limit);
        let ranks = hits.iter().skip(offset).take(limit).copied().collect();
        let last = date(end.saturating_sub(1)).filter(|_| hits.len() > end);
        Ok(ImagesPage { ranks, next: last.map(|at| format!("{end}|{at}")) })
    }

    /// Returns a page of the database, by image id: the row after the page names the next one, and under every sort but
    /// Oldest a trap loses that row.
    pub(super) fn database_page(&self) -> Result<ImagesPage, Answer> {
        if self.query.sort == ImageSort::Random {
            return Err(coded(500, "Random sort requires the index", "INTERNAL_SERVER_ERROR"));
        }
        let limit = self.query.limit as usize;
        let mut hits = self.hits();
        match &self.query.cursor {
            Some(text) => {
                let from: u32 = text.parse().map_err(|_| refused(text))?;
                let known = |id: u32| self.rules.gallery.find(id).is_some();
                if self.rules.catalog.traps.has(Trap::ForgedCursorsRefused)
                    && !known(from)
                    && !known(from.saturating_sub(1))
                {
                    return Err(refused(text));
                }
                hits.retain(|rank| self.follows(from, self.rules.gallery.picture(*rank).id));
            }
            None => {
                let skipped = (self.query.page.unwrap_or(1).saturating_sub(1) as usize).saturating_mul(limit);
                hits.drain(..skipped.min(hits.len()));
            }
        }
        let next = hits.get(limit).map(|rank| self.rules.gallery.picture(*rank).id.to_string());
        hits.truncate(limit);
        Ok(ImagesPage { ranks: hits, next })
    }

    fn follows(&self, from: u32, id: u32) -> bool {
        match self.query.sort {
            ImageSort::Oldest => id >= from,
            _ if self.rules.catalog.traps.has(Trap::NewestLostRow) => id < from,
            _ => id <= from,
        }
    }

    pub(crate) fn matches(&self, rank: u32) -> bool {
        let (picture, query) = (self.rules.gallery.picture(rank), self.query);
        let model = |model: u32| picture.version_ids().any(|id| id / 16 == model);
        let requests = self.rules.requests;
        let listed = match query.backend {
            Backend::Database => picture.is_there(requests),
            Backend::Search | Backend::Feed => picture.is_listed(requests),
        };
        listed
            && self.visible(picture)
            && self.oldest.is_none_or(|oldest| picture.sorted_at >= oldest)
            && query.image.is_none_or(|id| picture.id == id)
            && query.ids.as_ref().is_none_or(|ids| ids.contains(&picture.id))
            && query.version.is_none_or(|id| picture.version_ids().any(|known| known == id))
            && query.model.is_none_or(model)
            && query.post.is_none_or(|post| picture.post == post)
            && self.users.iter().all(|user| picture.user == *user)
            && query.media.is_none_or(|media| picture.media == media)
            && (!query.requiring_meta || picture.has_meta)
            && self.labelled(picture)
    }

    fn labelled(&self, picture: &Picture) -> bool {
        let (query, rules) = (self.query, &self.rules);
        let base = |wanted: &String| image::base_model(rules.catalog.seed, picture) == Some(wanted.as_str());
        let tagged = || {
            let tags = image::tag_numbers(rules.catalog, picture);
            let carried = |id: &u32| id.checked_sub(image::FIRST_TAG).is_some_and(|tag| tags.contains(&tag));
            // The feed service wants all tags, the older backends any.
            if self.query.backend == Backend::Feed {
                query.tags.iter().all(carried)
            } else {
                query.tags.iter().any(carried)
            }
        };
        (query.base_models.is_empty() || query.base_models.iter().any(base)) && (query.tags.is_empty() || tagged())
    }

    /// True for an image of the levels asked for; above PG13, images of child tags are left out at every level.
    fn visible(&self, picture: &Picture) -> bool {
        let rules = &self.rules;
        let level = if rules.both_levels { picture.level.max(highest(picture.context)) } else { picture.level };
        // A restricted region gets PG and PG13 only.
        let levels = if rules.catalog.traps.has(Trap::RegionClamp) { 3 } else { self.query.levels };
        let spared = picture.child && levels & 28 != 0 && rules.catalog.traps.has(Trap::HiddenMinors);
        u32::from(level) & levels != 0 && !spared && public(rules.catalog, picture)
    }
}

fn highest(mask: u8) -> u8 {
    mask.checked_ilog2().map_or(0, |bit| 1 << bit)
}

fn in_region(traps: Traps, picture: &Picture) -> bool {
    picture.level <= 2 || !traps.has(Trap::RegionClamp)
}

/// False for images of private posts, which the newer server does not list.
fn public(catalog: &Catalog, picture: &Picture) -> bool {
    catalog.era != Era::Sep2026 || posts::public(catalog.seed, picture.post)
}

/// Returns the ranks of the images that some query shows.
pub(crate) fn reachable(rules: Rules<'_>) -> Vec<u32> {
    let Rules { catalog, gallery, .. } = rules;
    let traps = catalog.traps;
    let shown = |picture: &Picture| {
        let spared = picture.child && picture.level > 2 && traps.has(Trap::HiddenMinors);
        picture.is_there(rules.requests)
            && !picture.removed.under(traps)
            && !spared
            && in_region(traps, picture)
            && public(catalog, picture)
    };
    (0u32..).zip(&gallery.pictures).filter(|(_, picture)| shown(picture)).map(|(rank, _)| rank).collect()
}

pub(super) fn coded(status: u16, error: &str, code: &str) -> Answer {
    Answer::json(status, serde_json::json!({ "error": error, "code": code }).to_string())
}

/// Returns the refusal of a cursor that cannot be read, or names no row.
pub(crate) fn refused(cursor: &str) -> Answer {
    Answer::message(400, &format!("Invalid cursor: \"{cursor}\" names no row"))
}
