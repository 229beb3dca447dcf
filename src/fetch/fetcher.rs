//! Fetching one page: paced, bounded, asked for again as the verdict says.

use std::time::Duration;

use tokio::time::sleep;

use super::answer::{Answer, Fetched};
use super::client::Client;
use super::failure::{Cause, Excess, Failure};
use super::fault::Unreadable;
use super::pace::{Pace, Slot};
use super::page_url::PageUrl;
use super::retry::Budget;
use super::settings::{Error, Settings};
use super::verdict::{Judge, Verdict};

/// Requests and time for a probe.
const PROBES_MAX: u32 = 2;
const PROBE_TIME: Duration = Duration::from_secs(30);

/// What happens while a page is fetched.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A request leaves.
    Sent {
        /// Its number for this page, from 1.
        attempt: u32,
    },
    /// An answer arrived whole.
    Answered {
        /// The HTTP status.
        status: u16,
        /// Bytes of the body as received.
        bytes: u64,
        /// Time from sending the request to the body's last byte.
        latency: Duration,
    },
    /// The page will be asked for again.
    Retrying {
        /// The number of the request that failed.
        attempt: u32,
        /// The wait before the next one.
        wait: Duration,
        /// What happened.
        reason: String,
    },
    /// The server asked to slow down: nobody asks for a while, then everybody more slowly.
    Throttled {
        /// The pause.
        pause: Duration,
        /// Requests per second after it.
        rate: f64,
    },
    /// The pace is again what was set.
    Recovered {
        /// Requests per second.
        rate: f64,
    },
}

/// Fetches pages from one server at one pace, shared by all who use it.
pub struct Fetcher {
    client: Client,
    pace: Pace,
    attempts_max: u32,
    elapsed_max: Duration,
    keyless: bool,
}

/// All there is to one page being fetched.
struct Job<'a> {
    url: &'a PageUrl,
    /// What is sent along, for a POST.
    json: Option<&'a str>,
    notify: &'a (dyn Fn(Event) + Send + Sync),
    judge: Judge,
    budget: Budget,
}

impl Fetcher {
    /// Sets up the client and the pace; asks the server nothing.
    pub fn new(settings: &Settings) -> Result<Fetcher, Error> {
        settings.check()?;
        Ok(Fetcher {
            client: Client::new(settings)?,
            pace: Pace::new(settings)?,
            attempts_max: settings.attempts_max,
            elapsed_max: settings.elapsed_max,
            keyless: settings.key.is_none(),
        })
    }

