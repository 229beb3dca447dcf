//! Stops a run early: new pages first, then pages under way.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Time for a page under way to finish after a stop, its retries included.
const GRACE: Duration = Duration::from_secs(5);

/// Asks a run to stop. Clones share the request.
#[derive(Debug, Clone)]
pub struct Stop {
    asked: CancellationToken,
    asked_at: Arc<OnceLock<Instant>>,
    reason: Arc<Mutex<Option<String>>>,
    pages_left: Arc<AtomicI64>,
}

impl Stop {
    /// Returns a stop that is not asked for yet, for a run of at most this many pages.
    pub fn new(pages_max: Option<u64>) -> Self {
        let pages = pages_max.and_then(|pages| i64::try_from(pages).ok()).unwrap_or(i64::MAX);
        let (asked, pages_left) = (CancellationToken::new(), Arc::new(AtomicI64::new(pages)));
        Self { asked, asked_at: Arc::default(), reason: Arc::default(), pages_left }
    }

    /// Asks the run to finish the pages under way, commit and end. The first reason is kept.
    pub fn ask(&self, reason: impl Into<String>) {
        self.end_for(reason);
        self.asked_at.get_or_init(Instant::now);
        self.asked.cancel();
    }

    /// Sets the reason to begin no further page, unless one is set.
    fn end_for(&self, reason: impl Into<String>) {
        let mut slot = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert_with(|| reason.into());
    }

    /// Returns why no further page is begun; `None` while pages may be begun.
    pub fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns true after a call of [`Stop::ask`].
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// Returns when a stop is asked for.
    pub(crate) async fn asked(&self) {
        self.asked.cancelled().await;
    }

    /// Returns true when a page may be requested. A first request costs one page of the budget; a repeated one costs nothing, so
    /// that a page begun is finished: dropped, it would only be dropped again by the next run.
    pub(crate) fn may_ask(&self, once_more: bool) -> bool {
        if once_more {
            return self.asked_at.get().is_none_or(|at| at.elapsed() < GRACE);
        }
        if self.reason().is_some() {
            return false;
        }
        if self.pages_left.fetch_sub(1, Ordering::Relaxed) <= 0 {
            self.end_for("the page budget of this run is used up");
            return false;
        }
        true
    }

    /// Returns when a page must be dropped after a stop: at once if it only waits, after a grace if a request is under way.
    pub(crate) async fn must_drop(&self, under_way: &AtomicBool) {
        self.asked().await;
        if under_way.load(Ordering::Relaxed) {
            tokio::time::sleep_until(*self.asked_at.get_or_init(Instant::now) + GRACE).await;
        }
    }
}
