//! The index of generated images: the versions, post and user of each, and the sort orders of images lists.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::Catalog;
use super::calendar::Calendar;
use super::dates::{DAY, FIRST, HOUR, LAST};
use super::entry::{Entry, Removed};
use super::night::Night;
use super::random::{Random, Stream};
use crate::sandbox::traps::{Trap, Traps};

/// Ids begin beyond 2^26, as on the real server; rank n has one of four ids.
const FIRST_ID: u32 = 130_000_000;
const POST_SIZE: u32 = 5;
/// Number of requests for which lists show an image that is deleted.
const STALE: u64 = 10;
/// Under the trap `mutation` one in this many images is deleted, and as many are posted.
const MUTABLE: u32 = 100;
/// Images come and go within one request for this many, fewer than a page holds.
const A_REQUEST: u32 = 250;
const LEVELS: &[(u8, u32)] = &[(1, 520), (2, 180), (4, 120), (8, 120), (16, 60)];

/// The index entry of an image: everything known about it without rendering it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picture {
    pub(crate) id: u32,
    /// The date the feed sorts by, in ms since 1970.
    pub(crate) sorted_at: i64,
    /// The versions it shows, 0 for none; the first is the version of its post.
    pub(crate) versions: [u32; 3],
    /// Its metadata does not name the version of its post.
    pub(crate) posted_only: bool,
    pub(crate) user: u32,
    /// 0 for none.
    pub(crate) post: u32,
    pub(crate) level: u8,
    /// The levels of its model, for the host that filters by both.
    pub(crate) context: u8,
    pub(crate) media: Media,
    /// It carries a tag for which lists above PG13 leave it out.
    pub(crate) child: bool,
    pub(crate) has_meta: bool,
    pub(crate) removed: Removed,
    /// Number of requests after which it is posted.
    pub(crate) posted_after: u64,
    /// Number of requests after which it is deleted, if ever.
    pub(crate) deleted_after: Option<u64>,
    pub(crate) reactions: u32,
    pub(crate) comments: u32,
    pub(crate) collected: u32,
}

impl Picture {
    /// The ids of its versions.
    pub(crate) fn version_ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.versions.iter().copied().filter(|id| *id != 0)
    }

    /// True while it is posted and not deleted, after this many requests.
    pub(crate) fn is_there(&self, requests: u64) -> bool {
        self.posted_after <= requests && self.deleted_after.is_none_or(|at| requests < at)
    }

    /// True while lists show it, which notice a deletion [`STALE`] requests late.
    pub(crate) fn is_listed(&self, requests: u64) -> bool {
        self.posted_after <= requests && self.deleted_after.is_none_or(|at| at > 0 && requests < at + STALE)
    }

    /// The ids of the versions that the server detected in its metadata.
    pub(crate) fn detected(&self, traps: Traps) -> impl Iterator<Item = u32> + '_ {
        let hidden = self.posted_only && traps.has(Trap::PostedWith);
        self.version_ids().skip(usize::from(hidden))
    }
}

/// The media type of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Media {
    #[default]
    Image,
    Video,
    Audio,
}

impl Media {
    pub(crate) const WORDS: &[(&str, Media)] =
        &[("image", Media::Image), ("video", Media::Video), ("audio", Media::Audio)];

    /// The server's word.
    pub(crate) fn word(self) -> &'static str {
        Media::WORDS.iter().find(|(_, media)| *media == self).map_or("", |(word, _)| word)
    }
}

/// The sorts of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImageSort {
    Reactions,
    Comments,
    Collected,
    Newest,
    Oldest,
    Random,
}

impl ImageSort {
    pub(crate) const WORDS: &[(&str, ImageSort)] = &[
        ("Most Reactions", ImageSort::Reactions),
        ("Most Comments", ImageSort::Comments),
        ("Most Collected", ImageSort::Collected),
        ("Newest", ImageSort::Newest),
        ("Oldest", ImageSort::Oldest),
        ("Random", ImageSort::Random),
    ];

    /// True for the sorts by time.
    pub(crate) fn by_date(self) -> bool {
        matches!(self, ImageSort::Newest | ImageSort::Oldest)
    }

    /// Returns the ascending key of a row; ranks break ties, which the real server leaves to chance.
    pub(crate) fn key(self, rank: u32, picture: &Picture) -> i64 {
        match self {
            ImageSort::Reactions => -i64::from(picture.reactions),
            ImageSort::Comments => -i64::from(picture.comments),
            ImageSort::Collected => -i64::from(picture.collected),
            ImageSort::Newest => -picture.sorted_at,
            ImageSort::Oldest => picture.sorted_at,
            ImageSort::Random => i64::from(rank.wrapping_mul(0x9e37_79b1)),
        }
    }
}

