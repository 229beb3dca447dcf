//! Where whole pages become rows and cursors move with them: one thread, off the network, that reads answers, gathers their
//! rows and makes both durable together.
//!
//! Rows are gathered while the previous commit is still being written; both together stay within the bytes the crawl file
//! allows, so memory is bounded whatever the catalog's size.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::committer::Committer;
use super::monitor::{Event, Monitor};
use super::pass::Pass;
use super::report::Tally;
use crate::api::endpoint::{self, Endpoint, Next, Paging};
use crate::api::envelope::{Page, salvage_cursor};
use crate::dataset;
use crate::dataset::commit::{End, GivenUp, Walk as State, Why, cursor_fingerprint};
use crate::dataset::store::{Batch, Store, Writer};
use crate::definition::{Commit, Crawl};
use crate::fetch::{Answer, INFLATED_CAP, PageUrl, Unreadable, inflate};
use crate::table::{Provenance, Tables, pages, rejects};

/// A page that was asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Its walk.
    pub(super) walk: String,
    /// Its number in the walk.
    pub(super) page: u64,
    /// The cursor sent.
    pub(super) cursor: Option<String>,
    /// Its address.
    pub(super) url: PageUrl,
}

/// Where a walk goes after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// To the page at this cursor.
    Next(String),
    /// Nowhere: it is over.
    Over,
    /// Nowhere: nothing more can be written.
    Halted,
}

/// The walks' side of the ledger.
pub(super) struct Ledger {
    jobs: Sender<Job>,
    thread: JoinHandle<Result<Store, dataset::Error>>,
}

