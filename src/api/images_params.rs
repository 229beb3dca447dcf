//! The parameters of `GET /images`, as the server treats them. Each text follows the parameter's name and a colon: lower case, no
//! full stop.

use super::endpoint::{Param, ParamKind, param, warned, warned_if};

/// The largest page size, in images.
pub(super) const LIMIT_MAX: u32 = 200;

/// An id; the server reads 32-bit numbers.
const ID: ParamKind = ParamKind::Int { min: 1, max: i32::MAX as i64 };
/// The server also knows `Random`, which no cursor can walk.
const SORTS: &[&str] = &["Most Reactions", "Most Comments", "Most Collected", "Newest", "Oldest"];
const PERIODS: &[&str] = &["Day", "Week", "Month", "Year", "AllTime"];
const LEVELS: &[&str] = &["None", "Soft", "Mature", "X", "Blocked", "true", "false"];
const TYPES: &[&str] = &["image", "video", "audio"];

const IGNORED: ParamKind =
    ParamKind::Refused("the server ignores it and lists its whole feed; filter the rows afterwards");

/// Every query parameter of the image feed.
pub(super) const PARAMS: &[Param] = &[
    param("limit", ParamKind::Int { min: 1, max: LIMIT_MAX as i64 }),
    param(
        "page",
        ParamKind::Refused(
            "the server repeats the first page whatever the number, and answers 429 for high ones; civitrawl walks by cursor",
        ),
    ),
    param("cursor", ParamKind::Managed("civitrawl sets it while it walks")),
    param("postId", ID),
    warned(
        "modelId",
        ID,
        "without `modelVersionId` the server takes a slow path, which for popular models gives up after 20 s with a page \
         that looks like the last; walk the model's versions instead",
    ),
    param("modelVersionId", ID),
    param("imageId", ID),
    param("userId", ID),
    warned_if(
        "username",
        ParamKind::Text,
        |name| !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
        "the server answers 400 to names of other characters than letters, digits and `_`",
    ),
    param("sort", ParamKind::Word(SORTS)),
    param("period", ParamKind::Word(PERIODS)),
    warned_if(
        "nsfw",
        ParamKind::Word(LEVELS),
        |value| value == "true",
        "`true` lists images of level R and above only, PG and PG13 are left out; ask for `browsingLevel` 3 and 28 in two \
         walks",
    ),
    warned_if(
        "browsingLevel",
        ParamKind::Int { min: 1, max: 63 },
        mixes_levels,
        "together with R, X or XXX the server hides some images of level PG and PG13; ask for 3 and 28 in two walks",
    ),
    param("tags", ParamKind::Ids),
    param("type", ParamKind::Word(TYPES)),
    // One text, names separated by commas; the server answers 400 to an unknown name, so no mistake goes unnoticed.
    param("baseModels", ParamKind::Text),
    param("withMeta", ParamKind::Bool),
    param("flatMeta", ParamKind::Bool),
    param("requiringMeta", ParamKind::Bool),
    param("withTags", ParamKind::Bool),
    param("query", IGNORED),
    param("tag", IGNORED),
    param("tagName", IGNORED),
    param("tagname", IGNORED),
];

/// True if a mask has PG or PG13 together with R, X or XXX.
pub(super) fn mixes_levels(mask: &str) -> bool {
    mask.parse::<u32>().is_ok_and(|mask| mask & 3 != 0 && mask & 28 != 0)
}
