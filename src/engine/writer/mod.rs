//! The walks' side of the ledger: whole pages go in, next steps come out. The [`Book`] keeps it, on a thread of its own.

pub(super) mod clamp;
pub(super) mod committer;
pub(super) mod decode;
pub(super) mod message;
pub(super) mod page_writer;
pub(super) mod progress;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::events::Monitor;
use super::pass::Pass;
use super::report::Tally;
use super::writer::message::{Asked, Came, Job, Rest, Step};
use super::writer::page_writer::{Book, Keeping};
use crate::dataset;
use crate::dataset::commit::End;
use crate::dataset::store::{Store, Writer};
use crate::fetch::{Answer, Unreadable};
use crate::stop::Stop;

/// The hold on the ledger.
pub(super) struct Ledger {
    jobs: Sender<Job>,
    thread: JoinHandle<Result<Store, dataset::Error>>,
}

impl Ledger {
    /// Opens the ledger on a dataset, for one pass.
    pub(super) fn open(
        store: Store,
        writer: Writer,
        pass: Pass,
        keeping: Keeping<'_>,
        tally: Arc<Tally>,
        monitor: Arc<dyn Monitor>,
        stop: Stop,
    ) -> Self {
        let (jobs, inbox) = channel();
        let book = Book::new(store, writer, pass, keeping, tally, monitor, stop);
        Self { jobs, thread: thread::spawn(move || book.keep(&inbox)) }
    }

    /// Announces a strand. Those of a fan-out are announced in the order of their values.
    pub(super) fn begin(&self, walk: &Arc<str>, strand: &Arc<str>, over: bool) {
        self.send(Job::Begin { walk: Arc::clone(walk), strand: Arc::clone(strand), over });
    }

    /// Takes a page's rows and moves its strand on, or says why the answer cannot be read (and nothing changed).
    pub(super) async fn take(&self, asked: &Asked, answer: Answer) -> Result<Step, Unreadable> {
        self.ask(|reply| Job::Take(asked.clone(), answer, reply)).await.unwrap_or(Ok(Step::Halted))
    }

    /// Records a page that cannot be had, keeping its text, and goes on behind it: at the cursor given, or the one that the
    /// text names.
    pub(super) async fn give_up(
        &self,
        asked: &Asked,
        answer: Option<Answer>,
        reason: String,
        behind: Option<String>,
    ) -> Step {
        self.ask(|reply| Job::GiveUp(asked.clone(), answer, reason, behind, reply)).await.unwrap_or(Step::Halted)
    }

    /// Begins a strand anew, unless that was done before: then it is over, for this reason.
    pub(super) async fn begin_anew(&self, asked: &Asked, reason: String) -> Step {
        self.ask(|reply| Job::Anew(asked.clone(), reason, reply)).await.unwrap_or(Step::Halted)
    }

    /// Records why a strand is over.
    pub(super) async fn end(&self, asked: &Asked, answer: Option<Answer>, end: End) -> Step {
        self.ask(|reply| Job::End(asked.clone(), answer, end, reply)).await.unwrap_or(Step::Halted)
    }

    /// Makes the part of a window from `at` on, which begins at `cursor`, a window of its own and returns its key;
    /// `None` when it is too late for that.
    pub(super) async fn split(&self, walk: &Arc<str>, strand: &Arc<str>, at: i64, cursor: String) -> Option<String> {
        let (walk, strand) = (Arc::clone(walk), Arc::clone(strand));
        self.ask(|reply| Job::Split { walk, strand, at, cursor, reply }).await.flatten()
    }

    /// The server's own cursor for the beginning of a window, once the window before it has ended there.
    pub(super) async fn handover(&self, walk: &Arc<str>, strand: &Arc<str>) -> Option<String> {
        let (walk, strand) = (Arc::clone(walk), Arc::clone(strand));
        self.ask(|reply| Job::Handover { walk, strand, reply }).await.flatten()
    }

    /// Lets an incremental walk whose first cursor was refused go through the whole list.
    pub(super) fn whole(&self, walk: &Arc<str>, strand: &Arc<str>) {
        self.send(Job::Whole { walk: Arc::clone(walk), strand: Arc::clone(strand) });
    }

    /// What the walk's strands left open so far.
    pub(super) async fn rest(&self, walk: &Arc<str>) -> Rest {
        self.ask(|reply| Job::Rest { walk: Arc::clone(walk), reply }).await.unwrap_or_default()
    }

    /// What came of the list of a walk all of whose strands are over; `None` where it is not believed.
    pub(super) async fn came(&self, walk: &Arc<str>) -> Option<Came> {
        self.ask(|reply| Job::Came { walk: Arc::clone(walk), reply }).await.flatten()
    }

    /// True when a single look-up showed the thing.
    pub(super) async fn shown(&self, walk: &Arc<str>, strand: &str) -> bool {
        let (walk, strand) = (Arc::clone(walk), strand.into());
        self.ask(|reply| Job::Shown { walk, strand, reply }).await.unwrap_or(false)
    }

    /// Records why a walk's list is not believed.
    pub(super) fn doubt(&self, walk: &Arc<str>, detail: String) {
        self.send(Job::Doubt { walk: Arc::clone(walk), detail });
    }

    /// Records the things that a walk does not find gone, although they are missing.
    pub(super) fn withhold(&self, walk: &Arc<str>, things: BTreeSet<String>) {
        self.send(Job::Withhold { walk: Arc::clone(walk), things });
    }

    /// Closes a walk all of whose strands are over.
    pub(super) fn close_walk(&self, walk: &Arc<str>) {
        self.send(Job::Close { walk: Arc::clone(walk) });
    }

    /// Returns when everything taken so far is durable and published; false when nothing more can be written.
    pub(super) async fn flush(&self) -> bool {
        self.ask(Job::Flush).await.is_some()
    }

    /// Commits what is left and gives the store back.
    ///
    /// # Errors
    /// The first error that a commit met.
    pub(super) fn close(self) -> Result<Store, dataset::Error> {
        drop(self.jobs);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Sends a job; a book that is gone has an error that [`Ledger::close`] tells.
    fn send(&self, job: Job) {
        let _ = self.jobs.send(job);
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.send(job(reply));
        answer.await.ok()
    }
}
