//! A client as people write it: it follows the links, stops at an empty page, believes totals and 404s, and repairs
//! nothing. What it loses shows that a trap is one.

use serde_json::Value;

use crate::support::ask;

/// Pages after which it loses patience.
const PATIENCE: usize = 300;

/// The items from an address on, `nextPage` after `nextPage`, until there is none, or a page is empty or cannot be read.
pub(crate) fn follow(address: &str) -> Vec<Value> {
    let (mut items, mut next) = (Vec::new(), Some(address.to_owned()));
    for _ in 0..PATIENCE {
        let Some(address) = next else { break };
        let page = ask(&address).json();
        let Some(shown) = page["items"].as_array().filter(|shown| !shown.is_empty()) else { break };
        items.extend(shown.iter().cloned());
        next = page["metadata"]["nextPage"].as_str().map(str::to_owned);
    }
    items
}

/// The items of the pages 1, 2, 3 … of an address, until one is refused, empty, or the last by what `totalPages` claims.
pub(crate) fn numbered(address: &str) -> Vec<Value> {
    let mut items = Vec::new();
    for number in 1..PATIENCE {
        let page = ask(&format!("{address}&page={number}")).json();
        let Some(shown) = page["items"].as_array().filter(|shown| !shown.is_empty()) else { break };
        items.extend(shown.iter().cloned());
        if page["metadata"]["totalPages"].as_u64().is_some_and(|last| number as u64 >= last) {
            break;
        }
    }
    items
}

/// The distinct values of a field, sorted.
pub(crate) fn distinct(items: &[Value], field: &str) -> Vec<String> {
    let mut values: Vec<String> = items.iter().map(|item| item[field].to_string()).collect();
    values.sort_unstable();
    values.dedup();
    values
}
