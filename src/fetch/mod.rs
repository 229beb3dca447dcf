//! One GET: paced, bounded, retried by verdict.
//!
//! ```text
//! page_url ─▶ attempts ─▶ pace (lane, adaptive rate, bucket) ─▶ client ─▶ answer + response facts | transport error
//!                ▲                                                              │
//!                └── retry (budget, delays) ◀── verdict ◀───────────────────────┘
//! ```
//! All requests of a process go through one [`Fetcher`], and every request, retries included, through its pace.

mod adaptive_rate;
mod answer;
mod attempt_error;
mod attempts;
mod client;
mod connections;
mod disposition;
mod error;
mod event;
mod exchange;
mod fetcher;
mod form;
mod inflate;
mod intake;
#[cfg(test)]
mod loopback;
mod mask;
mod memory;
mod message;
mod offer;
mod pace;
mod page_url;
mod resolver;
mod response_facts;
mod retry;
mod secret;
mod settings;
mod source;
mod transfer;
mod verdict;

pub use answer::{Answer, Unreadable, text};
pub use attempt_error::AttemptError;
pub use attempts::Attempts;
#[cfg(feature = "stores")]
pub(crate) use connections::with_known_roots;
pub use error::{FetchError, FetchErrorKind, TransportError, TransportErrorKind};
pub use event::{Event, Notify};
pub use exchange::Exchanged;
pub use fetcher::Fetcher;
pub use form::Form;
pub use inflate::{Encoding, INFLATED_CAP, InflateError, head, inflate};
pub use intake::{Arrived, Sink};
pub use mask::is_masked;
pub use message::{is_hidden, printable};
pub use offer::FileFacts;
pub use page_url::{PageUrl, fresh_key};
pub use response_facts::ResponseFacts;
pub use secret::{Secret, SecretError};
pub use settings::{Error, Settings};
pub use source::Source;
pub use transfer::download_url;
pub use verdict::{Judge, Verdict, is_lapsed};
