//! Where whole pages become rows and cursors move with them: one thread, off the network, that reads answers, gathers their
//! rows and makes both durable together.
//!
//! Rows are gathered while the previous commit is still being written; both together stay within the bytes the crawl file
//! allows, so memory is bounded whatever the catalog's size.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::committer::Committer;
use super::decode::{self, Reading};
use super::message::{Message, Next, PageRequest, Unshown, is_single};
use super::progress::WalkProgress;
use crate::api::endpoint::{self, Paging};
use crate::api::envelope::{Page, salvage_cursor};
use crate::api::pseudonym::Pseudonyms;
use crate::api::rejection;
use crate::dataset;
use crate::dataset::commit::{End, GivenUp, Why};
use crate::dataset::missing::CONTROL;
use crate::dataset::store::{Batch, RunInfo, Store};
use crate::definition::{Commit, Crawl};
use crate::engine::clocks;
use crate::engine::events::{Event, Listener};
use crate::engine::pass::Pass;
use crate::engine::report::ReportBuilder;
use crate::engine::walk::unknown_values;
use crate::fetch::{Answer, Unreadable};
use crate::stop::Stop;
use crate::table::{Provenance, Tables, pages, rejects};

/// What is kept of answers, and how.
pub(crate) struct PageOptions<'a> {
    /// The crawl says most of it.
    pub(crate) crawl: &'a Crawl,
    /// What hides names, where it says so.
    pub(crate) hide: Option<Pseudonyms>,
    /// The walks whose lists the user says to be as short as the server shows them.
    pub(crate) trusted: &'a BTreeSet<String>,
}

/// Everything that moves while a pass is walked.
pub(crate) struct PageWriter {
    run: String,
    bounds: Commit,
    keep_bodies: bool,
    /// Hides names, where the crawl says so.
    hide: Option<Pseudonyms>,
    pass: u64,
    walks: BTreeMap<String, WalkProgress>,
    tables: Tables,
    /// It was told that the server's clock and this machine's differ.
    clocks_told: bool,
    /// When the oldest uncommitted change was made; `None` while there is none.
    changed: Option<Instant>,
    /// Whether a commit is due at once: a walk is over.
    urgent: bool,
    committer: Committer,
    listener: Arc<dyn Listener>,
    stop: Stop,
}

impl PageWriter {
    pub(crate) fn new(
        store: Store,
        info: RunInfo,
        pass: Pass,
        options: PageOptions<'_>,
        report_builder: Arc<ReportBuilder>,
        listener: Arc<dyn Listener>,
        stop: Stop,
    ) -> Self {
        let mut walks = WalkProgress::all(pass.walks, pass.seen_cursors);
        for (name, progress) in &mut walks {
            let items = pass.earlier.lists.get(name).map_or(0, |list| list.items);
            progress.least = options.crawl.absence.least(items);
            progress.trusted = options.trusted.contains(name);
        }
        Self {
            run: info.run.to_string(),
            bounds: options.crawl.commit,
            keep_bodies: options.crawl.keep_bodies,
            hide: options.hide,
            pass: pass.number,
            walks,
            tables: Tables::default(),
            clocks_told: false,
            changed: None,
            urgent: false,
            committer: Committer::start(store, info, report_builder, Arc::clone(&listener)),
            listener,
            stop,
        }
    }

    /// Works until the last walk is gone, then commits the rest. When nothing more can be written, the walks are told.
    pub(crate) fn keep(mut self, inbox: &Receiver<Message>) -> Result<Store, dataset::Error> {
        self.work_off(inbox).inspect_err(|_| self.stop.ask("the dataset cannot be written"))?;
        self.committer.close()
    }

