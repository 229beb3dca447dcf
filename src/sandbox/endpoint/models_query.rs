//! The parameters of the models list, checked and coerced as the server does.

use std::collections::HashSet;

use serde_json::json;

use super::answer::Answer;
use super::check::{self, Check};
use crate::sandbox::catalog::sort::Sort;
use crate::sandbox::catalog::words::{KINDS, after_nights};
use crate::sandbox::era::Era;
use crate::sandbox::traps::{Trap, Traps};

/// The checked parameters, without those that the server does not know or that have no effect.
#[derive(Clone, Debug)]
pub(crate) struct ModelsQuery {
    pub(crate) limit: u32,
    pub(crate) cursor: Option<String>,
    pub(crate) sort: Sort,
    /// Positions in [`KINDS`]; empty for all.
    pub(crate) kinds: Vec<u8>,
    pub(crate) nsfw: bool,
    pub(crate) archived: bool,
    pub(crate) supports_generation: bool,
    pub(crate) early_access: bool,
    /// Models whose newest version is older are left out.
    pub(crate) period_days: Option<i64>,
    pub(crate) ids: Option<HashSet<u32>>,
    /// Only versions of these base models are shown; empty for all.
    pub(crate) bases: Vec<String>,
    /// Only these versions are shown.
    pub(crate) version_ids: Option<HashSet<u32>>,
    pub(crate) username: Option<String>,
    pub(crate) tag: Option<String>,
    pub(crate) page: Option<u32>,
    pub(crate) text: Option<String>,
}

const SCALARS: &[&str] = &[
    "limit",
    "cursor",
    "sort",
    "nsfw",
    "archived",
    "supportsGeneration",
    "period",
    "periodMode",
    "username",
    "user",
    "tag",
    "tagname",
    "page",
    "query",
    "primaryFileOnly",
];
/// Parameters whose schema wants a real boolean or number, so that every text is refused.
const UNTYPABLE: &[&str] = &[
    "allowNoCredit",
    "allowDerivatives",
    "allowDifferentLicense",
    "browsingLevel",
    "collectionId",
    "pending",
    "isFeatured",
    "disablePoi",
    "disableMinor",
    "poiOnly",
    "minorOnly",
];
const MODES: &[(&str, bool)] = &[("published", true), ("stats", false)];

/// Checks the parameters in the server's order: sign-in, every parameter, paging. The error is the refusal.
pub(crate) fn parse(era: Era, traps: Traps, pairs: &[(String, String)]) -> Result<ModelsQuery, Answer> {
    if pairs.iter().any(|(key, _)| key == "favorites" || key == "hidden") {
        return Err(Answer::error(401, "Unauthorized"));
    }
    let mut check = Check::new(pairs);
    let query = query(era, traps, &mut check);
    if !check.issues.is_empty() {
        return Err(Answer::issues(check.issues));
    }
    check::depth(query.page, query.cursor.as_deref(), query.limit)?;
    if query.text.is_some() && query.page.is_some() {
        return Err(Answer::error(400, "Cannot use page param with query search. Use cursor-based pagination."));
    }
    Ok(query)
}

fn query(era: Era, traps: Traps, check: &mut Check<'_>) -> ModelsQuery {
    refuse_shapes(check);
    let published = check.choice("periodMode", MODES, true);
    let period_days = check.choice("period", check::PERIODS, None).filter(|_| published);
    check.truth_word("primaryFileOnly");
    ModelsQuery {
        limit: check.number("limit", 0.0, if traps.has(Trap::LargerLimits) { 200.0 } else { 100.0 }).unwrap_or(100),
        cursor: check.filled("cursor"),
        sort: check.choice("sort", Sort::WORDS, Sort::HighestRated),
        kinds: kinds(check),
        nsfw: check.truth_word("nsfw"),
        archived: check.filled("archived").is_some(),
        supports_generation: check.filled("supportsGeneration").is_some(),
        early_access: match era {
            Era::Sep2026 => check.truth_word("earlyAccess"),
            _ => check.filled("earlyAccess").is_some(),
        },
        period_days,
        ids: ids(check, "ids").filter(|_| !traps.has(Trap::IdsIgnored)),
        bases: check.pairs.iter().filter(|(key, _)| key == "baseModels").map(|(_, name)| name.clone()).collect(),
        version_ids: ids(check, "modelVersionIds"),
        username: check.filled("username").or_else(|| check.filled("user")),
        tag: check.filled("tagname").or_else(|| check.filled("tag")),
        page: check.number("page", 1.0, f64::from(u32::MAX)),
        text: check.filled("query"),
    }
}

