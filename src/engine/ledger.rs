//! The walks' side of the ledger: whole pages go in, next steps come out. The [`Book`] keeps it, on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::book::Book;
use super::monitor::Monitor;
use super::pass::Pass;
use super::report::Tally;
use super::stop::Stop;
use crate::api::endpoint::Endpoint;
use crate::dataset;
use crate::dataset::commit::End;
use crate::dataset::store::{Store, Writer};
use crate::definition::Crawl;
use crate::fetch::{Answer, PageUrl, Unreadable};

/// A page that was asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Its walk.
    pub(super) walk: Arc<str>,
    /// Its strand's key; empty for the only one.
    pub(super) strand: Arc<str>,
    /// What is asked.
    pub(super) endpoint: &'static Endpoint,
    /// The query parameters, without `limit` and cursor.
    pub(super) params: Arc<[(String, String)]>,
    /// The id or hash looked up.
    pub(super) key: Option<Arc<str>>,
    /// Its number in the strand.
    pub(super) page: u64,
    /// The cursor sent.
    pub(super) cursor: Option<String>,
    /// Items asked for.
    pub(super) limit: u32,
    /// Whether it is asked for once more because the first answer was doubtful.
    pub(super) again: bool,
    /// Its address.
    pub(super) url: PageUrl,
}

impl Asked {
    /// The name that rows carry: the walk's, and behind a slash the strand's.
    pub(super) fn name(&self) -> String {
        strand_name(&self.walk, &self.strand)
    }
}

/// The name of a strand, unique within the pass.
pub(super) fn strand_name(walk: &str, strand: &str) -> String {
    if strand.is_empty() { walk.to_owned() } else { format!("{walk}/{strand}") }
}

/// Where a strand goes after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// To the page at this cursor.
    Next(String),
    /// To the page at this cursor, with as many items as the server gives: more rows share its instant than were asked for.
    Larger(String),
    /// To the same page once more: the answer looks like a false end, and nothing was taken.
    Again,
    /// Of numbered pages: the page was taken.
    Taken {
        /// Whether it had items.
        empty: bool,
        /// How many pages there are, where the endpoint tells it.
        pages_told: Option<u64>,
    },
    /// Nowhere: it is over.
    Over,
    /// Nowhere: nothing more can be written.
    Halted,
}

/// What the walks ask of the book.
pub(super) enum Job {
    /// A strand begins, or goes on; of a fan-out it may be over already, by an earlier run.
    Begin { walk: Arc<str>, strand: Arc<str>, over: bool },
    /// A page's answer.
    Take(Asked, Answer, oneshot::Sender<Result<Step, Unreadable>>),
    /// A page that cannot be had.
    GiveUp(Asked, Option<Answer>, String, oneshot::Sender<Step>),
    /// A strand is over; with the answer that says so, where it is one worth keeping.
    End(Asked, Option<Answer>, End, oneshot::Sender<Step>),
    /// The later part of a window becomes a window of its own, unless the strand has passed it: its key.
    Split { walk: Arc<str>, strand: Arc<str>, at: i64, cursor: String, reply: oneshot::Sender<Option<String>> },
    /// The cursor at which the window before this one ended, once it has.
    Handover { walk: Arc<str>, strand: Arc<str>, reply: oneshot::Sender<Option<String>> },
    /// The models of a walk that came without versions.
    Hollow { walk: Arc<str>, reply: oneshot::Sender<Vec<i64>> },
    /// Every strand of a walk is over.
    Close { walk: Arc<str> },
    /// Everything taken so far shall be durable.
    Flush(oneshot::Sender<()>),
}

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
        crawl: &Crawl,
        tally: Arc<Tally>,
        monitor: Arc<dyn Monitor>,
        stop: Stop,
    ) -> Self {
        let (jobs, inbox) = channel();
        let book = Book::new(store, writer, pass, crawl, tally, monitor, stop);
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

    /// Records a page that cannot be had, keeping its text, and goes on behind it where its cursor can be told.
    pub(super) async fn give_up(&self, asked: &Asked, answer: Option<Answer>, reason: String) -> Step {
        self.ask(|reply| Job::GiveUp(asked.clone(), answer, reason, reply)).await.unwrap_or(Step::Halted)
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

    /// Ids of the models that came without versions and were not looked up yet.
    pub(super) async fn hollow(&self, walk: &Arc<str>) -> Vec<i64> {
        self.ask(|reply| Job::Hollow { walk: Arc::clone(walk), reply }).await.unwrap_or_default()
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
