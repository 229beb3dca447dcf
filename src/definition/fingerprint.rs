//! The part of a crawl that decides the rows of a pass, as JSON for commit records, and the difference between two of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::crawl::{Crawl, Each, Partitioning, Server, Source, Walk};
use crate::table::dropped::Dropped;

/// Returns the settings that decide the rows of a pass, as canonical JSON: the server (with the sandbox's catalog), `keep_bodies`,
/// what is dropped, and the walks. Pace, timeouts, retries, commit bounds and the order of a walk's parameters are not in it: they may change.
pub fn fingerprint(crawl: &Crawl) -> Value {
    let mut canonical = json!({
        "server": match &crawl.server { Server::Url(url) => url.as_str(), Server::Sandbox => "sandbox" },
        "keep_bodies": crawl.keep_bodies,
        "walks": crawl.walks.iter().map(walk).collect::<Vec<Value>>(),
    });
    if !crawl.pseudonymize.is_empty() {
        canonical["pseudonymize"] = json!(crawl.pseudonymize);
        canonical["pseudonym_key_digest"] = json!(crawl.pseudonym_key_digest);
    }
    if crawl.drop != Dropped::default() {
        canonical["drop"] = json!(crawl.drop.names());
    }
    if crawl.server == Server::Sandbox {
        let sandbox = &crawl.sandbox;
        canonical["sandbox"] = json!({
            "models": sandbox.models, "seed": sandbox.seed, "era": sandbox.era, "traps": sandbox.traps,
        });
    }
    canonical
}

/// Items of a list that a sentence shows.
const SHOWN_ITEMS: usize = 8;

/// Returns the canonical JSON of one walk.
fn walk(walk: &Walk) -> Value {
    let mut params: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in &walk.params {
        params.entry(name).or_default().push(value);
    }
    params.values_mut().for_each(|values| values.sort_unstable());
    let mut canonical =
        json!({ "name": walk.name, "endpoint": walk.endpoint.name, "params": params, "limit": walk.limit });
    match &walk.partitioning {
        Partitioning::One => {}
        // The number of parallel windows decides no row.
        Partitioning::Windows { .. } => canonical["split"] = json!("windows"),
        Partitioning::Each(each) => canonical["for_each"] = for_each(each),
    }
    if let Some(from) = walk.later.from {
        // As written, since `now` is another instant in each run.
        canonical["from"] = json!(from.to_string());
    }
    if !walk.finds_gone() {
        canonical["finds_gone"] = json!(false);
    }
    if walk.later.confirm_gone {
        canonical["confirm_gone"] = json!(true);
    }
    canonical
}

fn for_each(each: &Each) -> Value {
    let source = match &each.source {
        Source::Column { table, column, choice } => {
            let mut source = json!({ "table": table, "column": column });
            if !choice.conditions.is_empty() {
                let conditions = choice.conditions.iter().map(|condition| (condition.column, &condition.written));
                source["where"] = json!(conditions.collect::<BTreeMap<_, _>>());
            }
            if let Some(top) = &choice.top {
                (source["order_by"], source["top"]) = (json!(top.by), json!(top.count));
            }
            source
        }
        Source::Changed { table, column } => json!({ "table": table, "column": column }),
        Source::List(values) => json!({ "list": values }),
        Source::Range { first, last } => json!({ "range": [first, last] }),
        Source::Newest { first } => json!({ "range": [first, "newest"] }),
        Source::Types => json!("types"),
    };
    let mut canonical = json!({ "source": source, "param": each.param, "batch": each.batch });
    if matches!(each.source, Source::Changed { .. }) {
        canonical["only"] = json!("changed");
    }
    canonical
}

/// True if the walk of this name requests the same list in both definitions, from the same beginning on. Page size, partitioning
/// and `incremental` may differ.
pub fn asks_the_same(old: &Value, new: &Value, name: &str) -> bool {
    let asked = |definition: &Value| {
        let walk = find(&definition["walks"], name)?;
        let each = &walk["for_each"];
        let list = json!([walk["endpoint"], walk["params"], walk["from"], each["source"], each["param"]]);
        Some((definition["server"].clone(), definition["sandbox"].clone(), list))
    };
    asked(old).is_some_and(|was| asked(new) == Some(was))
}

