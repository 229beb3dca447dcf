//! The page writer: one thread, off the network, that decodes answers, gathers their rows, moves cursors and hands both to the
//! commit together.
//!
//! Rows are gathered while the previous commit is still being written. Both together stay within the bytes that the crawl
//! file allows, so memory is bounded whatever the catalog's size.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;

use super::committer::Committer;
use super::decode::{self, Body, Reading, Remains};
use super::message::{GivenUpPage, Message, Next, PageRequest, Unshown};
use super::progress::{Progress, lock};
use super::unknown_values;
use crate::api::endpoint::Paging;
use crate::api::page::{Page, Query};
use crate::api::pseudonym::Pseudonyms;
use crate::api::rejection;
use crate::dataset;
use crate::dataset::commit::End;
use crate::dataset::missing::CONTROL;
use crate::dataset::store::{Batch, Store};
use crate::definition::{Commit, Crawl};
use crate::engine::clocks;
use crate::engine::events::{Event, Listener};
use crate::engine::run::Run;
use crate::fetch::{Answer, Encoding, Unreadable};
use crate::stop::Stop;
use crate::table::dropped::Dropped;
use crate::table::{Provenance, Tables, pages, rejects};

/// The state of the page writer's thread.
pub(crate) struct PageWriter {
    run: String,
    bounds: Commit,
    keep_bodies: bool,
    /// The tables and columns that are left out.
    drop: Dropped,
    /// Hides people's names, where the crawl file says so.
    hide: Option<Pseudonyms>,
    pass: u64,
    progress: Arc<Mutex<Progress>>,
    tables: Tables,
    /// True when the log says already that the server's clock and this machine's differ.
    warned_of_clocks: bool,
    committer: Committer,
    listener: Arc<dyn Listener>,
    stop: Stop,
}

impl PageWriter {
    pub(super) fn new(
        store: Store,
        progress: Arc<Mutex<Progress>>,
        crawl: &Crawl,
        hide: Option<Pseudonyms>,
        run: &Run,
    ) -> Self {
        Self {
            run: run.info.run.to_string(),
            bounds: crawl.commit,
            keep_bodies: crawl.keep_bodies,
            drop: crawl.drop.clone(),
            hide,
            pass: run.pass,
            progress,
            tables: Tables::default(),
            warned_of_clocks: false,
            committer: Committer::start(store, run.clone()),
            listener: Arc::clone(&run.listener),
            stop: run.stop.clone(),
        }
    }

    /// Works until the writer's handle is dropped, then commits the rest. An error stops the run.
    pub(super) fn keep(mut self, inbox: &Receiver<Message>) -> Result<Store, dataset::Error> {
        let worked = self.work_off(inbox).inspect_err(|_| self.stop.ask("the dataset cannot be written"));
        let closed = self.committer.close();
        worked.and(closed)
    }

