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
use super::message::{Asked, Job, Step, Unshown, is_single};
use super::progress::Standing;
use crate::api::endpoint::{self, Paging};
use crate::api::envelope::{Page, salvage_cursor};
use crate::api::pseudonym::Pseudonyms;
use crate::api::rejection;
use crate::dataset;
use crate::dataset::commit::{End, GivenUp, Why};
use crate::dataset::missing::CONTROL;
use crate::dataset::store::{Batch, Store, Writer};
use crate::definition::{Commit, Crawl};
use crate::engine::clocks;
use crate::engine::events::{Event, Monitor};
use crate::engine::pass::Pass;
use crate::engine::report::Tally;
use crate::engine::walk::unknown_values;
use crate::fetch::{Answer, Unreadable};
use crate::stop::Stop;
use crate::table::{Provenance, Tables, pages, rejects};

/// What is kept of answers, and how.
pub(crate) struct Keeping<'a> {
    /// The crawl says most of it.
    pub(crate) crawl: &'a Crawl,
    /// What hides names, where it says so.
    pub(crate) hide: Option<Pseudonyms>,
    /// The walks whose lists the user says to be as short as the server shows them.
    pub(crate) trusted: &'a BTreeSet<String>,
}

/// Everything that moves while a pass is walked.
pub(crate) struct Book {
    run: String,
    bounds: Commit,
    keep_bodies: bool,
    /// Hides names, where the crawl says so.
    hide: Option<Pseudonyms>,
    pass: u64,
    walks: BTreeMap<String, Standing>,
    tables: Tables,
    /// It was told that the server's clock and this machine's differ.
    clocks_told: bool,
    /// When the oldest uncommitted change was made; `None` while there is none.
    changed: Option<Instant>,
    /// Whether a commit is due at once: a walk is over.
    urgent: bool,
    committer: Committer,
    monitor: Arc<dyn Monitor>,
    stop: Stop,
}

impl Book {
    pub(crate) fn new(
        store: Store,
        writer: Writer,
        pass: Pass,
        keeping: Keeping<'_>,
        tally: Arc<Tally>,
        monitor: Arc<dyn Monitor>,
        stop: Stop,
    ) -> Self {
        let mut walks = Standing::all(pass.walks, pass.met);
        for (name, standing) in &mut walks {
            let items = pass.earlier.lists.get(name).map_or(0, |list| list.items);
            standing.least = keeping.crawl.absence.least(items);
            standing.trusted = keeping.trusted.contains(name);
        }
        Self {
            run: writer.run.to_string(),
            bounds: keeping.crawl.commit,
            keep_bodies: keeping.crawl.keep_bodies,
            hide: keeping.hide,
            pass: pass.number,
            walks,
            tables: Tables::default(),
            clocks_told: false,
            changed: None,
            urgent: false,
            committer: Committer::start(store, writer, tally, Arc::clone(&monitor)),
            monitor,
            stop,
        }
    }

    /// Works until the last walk is gone, then commits the rest. When nothing more can be written, the walks are told.
    pub(crate) fn keep(mut self, inbox: &Receiver<Job>) -> Result<Store, dataset::Error> {
        self.work_off(inbox).inspect_err(|_| self.stop.ask("the dataset cannot be written"))?;
        self.committer.close()
    }

