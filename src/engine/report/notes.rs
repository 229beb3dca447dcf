//! Notes on a pass: shares of levels, totals that the server reports, rows that came late, keys that no column takes. Pure.

use std::collections::BTreeMap;

use super::completeness::several;
use crate::api::enums::ENUMS;
use crate::dataset::commit::{Longest, UnknownKey, WalkState};
use crate::definition::Crawl;
use crate::table::unknown::{KEYS_MAX, OTHERS};

/// The number of hits at which search engines cut a list off by default.
const LONG: u64 = 1000;

/// Returns a sentence for each fact that is no doubt. `known` counts the items that the pass saw of each endpoint which
/// reports a total.
pub fn notes(crawl: &Crawl, walks: &BTreeMap<String, WalkState>, known: &BTreeMap<&str, u64>) -> Vec<String> {
    let mut all = Vec::new();
    for definition in &crawl.walks {
        let (endpoint, name) = (definition.endpoint.name, &definition.name);
        let mut say = |text: String| all.push(format!("walk `{name}`: {text}"));
        let Some(walk) = walks.get(name) else { continue };
        if endpoint == ENUMS.name && walk.end.is_some() && walk.pages == 0 {
            say(String::from("the server has no `enums`, so no new word is noticed"));
        }
        if walk.items == 0 {
            continue;
        }
        if matches!(endpoint, "models" | "images") {
            let share = 100.0 * walk.above_pg13 as f64 / walk.items as f64;
            say(format!("{} of {} items ({share:.0} %) show nothing of PG or PG13", walk.above_pg13, walk.items));
        }
        if let (Some(total), Some(known)) = (walk.reported_total, known.get(endpoint)) {
            say(format!("the server says there are {total}, and the pass saw {known}"));
        }
        if let Some(Longest { partition, items }) = walk.longest.as_ref().filter(|longest| longest.items >= LONG)
            && !definition.endpoint.whole_with.is_empty()
        {
            say(format!(
                "its longest list, of `{partition}`, has {items} items; the server may have cut it off there without a sign"
            ));
        }
        if walk.nameless > 0 {
            say(format!("{} without a name, kept in `rejects`", several(walk.nameless, "item")));
        }
        if walk.twins > 0 {
            say(format!("{} appeared twice on one page and counted once", several(walk.twins, "thing")));
        }
        if walk.late_items > 0 {
            say(format!("{} appeared while the walk ran and were taken at its end", several(walk.late_items, "item")));
        }
    }
    all
}

/// Returns a sentence for each key that no column takes, all walks together.
pub fn unknown_keys(walks: &BTreeMap<String, WalkState>) -> Vec<String> {
    let mut keys: BTreeMap<(&str, &str), UnknownKey> = BTreeMap::new();
    for (table, unknown) in walks.values().flat_map(|walk| &walk.unknown) {
        for (key, rows) in unknown {
            keys.entry((table, key)).and_modify(|known| known.add(rows)).or_insert_with(|| rows.clone());
        }
    }
    let sentence = |((table, key), first): (&(&str, &str), &UnknownKey)| {
        let rows = several(first.rows, "row");
        let what = match *key {
            OTHERS => format!("keys beyond the first {KEYS_MAX} fit no column"),
            key => format!("`{key}` fits no column"),
        };
        format!("{table}: {what}; kept in `extra` of {rows}, first on page {} of walk `{}`", first.page, first.walk)
    };
    keys.iter().map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ENDPOINTS;

    #[test]
    fn unknown_keys_of_all_walks_are_named_together_with_the_first_page() {
        let walk = |name: &str, rows, page, at| {
            let key = UnknownKey { rows, walk: name.to_owned(), page, at };
            let keys = BTreeMap::from([(String::from("stats.new"), key)]);
            (
                name.to_owned(),
                WalkState { unknown: BTreeMap::from([(String::from("models"), keys)]), ..WalkState::default() },
            )
        };
        let walks = BTreeMap::from([walk("a", 2, 7, 20), walk("b", 3, 5, 10)]);
        let named = "models: `stats.new` fits no column; kept in `extra` of 5 rows, first on page 5 of walk `b`";
        assert_eq!(unknown_keys(&walks), [named]);
        assert_eq!(unknown_keys(&BTreeMap::new()), [""; 0]);
    }

    #[test]
    fn a_list_as_long_as_servers_cut_off_is_named() {
        let is_named = |endpoint: &str, param: &str, items: u64| {
            let text = format!(
                "server = \"sandbox\"\ndataset = \"d\"\npace = {{ requests_per_second = 1.0 }}\n\
                 [[walk]]\nname = \"all\"\nendpoint = \"{endpoint}\"\n\
                 for_each = {{ list = [\"1\"], param = \"{param}\" }}\n"
            );
            let (crawl, _) = crate::definition::parse("c", &text, ENDPOINTS).unwrap();
            let longest = Some(Longest { partition: String::from("1"), items });
            let walk = WalkState { items: 5000, longest, ..WalkState::default() };
            let notes = notes(&crawl, &BTreeMap::from([(String::from("all"), walk)]), &BTreeMap::new());
            notes.iter().any(|text| text.contains("its longest list, of `1`, has"))
        };
        assert!(is_named("images", "postId", 1000));
        assert!(!is_named("images", "postId", 999));
        assert!(!is_named("models", "username", 1000));
    }
}
