//! The parameters of the images list, checked and coerced as the server does.

use serde_json::json;

use super::answer::Answer;
use super::check::{self, Check};
use crate::sandbox::catalog::Catalog;
use crate::sandbox::catalog::gallery::{Gallery, ImageSort, Media};
use crate::sandbox::catalog::words::BASE_MODELS;
use crate::sandbox::era::Era;
use crate::sandbox::render::image::{Backend, ImageView};

/// Everything beside the query that decides which images a list shows.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) gallery: &'a Gallery,
    /// Number of requests so far, after which images are there or not.
    pub(crate) requests: u64,
    /// The most hits that a walk over the search index reaches under the trap `depth-cap`.
    pub(crate) depth_cap: usize,
    /// The host filters by the level of an image's model too.
    pub(crate) both_levels: bool,
}

/// The most ids of one query.
const IDS_MAX: usize = 100;

/// The checked parameters, without those that the server does not know or that have no effect.
#[derive(Clone, Debug)]
pub(crate) struct ImagesQuery {
    /// The part of the server that answers.
    pub(crate) backend: Backend,
    pub(crate) limit: u32,
    pub(crate) cursor: Option<String>,
    pub(crate) page: Option<u32>,
    pub(crate) sort: ImageSort,
    /// Older images are left out.
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

impl ImagesQuery {
    /// True when the database answers rather than the search index or the feed service.
    pub(crate) fn legacy(&self) -> bool {
        let narrow = self.image.is_some() || self.ids.is_some();
        narrow || (self.model.is_some() && self.version.is_none())
    }

    /// Returns the part of the server of an era that answers this query.
    pub(crate) fn backend_in(&self, era: Era) -> Backend {
        match self.legacy() {
            true => Backend::Database,
            false if era == Era::Sep2026 && self.fits_the_feed() => Backend::Feed,
            false => Backend::Search,
        }
    }

    /// True when the feed service can express the query; it does not continue cursors of the search index.
    fn fits_the_feed(&self) -> bool {
        let old = self.cursor.as_ref().is_some_and(|cursor| cursor.contains('|'));
        let narrow = self.post.is_some() || self.requiring_meta;
        !old && !narrow && self.sort != ImageSort::Random && self.limit > 0
    }

    /// The parts of an image that this query shows.
    pub(crate) fn view(&self) -> ImageView {
        let flat = self.flat_meta.unwrap_or(false) || self.backend != Backend::Database;
        ImageView { with_meta: self.with_meta, with_tags: self.with_tags, flat, backend: self.backend }
    }
}

/// Checks every parameter, then paging; the error is the refusal.
pub(crate) fn parse(era: Era, pairs: &[(String, String)]) -> Result<ImagesQuery, Answer> {
    let mut check = Check::new(pairs);
    check.single(SCALARS);
    let mut query = query(era, &mut check);
    query.backend = query.backend_in(era);
    if !check.issues.is_empty() {
        return Err(Answer::issues(check.issues));
    }
    check::depth(query.page, query.cursor.as_deref(), query.limit)?;
    Ok(query)
}

fn query(era: Era, check: &mut Check<'_>) -> ImagesQuery {
    let most = f64::from(u32::MAX);
    let nsfw = nsfw(check);
    let media: Vec<(&str, Option<Media>)> = Media::WORDS.iter().map(|(word, media)| (*word, Some(*media))).collect();
    ImagesQuery {
        backend: Backend::Search,
        limit: check.number("limit", 0.0, 200.0).unwrap_or(100),
        cursor: check.filled("cursor"),
        page: check.number("page", 1.0, most),
        sort: check.choice("sort", ImageSort::WORDS, ImageSort::Reactions),
        period_days: check.choice("period", check::PERIODS, None),
        levels: check.number("browsingLevel", 0.0, most).unwrap_or(nsfw),
        image: check.number("imageId", 0.0, most),
        // Older servers do not know this parameter.
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

/// Reads the levels of `nsfw`: a word means its own, true means R and above without PG and PG13.
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

    fn read(text: &str) -> Result<ImagesQuery, u16> {
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
        let view = |text: &str| {
            let query = read(text).unwrap();
            (query.backend, query.view().flat, query.view().with_meta)
        };
        assert_eq!(view("modelVersionId=3&withMeta=true"), (Backend::Feed, true, true));
        assert_eq!(view("modelId=3&modelVersionId=3"), (Backend::Feed, true, false));
        assert_eq!(view("modelId=3&withMeta=1"), (Backend::Database, false, true));
        assert_eq!(view("imageId=3&flatMeta=true"), (Backend::Database, true, false));
        for narrow in ["postId=3", "requiringMeta=true", "sort=Random", "limit=0", "cursor=9|1712265847499"] {
            assert_eq!(view(narrow).0, Backend::Search, "{narrow}");
        }
        assert_eq!(view("ids=3,4&sort=Newest").0, Backend::Database);
        let older = parse(Era::Aug2026, &[("ids".to_owned(), "x".to_owned())]).unwrap();
        assert_eq!((older.backend, older.ids), (Backend::Search, None));
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
