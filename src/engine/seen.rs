//! What a pass saw beside what there is, in plain words: shares of levels, totals the server tells, rows that came late. Pure.

use std::collections::BTreeMap;

use super::doubts::several;
use crate::dataset::commit::Walk;
use crate::definition::Crawl;

/// A sentence for each thing worth knowing that is no doubt. `known` is how many of an endpoint's things the pass
/// met, for those endpoints that tell how many there are.
pub fn seen(crawl: &Crawl, walks: &BTreeMap<String, Walk>, known: &BTreeMap<&str, u64>) -> Vec<String> {
    let mut all = Vec::new();
    for definition in &crawl.walks {
        let (endpoint, name) = (definition.endpoint.name, &definition.name);
        let Some(walk) = walks.get(name).filter(|walk| walk.items > 0) else { continue };
        let mut say = |text: String| all.push(format!("walk `{name}`: {text}"));
        if matches!(endpoint, "models" | "images") {
            let share = 100.0 * walk.mature as f64 / walk.items as f64;
            say(format!("{} of {} items ({share:.0} %) are above PG13", walk.mature, walk.items));
        }
        if let (Some(told), Some(known)) = (walk.told, known.get(endpoint)) {
            say(format!("the server says there are {told}, and {known} were met"));
        }
        if walk.nameless > 0 {
            say(format!("{} without a name, kept in `rejects`", several(walk.nameless, "item")));
        }
        if walk.appeared > 0 {
            say(format!("{} appeared while it was under way, taken at its end", several(walk.appeared, "item")));
        }
    }
    all
}
