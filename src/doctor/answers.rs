//! The answers that are known, by request. Pure.

use std::collections::HashMap;

use super::about::About;
use super::exchange::{Exchange, Page};
use super::finding::Pause;
use super::request::{Request, To};
use crate::api::me;

/// The answers that are known.
#[derive(Debug, Clone)]
pub struct Answers {
    about: About,
    exchanges: Vec<Exchange>,
    /// The position of the last answer to each request.
    last: HashMap<Request, usize>,
    /// Why no further request is sent; unset while some are.
    over: Option<String>,
    /// True if that is because the examination ended before all was asked for.
    ended_early: bool,
}

/// An answer, or why it cannot be had.
pub type Heard<'a> = Result<&'a Exchange, Pause>;

/// Most times that a moving list is asked for before it is given up.
const TRIES: u32 = 3;

impl Answers {
    /// Returns no answers.
    pub fn new(about: About) -> Self {
        Self { about, exchanges: Vec::new(), last: HashMap::new(), over: None, ended_early: false }
    }

    /// Returns who asked whom.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Returns all exchanges, in order.
    pub fn all(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// Adds an exchange; an answer to the same request is replaced.
    pub fn add(&mut self, exchange: Exchange) {
        self.last.insert(exchange.request.clone(), self.exchanges.len());
        self.exchanges.push(exchange);
    }

    /// Ends the examination early, for this reason; the first one is kept.
    pub fn end(&mut self, reason: impl Into<String>) {
        self.ended_early |= self.over.is_none();
        self.close(reason);
    }

    /// Says why no further answer can be had, unless that is known.
    pub fn close(&mut self, reason: impl Into<String>) {
        self.over.get_or_insert_with(|| reason.into());
    }

    /// Returns why the examination ended early; `None` if it did not, or goes on.
    pub fn ended(&self) -> Option<&str> {
        self.over.as_deref().filter(|_| self.ended_early)
    }

    /// True while requests may be sent.
    pub fn is_open(&self) -> bool {
        self.over.is_none()
    }

    /// True if the server refused the API key where it checks one.
    pub fn is_key_refused(&self) -> bool {
        let me = |exchange: &&Exchange| exchange.request.to == To::Server && exchange.request.path == me::PATH;
        let refused = |exchange: &Exchange| matches!(exchange.status, 401 | 403);
        self.about.key && self.exchanges.iter().rev().find(me).is_some_and(refused)
    }

    /// Returns the answer to a request, whatever its status.
    ///
    /// # Errors
    /// When it is not known yet, or cannot be had.
    pub fn get(&self, request: Request) -> Result<&Exchange, Pause> {
        match (self.last.get(&request), &self.over) {
            (Some(at), _) => match &self.exchanges[*at] {
                Exchange { failure: Some(failure), .. } => {
                    Err(Pause::Lost(format!("`{}` was not answered: {failure}", request.path)))
                }
                exchange => Ok(exchange),
            },
            (None, Some(reason)) => Err(Pause::Lost(reason.clone())),
            (None, None) => Err(Pause::Wanted(request)),
        }
    }

    /// Returns the answer to a request, or why it cannot be had.
    ///
    /// # Errors
    /// When it is not known yet.
    pub fn heard(&self, request: Request) -> Result<Heard<'_>, Pause> {
        match self.get(request) {
            Err(wanted @ Pause::Wanted(_)) => Err(wanted),
            heard => Ok(heard),
        }
    }

    /// Returns the page that answers a request.
    ///
    /// # Errors
    /// When it is not known yet, or cannot be had.
    pub fn page(&self, request: Request) -> Result<Page<'_>, Pause> {
        self.get(request)?.page()
    }

    /// Returns a query value that no cache has seen. Requests that are compared with each other share one, by its name.
    pub fn fresh(&self, name: &str) -> String {
        format!("{}{name}", self.about.began)
    }

    /// Reads a list that may change meanwhile. `head` asks for its beginning with a fresh key: once before, and once after
    /// `read`, whose reading counts if both show the same ids; else there are two more tries.
    ///
    /// # Errors
    /// When an answer is not known yet or cannot be had, or the list changes each time.
    pub fn steady<'a, T>(
        &'a self,
        name: &str,
        head: impl Fn(&str) -> Request,
        read: impl Fn(&str, Page<'a>) -> Result<T, Pause>,
    ) -> Result<T, Pause> {
        for attempt in 0..TRIES {
            let key = self.fresh(&format!("{name}{attempt}"));
            let before = self.page(head(&key))?;
            let reading = read(&key, before)?;
            let after = self.page(head(&self.fresh(&format!("{name}{attempt}end"))))?;
            if before.ids() == after.ids() {
                return Ok(reading);
            }
        }
        Err(Pause::Lost(format!("the list changed in each of {TRIES} tries")))
    }
}
