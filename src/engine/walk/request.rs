//! The request for one page: its address, its events, and its drop after a stop.

use std::sync::atomic::{AtomicBool, Ordering};

use url::Url;

use super::context::Context;
use crate::api::endpoint::{Endpoint, Paging};
use crate::engine::events::{Event, Listener};
use crate::fetch::{self, PageUrl, fresh_key};
use crate::stop::Stop;

/// The part of a list that a request asks for.
pub(crate) struct Turn {
    pub(crate) page: u64,
    pub(crate) cursor: Option<String>,
    pub(crate) limit: u32,
    /// True when an answer from a cache will not do.
    pub(crate) again: bool,
}

/// Returns the address of one page of a list.
pub(crate) fn address(
    base: &Url,
    endpoint: &Endpoint,
    params: &[(String, String)],
    key: Option<&str>,
    turn: &Turn,
) -> Result<PageUrl, fetch::Error> {
    let (limit, page, fresh) = (turn.limit.to_string(), turn.page.to_string(), fresh_key());
    let mut query: Vec<(&str, &str)> = params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    if turn.limit > 0 && !matches!(endpoint.paging, Paging::Single) {
        query.push(("limit", &limit));
    }
    if matches!(endpoint.paging, Paging::Number { .. }) {
        query.push(("page", &page));
    }
    query.extend(turn.cursor.as_deref().map(|cursor| ("cursor", cursor)));
    if turn.again {
        // The server ignores a key it does not know; the cache in front of it does not.
        query.push(("_", &fresh));
    }
    let key = key.unwrap_or_default();
    let path: Vec<&str> = endpoint.path.split('/').map(|segment| if segment == "{}" { key } else { segment }).collect();
    PageUrl::new(base, &path, query)
}

/// Watches the requests for one page of a walk: passes their events on, and drops them after a stop.
pub(crate) struct Watch<'a> {
    walk: &'a str,
    listener: &'a dyn Listener,
    stop: &'a Stop,
    /// True from a request's departure until a retry is scheduled.
    under_way: AtomicBool,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(walk: &'a str, context: Context<'a>) -> Self {
        Self { walk, listener: &*context.run.listener, stop: &context.run.stop, under_way: AtomicBool::new(false) }
    }

    /// Passes an event to the run's listener.
    pub(crate) fn event(&self, event: &fetch::Event) {
        match event {
            fetch::Event::Sent { .. } => self.under_way.store(true, Ordering::Relaxed),
            fetch::Event::Retrying { .. } => self.under_way.store(false, Ordering::Relaxed),
            fetch::Event::Answered { .. } | fetch::Event::Throttled { .. } | fetch::Event::Recovered { .. } => {}
        }
        self.listener.event(&Event::Fetch { walk: self.walk, event });
    }

    /// Returns the result of `work`, or `None` when a stop dropped it.
    pub(crate) async fn until_stop<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            result = work => Some(result),
            () = self.stop.must_drop(&self.under_way) => None,
        }
    }
}
