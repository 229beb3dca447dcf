//! The parameters of the images list, checked and coerced as the server does.

use serde_json::json;

use super::check::{self, Check};
use super::enums::BASE_MODELS;
use super::feed;
use crate::sandbox::catalog::gallery::{ImageSort, Media};
use crate::sandbox::era::Era;
use crate::sandbox::http::answer::Answer;
use crate::sandbox::render::image::Look;

/// The part of the server that answers a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// The database, paged by image id.
    Database,
    /// The search index, paged by offset.
    Search,
    /// The feed service of era 2026-09, paged by sort value and id.
    Feed,
}

/// The most ids of one question.
const IDS_MAX: usize = 100;

/// A checked query. Parameters unknown to the server, or without effect, are not in it.
#[derive(Clone, Debug)]
pub(crate) struct ImageQuery {
    era: Era,
    pub(crate) limit: u32,
    pub(crate) cursor: Option<String>,
    pub(crate) page: Option<u32>,
    pub(crate) sort: ImageSort,
    /// Images whose date is older are left out.
    pub(crate) period_days: Option<i64>,
    /// Bits of the levels wanted.
    pub(crate) levels: u32,
    pub(crate) image: Option<u32>,
    pub(crate) ids: Option<Vec<u32>>,
    pub(crate) post: Option<u32>,
    pub(crate) model: Option<u32>,
    pub(crate) version: Option<u32>,
    pub(crate) user: Option<u32>,
    pub(crate) username: Option<String>,
    pub(crate) media: Option<Media>,
    pub(crate) base_models: Vec<String>,
    pub(crate) tags: Vec<u32>,
    pub(crate) requiring_meta: bool,
    with_meta: bool,
    with_tags: bool,
    flat_meta: Option<bool>,
}

/// The words of `nsfw` and the levels each means.
const NSFW: &[(&str, u32)] = &[("None", 1), ("Soft", 3), ("Mature", 7), ("X", 31), ("Blocked", 32)];
const SCALARS: &[&str] = &[
    "limit",
    "cursor",
    "page",
    "sort",
    "period",
    "nsfw",
    "browsingLevel",
    "imageId",
    "postId",
    "modelId",
    "modelVersionId",
    "userId",
    "username",
    "type",
    "withMeta",
    "flatMeta",
    "withTags",
    "requiringMeta",
];

impl ImageQuery {
    /// True when the database answers rather than the feed's index.
    pub(crate) fn legacy(&self) -> bool {
        let narrow = self.image.is_some() || self.ids.is_some();
        narrow || (self.model.is_some() && self.version.is_none())
    }

    /// The part of the server that answers.
    pub(crate) fn path(&self) -> Path {
        match self.legacy() {
            true => Path::Database,
            false if self.era == Era::Sep2026 && feed::serves(self) => Path::Feed,
            false => Path::Search,
        }
    }

    /// How the items of this query are seen.
    pub(crate) fn look(&self) -> Look {
        let path = self.path();
        let flat = self.flat_meta.unwrap_or(false) || path != Path::Database;
        Look { with_meta: self.with_meta, with_tags: self.with_tags, flat, path }
    }
}

/// Checks every parameter, then paging.
pub(crate) fn parse(era: Era, pairs: &[(String, String)]) -> Result<ImageQuery, Answer> {
    let mut check = Check::new(pairs);
    check.single(SCALARS);
    let query = query(era, &mut check);
    if !check.issues.is_empty() {
        return Err(Answer::issues(check.issues));
    }
    if let (Some(page), None) = (query.page, &query.cursor)
        && u64::from(page) * u64::from(query.limit) > 1000
    {
        return Err(Answer::error(429, "You've requested too many pages, please use cursors instead"));
    }
    Ok(query)
}

fn query(era: Era, check: &mut Check<'_>) -> ImageQuery {
    let most = f64::from(u32::MAX);
    let nsfw = nsfw(check);
    let media: Vec<(&str, Option<Media>)> = Media::WORDS.iter().map(|(word, media)| (*word, Some(*media))).collect();
    ImageQuery {
        era,
        limit: check.number("limit", 0.0, 200.0).unwrap_or(100),
        cursor: check.filled("cursor"),
        page: check.number("page", 1.0, most),
        sort: check.choice("sort", ImageSort::WORDS, ImageSort::Reactions),
        period_days: check.choice("period", check::PERIODS, None),
        levels: check.number("browsingLevel", 0.0, most).unwrap_or(nsfw),
        image: check.number("imageId", 0.0, most),
        // Older servers do not know it.
        ids: if era == Era::Sep2026 { check.ids("ids", IDS_MAX) } else { None },
        post: check.number("postId", 0.0, most),
        model: check.number("modelId", 0.0, most),
        version: check.number("modelVersionId", 0.0, most),
        user: check.number("userId", 0.0, most),
        username: username(check),
        media: check.choice("type", &media, None),
        base_models: base_models(check),
        tags: tags(check),
        requiring_meta: check.truth_word("requiringMeta"),
        with_meta: check.truth_word("withMeta"),
        with_tags: check.truth_word("withTags"),
        flat_meta: check.filled("flatMeta").map(|_| check.truth_word("flatMeta")),
    }
}

