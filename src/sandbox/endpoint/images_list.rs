//! Which images a query lists, on which page, and with which cursor: the rules of visibility and the two backends.

use std::borrow::Cow;

use super::feed;
use super::images_query::{ImageQuery, Path};
use super::posts;
use super::users::FIRST_USER;
use crate::sandbox::catalog::gallery::{Gallery, ImageSort, Picture};
use crate::sandbox::catalog::{Catalog, Removed};
use crate::sandbox::era::Era;
use crate::sandbox::fault::traps::{Trap, Traps};
use crate::sandbox::http::answer::Answer;
use crate::sandbox::render::image;

/// What the rules depend on beside the query.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) seed: u64,
    pub(crate) traps: Traps,
    pub(crate) catalog: &'a Catalog,
    pub(crate) gallery: &'a Gallery,
    /// The most hits a walk over the feed gets to.
    pub(crate) depth_cap: usize,
    /// The host looks at the level of an image's model too.
    pub(crate) both_levels: bool,
}

/// One page: ranks of the images shown, and the cursor of the next page.
#[derive(Debug, Default)]
pub(crate) struct ImagePage {
    pub(crate) ranks: Vec<u32>,
    pub(crate) next: Option<String>,
}

/// A query under the rules, names already looked up.
pub(crate) struct ImageList<'a> {
    pub(crate) rules: Rules<'a>,
    pub(crate) query: &'a ImageQuery,
    path: Path,
    /// The user numbers named by name and by id; a name nobody has is past all numbers.
    users: Vec<u32>,
    oldest: Option<i64>,
}

