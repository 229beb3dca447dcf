//! The events of a fetch, for progress bars, logs and run reports.

use std::time::Duration;

/// Receives the events of a fetch.
pub type Notify<'a> = &'a (dyn Fn(Event) + Send + Sync);

/// Something that happened while a page or a file was fetched.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A request left.
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
    /// The request will be repeated.
    Retrying {
        /// The number of the request that failed.
        attempt: u32,
        /// The wait before the next one.
        wait: Duration,
        /// Why it failed.
        reason: String,
        /// True for an answer that may be right, and is asked for again to be believed.
        is_denial: bool,
    },
    /// The server asked to slow down: all requests pause, then leave more slowly.
    Throttled {
        /// The pause.
        pause: Duration,
        /// Requests per second after it.
        rate: f64,
        /// Set if only the requests of this endpoint do, because it has a limit of its own.
        endpoint: Option<&'static str>,
    },
    /// The rate is again as configured.
    Recovered {
        /// Requests per second.
        rate: f64,
        /// Set if only this endpoint was slowed.
        endpoint: Option<&'static str>,
    },
}
