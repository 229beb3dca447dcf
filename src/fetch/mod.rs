//! One GET: paced, bounded, retried by verdict.
//!
//! ```text
//! page_url ─▶ fetcher ─▶ pace (tempo, bucket) ─▶ client ─▶ answer + reply | fault
//!                ▲                                              │
//!                └── retry (budget, delays) ◀── verdict ◀───────┘
//! ```
//! All requests of a process go through one [`Fetcher`], and every request, retries included, through its pace.

mod answer;
mod barred;
mod client;
mod disposition;
mod failure;
mod fault;
mod fetcher;
mod inflate;
#[cfg(test)]
mod loopback;
mod mask;
mod message;
mod pace;
mod page_url;
mod reply;
mod retry;
mod secret;
mod settings;
mod tempo;
mod transfer;
mod verdict;

pub use answer::{Answer, Fetched};
pub use barred::Barred;
pub use failure::{Cause, Excess, Failure, Stop};
pub use fault::{Fault, FaultKind, Unreadable};
pub use fetcher::{Event, Fetcher};
pub use inflate::{Encoding, INFLATED_CAP, InflateError, inflate, text};
pub use mask::is_masked;
pub use message::printable;
pub use page_url::{PageUrl, fresh_key};
pub use reply::Reply;
pub use secret::{Secret, SecretError};
pub use settings::{Error, Settings};
pub use transfer::{Sink, download_url};
pub use verdict::{Judge, Verdict};
