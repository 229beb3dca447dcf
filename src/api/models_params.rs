//! The parameters of `GET /models`, as the server treats them. Each text follows the parameter's name and a colon: lower case, no
//! full stop.

use super::endpoint::{Param, ParamKind, param, warned};

/// The largest page size, in models.
pub(super) const LIMIT_MAX: u32 = 100;

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
const ALWAYS_400: ParamKind =
    ParamKind::Refused("the server answers 400 to any value in a query; filter the rows afterwards");
const NO_EFFECT: ParamKind =
    ParamKind::Refused("the server accepts it and lists published models all the same; filter the rows afterwards");

/// Every query parameter of the models list.
pub(super) const PARAMS: &[Param] = &[
    param("limit", ParamKind::Int { min: 1, max: LIMIT_MAX as i64 }),
    param(
        "page",
        ParamKind::Refused(
            "the server returns the first page whatever the number, refuses it together with `query`, and answers 429 \
             for high ones; civitrawl walks by cursor",
        ),
    ),
    param("cursor", ParamKind::Managed("civitrawl sets it while it walks")),
    warned(
        "query",
        ParamKind::Text,
        "a search is paged by offset in order of relevance and only to a limited depth, so rows can be missed",
    ),
    warned(
        "tag",
        ParamKind::Text,
        "a tag the server does not know is no filter, it answers with the whole catalog; compare the first rows",
    ),
    warned(
        "tagname",
        ParamKind::Text,
        "a tag the server does not know is no filter, it answers with the whole catalog; compare the first rows",
    ),
    param("username", ParamKind::Text),
    param("user", ParamKind::Text),
    param("types", ParamKind::Words(TYPES)),
    warned("baseModels", ParamKind::Texts { min: 1 }, NARROWS_VERSIONS),
    warned("checkpointType", ParamKind::Word(CHECKPOINT_TYPES), "models of other types than Checkpoint pass it"),
    param("sort", ParamKind::Word(SORTS)),
    param("period", ParamKind::Word(PERIODS)),
    param("periodMode", ParamKind::Word(PERIOD_MODES)),
    param("nsfw", ParamKind::Bool),
    warned(
        "primaryFileOnly",
        ParamKind::Bool,
        "when true, each version comes back with one file, the others are missing",
    ),
    param("ids", ParamKind::Ids),
    warned("modelVersionIds", ParamKind::Ids, NARROWS_VERSIONS),
    warned("supportsGeneration", ParamKind::OnlyTrue, NARROWS_VERSIONS),
    param("archived", ParamKind::OnlyTrue),
    param("earlyAccess", ParamKind::OnlyTrue),
    param("fromPlatform", ParamKind::OnlyTrue),
    warned("followed", ParamKind::OnlyTrue, "it has a meaning only with an API key"),
    warned("needsReview", ParamKind::OnlyTrue, "it has a meaning only with a moderator's API key"),
    param("newCreators", ParamKind::Bool),
    warned("favorites", ParamKind::Bool, NEEDS_KEY),
    warned("hidden", ParamKind::Bool, NEEDS_KEY),
    param("availability", ParamKind::Word(AVAILABILITIES)),
    param("allowCommercialUse", ParamKind::Words(COMMERCIAL_USES)),
    param("fileFormats", ParamKind::Texts { min: 2 }),
    param("rating", NO_EFFECT),
    param("status", NO_EFFECT),
    param("allowNoCredit", ALWAYS_400),
    param("allowDerivatives", ALWAYS_400),
    param("allowDifferentLicense", ALWAYS_400),
    param(
        "allowDifferentLicenses",
        ParamKind::Refused("it is documented, but the server ignores it and returns the whole catalog"),
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