    fn work_off(&mut self, inbox: &Receiver<Job>) -> Result<(), dataset::Error> {
        loop {
            match inbox.recv_timeout(self.patience()) {
                Ok(job) => self.work(job)?,
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

    /// How long to wait for a job before looking at the clock, and at the commit being written, again.
    fn patience(&self) -> Duration {
        const LOOK_UP: Duration = Duration::from_millis(50);
        self.changed.map_or(self.bounds.every, |since| self.bounds.every.saturating_sub(since.elapsed())).max(LOOK_UP)
    }

    fn work(&mut self, job: Job) -> Result<(), dataset::Error> {
        // A walk that was dropped meanwhile hears no answer; what was taken stays taken.
        match job {
            // Nothing to make durable yet: a strand without pages is begun again as well.
            Job::Begin { walk, strand, over } => self.look_at(&walk).begin(&strand, over),
            Job::Take(asked, answer, reply) => drop(reply.send(self.take(&asked, &answer))),
            Job::GiveUp(asked, answer, reason, behind, reply) => {
                drop(reply.send(self.give_up(&asked, answer.as_ref(), &reason, behind)));
            }
            Job::Anew(asked, reason, reply) => drop(reply.send(self.begin_anew(&asked, reason))),
            Job::End(asked, answer, end, reply) => {
                if let Some(answer) = answer {
                    let name = asked.name();
                    let at = provenance(self.pass, &name, asked.page);
                    self.push_page(&asked, &answer, 0, &Page::default(), &at);
                    self.walk(&asked.walk).count(&asked, &Page::default());
                }
                drop(reply.send(self.end(&asked, &end)));
            }
            Job::Split { walk, strand, at, cursor, reply } => {
                drop(reply.send(self.walk(&walk).split(&strand, at, cursor)));
            }
            Job::Handover { walk, strand, reply } => drop(reply.send(self.walk(&walk).handover(&strand))),
            Job::Whole { walk, strand } => self.walk(&walk).whole(&strand),
            Job::Came { walk, reply } => drop(reply.send(self.look_at(&walk).came())),
            Job::Shown { walk, strand, reply } => drop(reply.send(self.look_at(&walk).shown(&strand))),
            Job::Doubt { walk, detail } => self.walk(&walk).doubt(detail),
            Job::Withhold { walk, things } => self.walk(&walk).withhold(things),
            Job::Rest { walk, reply } => drop(reply.send(self.look_at(&walk).rest())),
            Job::Close { walk } => self.close(&walk),
            Job::Flush(reply) => {
                if self.changed.is_some() {
                    self.commit()?;
                }
                self.committer.settle()?;
                let _ = reply.send(());
            }
        }
        Ok(())
    }

    fn take(&mut self, asked: &Asked, answer: &Answer) -> Result<Step, Unreadable> {
        let name = asked.name();
        let at = provenance(self.pass, &name, asked.page);
        let question = endpoint::Asked {
            at,
            params: &asked.params,
            cursor: asked.cursor.as_deref(),
            limit: if matches!(asked.endpoint.paging, Paging::Cursor { .. }) { asked.limit.into() } else { 0 },
            early: self.look_at(&asked.walk).early(asked),
            key: asked.key.as_deref(),
            again: asked.again,
            first_shown: asked.first_shown,
            compared: asked.compared,
        };
        // A control was met by its list, whose rows count: a look-up may show other versions of it.
        let mut aside = Tables::default();
        let into = if asked.strand.starts_with(CONTROL) { &mut aside } else { &mut self.tables };
        let Reading { page, bytes } =
            decode::read(asked.endpoint, answer.encoding, &answer.body, &question, self.hide.as_ref(), into)?;
        let is_first = !asked.again || (asked.first_shown && page.full);
        if (page.doubtful || unknown_values::is_empty(asked, &page)) && is_first {
            return Ok(Step::Again(page.items));
        }
        if !page.unshown.is_empty() {
            return Ok(Step::Compare(Unshown { filters: page.unshown, ids: page.ids }));
        }
        self.push_page(asked, answer, bytes, &page, &at);
        self.monitor.event(&Event::Page {
            walk: &asked.walk,
            page: asked.page,
            items: page.items,
            rejects: page.rejects,
            repairs: page.repairs,
            bytes: bytes as u64,
        });
        let now = self.now(answer.date);
        let walk = self.walk(&asked.walk);
        walk.began(now);
        walk.count(asked, &page);
        walk.note_unknown_values(&unknown_values::values(asked, &page));
        walk.note_unknown_keys(&page, &name, asked.page, at.fetched_at);
        if let Some(reason) = page.foreign {
            let detail = Some(format!("the server does not heed what page {} asked for: {reason}", asked.page));
            return Ok(self.end(asked, &End { why: Why::Unheeded, detail }));
        }
        if is_single(&asked.strand) {
            // One page is all that is asked of it. A full one of things with similar names may lack this one for that.
            let full = asked.limit > 0 && page.items >= asked.limit.into();
            let why = if full { Why::Doubtful } else { Why::Complete };
            return Ok(self.end(asked, &End { why, detail: None }));
        }
        Ok(match asked.endpoint.paging {
            Paging::Cursor { .. } => self.step(asked, &page),
            Paging::Number { .. } => {
                let endless = walk.watch(asked, &page);
                Step::Taken { empty: page.items == 0, pages_told: page.pages_told, endless }
            }
            Paging::Lookup => self.end(asked, &End { why: Why::Complete, detail: None }),
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

    /// Moves a strand to the cursor the server named, or ends it.
    fn step(&mut self, asked: &Asked, page: &Page) -> Step {
        let walk = self.walk(&asked.walk);
        let next = walk.watch(asked, page).map_or_else(|| walk.step(asked, page), Err);
        self.go(asked, next)
    }

    /// Goes where a page leads, or ends the strand.
    fn go(&mut self, asked: &Asked, next: Result<Step, End>) -> Step {
        match next {
            Ok(step) => step,
            Err(end) => self.end(asked, &end),
        }
    }

    fn begin_anew(&mut self, asked: &Asked, reason: String) -> Step {
        let next = self.walk(&asked.walk).begin_anew(asked, reason);
        self.go(asked, next)
    }

    fn end(&mut self, asked: &Asked, end: &End) -> Step {
        let walk = self.walk(&asked.walk);
        if asked.listed && end.why == Why::NotFound {
            walk.note_unknown_values(&[&asked.strand]);
        }
        walk.forget(asked);
        walk.end(&asked.strand, end);
        Step::Over
    }

    fn close(&mut self, walk: &str) {
        let end = self.walk(walk).close();
        self.monitor.event(&Event::WalkEnded { walk, end: &end });
        self.urgent = true;
    }

    fn give_up(&mut self, asked: &Asked, answer: Option<&Answer>, reason: &str, behind: Option<String>) -> Step {
        let (cursor, name) = (asked.cursor.as_deref(), asked.name());
        self.monitor.event(&Event::GivenUp { walk: &name, page: asked.page, cursor, reason });
        let at = provenance(self.pass, &name, asked.page);
        let body = answer
            .map(|answer| decode::lossy_text(answer.encoding, &answer.body, self.hide.as_ref()))
            .unwrap_or_default();
        let (position, told) = (rejects::WHOLE_PAGE, rejection::of_page(reason));
        self.tables.rejects.push(rejects::Row { position, reason: &told, item: Some(&body), at: &at });
        let page = Page { rejects: 1, ..Page::default() };
        if let Some(answer) = answer {
            self.push_page(asked, answer, body.len(), &page, &at);
        }
        let walk = self.walk(&asked.walk);
        walk.count(asked, &page);
        walk.give_up(GivenUp {
            strand: asked.strand.to_string(),
            page: asked.page,
            cursor: asked.cursor.clone(),
            reason: reason.to_owned(),
            pass: None,
        });
        let endless = walk.is_endless(asked);
        match (asked.endpoint.paging, behind, salvage_cursor(&body)) {
            (Paging::Number { .. }, ..) => Step::Taken { empty: false, pages_told: None, endless },
            (Paging::Cursor { .. }, Some(behind), _) => {
                let next = endless.map_or_else(|| walk.move_on(asked, behind), Err);
                self.go(asked, next)
            }
            (Paging::Cursor { .. }, None, next_cursor @ Some(_)) => self.step(asked, &Page { next_cursor, ..page }),
            _ => {
                let detail = Some(format!("page {} could not be read, nor what is behind it", asked.page));
                self.end(asked, &End { why: Why::Unreadable, detail })
            }
        }
    }

    fn push_page(&mut self, asked: &Asked, answer: &Answer, bytes: usize, page: &Page, at: &Provenance<'_>) {
        self.tables.pages.push(pages::Row {
            run: &self.run,
            endpoint: asked.endpoint.name,
            url: asked.url.as_str(),
            cursor: asked.cursor.as_deref(),
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
    fn walk(&mut self, walk: &str) -> &mut Standing {
        self.changed.get_or_insert_with(Instant::now);
        self.look_at(walk)
    }

    fn look_at(&mut self, walk: &str) -> &mut Standing {
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
        let walks = self.walks.iter_mut().map(|(name, standing)| (name.clone(), standing.record())).collect();
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
