//! What a pass saw beside what there is, in plain words: shares of levels, totals the server tells, rows that came late. Pure.

use std::collections::BTreeMap;

use super::completeness::several;
use crate::dataset::commit::{Longest, UnknownKey, WalkState};
use crate::definition::Crawl;
use crate::table::unknown::{KEYS_MAX, OTHERS};

/// The least number of hits after which search engines cut off, unless told otherwise.
const LONG: u64 = 1000;

/// A sentence for each thing worth knowing that is no doubt. `known` is how many of an endpoint's things the pass
/// met, for those endpoints that tell how many there are.
pub fn seen(crawl: &Crawl, walks: &BTreeMap<String, WalkState>, known: &BTreeMap<&str, u64>) -> Vec<String> {
    let mut all = Vec::new();
    for definition in &crawl.walks {
        let (endpoint, name) = (definition.endpoint.name, &definition.name);
        let Some(walk) = walks.get(name).filter(|walk| walk.items > 0) else { continue };
        let mut say = |text: String| all.push(format!("walk `{name}`: {text}"));
        if matches!(endpoint, "models" | "images") {
            let share = 100.0 * walk.above_pg13 as f64 / walk.items as f64;
            say(format!("{} of {} items ({share:.0} %) show nothing of PG or PG13", walk.above_pg13, walk.items));
        }
        if let (Some(told), Some(known)) = (walk.reported_total, known.get(endpoint)) {
            say(format!("the server says there are {told}, and {known} were met"));
        }
        if let Some(Longest { partition, items }) = walk.longest.as_ref().filter(|longest| longest.items >= LONG)
            && !definition.endpoint.whole_with.is_empty()
        {
            say(format!(
                "the longest of its lists, of `{partition}`, has {items} items; were it too long for the server, it would \
                 end there as if it were all"
            ));
        }
        if walk.nameless > 0 {
            say(format!("{} without a name, kept in `rejects`", several(walk.nameless, "item")));
        }
        if walk.twins > 0 {
            say(format!("{} came twice on one page, and counted once", several(walk.twins, "thing")));
        }
        if walk.late_items > 0 {
            say(format!("{} appeared while it was under way, taken at its end", several(walk.late_items, "item")));
        }
    }
    all
}

/// A sentence for each key that is new, or holds what no column takes, all walks together.
pub fn unknown_keys(walks: &BTreeMap<String, WalkState>) -> Vec<String> {
    let mut keys: BTreeMap<(&str, &str), UnknownKey> = BTreeMap::new();
    for (table, met) in walks.values().flat_map(|walk| &walk.unknown) {
        for (key, met) in met {
            keys.entry((table, key)).and_modify(|known| known.add(met)).or_insert_with(|| met.clone());
        }
    }
    let told = |((table, key), met): (&(&str, &str), &UnknownKey)| {
        let rows = several(met.rows, "row");
        let what = match *key {
            OTHERS => format!("keys beyond the first {KEYS_MAX} fit no column"),
            key => format!("`{key}` fits no column"),
        };
        format!("{table}: {what}; kept in `extra` of {rows}, first on page {} of walk `{}`", met.page, met.walk)
    };
    keys.iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ENDPOINTS;

    #[test]
    fn unknown_keys_of_all_walks_are_told_together_with_the_first_page() {
        let walk = |name: &str, rows, page, at| {
            let key = UnknownKey { rows, walk: name.to_owned(), page, at };
            let keys = BTreeMap::from([(String::from("stats.new"), key)]);
            (
                name.to_owned(),
                WalkState { unknown: BTreeMap::from([(String::from("models"), keys)]), ..WalkState::default() },
            )
        };
        let walks = BTreeMap::from([walk("a", 2, 7, 20), walk("b", 3, 5, 10)]);
        let told = "models: `stats.new` fits no column; kept in `extra` of 5 rows, first on page 5 of walk `b`";
        assert_eq!(unknown_keys(&walks), [told]);
        assert_eq!(unknown_keys(&BTreeMap::new()), [""; 0]);
    }

    #[test]
    fn a_list_as_long_as_servers_cut_off_is_named() {
        let told = |endpoint: &str, param: &str, items: u64| {
            let text = format!(
                "server = \"sandbox\"\ndataset = \"d\"\npace = {{ requests_per_second = 1.0 }}\n\
                 [[walk]]\nname = \"all\"\nendpoint = \"{endpoint}\"\n\
                 for_each = {{ list = [\"1\"], param = \"{param}\" }}\n"
            );
            let (crawl, _) = crate::definition::parse("c", &text, ENDPOINTS).unwrap();
            let longest = Some(Longest { partition: String::from("1"), items });
            let walk = WalkState { items: 5000, longest, ..WalkState::default() };
            let seen = seen(&crawl, &BTreeMap::from([(String::from("all"), walk)]), &BTreeMap::new());
            seen.iter().any(|text| text.contains("the longest of its lists, of `1`, has"))
        };
        assert!(told("images", "postId", 1000));
        assert!(!told("images", "postId", 999));
        assert!(!told("models", "username", 1000));
    }
}
