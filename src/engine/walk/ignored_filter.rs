//! Finds filters that the server ignores: a page that does not show one to be in force is compared with the answer to the same
//! question without that filter.
//!
//! An image need not name the version it is listed under, so items alone cannot tell. A server that ignores a filter lists
//! the same things with it and without it.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::context::Shared;
use super::page::{Turn, address, send};
use crate::api::verbatim;
use crate::dataset::commit::{End, Why};
use crate::engine::writer::message::{Next, PageRequest, Unshown};
use crate::fetch::{Answer, Unreadable};

/// The answers to questions without their filters that this run remembers, by question and cursor. Who waits for one that
/// another partition has asked for finds it here.
pub(crate) type Unfiltered = Mutex<HashMap<String, Remembered>>;

/// The ids of such an answer; none when it could not be had.
#[derive(Debug)]
pub(crate) struct Remembered {
    at: Instant,
    ids: Rc<HashSet<i64>>,
}

/// Answers that are remembered at once.
const REMEMBERED_MAX: usize = 100;
/// An answer counts for so long: meanwhile the newest items of the whole list change.
const COUNTS_FOR: Duration = Duration::from_secs(15);

/// Takes a page unless it shows what the server lists without the filters. Then the page is asked for once more, past the
/// cache, and a second such answer ends the partition; `None` when a stop came first.
pub(crate) async fn settle(
    request: &PageRequest,
    unshown: &Unshown,
    answer: Answer,
    shared: Shared<'_>,
) -> Option<Next> {
    let whole = unfiltered(request, &unshown.filters, shared).await?;
    Some(if !same(&unshown.ids, &whole) {
        let request = PageRequest { compared: true, ..request.clone() };
        match shared.writer.take(&request, answer.clone()).await {
            Ok(step) => step,
            Err(unreadable) => shared.writer.give_up(&request, Some(answer), unreadable.to_string(), None).await,
        }
    } else if request.again {
        shared
            .writer
            .end(request, None, End { why: Why::FilterIgnored, detail: Some(detail(request, &unshown.filters)) })
            .await
    } else {
        Next::Again(0)
    })
}

/// True when nearly all of these ids are in the other answer: the list may have moved on between the two.
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

/// The ids that the server lists without these filters.
async fn unfiltered(request: &PageRequest, filters: &[&str], shared: Shared<'_>) -> Option<Rc<HashSet<i64>>> {
    let kept = request.params.iter().filter(|(name, _)| !filters.contains(&name.as_str()));
    let kept: Vec<(String, String)> = kept.cloned().collect();
    let turn = Turn { page: request.page, cursor: request.cursor.clone(), limit: request.limit, again: true };
    let question = format!("{} {kept:?} {:?}", request.endpoint.path, turn.cursor);
    let mut remembered = shared.unfiltered.lock().await;
    if let Some(known) = remembered.get(&question).filter(|known| known.at.elapsed() < COUNTS_FOR) {
        return Some(Rc::clone(&known.ids));
    }
    let read = async |answer: Answer| {
        let items = verbatim::list(&answer.text()?).map_err(|error| Unreadable::Damaged(error.reason))?;
        Ok(items.into_iter().filter_map(|item| item.id).collect::<HashSet<i64>>())
    };
    let ids = match address(shared.base, request.endpoint, &kept, None, &turn) {
        Ok(url) => {
            let sent = send(&request.walk, &url, u32::MAX, read, shared).await?;
            sent.map(|fetched| fetched.value).unwrap_or_default()
        }
        Err(_) => HashSet::new(),
    };
    let ids = Rc::new(ids);
    if remembered.len() >= REMEMBERED_MAX {
        remembered.clear();
    }
    remembered.insert(question, Remembered { at: Instant::now(), ids: Rc::clone(&ids) });
    Some(ids)
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
