//! The commit thread. It owns the store, so decoding continues while a commit is written.

use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::dataset::Error;
use crate::dataset::store::{Batch, Store};
use crate::engine::events::Event;
use crate::engine::run::Run;

/// The report is written behind a commit at most so often, and when the run is over: it costs a sync.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// The page writer's handle of the commit thread. At most one commit is under way.
pub(super) struct Committer {
    batches: Sender<Batch>,
    outcomes: Receiver<Result<(), Error>>,
    busy: bool,
    thread: JoinHandle<Store>,
}

impl Committer {
    pub(super) fn start(mut store: Store, run: Run) -> Self {
        let (batches, inbox) = channel::<Batch>();
        let (outbox, outcomes) = channel();
        let thread = thread::spawn(move || {
            let mut reported: Option<Instant> = None;
            for batch in inbox {
                let began = Instant::now();
                let outcome = store.commit(&run.info, batch).and_then(|record| {
                    run.confirm(&store, &record)?;
                    run.listener.event(&Event::Committed { record: &record, took: began.elapsed() });
                    run.look_at_disk();
                    if reported.is_none_or(|at| at.elapsed() >= REPORT_EVERY) {
                        run.write_report(&mut store)?;
                        reported = Some(Instant::now());
                    }
                    Ok(())
                });
                let failed = outcome.is_err();
                if outbox.send(outcome).is_err() || failed {
                    break;
                }
            }
            store
        });
        Self { batches, outcomes, busy: false, thread }
    }

    /// Returns true while a commit is being written.
    ///
    /// # Errors
    /// Its error, if it failed; nothing can be committed any more.
    pub(super) fn is_busy(&mut self) -> Result<bool, Error> {
        if self.busy {
            match self.outcomes.try_recv() {
                Ok(outcome) => {
                    self.busy = false;
                    outcome?;
                }
                Err(TryRecvError::Empty) => {}
                // The thread panicked, and `close` resumes the panic.
                Err(TryRecvError::Disconnected) => self.busy = false,
            }
        }
        Ok(self.busy)
    }

    /// Starts a commit once the previous one is written.
    ///
    /// # Errors
    /// The previous one's error, if it failed.
    pub(super) fn commit(&mut self, batch: Batch) -> Result<(), Error> {
        self.settle()?;
        self.busy = self.batches.send(batch).is_ok();
        Ok(())
    }

    /// Waits for the last commit and returns the store.
    ///
    /// # Errors
    /// That commit's error, if it failed; the store is closed then.
    pub(super) fn close(mut self) -> Result<Store, Error> {
        let settled = self.settle();
        drop(self.batches);
        let store = self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        settled.map(|()| store)
    }

    /// Waits for the commit being written, if there is one.
    ///
    /// # Errors
    /// Its error, if it failed.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        if self.busy {
            self.busy = false;
            self.outcomes.recv().unwrap_or(Ok(()))?;
        }
        Ok(())
    }
}