fn refuse_shapes(check: &mut Check<'_>) {
    for (key, _) in check.pairs {
        let untypable = UNTYPABLE.contains(&key.as_str()) || (key.starts_with("excluded") && key.ends_with("Ids"));
        if untypable {
            check.issue("invalid_type", key, "Invalid input: expected boolean, received string");
        }
    }
    check.single(SCALARS);
}

fn kinds(check: &mut Check<'_>) -> Vec<u8> {
    let mut kinds = Vec::new();
    let known = after_nights(KINDS, usize::MAX, 0);
    let words: Vec<String> =
        check.pairs.iter().filter(|(key, _)| key == "types").map(|(_, value)| value.clone()).collect();
    for (place, word) in words.iter().enumerate() {
        match known.iter().zip(0u8..).find(|(kind, _)| *kind == word) {
            Some((_, kind)) => kinds.push(kind),
            None => check.invalid_option(&json!(["types", place]), &known),
        }
    }
    kinds
}

fn ids(check: &mut Check<'_>, key: &str) -> Option<HashSet<u32>> {
    check.ids(key, usize::MAX).map(HashSet::from_iter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ModelsQuery, (u16, String)> {
        let pairs: Vec<_> = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        parse(Era::Sep2026, Traps::none(), &pairs)
            .map_err(|answer| (answer.status, String::from_utf8(answer.body.to_vec()).unwrap()))
    }

    #[test]
    fn defaults_and_coercions_are_the_servers() {
        let query = read("unknown=1").unwrap();
        assert_eq!((query.limit, query.sort, query.nsfw, query.archived), (100, Sort::HighestRated, false, false));
        assert_eq!(read("limit=").unwrap().limit, 0);
        assert!(read("archived=false").unwrap().archived);
        assert!(read("nsfw=Yes").unwrap().nsfw);
        assert_eq!(read("types=LORA&types=VAE").unwrap().kinds, [4, 10]);
        assert_eq!(read("ids=3,1,3").unwrap().ids.unwrap().len(), 2);
        assert_eq!(read("period=Week").unwrap().period_days, Some(7));
        assert_eq!(read("period=Week&periodMode=stats").unwrap().period_days, None);
        assert_eq!(read("tag=a&tagname=b").unwrap().tag.as_deref(), Some("b"));
        assert!(read("page=50&cursor=1|2|3").is_ok());
        let early = |era, value: &str| {
            parse(era, Traps::none(), &[("earlyAccess".to_owned(), value.to_owned())]).unwrap().early_access
        };
        assert!(early(Era::Aug2026, "false") && early(Era::Aug2026, "maybe"));
        assert!(!early(Era::Sep2026, "false") && early(Era::Sep2026, "true"));
    }

    #[test]
    fn refusals_have_the_servers_status_and_shape() {
        for (text, status, part) in [
            ("limit=101", 400, "ZodError"),
            ("limit=x", 400, "ZodError"),
            ("types=LORA,VAE", 400, "ZodError"),
            ("nsfw=maybe", 400, "ZodError"),
            ("earlyAccess=maybe", 400, "ZodError"),
            ("allowNoCredit=true", 400, "ZodError"),
            ("browsingLevel=1", 400, "ZodError"),
            ("sort=newest", 400, "Invalid option"),
            ("period=Hour", 400, "Invalid option"),
            ("periodMode=x", 400, "Invalid option"),
            ("page=0", 400, "too_small"),
            ("limit=1&limit=2", 400, "received array"),
            ("ids=1,x", 400, "NaN"),
            ("favorites=false", 401, "{\"error\":\"Unauthorized\"}"),
            ("hidden=", 401, "Unauthorized"),
            ("page=11", 429, "You've requested too many pages, please use cursors instead"),
            ("page=2&query=x", 400, "Cannot use page param with query search."),
        ] {
            let (got, body) = read(text).unwrap_err();
            assert_eq!(got, status, "{text}: {body}");
            assert!(body.contains(part), "{text}: {body}");
        }
        assert!(read("page=10").is_ok());
    }
}
