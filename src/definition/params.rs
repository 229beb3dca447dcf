//! A walk's query parameters, checked against its endpoint, because the server silently ignores a misspelt filter and returns the
//! whole catalog.

use toml::de::{DeTable, DeValue};

use super::mistake::{Findings, clip};
use super::value::{Key, Value, in_file_order, text, whole};
use super::{credential, suggestion};
use crate::api::endpoint::{Endpoint, Param, ParamKind};

/// Parameters that must not be given together, and the reason.
const EXCLUSIVE: &[(&str, &str, &str)] = &[
    ("tag", "tagname", "the server then ignores `tag`"),
    ("username", "user", "both name the creator, and the server uses only one of them"),
];
/// Parameters that even `unchecked` refuses, and the reason.
const CLOSED: &[(&str, &str)] = &[
    ("cursor", "civitrawl sets it while it walks"),
    ("page", "civitrawl finds its own way through the pages"),
    ("limit", "it belongs into `params`, where it is checked"),
];

/// The parameters of a walk, as they are sent.
pub(super) struct SentParams {
    /// Parameters in the order of the file, lists spread over repeated keys.
    pub(super) pairs: Vec<(String, String)>,
    /// Page size in items.
    pub(super) limit: u32,
}

/// Reads `params` and `unchecked` of a walk that begins at `at`.
pub(super) fn read<'a>(
    endpoint: &Endpoint,
    checked: Option<&'a DeTable<'a>>,
    unchecked: Option<&'a DeTable<'a>>,
    at: usize,
    found: &mut Findings<'_>,
) -> SentParams {
    let mut query = SentParams { pairs: Vec::new(), limit: endpoint.limit_max };
    for (key, value) in checked.into_iter().flat_map(in_file_order) {
        read_checked(endpoint, key, value, &mut query, found);
    }
    if let Some(checked) = checked {
        refuse_combinations(checked, found);
    }
    for (key, value) in unchecked.into_iter().flat_map(in_file_order) {
        read_unchecked(key, value, &mut query, checked, found);
    }
    warn_of_drift(endpoint, &query, checked, at, found);
    warn_of_lost_meta(&query, checked, found);
    query
}

/// Reads one entry of `params`.
fn read_checked(
    endpoint: &Endpoint,
    key: &Key<'_>,
    value: &Value<'_>,
    query: &mut SentParams,
    found: &mut Findings<'_>,
) {
    let (name, at) = (key.get_ref().as_ref(), key.span().start);
    if let Some(text) = credential::refusal(name) {
        return found.mistake(at, text);
    }
    let Some(param) = endpoint.params.iter().find(|param| param.name == name) else {
        return found.mistake(at, unknown(endpoint, name));
    };
    let values = encode(param, value, found);
    if let Some(warning) = param.warning.filter(|warning| values.iter().any(|value| (warning.about)(value))) {
        found.warn(at, format!("`{name}`: {}.", warning.text));
    }
    match values.first().map(|first| first.parse()) {
        Some(Ok(limit)) if name == "limit" => query.limit = limit,
        _ => query.pairs.extend(values.into_iter().map(|value| (name.to_owned(), value))),
    }
}

/// Returns the mistake of a parameter that the endpoint does not have.
fn unknown(endpoint: &Endpoint, name: &str) -> String {
    let known = endpoint.params.iter().map(|param| param.name);
    let otherwise = "If the server knows it by now, pass it in `unchecked`.";
    let ending = suggestion::did_you_mean(name, known, otherwise);
    let consequence = "the server would ignore it silently and return the whole catalog";
    format!("`{}` has no parameter `{}`: {consequence}.{ending}", endpoint.name, clip(name))
}

