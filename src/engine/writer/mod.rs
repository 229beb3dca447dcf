//! The writer, as the walks see it: pages go in, next steps come out. The [`PageWriter`] works on a thread of its own.

pub(super) mod clamp;
pub(super) mod committer;
pub(super) mod decode;
pub(super) mod density;
pub(super) mod message;
pub(super) mod page_writer;
pub(super) mod progress;
pub(super) mod unknown_values;
pub(super) mod walk_progress;

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::pass::Pass;
use super::run::{Options, Run};
use crate::dataset;
use crate::dataset::commit::End;
use crate::dataset::store::Store;
use crate::definition::Crawl;
use crate::fetch::{Answer, Unreadable};
use message::{GivenUpPage, Message, Next, PageRequest};
use page_writer::PageWriter;
use progress::{Progress, lock};

/// The walks' handle of the page writer.
pub(super) struct Writer {
    progress: Arc<Mutex<Progress>>,
    messages: Sender<Message>,
    thread: JoinHandle<Result<Store, dataset::Error>>,
}

impl Writer {
    /// Starts the page writer on a dataset, for one pass.
    pub(super) fn start(store: Store, pass: Pass, crawl: &Crawl, options: &Options, run: &Run) -> Self {
        let progress = Arc::new(Mutex::new(Progress::new(pass, crawl, &options.believe)));
        let (messages, inbox) = channel();
        let page_writer = PageWriter::new(store, Arc::clone(&progress), crawl, options.hide.clone(), run);
        Self { progress, messages, thread: thread::spawn(move || page_writer.keep(&inbox)) }
    }

    /// Locks the live progress of all walks. Never held over an await, since the page writer needs it too.
    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }

    /// Takes a page's rows and moves its partition on; `Err` when the answer cannot be read, and nothing changed.
    pub(super) async fn page(&self, request: &PageRequest, answer: Answer) -> Result<Next, Unreadable> {
        self.ask(|reply| Message::Page(request.clone(), answer, reply)).await.unwrap_or(Ok(Next::Halted))
    }

    /// Records a page that cannot be had, keeping its text, and continues behind it: at the cursor given, or at the one
    /// that the text names.
    pub(super) async fn give_up(
        &self,
        request: &PageRequest,
        answer: Option<Answer>,
        reason: String,
        behind: Option<String>,
    ) -> Next {
        let page = GivenUpPage { request: request.clone(), answer, reason, behind };
        self.ask(|reply| Message::GiveUp(page, reply)).await.unwrap_or(Next::Halted)
    }

    /// Starts a partition over, once; a second time ends it for this reason.
    pub(super) fn begin_anew(&self, request: &PageRequest, reason: String) -> Next {
        self.progress().change(&request.walk).begin_anew(request, reason)
    }

    /// Records why a partition is over.
    pub(super) async fn end(&self, request: &PageRequest, answer: Option<Answer>, end: End) -> Next {
        self.ask(|reply| Message::End(request.clone(), answer, end, reply)).await.unwrap_or(Next::Halted)
    }

    /// Closes a walk all of whose partitions are over, makes a commit due, and returns why the walk is over.
    pub(super) fn close(&self, walk: &str) -> End {
        let end = self.progress().close(walk);
        self.send(Message::Wake);
        end
    }

    /// Returns when everything taken so far is durable and published; false when nothing more can be written.
    pub(super) async fn flush(&self) -> bool {
        self.ask(Message::Flush).await.is_some()
    }

    /// Commits the rest and returns the store.
    ///
    /// # Errors
    /// The first error of a commit.
    pub(super) fn finish(self) -> Result<Store, dataset::Error> {
        drop(self.messages);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Sends a message. If the page writer is gone, [`Writer::finish`] returns its error.
    fn send(&self, message: Message) {
        let _ = self.messages.send(message);
    }

    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.send(message(reply));
        answer.await.ok()
    }
}
