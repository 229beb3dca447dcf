//! The one retry loop: each request waits for its turn, its answer is judged, and it is repeated while the budget lasts.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::answer::{Answer, Unreadable};
use super::error::{FetchError, TransportErrorKind};
use super::event::{Event, Notify};
use super::fetcher::Fetcher;
use super::pace::{Lane, Permit};
use super::page_url::PageUrl;
use super::retry::Budget;
use super::verdict::{Judge, Verdict};

/// Requests and time of a probe.
const PROBES_MAX: u32 = 2;
const PROBE_TIME: Duration = Duration::from_secs(30);

/// The requests for one page or file. Dropping a future of it stops the fetch and loses nothing.
///
/// ```text
/// let mut attempts = fetcher.attempts(&url, notify);
/// loop {
///     let answer = attempts.next().await?;
///     match take(answer).await {
///         Ok(page) => return Ok(page),
///         Err(unreadable) => attempts.unreadable(&unreadable)?,
///     }
/// }
/// ```
pub struct Attempts<'a> {
    pub(super) fetcher: &'a Fetcher,
    pub(super) url: &'a PageUrl,
    /// The body of a POST; `None` for a GET.
    json: Option<&'a str>,
    /// The lane of its endpoint, if that has a limit of its own.
    lane: Option<Arc<Lane>>,
    notify: Notify<'a>,
    budget: Budget,
    judge: Judge,
    /// The wait before the next request; set when the last one failed.
    wait: Option<Duration>,
    /// The answer to the last request, if it had one; abridged, since it is kept while others are requested.
    answer: Option<Answer>,
}

impl Fetcher {
    /// Prepares the requests for one page or file; `notify` receives what happens to them.
    pub fn attempts<'a>(&'a self, url: &'a PageUrl, notify: Notify<'a>) -> Attempts<'a> {
        let (budget, judge) = (self.budget(), self.judge());
        Attempts { fetcher: self, url, json: None, lane: None, notify, budget, judge, wait: None, answer: None }
    }
}

impl<'a> Attempts<'a> {
    /// Bounds the requests further.
    #[must_use]
    pub fn at_most(mut self, requests: u32) -> Self {
        self.budget.narrow(requests, Duration::MAX);
        self
    }

    /// Bounds requests and time for an answer that nothing depends on: a busy server is not asked for long.
    #[must_use]
    pub fn as_probe(mut self) -> Self {
        self.budget.narrow(PROBES_MAX, PROBE_TIME);
        self
    }

    /// Keeps the limit that an endpoint has of its own, if it has one: so many requests a minute, for all who ask it.
    #[must_use]
    pub fn limited(mut self, endpoint: &'static str, a_minute: Option<u32>) -> Self {
        self.lane = a_minute.map(|a_minute| self.fetcher.pace.lane(endpoint, a_minute));
        self
    }

    /// Makes the request a POST of this JSON. It may be sent more than once, so it must change nothing on the server.
    #[must_use]
    pub fn with_json(mut self, json: &'a str) -> Self {
        self.json = Some(json);
        self
    }

    /// Returns the next answer that looks like a page, after as many requests as that takes.
    ///
    /// # Errors
    /// When an answer is final, or the budget is spent.
    pub async fn next(&mut self) -> Result<Answer, FetchError> {
        loop {
            match self.request().await {
                Ok(answer) => return Ok(answer),
                Err(verdict) => self.retry_or_fail(verdict)?,
            }
        }
    }

    /// Records that the last answer could not be read; the next call of [`Attempts::next`] requests it again.
    ///
    /// # Errors
    /// When it was unreadable too often, or the budget is spent.
    pub fn unreadable(&mut self, why: &Unreadable) -> Result<(), FetchError> {
        let verdict = self.judge.unreadable(why);
        self.retry_or_fail(verdict)
    }