/// Returns the changes of a definition, one line each; empty only if nothing changed.
pub fn difference(old: &Value, new: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", &without(old, "walks"), &without(new, "walks"), &mut lines);
    compare_walks(&old["walks"], &new["walks"], &mut lines);
    if lines.is_empty() && old != new {
        lines.push("the definition was recorded in a form that this version does not write".to_owned());
    }
    lines
}

/// Adds a line for each key whose value differs; keys of nested objects are named by their path.
fn compare(prefix: &str, old: &Value, new: &Value, lines: &mut Vec<String>) {
    let keys: BTreeSet<&String> =
        [old, new].into_iter().filter_map(Value::as_object).flat_map(|map| map.keys()).collect();
    for key in keys {
        let name = format!("{prefix}`{key}`");
        match (old.get(key), new.get(key)) {
            (Some(old), Some(new)) if old == new => {}
            (Some(old @ Value::Object(_)), Some(new @ Value::Object(_))) => {
                let prefix = if key == "params" { format!("{prefix}param ") } else { format!("{prefix}{key} ") };
                compare(&prefix, old, new, lines);
            }
            (Some(Value::Array(old)), Some(Value::Array(new))) if old.len().max(new.len()) > SHOWN_ITEMS => {
                lines.push(compare_lists(&name, old, new));
            }
            (Some(old), Some(new)) => lines.push(format!("{name} was {}, is {}", shown(old), shown(new))),
            (Some(old), None) => lines.push(format!("{name} was {}, is gone", shown(old))),
            (None, Some(new)) => lines.push(format!("{name} is new: {}", shown(new))),
            (None, None) => {}
        }
    }
}

/// Returns the line for two lists of which one is long: what one has and the other has not.
fn compare_lists(name: &str, old: &[Value], new: &[Value]) -> String {
    let without = |all: &[Value], others: &[Value]| {
        let others: BTreeSet<String> = others.iter().map(Value::to_string).collect();
        let rest = all.iter().filter(|item| !others.contains(&item.to_string())).cloned().collect();
        Some(Value::Array(rest)).filter(|rest| rest != &json!([])).map(|rest| shown(&rest))
    };
    match (without(old, new), without(new, old)) {
        (Some(lost), Some(gained)) => format!("{name} has {lost} no more, and {gained} is new in it"),
        (Some(lost), None) => format!("{name} has {lost} no more"),
        (None, Some(gained)) => format!("{gained} is new in {name}"),
        (None, None) => format!("{name} has another order, or items that repeat"),
    }
}

/// Compares walks by name. Their order counts too, because the first one wins in a snapshot.
fn compare_walks(old: &Value, new: &Value, lines: &mut Vec<String>) {
    let (old_names, new_names) = (names(old), names(new));
    for name in &old_names {
        match find(new, name) {
            Some(now) => {
                let was = find(old, name).unwrap_or(&Value::Null);
                // It follows from the parameters.
                let [was, now] = [was, now].map(|walk| without(walk, "finds_gone"));
                compare(&format!("walk `{name}`: "), &was, &now, lines);
            }
            None => lines.push(format!("walk `{name}` is gone")),
        }
    }
    for name in new_names.iter().filter(|name| !old_names.contains(name)) {
        lines.push(format!("walk `{name}` is new"));
    }
    let stayed: Vec<&&str> = old_names.iter().filter(|name| new_names.contains(name)).collect();
    let stays: Vec<&&str> = new_names.iter().filter(|name| old_names.contains(name)).collect();
    if stayed != stays {
        lines.push(format!("the order of the walks was {}, is {}", shown(&json!(old_names)), shown(&json!(new_names))));
    }
}

/// Returns the object without one of its keys.
fn without(value: &Value, key: &str) -> Value {
    let mut value = value.clone();
    if let Some(map) = value.as_object_mut() {
        map.remove(key);
    }
    value
}

