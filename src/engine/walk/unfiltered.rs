//! Pages without their filters, remembered for a run.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// Pages remembered at once.
const PAGES_MAX: usize = 100;
/// Time after which a page is fetched again, because the newest items of a list change.
const FRESH_FOR: Duration = Duration::from_secs(15);

/// The ids of pages without their filters, by query and cursor.
#[derive(Debug, Default)]
pub(crate) struct Unfiltered(Mutex<HashMap<String, (Instant, Ids)>>);

type Ids = Rc<HashSet<i64>>;

impl Unfiltered {
    /// Returns the ids of a page, by `fetch` unless they are remembered; `None` if `fetch` returns none. Meanwhile other callers
    /// wait, so that two partitions do not fetch the same page.
    pub(crate) async fn ids(&self, query: String, fetch: impl Future<Output = Option<HashSet<i64>>>) -> Option<Ids> {
        let mut pages = self.0.lock().await;
        if let Some((_, ids)) = pages.get(&query).filter(|(at, _)| at.elapsed() < FRESH_FOR) {
            return Some(Rc::clone(ids));
        }
        let ids = Rc::new(fetch.await?);
        if pages.len() >= PAGES_MAX {
            pages.clear();
        }
        pages.insert(query, (Instant::now(), Rc::clone(&ids)));
        Some(ids)
    }
}
