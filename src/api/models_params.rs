//! What `GET /models` may be asked, as the server treats it. The texts end a sentence that civitrawl begins with the
//! parameter's name, so they start in lower case and have no final stop.

use super::endpoint::{Kind, Param, param, warned};

/// The most models one page may be asked for.
pub(super) const LIMIT_MAX: u32 = 100;

/// The kinds of models.
/// The model types known when this was written; the server may know more.
pub(super) const TYPES: &[&str] = &[
    "Checkpoint",
    "TextualInversion",
    "Hypernetwork",
    "AestheticGradient",
    "LORA",
    "LoCon",
    "DoRA",
    "Controlnet",
    "Upscaler",
    "MotionModule",
    "VAE",
    "TextEncoder",
    "UNet",
    "CLIPVision",
    "Poses",
    "Wildcards",
    "Workflows",
    "ComfyWorkflows",
    "Detection",
    "VisionLanguage",
    "CLIP",
    "LLM",
    "Other",
];
const SORTS: &[&str] = &[
    "Highest Rated",
    "Most Downloaded",
    "Most Liked",
    "Most Discussed",
    "Most Collected",
    "Most Images",
    "Newest",
    "Oldest",
];
const PERIODS: &[&str] = &["Day", "Week", "Month", "Year", "AllTime"];
const PERIOD_MODES: &[&str] = &["published", "stats"];
const CHECKPOINT_TYPES: &[&str] = &["Trained", "Merge"];
const AVAILABILITIES: &[&str] = &["Public", "Unsearchable", "Private", "EarlyAccess"];
const COMMERCIAL_USES: &[&str] = &["None", "Image", "RentCivit", "Rent", "Sell"];

const NARROWS_VERSIONS: &str =
    "models come back with the matching versions only, so their version lists are incomplete";
const NEEDS_KEY: &str = "without a valid API key the server answers 401, whatever the value";
const ALWAYS_400: Kind = Kind::Refused("the server answers 400 to any value in a query; filter the rows afterwards");
const NO_EFFECT: Kind =
    Kind::Refused("the server accepts it and lists published models all the same; filter the rows afterwards");

/// Every query parameter of the models list.
pub(super) const PARAMS: &[Param] = &[
    param("limit", Kind::Int { min: 1, max: LIMIT_MAX as i64 }),
    param(
        "page",
        Kind::Refused(
            "the server returns the first page whatever the number, refuses it together with `query`, and answers 429 \
             for high ones; civitrawl walks by cursor",
        ),
    ),
    param("cursor", Kind::Managed("civitrawl sets it while it walks")),
    warned(
        "query",
        Kind::Text,
        "a search is paged by offset in order of relevance and only to a limited depth, so rows can be missed",
    ),
    warned(
        "tag",
        Kind::Text,
        "a tag the server does not know is no filter, it answers with the whole catalog; compare the first rows",
    ),
    warned(
        "tagname",
        Kind::Text,
        "a tag the server does not know is no filter, it answers with the whole catalog; compare the first rows",
    ),
    param("username", Kind::Text),
    param("user", Kind::Text),
    param("types", Kind::Words(TYPES)),
    warned("baseModels", Kind::Texts { min: 1 }, NARROWS_VERSIONS),
    warned("checkpointType", Kind::Word(CHECKPOINT_TYPES), "models of other types than Checkpoint pass it"),
    param("sort", Kind::Word(SORTS)),
    param("period", Kind::Word(PERIODS)),
    param("periodMode", Kind::Word(PERIOD_MODES)),
    param("nsfw", Kind::Bool),
    warned("primaryFileOnly", Kind::Bool, "when true, each version comes back with one file, the others are missing"),
    param("ids", Kind::Ids),
    warned("modelVersionIds", Kind::Ids, NARROWS_VERSIONS),
    warned("supportsGeneration", Kind::OnlyTrue, NARROWS_VERSIONS),
    param("archived", Kind::OnlyTrue),
    param("earlyAccess", Kind::OnlyTrue),
    param("fromPlatform", Kind::OnlyTrue),
    warned("followed", Kind::OnlyTrue, "it has a meaning only with an API key"),
    warned("needsReview", Kind::OnlyTrue, "it has a meaning only with a moderator's API key"),
    param("newCreators", Kind::Bool),
    warned("favorites", Kind::Bool, NEEDS_KEY),
    warned("hidden", Kind::Bool, NEEDS_KEY),
    param("availability", Kind::Word(AVAILABILITIES)),
    param("allowCommercialUse", Kind::Words(COMMERCIAL_USES)),
    param("fileFormats", Kind::Texts { min: 2 }),
    param("rating", NO_EFFECT),
    param("status", NO_EFFECT),
    param("allowNoCredit", ALWAYS_400),
    param("allowDerivatives", ALWAYS_400),
    param("allowDifferentLicense", ALWAYS_400),
    param(
        "allowDifferentLicenses",
        Kind::Refused("it is documented, but the server ignores it and returns the whole catalog"),
    ),
    param("browsingLevel", ALWAYS_400),
    param("collectionId", ALWAYS_400),
    param("pending", ALWAYS_400),
    param("isFeatured", ALWAYS_400),
    param("disablePoi", ALWAYS_400),
    param("disableMinor", ALWAYS_400),
    param("poiOnly", ALWAYS_400),
    param("minorOnly", ALWAYS_400),
    param("excludedModelIds", ALWAYS_400),
    param("excludedUserIds", ALWAYS_400),
    param("excludedTagIds", ALWAYS_400),
    param("excludedImageIds", ALWAYS_400),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{PARAMS, TYPES};

    #[test]
    fn names_and_words_are_unique() {
        let names: BTreeSet<&str> = PARAMS.iter().map(|param| param.name).collect();
        assert_eq!(names.len(), PARAMS.len());
        let types: BTreeSet<&str> = TYPES.iter().copied().collect();
        assert_eq!((types.len(), TYPES.len()), (23, 23));
    }
}