    /// Requests per second allowed now: the rate set, or less after the server asked to slow down.
    pub fn rate(&self) -> f64 {
        self.pace.now()
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// The requests and the time that one thing may take.
    pub(super) fn budget(&self) -> Budget {
        Budget::new(self.attempts_max, self.elapsed_max)
    }

    /// Fetches one page. `read` gets each answer that looks like a page and says whether it could be read; an answer
    /// it could not read is asked for again. `notify` hears what happens meanwhile. Dropping the future stops it.
    pub async fn page<T, F>(
        &self,
        url: &PageUrl,
        notify: &(dyn Fn(Event) + Send + Sync),
        read: F,
    ) -> Result<Fetched<T>, Failure>
    where
        F: AsyncFnMut(Answer) -> Result<T, Unreadable>,
    {
        self.ask(self.job(url, None, notify), read).await
    }

    /// Like [`Fetcher::page`], with at most so many requests.
    pub async fn page_within<T, F>(
        &self,
        attempts_max: u32,
        url: &PageUrl,
        notify: &(dyn Fn(Event) + Send + Sync),
        read: F,
    ) -> Result<Fetched<T>, Failure>
    where
        F: AsyncFnMut(Answer) -> Result<T, Unreadable>,
    {
        let budget = Budget::new(attempts_max.min(self.attempts_max), self.elapsed_max);
        self.ask(Job { budget, ..self.job(url, None, notify) }, read).await
    }

    /// Like [`Fetcher::page`], for a question that is sent as JSON. It must be one that changes nothing on the server,
    /// because it may be sent more than once.
    pub async fn post<T, F>(
        &self,
        url: &PageUrl,
        json: &str,
        notify: &(dyn Fn(Event) + Send + Sync),
        read: F,
    ) -> Result<Fetched<T>, Failure>
    where
        F: AsyncFnMut(Answer) -> Result<T, Unreadable>,
    {
        self.ask(self.job(url, Some(json), notify), read).await
    }

    /// Asks for an answer that nothing depends on: of a server that is busy or away it is not asked for long.
    pub async fn probe(&self, url: &PageUrl, notify: &(dyn Fn(Event) + Send + Sync)) -> Result<Answer, Failure> {
        let budget = Budget::new(self.attempts_max.min(PROBES_MAX), self.elapsed_max.min(PROBE_TIME));
        let job = Job { budget, ..self.job(url, None, notify) };
        self.ask(job, async |_| Ok(())).await.map(|fetched| fetched.answer)
    }

    fn job<'a>(&self, url: &'a PageUrl, json: Option<&'a str>, notify: &'a (dyn Fn(Event) + Send + Sync)) -> Job<'a> {
        let judge = if self.keyless { Judge::keyless() } else { Judge::default() };
        Job { url, json, notify, judge, budget: self.budget() }
    }

    async fn ask<T, F>(&self, mut job: Job<'_>, mut read: F) -> Result<Fetched<T>, Failure>
    where
        F: AsyncFnMut(Answer) -> Result<T, Unreadable>,
    {
        loop {
            let (verdict, answer) = match self.attempt(&mut job).await {
                Ok(answer) => match read(answer.clone()).await {
                    Ok(value) => return Ok(Fetched { value, answer }),
                    Err(why) => (job.judge.unreadable(&why), Some(answer)),
                },
                Err(end) => end,
            };
            let cause = match verdict {
                Verdict::Stop(stop) => Cause::Stop(stop),
                Verdict::Smaller(excess) => Cause::Smaller(excess),
                Verdict::Retry { reason, wait, .. } => match job.budget.wait(wait) {
                    Some(wait) => {
                        job.retry(wait, reason).await;
                        continue;
                    }
                    None if job.judge.mostly_failed(job.budget.attempts()) => Cause::Smaller(Excess::Failing(reason)),
                    None => Cause::GaveUp { last: reason },
                },
            };
            return Err(job.failure(cause, answer));
        }
    }

    /// One request in its turn: an answer that looks like a page, or a verdict and the answer it is about.
    async fn attempt(&self, job: &mut Job<'_>) -> Result<Answer, (Verdict, Option<Answer>)> {
        // Held while the request is under way, not while its answer is read or a retry waits.
        let slot = self.pace.admit().await;
        let attempt = job.budget.begin();
        (job.notify)(Event::Sent { attempt });
        let (reply, mut answer) = match self.client.ask(job.url, job.json).await {
            Ok(answered) => answered,
            Err(fault) => return Err((job.judge.fault(&fault), None)),
        };
        answer.attempts = attempt;
        (job.notify)(Event::Answered {
            status: answer.status,
            bytes: answer.body.len() as u64,
            latency: answer.latency,
        });
        let judged = job.judge.reply(&reply);
        self.adapt(&slot, judged.as_ref().err(), job);
        match judged {
            Ok(()) => Ok(answer),
            Err(verdict) => Err((verdict, Some(answer))),
        }
    }

    /// Slows down or speeds up, as the answer says.
    fn adapt(&self, slot: &Slot<'_>, verdict: Option<&Verdict>, job: &Job<'_>) {
        match verdict {
            Some(Verdict::Retry { throttled: true, wait, .. }) => {
                let wait = wait.map(|wait| job.budget.bounded(wait));
                if let Some(pause) = slot.throttled(wait) {
                    let rate = self.pace.now();
                    (job.notify)(Event::Throttled { pause, rate });
                }
            }
            Some(Verdict::Retry { .. }) => {}
            Some(Verdict::Smaller(_) | Verdict::Stop(_)) | None => {
                if let Some(rate) = slot.succeeded() {
                    (job.notify)(Event::Recovered { rate });
                }
            }
        }
    }
}

impl Job<'_> {
    async fn retry(&self, wait: Duration, reason: String) {
        (self.notify)(Event::Retrying { attempt: self.budget.attempts(), wait, reason });
        sleep(wait).await;
    }

    fn failure(&self, cause: Cause, answer: Option<Answer>) -> Failure {
        Failure {
            cause,
            attempts: self.budget.attempts(),
            elapsed: self.budget.elapsed(),
            answer: answer.map(Box::new),
        }
    }
}

#[cfg(test)]
mod tests;