/// Returns the names of the walks, in order.
fn names(walks: &Value) -> Vec<&str> {
    walks.as_array().into_iter().flatten().filter_map(|walk| walk["name"].as_str()).collect()
}

/// Returns the walk of this name.
fn find<'v>(walks: &'v Value, name: &str) -> Option<&'v Value> {
    walks.as_array()?.iter().find(|walk| walk["name"] == name)
}

/// Formats a value for a sentence: text and lists of texts as words in backticks, all else as JSON in backticks.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Array(items) if !items.is_empty() => {
            let first: Vec<String> = items.iter().take(SHOWN_ITEMS).map(shown).collect();
            let more = items.len() - first.len();
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            first.join(", ") + &rest
        }
        other => format!("`{other}`"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parse;
    use super::*;
    use crate::api::ENDPOINTS;

    const FILE: &str = "server = \"sandbox\"\ndataset = \"d\"\n[[walk]]\nname = \"a\"\nendpoint = \"models\"\n\
        params = { sort = \"Oldest\", types = [\"VAE\", \"LORA\"] }\n[[walk]]\nname = \"b\"\nendpoint = \"models\"\n";

    fn of(text: &str) -> Value {
        parse("x", text, ENDPOINTS).map_or(Value::Null, |(crawl, _)| fingerprint(&crawl))
    }

    #[test]
    fn is_canonical() {
        let expected = json!({
            "server": "sandbox",
            "sandbox": { "models": 2000, "seed": 1, "era": "2026-09", "traps": "all" },
            "keep_bodies": false,
            "walks": [
                { "name": "a", "endpoint": "models", "limit": 100, "params": { "sort": ["Oldest"], "types": ["LORA", "VAE"] } },
                { "name": "b", "endpoint": "models", "limit": 100, "params": {} },
            ],
        });
        assert_eq!(of(FILE), expected);
    }

    #[test]
    fn lists_that_move_on_with_time_find_nothing_gone() {
        let finds = |endpoint: &str, params: &str| {
            let walk = format!("[[walk]]\nname = \"a\"\nendpoint = \"{endpoint}\"\nparams = {{ {params} }}\n");
            of(&format!("server = \"sandbox\"\ndataset = \"d\"\n{walk}"))["walks"][0]["finds_gone"].clone()
        };
        assert_eq!(finds("models", "period = \"Week\""), false);
        assert_eq!(finds("models", "period = \"AllTime\""), Value::Null);
        assert_eq!(finds("images", "tags = [1]"), false);
        assert_eq!(finds("images", "postId = 1"), Value::Null);
        assert_eq!(finds("users", "ids = [1]"), false);
        assert_eq!(finds("enums", ""), false);
    }

    #[test]
    fn values_that_are_chosen_anew_find_nothing_gone_nor_do_posts() {
        let finds = |endpoint: &str, more: &str| {
            let each = format!("for_each = {{ table = \"model_versions\", column = \"id\"{more} }}");
            let walk = format!("[[walk]]\nname = \"a\"\nendpoint = \"{endpoint}\"\n{each}\n");
            of(&format!("server = \"sandbox\"\ndataset = \"d\"\n{walk}"))["walks"][0]["finds_gone"].clone()
        };
        assert_eq!(finds("model_version", ""), Value::Null);
        assert_eq!(finds("model_version", ", where = { base_model = \"Pony\" }"), false);
        assert_eq!(finds("model_version", ", order_by = \"download_count\", top = 9"), false);
        assert_eq!(finds("post", ""), false);
    }

    #[test]
    fn what_may_change_freely_is_not_in_it() {
        let free = "retry.attempts = 3\npace.burst = 9\ntimeouts.idle = \"9s\"\ncommit.every = \"9s\"\n\
            sandbox.latency = \"9ms\"\nkey_file = \"k\"\n";
        let reordered = FILE.replace(
            "sort = \"Oldest\", types = [\"VAE\", \"LORA\"]",
            "types = [\"LORA\", \"VAE\"], sort = \"Oldest\"",
        );
        assert_eq!(of(&format!("{free}{FILE}")), of(FILE));
        assert_eq!(of(&reordered), of(FILE));
    }

    #[test]
    fn differences_are_told_line_by_line() {
        let cases: [(&str, &str, &[&str]); 10] = [
            ("Oldest", "Newest", &["walk `a`: param `sort` was `Oldest`, is `Newest`"]),
            (
                "\"sandbox\"",
                "\"https://h/api/v1\"",
                &[
                    "`sandbox` was `{\"era\":\"2026-09\",\"models\":2000,\"seed\":1,\"traps\":\"all\"}`, is gone",
                    "`server` was `sandbox`, is `https://h/api/v1`",
                ],
            ),
            ("dataset", "keep_bodies = true\ndataset", &["`keep_bodies` was `false`, is `true`"]),
            ("dataset", "sandbox.models = 5\ndataset", &["sandbox `models` was `2000`, is `5`"]),
            ("[\"VAE\", \"LORA\"]", "\"LORA\"", &["walk `a`: param `types` was `LORA`, `VAE`, is `LORA`"]),
            (
                "sort = \"Oldest\",",
                "limit = 5,",
                &["walk `a`: `limit` was `100`, is `5`", "walk `a`: param `sort` was `Oldest`, is gone"],
            ),
            ("sort =", "nsfw = true, sort =", &["walk `a`: param `nsfw` is new: `true`"]),
            ("name = \"a\"", "from = \"now - 48h\"\nname = \"a\"", &["walk `a`: `from` is new: `now - 2d`"]),
            ("\"b\"", "\"c\"", &["walk `b` is gone", "walk `c` is new"]),
            ("dataset", "dataset", &[]),
        ];
        for (from, to, expected) in cases {
            assert_eq!(difference(&of(FILE), &of(&FILE.replace(from, to))), expected, "{to}");
        }
    }

    #[test]
    fn the_same_question_however_it_is_cut_and_however_much_of_it_is_asked() {
        let each = "server = \"sandbox\"\ndataset = \"d\"\n[[walk]]\nname = \"a\"\nendpoint = \"model_version\"\n\
            for_each = { table = \"model_versions\", column = \"id\" }\n";
        let same = [
            (FILE, "sort = \"Oldest\",", "sort = \"Oldest\", limit = 7,"),
            (FILE, "name = \"a\"", "name = \"a\"\nincremental.overlap = \"1d\"\nconfirm_gone = true"),
            (FILE, "name = \"a\"", "name = \"a\"\nsplit = { windows = 2, from = \"2022-11-01\" }"),
            (each, "\"id\"", "\"id\", only = \"changed\""),
        ];
        for (file, from, to) in same {
            assert!(asks_the_same(&of(file), &of(&file.replacen(from, to, 1)), "a"), "{to}");
        }
        let other = [
            (FILE, "\"VAE\", ", ""),
            (FILE, "name = \"a\"", "name = \"a\"\nfrom = \"2026-11-01\""),
            (FILE, "\"sandbox\"", "\"https://h/api/v1\""),
            (FILE, "\"a\"", "\"c\""),
            (each, "\"id\"", "\"model_id\""),
        ];
        for (file, from, to) in other {
            assert!(!asks_the_same(&of(file), &of(&file.replacen(from, to, 1)), "a"), "{from}");
        }
    }

    #[test]
    fn the_order_of_walks_matters() {
        let (old, mut new) = (of(FILE), of(FILE));
        new["walks"].as_array_mut().into_iter().for_each(|walks| walks.reverse());
        assert_eq!(difference(&old, &new), ["the order of the walks was `a`, `b`, is `b`, `a`"]);
        assert_eq!(difference(&json!(1), &json!(2)).len(), 1);
    }

    /// Any JSON near enough to a fingerprint to take every path.
    fn anything() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), "[ab]".prop_map(Value::from)];
        leaf.prop_recursive(4, 16, 3, |inner| {
            let key = prop::sample::select(vec!["walks", "name", "params", "server"]);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..4).prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_is_said_exactly_when_nothing_changed(old in anything(), new in anything()) {
            prop_assert_eq!(difference(&old, &new).is_empty(), old == new);
            prop_assert!(difference(&old, &old).is_empty());
        }
    }
}
