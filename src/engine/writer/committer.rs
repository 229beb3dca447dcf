//! The one who writes: a thread that owns the store, so that pages are read while the previous commit reaches the disk.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::dataset::Error;
use crate::dataset::store::{Batch, RunInfo, Store};
use crate::engine::events::{Event, Listener};
use crate::engine::report::ReportBuilder;

/// The writer's hold on the writing thread. At most one commit is under way.
pub(crate) struct Committer {
    batches: Sender<Batch>,
    outcomes: Receiver<Result<(), Error>>,
    busy: bool,
    thread: JoinHandle<Store>,
}

impl Committer {
    pub(crate) fn start(
        mut store: Store,
        info: RunInfo,
        report_builder: Arc<ReportBuilder>,
        listener: Arc<dyn Listener>,
    ) -> Self {
        let (batches, inbox) = channel::<Batch>();
        let (outbox, outcomes) = channel();
        let thread = thread::spawn(move || {
            for batch in inbox {
                let began = Instant::now();
                let outcome = store.commit(&info, batch).and_then(|record| {
                    listener.event(&Event::Committed { record: &record, took: began.elapsed() });
                    store.write_report(&info.run, &report_builder.report())
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

    /// Whether a commit is still being written.
    ///
    /// # Errors
    /// When it failed; nothing can be committed any more.
    pub(crate) fn is_busy(&mut self) -> Result<bool, Error> {
        if self.busy {
            match self.outcomes.try_recv() {
                Ok(outcome) => {
                    self.busy = false;
                    outcome?;
                }
                Err(TryRecvError::Empty) => {}
                // The thread panicked: `close` passes that on.
                Err(TryRecvError::Disconnected) => self.busy = false,
            }
        }
        Ok(self.busy)
    }

    /// Begins a commit, once the previous one is written.
    ///
    /// # Errors
    /// When the previous one failed.
    pub(crate) fn commit(&mut self, batch: Batch) -> Result<(), Error> {
        self.settle()?;
        self.busy = self.batches.send(batch).is_ok();
        Ok(())
    }

    /// Waits for the last commit and gives the store back.
    ///
    /// # Errors
    /// When that commit failed.
    pub(crate) fn close(mut self) -> Result<Store, Error> {
        self.settle()?;
        drop(self.batches);
        Ok(self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    }

    /// Waits for the commit being written, if there is one.
    ///
    /// # Errors
    /// When it failed.
    pub(crate) fn settle(&mut self) -> Result<(), Error> {
        if self.busy {
            self.busy = false;
            self.outcomes.recv().unwrap_or(Ok(()))?;
        }
        Ok(())
    }
}
