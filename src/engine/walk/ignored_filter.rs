//! Finds filters that the server ignores, by comparing a page with the same page without its filters.
//!
//! It is needed for filters that items do not show: an image need not name the version it is listed under. A server that ignores
//! a filter lists the same items with and without it.

use std::collections::HashSet;
use std::rc::Rc;

use super::context::Context;
use super::request::{Turn, Watch, address};
use crate::api::verbatim;
use crate::dataset::commit::{End, Why};
use crate::engine::writer::message::{Next, PageRequest, Unshown};
use crate::fetch::Answer;

/// Takes a page unless it lists the same items as without its filters. Then it is requested again, past the cache, and a second
/// such answer ends the partition. Returns `None` when a stop came first.
pub(crate) async fn settle(
    request: &PageRequest,
    unshown: &Unshown,
    answer: Answer,
    context: Context<'_>,
) -> Option<Next> {
    let whole = unfiltered(request, &unshown.filters, context).await?;
    Some(if !same(&unshown.ids, &whole) {
        let request = PageRequest { compared: true, ..request.clone() };
        match context.writer.page(&request, answer.clone()).await {
            Ok(step) => step,
            Err(unreadable) => context.writer.give_up(&request, Some(answer), unreadable.to_string(), None).await,
        }
    } else if request.again {
        context
            .writer
            .end(request, None, End { why: Why::FilterIgnored, detail: Some(detail(request, &unshown.filters)) })
            .await
    } else {
        Next::Again(0)
    })
}

/// Returns true when nearly all of these ids are in the other page; a few may differ, as the list changes between the two.
fn same(ids: &[i64], whole: &HashSet<i64>) -> bool {
    let common = ids.iter().filter(|id| whole.contains(id)).count();
    common > 0 && common * 10 >= ids.len() * 9
}

fn detail(request: &PageRequest, filters: &[&str]) -> String {
    let values = request.params.iter().filter(|(name, _)| filters.contains(&name.as_str()));
    let values: Vec<String> = values.map(|(name, value)| format!("`{name}={value}`")).collect();
    format!(
        "the server ignores {}: page {} lists the same things as without it, so none of them was taken; the next pass asks \
         again",
        values.join(" and "),
        request.page
    )
}

/// Returns the ids that the server lists without these filters; none of them if the page cannot be fetched.
async fn unfiltered(request: &PageRequest, filters: &[&str], context: Context<'_>) -> Option<Rc<HashSet<i64>>> {
    let kept = request.params.iter().filter(|(name, _)| !filters.contains(&name.as_str()));
    let kept: Vec<(String, String)> = kept.cloned().collect();
    let turn = Turn { page: request.page, cursor: request.cursor.clone(), limit: request.limit, again: true };
    let query = format!("{} {kept:?} {:?}", request.endpoint.path, turn.cursor);
    let parse = |body: &str| match verbatim::list(body) {
        Ok(items) => Ok(items.into_iter().filter_map(|item| item.id).collect::<HashSet<i64>>()),
        Err(unreadable) => Err(unreadable.reason),
    };
    let fetch = async {
        let Ok(url) = address(&context.options.base, request.endpoint, &kept, None, &turn) else {
            return Some(HashSet::new());
        };
        let watch = Watch::new(&request.walk, context);
        let notify = |event| watch.event(&event);
        let attempts = context.fetcher.attempts(&url, &notify);
        let attempts = attempts.limited(request.endpoint.name, request.endpoint.a_minute);
        Some(watch.until_stop(attempts.parsed(parse)).await?.unwrap_or_default())
    };
    context.unfiltered.ids(query, fetch).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_all_ids_must_be_the_same() {
        let whole: HashSet<i64> = (0..100).collect();
        let cases: [(Vec<i64>, bool); 5] = [
            ((0..100).collect(), true),
            ((10..110).collect(), true),
            ((11..111).collect(), false),
            (vec![100], false),
            (vec![], false),
        ];
        for (ids, same_ids) in cases {
            assert_eq!(same(&ids, &whole), same_ids, "{ids:?}");
        }
        assert!(!same(&[1], &HashSet::new()));
    }
}