/// Returns a parameter's value as it is sent: one text for each repetition of the key. Empty after a mistake.
fn encode(param: &Param, value: &Value<'_>, found: &mut Findings<'_>) -> Vec<String> {
    let (items, least) = match (param.kind, value.get_ref()) {
        (ParamKind::Words(_) | ParamKind::Ids, DeValue::Array(array)) => (array.iter().collect(), 1),
        (ParamKind::Texts { min }, DeValue::Array(array)) => (array.iter().collect(), min.max(1)),
        (ParamKind::Texts { min }, _) => (vec![value], min),
        _ => (vec![value], 1),
    };
    if items.len() < least {
        let text =
            format!("`{}` has {} of at least {least} values; add some, or leave it out.", param.name, items.len());
        found.mistake(value.span().start, text);
    }
    let mut texts = Vec::new();
    for item in items {
        match encode_one(param, item.get_ref(), &found.written(item.span())) {
            Ok(text) => texts.push(text),
            Err(text) => found.mistake(item.span().start, text),
        }
    }
    if matches!(param.kind, ParamKind::Texts { .. }) && texts.iter().any(|text| text.contains(',')) {
        found.warn(value.span().start, format!("`{}`: a text with a comma is one value, not a list.", param.name));
    }
    if param.kind == ParamKind::Ids && !texts.is_empty() {
        return vec![texts.join(",")];
    }
    texts
}

/// Returns one value of a parameter as it is sent, or the mistake in it.
fn encode_one(param: &Param, value: &DeValue<'_>, written: &str) -> Result<String, String> {
    let name = param.name;
    let takes = |expected: &str| format!("`{name}` is `{written}`; it takes {expected}.");
    let whole_in = |min: i64, max: i64| whole(value).filter(|number| (min.into()..=max.into()).contains(number));
    match param.kind {
        ParamKind::Int { min, max } => whole_in(min, max).map(|number| number.to_string()).ok_or_else(|| {
            let all = if name == "limit" { "; there is no value for all" } else { "" };
            takes(&format!("a whole number from {min} to {max}{all}"))
        }),
        ParamKind::Bool => {
            value.as_bool().map(|flag| flag.to_string()).ok_or_else(|| takes("`true` or `false`, without quotes"))
        }
        ParamKind::OnlyTrue => match value {
            DeValue::Boolean(true) => Ok("true".to_owned()),
            DeValue::Boolean(false) => {
                Err(format!("`{name}` is `false`, which the server reads as true; leave the parameter out."))
            }
            _ => Err(takes("`true`, without quotes, or is left out")),
        },
        ParamKind::Word(words) | ParamKind::Words(words) => encode_word(param, words, value).map_err(|text| {
            text.unwrap_or_else(|| takes(&format!("text in quotes, of {}", suggestion::list(words.iter().copied()))))
        }),
        ParamKind::Text | ParamKind::Texts { .. } => {
            text(value).map(str::to_owned).ok_or_else(|| takes("text in quotes that is not empty"))
        }
        ParamKind::Ids => whole_in(1, i64::MAX)
            .map(|number| number.to_string())
            .ok_or_else(|| takes("whole numbers from 1, such as `[1, 2, 3]`")),
        ParamKind::Managed(why) | ParamKind::Refused(why) => Err(format!("`{name}` cannot be asked for: {why}.")),
    }
}

/// Returns the word if it is known, else the mistake; `None` for a value that is no text.
fn encode_word(param: &Param, words: &[&str], value: &DeValue<'_>) -> Result<String, Option<String>> {
    let name = param.name;
    let word = match value {
        // A level that may also be written as a flag.
        DeValue::Boolean(flag) if words.contains(&"true") => {
            if *flag {
                "true"
            } else {
                "false"
            }
        }
        _ => value.as_str().ok_or(None)?,
    };
    if words.contains(&word) {
        return Ok(word.to_owned());
    }
    let shown = clip(word);
    if matches!(param.kind, ParamKind::Words(_)) && word.contains(',') {
        let items: Vec<String> = word.split(',').map(|item| format!("\"{}\"", clip(item.trim()))).collect();
        let list = format!("{name} = [{}]", items.join(", "));
        return Err(Some(format!("`{name}` is `{shown}`, to the server one unknown word; write a list: `{list}`.")));
    }
    let known = words.iter().copied();
    let otherwise = "If the server knows it by now, pass it in `unchecked`.";
    let ending = suggestion::did_you_mean(word, known.clone(), otherwise);
    Err(Some(format!("`{name}` is `{shown}`; the server knows {}.{ending}", suggestion::list(known))))
}