    fn work_off(&mut self, inbox: &Receiver<Message>) -> Result<(), dataset::Error> {
        loop {
            let wait = self.commit_if_due()?;
            match inbox.recv_timeout(wait) {
                Ok(message) => self.work(message)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.commit_all()
    }

    fn work(&mut self, message: Message) -> Result<(), dataset::Error> {
        // A walk that was dropped meanwhile gets no reply; its page stays taken.
        match message {
            Message::Page(request, answer, reply) => drop(reply.send(self.take(&request, &answer))),
            Message::GiveUp(page, reply) => drop(reply.send(self.give_up(page))),
            Message::End(request, answer, end, reply) => drop(reply.send(self.end(&request, answer.as_ref(), &end))),
            Message::Flush(reply) => {
                self.commit_all()?;
                let _ = reply.send(());
            }
            Message::Wake => {}
        }
        Ok(())
    }

    /// Decodes an answer, keeps its rows and moves its partition on. The lock is not held while decoding.
    fn take(&mut self, request: &PageRequest, answer: &Answer) -> Result<Next, Unreadable> {
        let servers = clocks::servers(answer.date, Timestamp::now());
        let earlier = lock(&self.progress).walk(&request.walk).begin_earlier(request, servers);
        if let Some(first) = earlier {
            tracing::info!(walk = %request.walk, "by the server's clock `from` is earlier; beginning there");
            return Ok(Next::Anew(Some(first)));
        }
        let name = request.name();
        let at = provenance(self.pass, &name, request.page);
        let query = Query {
            at,
            params: &request.params,
            cursor: request.cursor.as_deref(),
            limit: if matches!(request.endpoint.paging, Paging::Cursor { .. }) { request.limit.into() } else { 0 },
            early: if request.again { request.shown } else { lock(&self.progress).walk(&request.walk).early(request) },
            key: request.key.as_deref(),
            again: request.again,
            first_shown: request.first_shown,
            compared: request.compared,
        };
        // A control was on its list, whose rows count: a look-up may show other versions of it.
        let mut aside = Tables::default();
        let into = if request.partition.starts_with(CONTROL) { &mut aside } else { &mut self.tables };
        let body = Body { encoding: answer.encoding, bytes: &answer.body };
        let Reading { page, bytes } = decode::read(request.endpoint, body, &query, self.hide.as_ref(), into)?;
        let is_first = !request.again || (request.first_shown && page.full);
        if (page.doubtful || unknown_values::is_empty(request, &page)) && is_first {
            lock(&self.progress).walk(&request.walk).ask_again(request);
            return Ok(Next::Again(page.items));
        }
        if page.doubtful && page.items < request.shown {
            return Ok(Next::Fewer(page.items));
        }
        if page.elsewhere {
            return Ok(if request.again { Next::Elsewhere } else { Next::Again(0) });
        }
        if !page.unshown.is_empty() {
            return Ok(Next::Compare(Unshown { filters: page.unshown, ids: page.ids }));
        }
        self.push_page(request, answer, bytes, &page, &at);
        self.listener.event(&Event::Page {
            walk: &request.walk,
            page: request.page,
            items: page.items,
            rejects: page.rejects,
            repairs: page.repairs,
            bytes: bytes as u64,
        });
        let now = self.now(answer.date);
        Ok(lock(&self.progress).change(&request.walk).take(request, &page, &at, now))
    }

    /// Returns the time (milliseconds since 1970) by the clock that is behind, `date` being the server's. Warns once when
    /// the clocks differ.
    fn now(&mut self, date: Option<Timestamp>) -> i64 {
        const APART: &str = "the clocks differ; the earlier one counts, set the wrong one";
        let here = Timestamp::now();
        if !self.warned_of_clocks
            && let Some(server) = date.filter(|server| clocks::differ(*server, here))
        {
            self.warned_of_clocks = true;
            match server > here {
                true => tracing::warn!(%server, machine = %here, "{APART}"),
                // A date that is too early only makes the next pass request more.
                false => tracing::info!(%server, machine = %here, "{APART}"),
            }
        }
        clocks::earlier(date, here)
    }

    /// Ends a partition; the answer that says so becomes a page without items.
    fn end(&mut self, request: &PageRequest, answer: Option<&Answer>, end: &End) -> Next {
        if let Some(answer) = answer {
            let name = request.name();
            let at = provenance(self.pass, &name, request.page);
            self.push_page(request, answer, 0, &Page::default(), &at);
        }
        let mut progress = lock(&self.progress);
        let walk = progress.change(&request.walk);
        if answer.is_some() {
            walk.count(request, &Page::default());
        }
        walk.finish(request, end)
    }

    /// Keeps the text of a page that cannot be had as a reject, and moves its partition past it.
    fn give_up(&mut self, page: GivenUpPage) -> Next {
        let GivenUpPage { request, answer, reason, .. } = &page;
        let (cursor, name) = (request.cursor.as_deref(), request.name());
        self.listener.event(&Event::GivenUp { walk: &name, page: request.page, cursor, reason });
        let at = provenance(self.pass, &name, request.page);
        let bytes = answer.as_ref().map_or(&[][..], |answer| &answer.body);
        let encoding = answer.as_ref().map_or(Encoding::Identity, |answer| answer.encoding);
        let Remains { text, kept, bytes, next_cursor } = decode::remains(Body { encoding, bytes }, self.hide.as_ref());
        let (position, of_page) = (rejects::WHOLE_PAGE, rejection::of_page(reason, kept, bytes));
        self.tables.rejects.push(rejects::Row { position, reason: &of_page, item: Some(&text), at: &at });
        if let Some(answer) = answer {
            self.push_page(request, answer, bytes, &Page { rejects: 1, ..Page::default() }, &at);
        }
        let walk = Arc::clone(&request.walk);
        lock(&self.progress).change(&walk).give_up(page, next_cursor)
    }

    fn push_page(&mut self, request: &PageRequest, answer: &Answer, bytes: usize, page: &Page, at: &Provenance<'_>) {
        self.tables.pages.push(pages::Row {
            run: &self.run,
            endpoint: request.endpoint.name,
            url: request.url.as_str(),
            cursor: request.cursor.as_deref(),
            next_cursor: page.next_cursor.as_deref(),
            status: Some(answer.status.into()),
            attempts: Some(answer.attempts.into()),
            items: i64::try_from(page.items).ok(),
            bytes: i64::try_from(bytes).ok(),
            latency_ms: i64::try_from(answer.latency.as_millis()).ok(),
            cache_status: answer.cache_status.as_deref(),
            age_s: answer.age_s,
            repairs: Some(page.repairs.into()),
            body: self.keep_bodies.then_some(&answer.body[..]),
            body_encoding: self.keep_bodies.then_some(answer.encoding.name()),
            at,
        });
    }

    /// Commits when the rows are many or old, or a walk was closed, and returns how long the next look may wait. Never
    /// commits while the previous commit is being written, unless memory would run over.
    fn commit_if_due(&mut self) -> Result<Duration, dataset::Error> {
        const LOOK_UP: Duration = Duration::from_millis(50);
        let busy = self.committer.is_busy()?;
        let (changed, urgent) = lock(&self.progress).wants_commit();
        let Some(since) = changed else { return Ok(self.bounds.every.max(LOOK_UP)) };
        // A fifth is being gathered and a fifth written; the rest is for sorting, encoding and the allocator.
        let full = self.tables.bytes() as u64 >= self.bounds.bytes / 5;
        let left = self.bounds.every.saturating_sub(since.elapsed());
        if full || (!busy && (urgent || left.is_zero())) {
            self.commit()?;
            return Ok(self.bounds.every.max(LOOK_UP));
        }
        Ok(if urgent { LOOK_UP } else { left.max(LOOK_UP) })
    }

    /// Commits everything taken so far, and returns once it is durable.
    fn commit_all(&mut self) -> Result<(), dataset::Error> {
        if lock(&self.progress).wants_commit().0.is_some() {
            self.commit()?;
        }
        self.committer.settle()
    }

    /// Hands everything gathered, and the walks' state that belongs to it, to the committer.
    fn commit(&mut self) -> Result<(), dataset::Error> {
        let mut tables = Vec::new();
        for builder in self.tables.builders_mut() {
            // Those without rows too: they release the room they kept.
            let rows = builder.finish().map_err(|e| dataset::Error::unfit(builder.table(), &e))?;
            if let Some(rows) = self.drop.kept(builder.table(), rows) {
                tables.push((builder.table(), rows));
            }
        }
        // No cursor moved since: this thread moves them.
        let walks = lock(&self.progress).record();
        self.committer.commit(Batch { tables, pass: self.pass, walks, prune: Vec::new() })
    }
}

fn provenance(pass: u64, walk: &str, page: u64) -> Provenance<'_> {
    Provenance {
        pass: i64::try_from(pass).unwrap_or(i64::MAX),
        walk,
        page: i64::try_from(page).unwrap_or(i64::MAX),
        fetched_at: Timestamp::now().as_millisecond(),
    }
}