/// Every image of the server, ids ascending.
pub(crate) struct Gallery {
    pub(crate) pictures: Vec<Picture>,
    /// Number of images at the server's start.
    pub(crate) first: u32,
    /// Ties are listed by descending id.
    ties_descend: bool,
    orders: [OnceLock<Vec<u32>>; 6],
    by_version: Vec<(u32, u32)>,
    by_post: Vec<(u32, u32)>,
    by_user: Vec<(u32, u32)>,
}

impl Gallery {
    /// Generates this many images of the models of a catalog, and unless it is 0 what the trap `mutation` and these nights
    /// change about them.
    pub(crate) fn build(catalog: &Catalog, images: u32, nights: &[Night]) -> Gallery {
        let images = if catalog.entries.is_empty() { 0 } else { images };
        let calendar = Calendar { seed: catalog.seed, traps: catalog.traps, images };
        let date = |rank| move |random: &mut Random| calendar.date(rank, i64::from(random.below(3 * DAY as u32)));
        let mut pictures: Vec<Picture> = (0..images).map(|rank| picture(catalog, rank, date(rank))).collect();
        if images > 0 && catalog.traps.has(Trap::Mutation) {
            mutate(catalog, &mut pictures);
        }
        for night in nights.iter().filter(|_| images > 0) {
            show_newcomers(catalog, night, &mut pictures);
            pass_night(catalog, night, images, &mut pictures);
        }
        let pairs = |keys: fn(&Picture) -> Vec<u32>| {
            let ranked = (0u32..).zip(&pictures);
            let mut pairs: Vec<(u32, u32)> =
                ranked.flat_map(|(rank, picture)| keys(picture).into_iter().map(move |key| (key, rank))).collect();
            pairs.sort_unstable();
            pairs
        };
        let by_version = pairs(|picture| picture.version_ids().collect());
        let by_post = pairs(|picture| vec![picture.post]);
        let by_user = pairs(|picture| vec![picture.user]);
        let ties_descend = catalog.traps.has(Trap::FeedTiesDescend);
        Gallery { orders: Default::default(), first: images, ties_descend, by_version, by_post, by_user, pictures }
    }

    /// The image of a rank.
    pub(crate) fn picture(&self, rank: u32) -> &Picture {
        &self.pictures[rank as usize]
    }

    /// The rank of an image id.
    pub(crate) fn find(&self, id: u32) -> Option<u32> {
        let rank = self.pictures.binary_search_by_key(&id, |picture| picture.id).ok()?;
        u32::try_from(rank).ok()
    }

    /// Ranks of all images in the order of a sort.
    pub(crate) fn order(&self, sort: ImageSort) -> &[u32] {
        self.orders[sort as usize].get_or_init(|| {
            let mut ranks: Vec<u32> = (0u32..).take(self.pictures.len()).collect();
            self.sort(sort, &mut ranks);
            ranks
        })
    }

    /// Puts ranks in the order of a sort.
    pub(crate) fn sort(&self, sort: ImageSort, ranks: &mut [u32]) {
        let tie = |rank: u32| if self.ties_descend { !rank } else { rank };
        ranks.sort_unstable_by_key(|rank| (sort.key(*rank, self.picture(*rank)), tie(*rank)));
    }

    /// Ranks of the images of the versions `from..before`; an image of several versions occurs once.
    pub(crate) fn of_versions(&self, from: u32, before: u32) -> Vec<u32> {
        let mut ranks = range(&self.by_version, from, before);
        ranks.sort_unstable();
        ranks.dedup();
        ranks
    }

    /// Ranks of the images of a post.
    pub(crate) fn of_post(&self, post: u32) -> Vec<u32> {
        range(&self.by_post, post, post.saturating_add(1))
    }

    /// Ids of all posts; 0 stands for the images that belong to none.
    pub(crate) fn posts(&self) -> Vec<u32> {
        let mut posts: Vec<u32> = self.by_post.iter().map(|(post, _)| *post).collect();
        posts.dedup();
        posts
    }

    /// Returns what a night changed that made this gallery from another, as ids by kind.
    pub(crate) fn changes_since(&self, before: &Gallery) -> Value {
        let ids = |kind: fn(&Picture, &Picture) -> bool| -> Vec<u32> {
            let pairs = before.pictures.iter().zip(&self.pictures);
            pairs.filter(|(was, is)| kind(was, is)).map(|(was, _)| was.id).collect()
        };
        json!({
            "images_posted": self.pictures[before.pictures.len()..].iter().map(|picture| picture.id).collect::<Vec<_>>(),
            "images_deleted": ids(|was, is| was.deleted_after != is.deleted_after),
            "images_moved": ids(|was, is| was.level != is.level),
        })
    }