/// Notes combinations of parameters that the server does not accept.
fn refuse_combinations(checked: &DeTable<'_>, found: &mut Findings<'_>) {
    for (first, second, why) in EXCLUSIVE {
        if let (Some(_), Some((key, _))) = (checked.get(*first), checked.get_key_value(*second)) {
            found.mistake(key.span().start, format!("`{first}` and `{second}` together: {why}; remove one."));
        }
    }
    let private =
        checked.get_key_value("availability").filter(|(_, value)| value.get_ref().as_str() == Some("Private"));
    if let Some((key, _)) = private.filter(|_| !checked.contains_key("username") && !checked.contains_key("user")) {
        let text =
            "`availability` is `Private` without `username`: the server refuses that; name yourself in `username`.";
        found.mistake(key.span().start, text);
    }
}

/// Reads one entry of `unchecked`, which is sent as it is.
fn read_unchecked(
    key: &Key<'_>,
    value: &Value<'_>,
    query: &mut SentParams,
    checked: Option<&DeTable<'_>>,
    found: &mut Findings<'_>,
) {
    let (name, at) = (key.get_ref().as_ref(), key.span().start);
    if let Some(text) = credential::refusal(name) {
        return found.mistake(at, text);
    }
    if let Some((_, why)) = CLOSED.iter().find(|(closed, _)| *closed == name) {
        return found.mistake(at, format!("`{name}` cannot be in `unchecked`: {why}."));
    }
    if checked.is_some_and(|checked| checked.contains_key(name)) {
        return found.mistake(at, format!("`{}` is in `params` and in `unchecked`; remove one.", clip(name)));
    }
    let items = value.get_ref().as_array().map_or_else(|| vec![value], |array| array.iter().collect());
    for item in items {
        let text = match item.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Float(float) => float.as_str().to_owned(),
            other => match whole(other) {
                Some(number) => number.to_string(),
                None => {
                    let text = "it takes text, a number, `true` or `false`, or a list of these";
                    let written = found.written(item.span());
                    found.mistake(item.span().start, format!("`{}` is `{written}`; {text}.", clip(name)));
                    continue;
                }
            },
        };
        query.pairs.push((name.to_owned(), text));
    }
}

/// Warns of `flatMeta` without `withMeta`: it shapes what the server then leaves out.
fn warn_of_lost_meta(query: &SentParams, checked: Option<&DeTable<'_>>, found: &mut Findings<'_>) {
    let sent = |name: &str| query.pairs.iter().any(|(key, value)| key == name && value == "true");
    let flat = checked.and_then(|checked| checked.get_key_value("flatMeta"));
    if let Some((key, _)) = flat.filter(|_| sent("flatMeta") && !sent("withMeta")) {
        let text = "`flatMeta` without `withMeta = true`: the server then shows no prompts, resources and settings of \
                    images, and their columns stay empty; add `withMeta = true`.";
        found.warn(key.span().start, text);
    }
}

/// Warns of a sort by a counter: rows move during the walk. Searches have a warning of their own, since `sort` does not apply.
fn warn_of_drift(
    endpoint: &Endpoint,
    query: &SentParams,
    checked: Option<&DeTable<'_>>,
    at: usize,
    found: &mut Findings<'_>,
) {
    let by_age = |param: &Param| matches!(param.kind, ParamKind::Word(words) if words.contains(&"Oldest"));
    let sortable = endpoint.params.iter().any(|param| param.name == "sort" && by_age(param));
    let given = |name: &str| query.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if !sortable || given("query").is_some() || matches!(given("sort"), Some("Newest" | "Oldest")) {
        return;
    }
    let moving = "rows move while the walk runs, and those that move across the cursor are missed";
    let remedy = "sort by `Oldest` to miss none";
    match checked.and_then(|checked| checked.get_key_value("sort")) {
        Some((key, value)) => {
            let sort = clip(value.get_ref().as_str().unwrap_or_default());
            found.warn(key.span().start, format!("`sort` is `{sort}`, a counter: {moving}; {remedy}."));
        }
        None => found.warn(at, format!("without `sort` the server sorts by a counter: {moving}; {remedy}.")),
    }
}