    /// Returns what `parse` makes of the text of the first answer it can read.
    ///
    /// # Errors
    /// Like [`Attempts::next`] and [`Attempts::unreadable`].
    pub async fn parsed<T>(mut self, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, FetchError> {
        loop {
            let answer = self.next().await?;
            match answer.text().and_then(|text| Ok(parse(&text)?)) {
                Ok(value) => return Ok(value),
                Err(why) => self.unreadable(&why)?,
            }
        }
    }

    /// Sends one request in its turn. Returns an answer that looks like a page, or the verdict on anything else.
    async fn request(&mut self) -> Result<Answer, Verdict> {
        self.answer = None;
        let (permit, sent) = loop {
            // Held while the request is under way, not while its answer is read or a retry waits.
            let permit = self.begin().await;
            match self.fetcher.client.send(self.url, self.json).await {
                // Nothing was done for it and nothing is wrong: it leaves again in its next turn.
                Err(error) if error.kind == TransportErrorKind::Unprocessed && self.budget.forgive() => {}
                sent => break (permit, sent),
            }
        };
        let (facts, mut answer) = sent.map_err(|error| self.judge.transport_error(&error))?;
        answer.attempts = self.budget.attempts();
        let (status, bytes, latency) = (answer.status, answer.body.len() as u64, answer.latency);
        (self.notify)(Event::Answered { status, bytes, latency });
        self.answer = Some(answer.clone().abridged());
        let judged = self.judge.response(&facts);
        match &judged {
            Err(Verdict::Retry { throttled: true, wait, .. }) => self.throttled(&permit, *wait),
            Err(Verdict::Retry { .. }) => {}
            Ok(()) | Err(Verdict::Fail(_)) => self.succeeded(&permit),
        }
        judged.map(|()| answer)
    }

    fn retry_or_fail(&mut self, verdict: Verdict) -> Result<(), FetchError> {
        let kind = match verdict {
            Verdict::Fail(kind) => kind,
            Verdict::Retry { reason, wait, .. } => match self.retry(wait, reason, false) {
                Ok(()) => return Ok(()),
                Err(last) => self.judge.spent(self.budget.attempts(), last),
            },
        };
        let (attempts, elapsed) = (self.budget.attempts(), self.budget.elapsed());
        Err(FetchError { kind, attempts, elapsed, answer: self.answer.take().map(Box::new) })
    }

    /// Waits as the last failure demands and for the request's turn; the request may leave while the permit is held.
    pub(super) async fn begin(&mut self) -> Permit<'a> {
        if let Some(wait) = self.wait.take() {
            sleep(wait).await;
        }
        let permit = self.fetcher.pace.admit(self.lane.as_deref()).await;
        (self.notify)(Event::Sent { attempt: self.budget.begin() });
        permit
    }

    /// Speeds up: the server served the request.
    pub(super) fn succeeded(&self, permit: &Permit<'_>) {
        if permit.succeeded() {
            (self.notify)(Event::Recovered { rate: permit.rate(), endpoint: self.endpoint() });
        }
    }

    /// Slows down: the server asked for it, and to wait this long.
    pub(super) fn throttled(&self, permit: &Permit<'_>, wait: Option<Duration>) {
        if let Some(pause) = permit.throttled(wait.map(|wait| self.budget.bounded(wait))) {
            (self.notify)(Event::Throttled { pause, rate: permit.rate(), endpoint: self.endpoint() });
        }
    }

    /// Returns the endpoint that has a limit of its own.
    fn endpoint(&self) -> Option<&'static str> {
        self.lane.as_ref().map(|lane| lane.endpoint)
    }

    /// Starts a new budget after an attempt that made progress; that attempt is its first.
    pub(super) fn progressed(&mut self) {
        self.budget = self.fetcher.budget();
        self.budget.begin();
    }

    /// Schedules a retry for this reason, or returns the reason when the budget is spent.
    pub(super) fn retry(&mut self, asked: Option<Duration>, reason: String, is_denial: bool) -> Result<(), String> {
        let Some(wait) = self.budget.wait(asked) else { return Err(reason) };
        (self.notify)(Event::Retrying { attempt: self.budget.attempts(), wait, reason, is_denial });
        self.wait = Some(wait);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
