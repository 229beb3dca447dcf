//! The walks' side of the writer: whole pages go in, next steps come out. The [`PageWriter`] keeps it, on a thread of its own.

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

use super::events::Listener;
use super::pass::Pass;
use super::report::ReportBuilder;
use super::writer::message::{Came, Message, Next, PageRequest, Recheck};
use super::writer::page_writer::{PageOptions, PageWriter};
use crate::dataset;
use crate::dataset::commit::End;
use crate::dataset::store::{RunInfo, Store};
use crate::fetch::{Answer, Unreadable};
use crate::stop::Stop;

/// The hold on the writer.
pub(super) struct Writer {
    messages: Sender<Message>,
    thread: JoinHandle<Result<Store, dataset::Error>>,
}

impl Writer {
    /// Opens the writer on a dataset, for one pass.
    pub(super) fn open(
        store: Store,
        info: RunInfo,
        pass: Pass,
        options: PageOptions<'_>,
        report_builder: Arc<ReportBuilder>,
        listener: Arc<dyn Listener>,
        stop: Stop,
    ) -> Self {
        let (messages, inbox) = channel();
        let page_writer = PageWriter::new(store, info, pass, options, report_builder, listener, stop);
        Self { messages, thread: thread::spawn(move || page_writer.keep(&inbox)) }
    }

    /// Announces a partition. Those of a fan-out are announced in the order of their values.
    pub(super) fn begin(&self, walk: &Arc<str>, partition: &Arc<str>, over: bool) {
        self.send(Message::Begin { walk: Arc::clone(walk), partition: Arc::clone(partition), over });
    }

    /// Takes a page's rows and moves its partition on, or says why the answer cannot be read (and nothing changed).
    pub(super) async fn take(&self, request: &PageRequest, answer: Answer) -> Result<Next, Unreadable> {
        self.ask(|reply| Message::Take(request.clone(), answer, reply)).await.unwrap_or(Ok(Next::Halted))
    }

    /// Records a page that cannot be had, keeping its text, and goes on behind it: at the cursor given, or the one that the
    /// text names.
    pub(super) async fn give_up(
        &self,
        request: &PageRequest,
        answer: Option<Answer>,
        reason: String,
        behind: Option<String>,
    ) -> Next {
        self.ask(|reply| Message::GiveUp(request.clone(), answer, reason, behind, reply)).await.unwrap_or(Next::Halted)
    }

    /// Begins a partition anew, unless that was done before: then it is over, for this reason.
    pub(super) async fn begin_anew(&self, request: &PageRequest, reason: String) -> Next {
        self.ask(|reply| Message::Anew(request.clone(), reason, reply)).await.unwrap_or(Next::Halted)
    }

    /// Records why a partition is over.
    pub(super) async fn end(&self, request: &PageRequest, answer: Option<Answer>, end: End) -> Next {
        self.ask(|reply| Message::End(request.clone(), answer, end, reply)).await.unwrap_or(Next::Halted)
    }

    /// Makes the part of a window from `at` on, which begins at `cursor`, a window of its own and returns its key;
    /// `None` when it is too late for that.
    pub(super) async fn split(&self, walk: &Arc<str>, partition: &Arc<str>, at: i64, cursor: String) -> Option<String> {
        let (walk, partition) = (Arc::clone(walk), Arc::clone(partition));
        self.ask(|reply| Message::Split { walk, partition, at, cursor, reply }).await.flatten()
    }

    /// The server's own cursor for the beginning of a window, once the window before it has ended there.
    pub(super) async fn handover(&self, walk: &Arc<str>, partition: &Arc<str>) -> Option<String> {
        let (walk, partition) = (Arc::clone(walk), Arc::clone(partition));
        self.ask(|reply| Message::Handover { walk, partition, reply }).await.flatten()
    }

    /// Lets an incremental walk whose first cursor was refused go through the whole list.
    pub(super) fn whole(&self, walk: &Arc<str>, partition: &Arc<str>) {
        self.send(Message::Whole { walk: Arc::clone(walk), partition: Arc::clone(partition) });
    }

    /// What the walk's partitions left open so far.
    pub(super) async fn recheck(&self, walk: &Arc<str>) -> Recheck {
        self.ask(|reply| Message::Recheck { walk: Arc::clone(walk), reply }).await.unwrap_or_default()
    }

    /// What came of the list of a walk all of whose partitions are over; `None` where it is not believed.
    pub(super) async fn came(&self, walk: &Arc<str>) -> Option<Came> {
        self.ask(|reply| Message::Came { walk: Arc::clone(walk), reply }).await.flatten()
    }

    /// True when a single look-up showed the thing.
    pub(super) async fn shown(&self, walk: &Arc<str>, partition: &str) -> bool {
        let (walk, partition) = (Arc::clone(walk), partition.into());
        self.ask(|reply| Message::Shown { walk, partition, reply }).await.unwrap_or(false)
    }

    /// Records why a walk's list is not believed.
    pub(super) fn doubt(&self, walk: &Arc<str>, detail: String) {
        self.send(Message::Doubt { walk: Arc::clone(walk), detail });
    }

    /// Records the things that a walk does not find gone, although they are missing.
    pub(super) fn withhold(&self, walk: &Arc<str>, things: BTreeSet<String>) {
        self.send(Message::Withhold { walk: Arc::clone(walk), things });
    }

    /// Closes a walk all of whose partitions are over.
    pub(super) fn close_walk(&self, walk: &Arc<str>) {
        self.send(Message::Close { walk: Arc::clone(walk) });
    }

    /// Returns when everything taken so far is durable and published; false when nothing more can be written.
    pub(super) async fn flush(&self) -> bool {
        self.ask(Message::Flush).await.is_some()
    }

    /// Commits what is left and gives the store back.
    ///
    /// # Errors
    /// The first error that a commit met.
    pub(super) fn close(self) -> Result<Store, dataset::Error> {
        drop(self.messages);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Sends a message; a book that is gone has an error that [`Writer::close`] tells.
    fn send(&self, message: Message) {
        let _ = self.messages.send(message);
    }

    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.send(message(reply));
        answer.await.ok()
    }
}