    fn work_off(&mut self, inbox: &Receiver<Message>) -> Result<(), dataset::Error> {
        loop {
            match inbox.recv_timeout(self.patience()) {
                Ok(message) => self.work(message)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.commit_if_due()?;
        }
        if self.changed.is_some() {
            self.commit()?;
        }
        self.committer.settle()
    }

    /// How long to wait for a message before looking at the clock, and at the commit being written, again.
    fn patience(&self) -> Duration {
        const LOOK_UP: Duration = Duration::from_millis(50);
        self.changed.map_or(self.bounds.every, |since| self.bounds.every.saturating_sub(since.elapsed())).max(LOOK_UP)
    }

    fn work(&mut self, message: Message) -> Result<(), dataset::Error> {
        // A walk that was dropped meanwhile hears no answer; what was taken stays taken.
        match message {
            // Nothing to make durable yet: a partition without pages is begun again as well.
            Message::Begin { walk, partition, over } => self.look_at(&walk).begin(&partition, over),
            Message::Take(request, answer, reply) => drop(reply.send(self.take(&request, &answer))),
            Message::GiveUp(request, answer, reason, behind, reply) => {
                drop(reply.send(self.give_up(&request, answer.as_ref(), &reason, behind)));
            }
            Message::Anew(request, reason, reply) => drop(reply.send(self.begin_anew(&request, reason))),
            Message::End(request, answer, end, reply) => {
                if let Some(answer) = answer {
                    let name = request.name();
                    let at = provenance(self.pass, &name, request.page);
                    self.push_page(&request, &answer, 0, &Page::default(), &at);
                    self.walk(&request.walk).count(&request, &Page::default());
                }
                drop(reply.send(self.end(&request, &end)));
            }
            Message::Split { walk, partition, at, cursor, reply } => {
                drop(reply.send(self.walk(&walk).split(&partition, at, cursor)));
            }
            Message::Handover { walk, partition, reply } => drop(reply.send(self.walk(&walk).handover(&partition))),
            Message::Whole { walk, partition } => self.walk(&walk).whole(&partition),
            Message::Came { walk, reply } => drop(reply.send(self.look_at(&walk).came())),
            Message::Shown { walk, partition, reply } => drop(reply.send(self.look_at(&walk).shown(&partition))),
            Message::Doubt { walk, detail } => self.walk(&walk).doubt(detail),
            Message::Withhold { walk, things } => self.walk(&walk).withhold(things),
            Message::Recheck { walk, reply } => drop(reply.send(self.look_at(&walk).recheck())),
            Message::Close { walk } => self.close(&walk),
            Message::Flush(reply) => {
                if self.changed.is_some() {
                    self.commit()?;
                }
                self.committer.settle()?;
                let _ = reply.send(());
            }
        }
        Ok(())
    }

    fn take(&mut self, request: &PageRequest, answer: &Answer) -> Result<Next, Unreadable> {
        let name = request.name();
        let at = provenance(self.pass, &name, request.page);
        let question = endpoint::Query {
            at,
            params: &request.params,
            cursor: request.cursor.as_deref(),
            limit: if matches!(request.endpoint.paging, Paging::Cursor { .. }) { request.limit.into() } else { 0 },
            early: self.look_at(&request.walk).early(request),
            key: request.key.as_deref(),
            again: request.again,
            first_shown: request.first_shown,
            compared: request.compared,
        };
        // A control was met by its list, whose rows count: a look-up may show other versions of it.
        let mut aside = Tables::default();
        let into = if request.partition.starts_with(CONTROL) { &mut aside } else { &mut self.tables };
        let Reading { page, bytes } =
            decode::read(request.endpoint, answer.encoding, &answer.body, &question, self.hide.as_ref(), into)?;
        let is_first = !request.again || (request.first_shown && page.full);
        if (page.doubtful || unknown_values::is_empty(request, &page)) && is_first {
            return Ok(Next::Again(page.items));
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
        let walk = self.walk(&request.walk);
        walk.began(now);
        walk.count(request, &page);
        walk.note_unknown_values(&unknown_values::values(request, &page));
        walk.note_unknown_keys(&page, &name, request.page, at.fetched_at);
        if let Some(reason) = page.foreign {
            let detail = Some(format!("the server does not heed what page {} request for: {reason}", request.page));
            return Ok(self.end(request, &End { why: Why::Unheeded, detail }));
        }
        if is_single(&request.partition) {
            // One page is all that is asked of it. A full one of things with similar names may lack this one for that.
            let full = request.limit > 0 && page.items >= request.limit.into();
            let why = if full { Why::Doubtful } else { Why::Complete };
            return Ok(self.end(request, &End { why, detail: None }));
        }
        Ok(match request.endpoint.paging {
            Paging::Cursor { .. } => self.step(request, &page),
            Paging::Number { .. } => {
                let endless = walk.watch(request, &page);
                Next::Taken { empty: page.items == 0, reported_pages: page.reported_pages, endless }
            }
            Paging::Lookup => self.end(request, &End { why: Why::Complete, detail: None }),
        })
    }

    /// Now (milliseconds since 1970), when the server says it is `date`. Clocks that differ are told of once.
    fn now(&mut self, date: Option<Timestamp>) -> i64 {
        const APART: &str = "the clocks differ; the earlier one counts, set the wrong one";
        let here = Timestamp::now();
        if !self.clocks_told
            && let Some(server) = date.filter(|server| clocks::differ(*server, here))
        {
            self.clocks_told = true;
            match server > here {
                true => tracing::warn!(%server, machine = %here, "{APART}"),
                // What is dated too early is only asked for once more.
                false => tracing::info!(%server, machine = %here, "{APART}"),
            }
        }
        clocks::earlier(date, here)
    }

    /// Moves a partition to the cursor the server named, or ends it.
    fn step(&mut self, request: &PageRequest, page: &Page) -> Next {
        let walk = self.walk(&request.walk);
        let next = walk.watch(request, page).map_or_else(|| walk.step(request, page), Err);
        self.go(request, next)
    }

    /// Goes where a page leads, or ends the partition.
    fn go(&mut self, request: &PageRequest, next: Result<Next, End>) -> Next {
        match next {
            Ok(step) => step,
            Err(end) => self.end(request, &end),
        }
    }

    fn begin_anew(&mut self, request: &PageRequest, reason: String) -> Next {
        let next = self.walk(&request.walk).begin_anew(request, reason);
        self.go(request, next)
    }

    fn end(&mut self, request: &PageRequest, end: &End) -> Next {
        let walk = self.walk(&request.walk);
        if request.listed && end.why == Why::NotFound {
            walk.note_unknown_values(&[&request.partition]);
        }
        walk.forget(request);
        walk.end(&request.partition, end);
        Next::Over
    }

    fn close(&mut self, walk: &str) {
        let end = self.walk(walk).close();
        self.listener.event(&Event::WalkEnded { walk, end: &end });
        self.urgent = true;
    }

    fn give_up(
        &mut self,
        request: &PageRequest,
        answer: Option<&Answer>,
        reason: &str,
        behind: Option<String>,
    ) -> Next {
        let (cursor, name) = (request.cursor.as_deref(), request.name());
        self.listener.event(&Event::GivenUp { walk: &name, page: request.page, cursor, reason });
        let at = provenance(self.pass, &name, request.page);
        let body = answer
            .map(|answer| decode::lossy_text(answer.encoding, &answer.body, self.hide.as_ref()))
            .unwrap_or_default();
        let (position, told) = (rejects::WHOLE_PAGE, rejection::of_page(reason));
        self.tables.rejects.push(rejects::Row { position, reason: &told, item: Some(&body), at: &at });
        let page = Page { rejects: 1, ..Page::default() };
        if let Some(answer) = answer {
            self.push_page(request, answer, body.len(), &page, &at);
        }
        let walk = self.walk(&request.walk);
        walk.count(request, &page);
        walk.give_up(GivenUp {
            partition: request.partition.to_string(),
            page: request.page,
            cursor: request.cursor.clone(),
            reason: reason.to_owned(),
            pass: None,
        });
        let endless = walk.is_endless(request);
        match (request.endpoint.paging, behind, salvage_cursor(&body)) {
            (Paging::Number { .. }, ..) => Next::Taken { empty: false, reported_pages: None, endless },
            (Paging::Cursor { .. }, Some(behind), _) => {
                let next = endless.map_or_else(|| walk.move_on(request, behind), Err);
                self.go(request, next)
            }
            (Paging::Cursor { .. }, None, next_cursor @ Some(_)) => self.step(request, &Page { next_cursor, ..page }),
            _ => {
                let detail = Some(format!("page {} could not be read, nor what is behind it", request.page));
                self.end(request, &End { why: Why::Unreadable, detail })
            }
        }
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

    /// A walk's standing, about to be changed.
    fn walk(&mut self, walk: &str) -> &mut WalkProgress {
        self.changed.get_or_insert_with(Instant::now);
        self.look_at(walk)
    }

    fn look_at(&mut self, walk: &str) -> &mut WalkProgress {
        self.walks.entry(walk.to_owned()).or_default()
    }

    /// Commits when the rows are many or old, or a walk ended; never while the previous commit is being written, unless
    /// memory would run over.
    fn commit_if_due(&mut self) -> Result<(), dataset::Error> {
        let busy = self.committer.is_busy()?;
        let Some(since) = self.changed else { return Ok(()) };
        // A fifth gathers and a fifth is being written; the rest is for sorting, encoding and what the allocator keeps back.
        let full = self.tables.bytes() as u64 >= self.bounds.bytes / 5;
        if full || (!busy && (self.urgent || since.elapsed() >= self.bounds.every)) {
            self.commit()?;
        }
        Ok(())
    }

    /// Hands everything gathered, and where the walks stand with it, to the committer.
    fn commit(&mut self) -> Result<(), dataset::Error> {
        let mut tables = Vec::new();
        for builder in self.tables.builders_mut() {
            // Those without rows too: they give back the room they kept.
            let rows = builder.finish().map_err(|e| dataset::Error::unfit(builder.table(), &e))?;
            tables.push((builder.table(), rows));
        }
        let walks = self.walks.iter_mut().map(|(name, progress)| (name.clone(), progress.record())).collect();
        (self.changed, self.urgent) = (None, false);
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