/// A word means its levels; true means R and above, so that PG and PG13 vanish.
fn nsfw(check: &mut Check<'_>) -> u32 {
    let word = check.filled("nsfw");
    match NSFW.iter().find(|(known, _)| word.as_deref() == Some(*known)) {
        Some((_, levels)) => *levels,
        None if check.truth_word("nsfw") => 60,
        None => 1,
    }
}

fn username(check: &mut Check<'_>) -> Option<String> {
    let name = check.filled("username")?;
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        check.issue("invalid_format", "username", "Invalid string: must match pattern /^[A-Za-z0-9_]*$/");
    }
    Some(name)
}

fn base_models(check: &mut Check<'_>) -> Vec<String> {
    let names: Vec<String> =
        check.filled("baseModels").iter().flat_map(|text| text.split(',')).map(str::to_owned).collect();
    for (place, name) in names.iter().enumerate() {
        if !BASE_MODELS.contains(&name.as_str()) {
            check.invalid_option(&json!(["baseModels", place]), BASE_MODELS);
        }
    }
    names
}

fn tags(check: &mut Check<'_>) -> Vec<u32> {
    let text = check.filled("tags").unwrap_or_default();
    let ids: Result<Vec<u32>, _> = text.split(',').filter(|id| !id.is_empty()).map(|id| id.trim().parse()).collect();
    ids.unwrap_or_else(|_| {
        check.issue("invalid_type", "tags", "Invalid input: expected number, received NaN");
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ImageQuery, u16> {
        let pairs: Vec<_> = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        parse(Era::Sep2026, &pairs).map_err(|answer| answer.status)
    }

    #[test]
    fn levels_are_what_the_words_mean() {
        for (text, levels) in [
            ("", 1),
            ("nsfw=false", 1),
            ("nsfw=Soft", 3),
            ("nsfw=Mature", 7),
            ("nsfw=X", 31),
            ("nsfw=true", 60),
            ("nsfw=true&browsingLevel=3", 3),
        ] {
            assert_eq!(read(text).unwrap().levels, levels, "{text}");
        }
    }

    #[test]
    fn backends_and_meta_follow_from_the_parameters() {
        let look = |text: &str| {
            let query = read(text).unwrap();
            (query.path(), query.look().flat, query.look().with_meta)
        };
        assert_eq!(look("modelVersionId=3&withMeta=true"), (Path::Feed, true, true));
        assert_eq!(look("modelId=3&modelVersionId=3"), (Path::Feed, true, false));
        assert_eq!(look("modelId=3&withMeta=1"), (Path::Database, false, true));
        assert_eq!(look("imageId=3&flatMeta=true"), (Path::Database, true, false));
        for narrow in ["postId=3", "requiringMeta=true", "sort=Random", "limit=0", "cursor=9|1712265847499"] {
            assert_eq!(look(narrow).0, Path::Search, "{narrow}");
        }
        assert_eq!(look("ids=3,4&sort=Newest").0, Path::Database);
        let older = parse(Era::Aug2026, &[("ids".to_owned(), "x".to_owned())]).unwrap();
        assert_eq!((older.path(), older.ids), (Path::Search, None));
    }

    #[test]
    fn refusals_have_the_servers_status() {
        for (text, status) in [
            ("limit=201", 400),
            ("username=a b", 400),
            ("tags=cat", 400),
            ("ids=cat", 400),
            ("baseModels=nothing", 400),
            ("type=model", 400),
            ("sort=newest", 400),
            ("nsfw=perhaps", 400),
            ("withMeta=perhaps", 400),
            ("page=6&limit=200", 429),
        ] {
            assert_eq!(read(text).unwrap_err(), status, "{text}");
        }
        for text in ["page=6&limit=200&cursor=1|2", "query=x&tag=y", "tags=1,2", "page=5&limit=200"] {
            assert!(read(text).is_ok(), "{text}");
        }
    }
}
