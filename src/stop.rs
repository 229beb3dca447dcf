//! Stopping early: first softly (pages under way are finished), then hard.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a page under way may take to finish once a stop is asked for, the times included that it is asked for once more.
const GRACE: Duration = Duration::from_secs(5);

/// Asks a run to stop; shared by everybody who may ask and everybody who must heed.
#[derive(Debug, Clone)]
pub struct Stop {
    asked: CancellationToken,
    asked_at: Arc<OnceLock<Instant>>,
    reason: Arc<Mutex<Option<String>>>,
    pages_left: Arc<AtomicI64>,
}

impl Stop {
    /// A stop that nobody asked for yet; the run may take this many pages.
    pub fn new(pages_max: Option<u64>) -> Self {
        let pages = pages_max.and_then(|pages| i64::try_from(pages).ok()).unwrap_or(i64::MAX);
        let (asked, pages_left) = (CancellationToken::new(), Arc::new(AtomicI64::new(pages)));
        Self { asked, asked_at: Arc::default(), reason: Arc::default(), pages_left }
    }

    /// Asks the run to finish the pages under way, commit and end. The first reason counts.
    pub fn ask(&self, reason: impl Into<String>) {
        self.end_for(reason);
        self.asked_at.get_or_init(Instant::now);
        self.asked.cancel();
    }

    /// Notes why no further page is begun, unless there is a reason already.
    fn end_for(&self, reason: impl Into<String>) {
        let mut slot = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert_with(|| reason.into());
    }

    /// Why no further page is begun, should that be so.
    pub fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the run was asked to stop.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// Whether a page may be asked for: for the first time, which takes one off the budget, or once more. What was begun
    /// within the budget or before the deadline is finished, however often it has to be asked for meanwhile: a run that dropped
    /// it would leave to the next what that would drop again.
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

    /// Returns when a page must be dropped: at once when it only waits, after a grace when a request is under way.
    pub(crate) async fn must_drop(&self, under_way: &AtomicBool) {
        self.asked.cancelled().await;
        if under_way.load(Ordering::Relaxed) {
            tokio::time::sleep_until(*self.asked_at.get_or_init(Instant::now) + GRACE).await;
        }
    }
}