    /// Ranks of the images of a user by number.
    pub(crate) fn of_user(&self, user: u32) -> Vec<u32> {
        range(&self.by_user, user, user.saturating_add(1))
    }
}

fn range(pairs: &[(u32, u32)], from: u32, before: u32) -> Vec<u32> {
    let start = pairs.partition_point(|(key, _)| *key < from);
    pairs[start..].iter().take_while(|(key, _)| *key < before).map(|(_, rank)| *rank).collect()
}

/// Draws an image of a version; `date` draws when it was posted.
fn picture(catalog: &Catalog, rank: u32, date: impl FnOnce(&mut Random) -> i64) -> Picture {
    let (seed, post) = (catalog.seed, rank / POST_SIZE);
    let (user, main, context) = of_post(catalog, post);
    let mut random = Random::new(seed, Stream::Picture, u64::from(rank));
    let level = random.weighted(LEVELS).unwrap_or(1);
    let mut versions = [main, 0, 0];
    for place in 1..3 {
        let other = version_of(catalog, &mut random).0;
        if main != 0 && random.chance(120) && !versions.contains(&other) {
            versions[place] = other;
        }
    }
    let mut posting = Random::new(seed, Stream::Posted, u64::from(rank));
    let posted_only = main != 0 && posting.chance(250);
    let other = version_of(catalog, &mut posting).0;
    if posted_only && versions[1..] == [0, 0] && other != main {
        versions[1] = other;
    }
    let sorted_at = date(&mut random);
    let dressed = dressed(&mut random, rank, level, sorted_at, post);
    Picture { versions, posted_only, user, context, ..dressed }
}

/// Lets images come and go as requests go by: new ones are dated now, or a little in the past as if they were scanned late.
fn mutate(catalog: &Catalog, pictures: &mut Vec<Picture>) {
    let count = pictures.len() as u32;
    let span = (count / A_REQUEST).max(8);
    let draw = |rank: u32| {
        let mut random = Random::new(catalog.seed, Stream::Lifetime, u64::from(rank));
        let after = 1 + u64::from(random.below(span));
        (random, after)
    };
    for (rank, picture) in (0..).zip(pictures.iter_mut()) {
        let (mut random, after) = draw(rank);
        picture.deleted_after = (random.below(MUTABLE) == 0).then_some(after);
    }
    let mut posted: Vec<u64> = (count..count + count.div_ceil(MUTABLE)).map(|rank| draw(rank).1).collect();
    posted.sort_unstable();
    for (rank, after) in (count..).zip(posted) {
        let now = LAST + HOUR + 1000 * i64::from(rank - count);
        pictures.push(Picture { posted_after: after, ..picture(catalog, rank, |random| scanned(now, random)) });
    }
}

/// Posts this share of the images, deletes half as many, and moves half as many to another level.
fn pass_night(catalog: &Catalog, night: &Night, images: u32, pictures: &mut Vec<Picture>) {
    let half = (night.share / 2.0 * 1e6) as u32;
    for (rank, picture) in (0..images).zip(pictures.iter_mut()) {
        match night.random(Night::IMAGES | u64::from(rank)).below(1_000_000).checked_div(half) {
            Some(0) => picture.deleted_after = Some(0),
            Some(1) => picture.level = if picture.level < 4 { 4 } else { 1 },
            _ => {}
        }
    }
    let posted = (night.share * f64::from(images)).ceil() as u32;
    for rank in (pictures.len() as u32..).take(posted as usize) {
        let date = |random: &mut Random| scanned(night.instant(random), random);
        pictures.push(picture(catalog, rank, date));
    }
}

/// Draws the date that lists sort an image by which is posted now: one in ten is dated up to two days in the past.
fn scanned(now: i64, random: &mut Random) -> i64 {
    let before = i64::from(random.below(2 * DAY as u32));
    if random.chance(100) { now - before } else { now }
}

