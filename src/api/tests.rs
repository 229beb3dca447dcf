//! Bodies of every endpoint and era through to rows: the recorded answers in small, every odd shape, and arbitrary ones.

mod arbitrary;
mod images;
mod known;
mod lists;
mod lookups;
mod posts;

use std::collections::BTreeSet;

use super::ENDPOINTS;
use super::endpoint::Paging;

#[test]
fn every_endpoint_has_a_word_a_path_and_parameters_of_its_own() {
    let words: BTreeSet<&str> = ENDPOINTS.iter().map(|endpoint| endpoint.name).collect();
    assert_eq!(words.len(), ENDPOINTS.len());
    for endpoint in ENDPOINTS {
        let names: BTreeSet<&str> = endpoint.params.iter().map(|param| param.name).collect();
        assert_eq!(names.len(), endpoint.params.len(), "{}", endpoint.name);
        let lookup = matches!(endpoint.paging, Paging::Lookup);
        assert_eq!(lookup, endpoint.path.contains("{}"), "{}", endpoint.name);
        let listed = matches!(endpoint.paging, Paging::Cursor { .. } | Paging::Number { .. });
        assert!(endpoint.limit_max > 0 || !listed, "{}", endpoint.name);
        assert!(endpoint.limit_max == 0 || !lookup, "{}", endpoint.name);
    }
}
