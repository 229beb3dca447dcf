//! Whether a pass has everything, in plain words: what is missing, and what only looks as if something were. Pure.

use std::collections::BTreeMap;

use crate::dataset::commit::{WalkState, Why};
use crate::definition::{self, Crawl};
use crate::engine::location::at_page;
use crate::fetch::printable;

/// A sentence for each doubt about the completeness of the walks; none when there is no doubt. `known` is how many of an
/// endpoint's things the pass met, for those endpoints that tell how many there are.
pub fn doubts(crawl: &Crawl, walks: &BTreeMap<String, WalkState>, known: &BTreeMap<&str, u64>) -> Vec<String> {
    let mut all = Vec::new();
    // What has no name cannot be told from what another page showed.
    let nameless = |name: &str| {
        let same = crawl.walks.iter().filter(|walk| walk.endpoint.name == name);
        same.filter_map(|walk| walks.get(&walk.name)).map(|walk| walk.nameless_per_page_max).max().unwrap_or(0)
    };
    for definition in &crawl.walks {
        let Some(walk) = walks.get(&definition.name) else { continue };
        let mut doubt = |text: String| all.push(format!("walk `{}`: {text}", definition.name));
        missing(walk, &mut doubt);
        suspicious(walk, known.get(definition.endpoint.name).copied(), nameless(definition.endpoint.name), &mut doubt);
        if definition.is_cut_off() && walk.end.is_some() {
            doubt(format!("{}: {} came", definition::Walk::CUT_OFF, several(walk.items, "item")));
        }
    }
    all
}

/// A sentence for each thing that the records of a pass say is missing.
pub fn missing_from(walks: &BTreeMap<String, WalkState>) -> Vec<String> {
    let mut all = Vec::new();
    for (name, walk) in walks {
        missing(walk, &mut |text| all.push(format!("walk `{name}`: {text}")));
    }
    all
}

/// What is known to be missing.
fn missing(walk: &WalkState, doubt: &mut dyn FnMut(String)) {
    if walk.rejects > 0 {
        doubt(format!("{} in no table but `rejects`", several(walk.rejects, "item")));
    }
    for lost in &walk.given_up {
        let place = at_page(lost.page, lost.cursor.as_deref());
        doubt(format!("{place}{} was given up: {}", of_partition(&lost.partition), lost.reason));
    }
    for lost in &walk.holes {
        let (place, pass) = (at_page(lost.page, lost.cursor.as_deref()), lost.pass.unwrap_or_default());
        doubt(format!(
            "{place}{} was given up in pass {pass}: {}; the next walk through the whole list asks for it again",
            of_partition(&lost.partition),
            lost.reason
        ));
    }
    for trouble in &walk.troubles {
        let place = match trouble.page {
            0 => String::new(),
            page => format!(" at {}", at_page(page, trouble.cursor.as_deref())),
        };
        doubt(format!("{}{place}{}: {}", trouble.why.as_str(), of_partition(&trouble.partition), trouble.detail));
    }
    if walk.is_clamped() && walk.end.is_some() {
        doubt(format!(
            "region clamp: {} of PG or PG13 came and none above, although levels above were request for; the server hides \
             them from this region, so crawl from another exit",
            several(walk.mild + walk.unasked_mild, "item")
        ));
    }
    if !walk.withheld.is_empty() {
        doubt(format!(
            "{} missing from the list and could not be request for singly; it is not known whether they are gone",
            if walk.withheld.len() == 1 {
                String::from("1 thing is")
            } else {
                format!("{} things are", walk.withheld.len())
            }
        ));
    }
    let told: u64 = walk.troubles.len() as u64;
    let bad: u64 =
        walk.ends.iter().filter(|(why, _)| !matches!(why, Why::Complete | Why::NotFound)).map(|(_, n)| n).sum();
    if bad > told {
        doubt(format!("{} ended badly", several(bad - told, "more partition")));
    }
}

/// Partitioning of a walk that are named one by one where they wait for a next run.
const WAITING_MAX: usize = 10;

/// A sentence for each partition that the records of a pass leave to a next run: where it goes on.
pub fn waiting(walks: &BTreeMap<String, WalkState>) -> Vec<String> {
    let mut all = Vec::new();
    for (name, walk) in walks.iter().filter(|(_, walk)| walk.end.is_none()) {
        for (key, partition) in walk.partitions.iter().take(WAITING_MAX) {
            let place = at_page(partition.pages + 1, partition.cursor.as_deref());
            all.push(format!("walk `{name}`: the next run goes on at {place}{}", of_partition(key)));
        }
        if walk.partitions.len() > WAITING_MAX {
            let more = (walk.partitions.len() - WAITING_MAX) as u64;
            all.push(format!("walk `{name}`: and in {}", several(more, "more partition")));
        }
    }
    all
}