enum Job {
    Take(Asked, Answer, oneshot::Sender<Result<Step, Unreadable>>),
    GiveUp(Asked, Option<Answer>, String, oneshot::Sender<Step>),
    End(Asked, End, oneshot::Sender<Step>),
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
    ) -> Self {
        let (jobs, inbox) = channel();
        let book = Book::new(store, writer, pass, crawl, tally, monitor);
        Self { jobs, thread: thread::spawn(move || book.keep(&inbox)) }
    }

    /// Takes a page's rows and moves its walk's cursor, or says why the answer cannot be read (and nothing changed).
    pub(super) async fn take(&self, asked: &Asked, answer: Answer) -> Result<Step, Unreadable> {
        let (reply, step) = oneshot::channel();
        let _ = self.jobs.send(Job::Take(asked.clone(), answer, reply));
        step.await.unwrap_or(Ok(Step::Halted))
    }

    /// Records a page that cannot be had, keeping its text, and goes on behind it where its cursor can be told.
    pub(super) async fn give_up(&self, asked: &Asked, answer: Option<Answer>, reason: String) -> Step {
        let (reply, step) = oneshot::channel();
        let _ = self.jobs.send(Job::GiveUp(asked.clone(), answer, reason, reply));
        step.await.unwrap_or(Step::Halted)
    }

    /// Records why a walk is over.
    pub(super) async fn end(&self, asked: &Asked, end: End) -> Step {
        let (reply, step) = oneshot::channel();
        let _ = self.jobs.send(Job::End(asked.clone(), end, reply));
        step.await.unwrap_or(Step::Halted)
    }

    /// Commits what is left and closes.
    ///
    /// # Errors
    /// The first error that a commit met.
    pub(super) fn close(self) -> Result<Store, dataset::Error> {
        drop(self.jobs);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// The ledger's own side: everything that moves.
struct Book {
    run: String,
    bounds: Commit,
    keep_bodies: bool,
    endpoints: HashMap<String, (&'static Endpoint, Vec<(String, String)>)>,
    pass: u64,
    walks: BTreeMap<String, State>,
    met: BTreeMap<String, HashSet<String>>,
    tables: Tables,
    /// When the oldest uncommitted change was made; `None` while there is none.
    changed: Option<Instant>,
    /// Whether a walk ended since the last commit.
    ended: bool,
    committer: Committer,
    monitor: Arc<dyn Monitor>,
}

impl Book {
    fn new(
        store: Store,
        writer: Writer,
        pass: Pass,
        crawl: &Crawl,
        tally: Arc<Tally>,
        monitor: Arc<dyn Monitor>,
    ) -> Self {
        let endpoints = crawl.walks.iter().map(|walk| (walk.name.clone(), (walk.endpoint, walk.params.clone())));
        Self {
            run: writer.run.to_string(),
            bounds: crawl.commit,
            keep_bodies: crawl.keep_bodies,
            endpoints: endpoints.collect(),
            pass: pass.number,
            walks: pass.walks,
            met: pass.met,
            tables: Tables::default(),
            changed: None,
            ended: false,
            committer: Committer::start(store, writer, tally, Arc::clone(&monitor)),
            monitor,
        }
    }

    /// Works until the last walk is gone, then commits the rest.
    fn keep(mut self, inbox: &Receiver<Job>) -> Result<Store, dataset::Error> {
        loop {
            match inbox.recv_timeout(self.patience()) {
                Ok(job) => self.work(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.commit_if_due()?;
        }
        if self.changed.is_some() {
            self.commit()?;
        }
        self.committer.close()
    }

    /// How long to wait for a job before looking at the clock, and at the commit being written, again.
    fn patience(&self) -> Duration {
        const LOOK_UP: Duration = Duration::from_millis(50);
        self.changed.map_or(self.bounds.every, |since| self.bounds.every.saturating_sub(since.elapsed())).max(LOOK_UP)
    }

    fn work(&mut self, job: Job) {
        // A walk that was dropped meanwhile hears no answer; what was taken stays taken.
        match job {
            Job::Take(asked, answer, reply) => drop(reply.send(self.take(&asked, &answer))),
            Job::GiveUp(asked, answer, reason, reply) => {
                drop(reply.send(self.give_up(&asked, answer.as_ref(), &reason)));
            }
            Job::End(asked, end, reply) => drop(reply.send(self.end(&asked.walk, end))),
        }
    }

    fn take(&mut self, asked: &Asked, answer: &Answer) -> Result<Step, Unreadable> {
        let body = text_of(answer)?;
        let (endpoint, params) = &self.endpoints[&asked.walk];
        let at = provenance(self.pass, asked);
        let question = endpoint::Asked { at, params, cursor: asked.cursor.as_deref(), key: None };
        let page = (endpoint.read)(&body, &question, &mut self.tables).map_err(|e| Unreadable::Damaged(e.reason))?;
        self.push_page(asked, &at, answer, body.len(), &page);
        self.monitor.event(&Event::Page {
            walk: &asked.walk,
            page: asked.page,
            items: page.items,
            rejects: page.rejects,
            repairs: page.repairs,
            bytes: body.len() as u64,
        });
        let state = self.state(&asked.walk);
        state.pages = asked.page;
        state.items += page.items;
        state.rejects += page.rejects;
        state.repeats += page.ids.iter().filter(|id| state.tail.contains(id)).count() as u64;
        if !page.ids.is_empty() {
            state.tail = page.ids;
        }
        Ok(self.step(&asked.walk, page.next_cursor))
    }

    /// Moves a walk's cursor to the one the server named, or ends the walk.
    fn step(&mut self, walk: &str, next_cursor: Option<String>) -> Step {
        let Some(named) = next_cursor else { return self.end(walk, End { why: Why::Complete, detail: None }) };
        let (endpoint, params) = &self.endpoints[walk];
        let Paging::Cursor { next, .. } = endpoint.paging else {
            return self.end(walk, End { why: Why::Complete, detail: None });
        };
        let cursor = match next(params, &named) {
            Next::Cursor(cursor) => cursor,
            Next::Unlistable(reason) => {
                return self.end(walk, End { why: Why::Unlistable, detail: Some(reason.to_owned()) });
            }
        };
        let fingerprint = cursor_fingerprint(&cursor);
        if !self.met.entry(walk.to_owned()).or_default().insert(fingerprint.clone()) {
            let detail = Some(format!("the cursor `{cursor}` came round again"));
            return self.end(walk, End { why: Why::CursorLoop, detail });
        }
        let state = self.state(walk);
        state.met.push(fingerprint);
        state.cursor = Some(cursor.clone());
        Step::Next(cursor)
    }

    fn end(&mut self, walk: &str, end: End) -> Step {
        self.monitor.event(&Event::WalkEnded { walk, end: &end });
        let state = self.state(walk);
        state.end = Some(end);
        state.tail.clear();
        self.ended = true;
        Step::Over
    }

    fn give_up(&mut self, asked: &Asked, answer: Option<&Answer>, reason: &str) -> Step {
        let cursor = asked.cursor.as_deref();
        self.monitor.event(&Event::GivenUp { walk: &asked.walk, page: asked.page, cursor, reason });
        let at = provenance(self.pass, asked);
        let body = answer.map(lossy_text_of).unwrap_or_default();
        self.tables.rejects.push(rejects::Row { position: -1, reason, item: Some(&body), at: &at });
        if let Some(answer) = answer {
            self.push_page(asked, &at, answer, body.len(), &Page { rejects: 1, ..Page::default() });
        }
        let state = self.state(&asked.walk);
        state.pages = asked.page;
        state.rejects += 1;
        let given_up = GivenUp { page: asked.page, cursor: asked.cursor.clone(), reason: reason.to_owned() };
        state.given_up.push(given_up);
        match salvage_cursor(&body) {
            Some(next_cursor) => self.step(&asked.walk, next_cursor),
            None => {
                let detail = Some(format!("page {} could not be read, nor the cursor behind it", asked.page));
                self.end(&asked.walk, End { why: Why::Unreadable, detail })
            }
        }
    }

    fn push_page(&mut self, asked: &Asked, at: &Provenance<'_>, answer: &Answer, bytes: usize, page: &Page) {
        self.tables.pages.push(pages::Row {
            run: &self.run,
            endpoint: self.endpoints[&asked.walk].0.name,
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

    /// A walk's state, about to be changed.
    fn state(&mut self, walk: &str) -> &mut State {
        self.changed.get_or_insert_with(Instant::now);
        self.walks.entry(walk.to_owned()).or_default()
    }

    /// Commits when the rows are many or old, or a walk ended; never while the previous commit is being written, unless
    /// memory would run over.
    fn commit_if_due(&mut self) -> Result<(), dataset::Error> {
        let busy = self.committer.is_busy()?;
        let Some(since) = self.changed else { return Ok(()) };
        // Half of the bytes gather while the other half is being written.
        let full = self.tables.bytes() as u64 >= self.bounds.bytes / 2;
        if full || (!busy && (self.ended || since.elapsed() >= self.bounds.every)) {
            self.commit()?;
        }
        Ok(())
    }

    /// Hands everything gathered, and where the walks stand with it, to the committer.
    fn commit(&mut self) -> Result<(), dataset::Error> {
        let mut tables = Vec::new();
        for builder in self.tables.builders_mut().into_iter().filter(|builder| builder.rows() > 0) {
            let rows = builder.finish().map_err(|e| dataset::Error::unfit(builder.table(), &e))?;
            tables.push((builder.table(), rows));
        }
        let walks = self.walks.clone();
        for walk in self.walks.values_mut() {
            walk.met.clear();
        }
        (self.changed, self.ended) = (None, false);
        self.committer.commit(Batch { tables, pass: self.pass, walks })
    }
}

fn provenance(pass: u64, asked: &Asked) -> Provenance<'_> {
    Provenance {
        pass: i64::try_from(pass).unwrap_or(i64::MAX),
        walk: &asked.walk,
        page: i64::try_from(asked.page).unwrap_or(i64::MAX),
        fetched_at: jiff::Timestamp::now().as_millisecond(),
    }
}

fn text_of(answer: &Answer) -> Result<String, Unreadable> {
    let body = inflate(answer.encoding, &answer.body, INFLATED_CAP)?;
    String::from_utf8(body).map_err(|_| Unreadable::Damaged(String::from("the body is not UTF-8")))
}

fn lossy_text_of(answer: &Answer) -> String {
    let body = inflate(answer.encoding, &answer.body, INFLATED_CAP);
    String::from_utf8_lossy(&body.unwrap_or_default()).into_owned()
}