/// Adds up to three images of each version published in a night, in the order of publication.
fn show_newcomers(catalog: &Catalog, night: &Night, pictures: &mut Vec<Picture>) {
    let of_entry = |(place, entry): (usize, &'_ Entry)| {
        let own = if place < catalog.first { 0 } else { entry.versions };
        let own = (0..own).map(|position| (entry.created_at, position));
        let added = (entry.versions..).zip(&entry.added).map(|(position, at)| (*at, position));
        let published = own.chain(added).filter(|(at, _)| night.span().contains(at));
        published.map(|(at, position)| (at, entry.version_id(position), entry.user, entry.level)).collect::<Vec<_>>()
    };
    let mut newcomers: Vec<(i64, u32, u32, u8)> = catalog.entries.iter().enumerate().flat_map(of_entry).collect();
    newcomers.sort_unstable();
    for (at, version, user, context) in newcomers {
        let mut random = Random::new(catalog.seed, Stream::Showing, u64::from(version));
        for _ in 0..random.below(4) {
            let rank = pictures.len() as u32;
            let level = random.weighted(LEVELS).unwrap_or(1);
            let dressed = dressed(&mut random, rank, level, at, rank / POST_SIZE);
            pictures.push(Picture { versions: [version, 0, 0], user, context, ..dressed });
        }
    }
}

/// Draws an image without version, user and model.
fn dressed(random: &mut Random, rank: u32, level: u8, sorted_at: i64, post: u32) -> Picture {
    let reactions = random.skewed(14);
    Picture {
        id: FIRST_ID + rank * 4 + random.below(4),
        sorted_at,
        post: if random.chance(15) { 0 } else { 1000 + post },
        level,
        media: media(random),
        child: random.chance(if level < 4 { 30 } else { 3 }),
        has_meta: random.chance(920),
        removed: removed(rank, sorted_at),
        reactions,
        comments: reactions / (4 + random.below(90)),
        collected: reactions / (2 + random.below(30)),
        ..Picture::default()
    }
}

fn media(random: &mut Random) -> Media {
    match random.below(100) {
        0..6 => Media::Video,
        6 => Media::Audio,
        _ => Media::Image,
    }
}

/// Draws a post's user, version and the levels of that version's model; some posts show no version.
fn of_post(catalog: &Catalog, post: u32) -> (u32, u32, u8) {
    let mut random = Random::new(catalog.seed, Stream::Post, u64::from(post));
    let (version, owner, context) = version_of(catalog, &mut random);
    let users = u32::try_from(catalog.users().len()).unwrap_or(u32::MAX);
    let user = if random.chance(250) { owner } else { random.below(users) };
    if random.chance(120) { (user, 0, 1) } else { (user, version, context) }
}

/// Draws a version, with its model's user and levels; the most popular model gets about fifty times the average.
fn version_of(catalog: &Catalog, random: &mut Random) -> (u32, u32, u8) {
    let draw = f64::from(random.below(1 << 30)) / f64::from(1 << 30);
    // Later models have images of their own, so that the images of the others stay the same.
    let place = (draw * draw + 0.02 * draw) / 1.02 * catalog.first as f64;
    let place = (place as usize * 7919 + 13) % catalog.first;
    let entry = &catalog.entries[place];
    let position = random.below(u32::from(entry.versions.max(1)));
    (entry.version_id(position as u8), entry.user, entry.level)
}

/// Returns the trap that removes an image: `short-pages` scattered ones, `empty-pages` all images of some weeks.
fn removed(rank: u32, sorted_at: i64) -> Removed {
    let week = (sorted_at - FIRST) / (7 * 86_400_000);
    match (rank % 41, week % 23) {
        (7, _) => Removed::Scattered,
        (_, 14) => Removed::InBlock,
        _ => Removed::Never,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::sandbox::catalog::options::CatalogOptions;

    fn gallery(models: u32) -> Gallery {
        let catalog = Catalog::build(&CatalogOptions { seed: 1, models, ..CatalogOptions::default() }).unwrap();
        Gallery::build(&catalog, models * 10, &[])
    }

    #[test]
    fn slices_are_uneven_yet_within_reach_of_a_bounded_feed() {
        let gallery = gallery(3000);
        let mut sizes: HashMap<u32, usize> = HashMap::new();
        gallery.by_version.iter().for_each(|(version, _)| *sizes.entry(*version).or_default() += 1);
        let largest = *sizes.values().max().unwrap();
        assert!((200..900).contains(&largest), "{largest}");
        assert!(sizes.values().filter(|size| **size == 1).count() > 50);
    }

    #[test]
    fn images_are_found_by_every_key() {
        let gallery = gallery(300);
        for rank in [0, 17, 2999] {
            let picture = gallery.picture(rank);
            assert_eq!(gallery.find(picture.id), Some(rank));
            assert!(gallery.of_user(picture.user).contains(&rank));
            assert!(gallery.of_post(picture.post).contains(&rank));
            assert!(picture.version_ids().all(|id| gallery.of_versions(id, id + 1).contains(&rank)));
        }
        assert!(gallery.pictures.windows(2).all(|pair| pair[0].id < pair[1].id));
        assert_eq!(gallery.find(1), None);
    }
}