impl<'a> ImageList<'a> {
    pub(crate) fn new(rules: Rules<'a>, query: &'a ImageQuery) -> Result<ImageList<'a>, Answer> {
        let named = query.username.as_ref().map(|name| rules.catalog.user(name));
        if named == Some(None) && query.legacy() {
            return Err(coded(404, "User not found", "NOT_FOUND"));
        }
        let by_id = query.user.map(|id| id.checked_sub(FIRST_USER));
        let users = [named, by_id].into_iter().flatten().map(|user| user.unwrap_or(u32::MAX)).collect();
        // A period ends at the newest date of the catalog, not today: the same query must give the same rows every day.
        let newest = || rules.gallery.pictures.iter().map(|picture| picture.sorted_at).max();
        let oldest = query.period_days.and_then(|days| Some(newest()? - days * 86_400_000));
        Ok(ImageList { rules, query, path: query.path(), users, oldest })
    }

    /// The page the query asks for.
    pub(crate) fn page(&self) -> Result<ImagePage, Answer> {
        let mut page = match (self.path, &self.query.cursor) {
            (Path::Feed, _) => feed::page(self),
            (_, Some(cursor)) if self.rules.catalog.era == Era::Sep2026 && feed::is_cursor(cursor) => {
                Err(feed::other_filters())
            }
            (Path::Database, _) => self.database_page(),
            (Path::Search, _) => self.search_page(),
        }?;
        page.ranks.retain(|rank| kept(self.rules.traps, self.rules.gallery.picture(*rank)));
        Ok(page)
    }

    /// Every image a perfect client of this query gets to see, from its first page on.
    pub(crate) fn everything(&self) -> Vec<u32> {
        let mut ranks = self.hits();
        ranks.retain(|rank| kept(self.rules.traps, self.rules.gallery.picture(*rank)));
        ranks
    }

    /// Every hit in order, as far as the backend reaches, also those that no page shows.
    pub(crate) fn hits(&self) -> Vec<u32> {
        let mut ranks: Vec<u32> = self.ordered().iter().copied().filter(|rank| self.matches(*rank)).collect();
        if self.path == Path::Search && self.rules.traps.has(Trap::DepthCap) {
            ranks.truncate(self.rules.depth_cap);
        }
        ranks
    }

    /// The images of the narrowest key the query names, or all, in the order of the part of the server that answers.
    pub(crate) fn ordered(&self) -> Cow<'a, [u32]> {
        let (gallery, sort) = (self.rules.gallery, self.query.sort);
        let Some(mut ranks) = self.candidates() else {
            return Cow::Borrowed(gallery.order(sort));
        };
        match self.path {
            Path::Database if sort != ImageSort::Oldest => ranks.sort_unstable_by(|a, b| b.cmp(a)),
            Path::Database => ranks.sort_unstable(),
            Path::Search | Path::Feed => gallery.sort(sort, &mut ranks),
        }
        Cow::Owned(ranks)
    }

    /// The images of the narrowest key the query names; none when it names no key.
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

    /// Offset paging: the cursor's second half is no filter, and rows with nothing to show are taken out afterwards.
    fn search_page(&self) -> Result<ImagePage, Answer> {
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
                if self.rules.traps.has(Trap::ForgedCursorsRefused) && named.as_deref() != Some(at) {
                    return Err(refused(text));
                }
                offset
            }
        };
        let end = offset.saturating_add(limit);
        let ranks = hits.iter().skip(offset).take(limit).copied().collect();
        let last = date(end.saturating_sub(1)).filter(|_| hits.len() > end);
        Ok(ImagePage { ranks, next: last.map(|at| format!("{end}|{at}")) })
    }

    /// Pages by image id; the row after the page names the next one, and is lost by all sorts but Oldest.
    fn database_page(&self) -> Result<ImagePage, Answer> {
        if self.query.sort == ImageSort::Random {
            return Err(coded(500, "Random sort requires the index", "INTERNAL_SERVER_ERROR"));
        }
        let limit = self.query.limit as usize;
        let mut hits = self.hits();
        match &self.query.cursor {
            Some(text) => {
                let from: u32 = text.parse().map_err(|_| refused(text))?;
                let known = |id: u32| self.rules.gallery.find(id).is_some();
                if self.rules.traps.has(Trap::ForgedCursorsRefused) && !known(from) && !known(from.saturating_sub(1)) {
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
        Ok(ImagePage { ranks: hits, next })
    }

    fn follows(&self, from: u32, id: u32) -> bool {
        match self.query.sort {
            ImageSort::Oldest => id >= from,
            _ if self.rules.traps.has(Trap::NewestLostRow) => id < from,
            _ => id <= from,
        }
    }

    pub(crate) fn matches(&self, rank: u32) -> bool {
        let (picture, query) = (self.rules.gallery.picture(rank), self.query);
        let model = |model: u32| picture.version_ids().any(|id| id / 16 == model);
        self.visible(picture)
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
        let base = |wanted: &String| image::base_model(rules.seed, picture) == Some(wanted.as_str());
        let tagged = || {
            let tags = image::tag_numbers(rules.seed, rules.catalog, picture);
            let carried = |id: &u32| id.checked_sub(image::FIRST_TAG).is_some_and(|tag| tags.contains(&tag));
            // The feed service wants all of them, the older parts any.
            if self.path == Path::Feed { query.tags.iter().all(carried) } else { query.tags.iter().any(carried) }
        };
        (query.base_models.is_empty() || query.base_models.iter().any(base)) && (query.tags.is_empty() || tagged())
    }

    /// The levels asked for; above PG13, images of child tags are left out at every level.
    fn visible(&self, picture: &Picture) -> bool {
        let rules = &self.rules;
        let level = if rules.both_levels { picture.level.max(highest(picture.context)) } else { picture.level };
        // A restricted region gets PG and PG13, whatever it asks for.
        let levels = if rules.traps.has(Trap::RegionClamp) { 3 } else { self.query.levels };
        let spared = picture.child && levels & 28 != 0 && rules.traps.has(Trap::HiddenMinors);
        u32::from(level) & levels != 0 && !spared && public(*rules, picture)
    }
}

fn highest(mask: u8) -> u8 {
    mask.checked_ilog2().map_or(0, |bit| 1 << bit)
}

fn in_region(traps: Traps, picture: &Picture) -> bool {
    picture.level <= 2 || !traps.has(Trap::RegionClamp)
}

/// False for images of posts that are not everybody's, which the newer server does not list.
fn public(rules: Rules<'_>, picture: &Picture) -> bool {
    rules.catalog.era != Era::Sep2026 || posts::public(rules.seed, picture.post)
}

/// False for rows that a trap removes from every page.
fn kept(traps: Traps, picture: &Picture) -> bool {
    match picture.removed {
        Removed::Never => true,
        Removed::Scattered => !traps.has(Trap::ShortPages),
        Removed::InBlock => !traps.has(Trap::EmptyPages),
    }
}

/// Ranks of the images that some query shows.
pub(crate) fn reachable(rules: Rules<'_>) -> Vec<u32> {
    let Rules { traps, gallery, .. } = rules;
    let shown = |picture: &Picture| {
        let spared = picture.child && picture.level > 2 && traps.has(Trap::HiddenMinors);
        kept(traps, picture) && !spared && in_region(traps, picture) && public(rules, picture)
    };
    (0u32..).zip(&gallery.pictures).filter(|(_, picture)| shown(picture)).map(|(rank, _)| rank).collect()
}

fn coded(status: u16, error: &str, code: &str) -> Answer {
    Answer::json(status, serde_json::json!({ "error": error, "code": code }).to_string())
}

/// The refusal of a cursor that cannot be read, or names no row.
pub(crate) fn refused(cursor: &str) -> Answer {
    Answer::message(400, &format!("Invalid cursor: \"{cursor}\" names no row"))
}
