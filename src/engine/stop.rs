//! Stopping early: first softly (pages under way are finished), then hard.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How long a page under way may take to finish once a stop is asked for.
const GRACE: Duration = Duration::from_secs(5);

/// Asks a run to stop; shared by everybody who may ask and everybody who must heed.
#[derive(Debug, Clone)]
pub struct Stop {
    asked: CancellationToken,
    reason: Arc<Mutex<Option<String>>>,
    pages_left: Arc<AtomicI64>,
}

impl Stop {
    /// A stop that nobody asked for yet; the run may take this many pages.
    pub fn new(pages_max: Option<u64>) -> Self {
        let pages = pages_max.and_then(|pages| i64::try_from(pages).ok()).unwrap_or(i64::MAX);
        Self { asked: CancellationToken::new(), reason: Arc::default(), pages_left: Arc::new(AtomicI64::new(pages)) }
    }

    /// Asks the run to finish the pages under way, commit and end. The first reason counts.
    pub fn ask(&self, reason: impl Into<String>) {
        let mut slot = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert_with(|| reason.into());
        self.asked.cancel();
    }

    /// Why the run was asked to stop, if it was.
    pub fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the run was asked to stop.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// Takes one page off the budget; false when the run must not begin another.
    pub(super) fn may_begin_page(&self) -> bool {
        if self.is_asked() {
            return false;
        }
        if self.pages_left.fetch_sub(1, Ordering::Relaxed) <= 0 {
            self.ask("the page budget of this run is used up");
            return false;
        }
        true
    }

    /// Returns when a page must be dropped: at once when it only waits, after a grace when a request is under way.
    pub(super) async fn must_drop(&self, under_way: &AtomicBool) {
        self.asked.cancelled().await;
        if under_way.load(Ordering::Relaxed) {
            tokio::time::sleep(GRACE).await;
        }
    }
}
