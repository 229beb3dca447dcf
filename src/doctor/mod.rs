//! `civitrawl doctor`: asks a server for each fact that the crawler relies on, and judges its answers.
//!
//! ```text
//! probes ── judge(answers) ─▶ finding
//!    ▲          │ a request that has no answer yet
//!    └ answers ◀┴─ session: fetch, skeleton          (or: the answers of a file)
//! ```
//! A probe is a pure function of the answers that are known. It names the request that it needs next, and is judged again with
//! the answer; so a file of answers leads to the same findings as the server did. Probes read skeletons only: no name, title or
//! prompt is in a file.

pub mod about;
pub mod answers;
pub mod exchange;
pub mod file;
pub mod finding;
pub mod probe;
pub mod probes;
pub mod request;
pub mod session;
mod skeleton;
