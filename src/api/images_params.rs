//! What `GET /images` may be asked, as the server treats it. The texts end a sentence that civitrawl begins with the
//! parameter's name, so they start in lower case and have no final stop.

use super::endpoint::{Kind, Param, param, warned, warned_if};

/// The most images one page may be asked for.
pub(super) const LIMIT_MAX: u32 = 200;

/// Ids are 32-bit numbers to the server.
const ID: Kind = Kind::Int { min: 1, max: i32::MAX as i64 };
/// The server knows `Random` too, which no cursor can walk.
const SORTS: &[&str] = &["Most Reactions", "Most Comments", "Most Collected", "Newest", "Oldest"];
const PERIODS: &[&str] = &["Day", "Week", "Month", "Year", "AllTime"];
const LEVELS: &[&str] = &["None", "Soft", "Mature", "X", "Blocked", "true", "false"];
const TYPES: &[&str] = &["image", "video", "audio"];

const IGNORED: Kind = Kind::Refused("the server ignores it and lists its whole feed; filter the rows afterwards");

/// Every query parameter of the image feed.
pub(super) const PARAMS: &[Param] = &[
    param("limit", Kind::Int { min: 1, max: LIMIT_MAX as i64 }),
    param(
        "page",
        Kind::Refused(
            "the server repeats the first page whatever the number, and answers 429 for high ones; civitrawl walks by cursor",
        ),
    ),
    param("cursor", Kind::Managed("civitrawl sets it while it walks")),
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
        Kind::Text,
        |name| !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
        "the server answers 400 to names of other characters than letters, digits and `_`",
    ),
    param("sort", Kind::Word(SORTS)),
    param("period", Kind::Word(PERIODS)),
    warned_if(
        "nsfw",
        Kind::Word(LEVELS),
        |value| value == "true",
        "`true` lists images of level R and above only, PG and PG13 are left out; ask for `browsingLevel` 3 and 28 in two \
         walks",
    ),
    warned_if(
        "browsingLevel",
        Kind::Int { min: 1, max: 63 },
        mixes_levels,
        "together with R, X or XXX the server hides some images of level PG and PG13; ask for 3 and 28 in two walks",
    ),
    param("tags", Kind::Ids),
    param("type", Kind::Word(TYPES)),
    // One text, names separated by commas; the server answers 400 to a name it does not know, so no mistake passes.
    param("baseModels", Kind::Text),
    param("withMeta", Kind::Bool),
    param("flatMeta", Kind::Bool),
    param("requiringMeta", Kind::Bool),
    param("withTags", Kind::Bool),
    param("query", IGNORED),
    param("tag", IGNORED),
    param("tagName", IGNORED),
    param("tagname", IGNORED),
];

/// Whether a mask asks for PG or PG13 and for R, X or XXX.
fn mixes_levels(mask: &str) -> bool {
    mask.parse::<u32>().is_ok_and(|mask| mask & 3 != 0 && mask & 28 != 0)
}