fn of_partition(partition: &str) -> String {
    if partition.is_empty() { String::new() } else { format!(" of `{}`", printable(partition)) }
}

/// What only looks wrong.
fn suspicious(walk: &WalkState, known: Option<u64>, nameless: u64, doubt: &mut dyn FnMut(String)) {
    if walk.withheld_versions > 0 {
        doubt(format!(
            "in {} versions are lacking that the server tells of, also when request for by id; it keeps those back",
            several(walk.withheld_versions, "model")
        ));
    }
    // A page shows as many items whether they are new or not: only what came of all of them tells.
    let known = known.map_or(walk.items, |known| known + walk.twins) + walk.rejects;
    if let Some(told) = walk.reported_total.filter(|told| walk.end.is_some() && known + nameless < *told) {
        let without_name = match walk.nameless {
            0 => String::new(),
            met => format!(", beside {nameless} to {met} without a name"),
        };
        doubt(format!(
            "the server says there are {told}, and {known} were met{without_name}; walk it again, its pages are not stable"
        ));
    }
}

/// A count of things: `1 item`, `3 items`.
pub(crate) fn several(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ENDPOINTS;
    use crate::dataset::commit::End;

    #[test]
    fn creators_missing_from_the_tables_are_a_doubt() {
        let text = "server = \"sandbox\"\ndataset = \"d\"\npace = { requests_per_second = 1.0 }\n\
                    [[walk]]\nname = \"all\"\nendpoint = \"creators\"\n";
        let (crawl, _) = definition::parse("c", text, ENDPOINTS).unwrap();
        let end = Some(End { why: Why::Complete, detail: None });
        let walk = WalkState { items: 10, rejects: 1, reported_total: Some(10), end, ..WalkState::default() };
        let unstable = |known| {
            let walks = BTreeMap::from([(String::from("all"), walk.clone())]);
            doubts(&crawl, &walks, &BTreeMap::from([("creators", known)]))
                .iter()
                .any(|doubt| doubt.contains("not stable"))
        };
        assert!(unstable(8));
        assert!(!unstable(9));
    }

    #[test]
    fn a_list_that_the_server_cuts_off_is_a_doubt() {
        let doubted = |params: &str| {
            let text = format!(
                "server = \"sandbox\"\ndataset = \"d\"\npace = {{ requests_per_second = 1.0 }}\n\
                 [[walk]]\nname = \"all\"\nendpoint = \"images\"\n{params}\n"
            );
            let (crawl, _) = definition::parse("c", &text, ENDPOINTS).unwrap();
            let end = Some(End { why: Why::Complete, detail: None });
            let walk = WalkState { items: 1, end, ..WalkState::default() };
            doubts(&crawl, &BTreeMap::from([(String::from("all"), walk)]), &BTreeMap::new())
        };
        let part =
            "walk `all`: of a list this long the server shows only a part, and ends as if it were all: 1 item came";
        assert_eq!(doubted("params = { baseModels = \"Pony\" }"), [part]);
        assert_eq!(doubted("params = { username = \"a\" }"), [""; 0]);
        assert_eq!(doubted("for_each = { list = [\"1\"], param = \"postId\" }"), [""; 0]);
    }

    #[test]
    fn somebody_nameless_met_twice_does_not_stand_for_somebody_missing() {
        let text = "server = \"sandbox\"\ndataset = \"d\"\npace = { requests_per_second = 1.0 }\n\
                    [[walk]]\nname = \"all\"\nendpoint = \"creators\"\n";
        let (crawl, _) = definition::parse("c", text, ENDPOINTS).unwrap();
        let unstable = |met, together, known| {
            let end = Some(End { why: Why::Complete, detail: None });
            let walk = WalkState {
                nameless: met,
                nameless_per_page_max: together,
                reported_total: Some(10),
                end,
                ..WalkState::default()
            };
            let walks = BTreeMap::from([(String::from("all"), walk)]);
            doubts(&crawl, &walks, &BTreeMap::from([("creators", known)])).join("")
        };
        assert_eq!(unstable(1, 1, 9), "");
        assert_eq!(unstable(2, 2, 8), "");
        let told = unstable(2, 1, 8);
        assert!(told.contains("there are 10, and 8 were met, beside 1 to 2 without a name; walk it again"), "{told}");
    }
}
