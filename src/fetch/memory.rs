//! The memory that all bodies in flight take together, on the wire and until they are read.
//!
//! A body may have a small share without asking. One that needs more waits for the only claim to be large, and its answer keeps
//! that claim until it is dropped. So all bodies together take at most [`SHARES`] and one body of the largest size, whatever
//! the server sends and however many requests are in flight. Nobody waits for ever: whoever has the claim waits for no other
//! body, because an answer that failed is abridged before anything else is requested.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of all small bodies together. With 16 requests in flight that is 4 MiB each; real bodies have some 0.3 MiB.
const SHARES: usize = 64 << 20;

/// The memory of all bodies in flight.
pub(super) struct Memory {
    share: usize,
    large: Arc<Semaphore>,
}

/// The claim of one body; a clone is the same claim.
#[derive(Debug, Clone, Default)]
pub(super) struct Claim(Option<Arc<OwnedSemaphorePermit>>);

impl Memory {
    /// The memory for so many bodies at once.
    pub(super) fn new(in_flight: u32) -> Self {
        Self { share: SHARES / in_flight.max(1) as usize, large: Arc::new(Semaphore::new(1)) }
    }

    /// Returns the bytes that a body may have without asking.
    pub(super) fn share(&self) -> usize {
        self.share
    }

    /// Waits until a body may have so many bytes.
    pub(super) async fn grow(&self, claim: &mut Claim, bytes: usize) {
        if bytes > self.share && !claim.is_large() {
            // The semaphore is never closed.
            claim.0 = Arc::clone(&self.large).acquire_owned().await.ok().map(Arc::new);
        }
    }
}

impl Claim {
    /// Returns true for a body of more than its share.
    pub(super) fn is_large(&self) -> bool {
        self.0.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_body_at_a_time_is_large_and_small_ones_pass() {
        let memory = Memory::new(16);
        let (mut first, mut second) = (Claim::default(), Claim::default());
        memory.grow(&mut first, memory.share()).await;
        assert!(!first.is_large());
        memory.grow(&mut first, memory.share() + 1).await;
        memory.grow(&mut first, 10 * memory.share()).await;
        assert!(first.is_large());
        memory.grow(&mut second, memory.share()).await;
        let waits = |mut claim: Claim| async move {
            timeout(Duration::from_secs(60), memory.grow(&mut claim, 1 << 30)).await.is_err()
        };
        let copy = first.clone();
        drop(first);
        assert!(waits(second).await, "a copy of the answer is still there");
        drop(copy);
    }
}
