//! Values of a crawl file's own list for which the server shows nothing. Pure.

use std::collections::BTreeMap;

use super::message::PageRequest;
use crate::api::endpoint::Paging;
use crate::api::envelope::Page;
use crate::dataset::commit::WalkState;
use crate::definition::{self, Crawl, Each, Partitioning, Source};
use crate::engine::report::completeness::several;

/// Parameters that name a person, a post or a thing. Other lists, such as the images of a version or the models of a tag, may
/// honestly be empty.
const NAMES: [&str; 5] = ["ids", "imageId", "postId", "userId", "username"];

/// Returns true when a walk's values are names and ids that its crawl file lists: its author expects something of each.
pub(crate) fn is_listed(walk: &definition::Walk) -> bool {
    let Partitioning::Each(Each { source: Source::List(_), param, .. }) = &walk.partitioning else { return false };
    param.as_deref().is_none_or(|param| NAMES.contains(&param))
}

/// Returns true when the first page for a name is empty and names no next one. Ids are requested several at a time.
pub(crate) fn is_empty(request: &PageRequest, page: &Page) -> bool {
    let is_list = matches!(request.endpoint.paging, Paging::Cursor { .. });
    request.listed
        && is_list
        && ids(request).is_none()
        && page.items == 0
        && request.cursor.is_none()
        && page.next_cursor.is_none()
}

/// Returns the values for which a whole list shows nothing: of several ids, those that are not on it.
pub(crate) fn values<'a>(request: &'a PageRequest, page: &Page) -> Vec<&'a str> {
    let is_whole = request.listed && request.cursor.is_none() && page.next_cursor.is_none() && page.rejects == 0;
    match ids(request) {
        Some(ids) if is_whole => {
            let shown = |id: &&str| id.parse().is_ok_and(|id: i64| page.ids.contains(&id));
            ids.split(',').filter(|id| !shown(id)).collect()
        }
        _ if is_empty(request, page) => vec![&request.partition],
        _ => Vec::new(),
    }
}

fn ids(request: &PageRequest) -> Option<&str> {
    request.params.iter().find(|(name, _)| name == "ids").map(|(_, ids)| ids.as_str())
}

/// Returns a sentence for each walk with values for which no walk of the same endpoint shows anything: at one level a person
/// may have nothing and at another much.
pub(crate) fn unknown_values(crawl: &Crawl, walks: &BTreeMap<String, WalkState>) -> Vec<String> {
    let shown = |definition: &definition::Walk, value: &String| {
        let others = crawl.walks.iter().filter(|other| other.endpoint.name == definition.endpoint.name);
        let others = others.filter(|other| list(other).contains(value)).filter_map(|other| walks.get(&other.name));
        let mut others = others
            .filter(|other| other.end.is_some() && other.unknown_values.len() as u64 == other.unknown_values_count);
        others.any(|other| !other.unknown_values.contains(value))
    };
    let mut all = Vec::new();
    for definition in &crawl.walks {
        let Some(walk) = walks.get(&definition.name) else { continue };
        let named: Vec<&str> =
            walk.unknown_values.iter().filter(|value| !shown(definition, value)).map(|v| &**v).collect();
        let more = walk.unknown_values_count - walk.unknown_values.len() as u64;
        if !named.is_empty() {
            let more = if more == 0 { String::new() } else { format!(", and of {}", several(more, "more value")) };
            let (name, named) = (&definition.name, named.join("`, `"));
            all.push(format!(
                "walk `{name}`: not_found: the server shows nothing of `{named}`{more}; it does not know them, or has nothing of them"
            ));
        }
    }
    all
}

/// Returns the values that the crawl file lists.
fn list(walk: &definition::Walk) -> &[String] {
    match &walk.partitioning {
        Partitioning::Each(Each { source: Source::List(values), .. }) => values,
        _ => &[],
    }
}
