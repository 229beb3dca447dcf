//! A Civitai that fits in the binary: a seeded or recorded catalog behind real HTTP, with the real server's paging,
//! its traps as switches and its failures as data. It shares no code with the crawler it is there to test.
//!
//! One file per endpoint: `models`, `model`, `images`, `creators`, `tags`, `model_versions`, `enums`, `posts`, `users`, `me`; `truth` tells what a
//! perfect client of a query must get, `study` what questions about all of it come to, `world` which endpoint answers what.

mod catalog;
mod endpoint;
mod era;
mod fault;
mod http;
mod oracle;
mod render;

#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

pub use endpoint::me::DEAD_KEY;
pub use era::Era;
pub use fault::Fault;
pub use fault::traps::Traps;
pub use http::server::Sandbox;

/// What the server serves, and how badly.
#[derive(Clone, Debug)]
pub struct Config {
    /// The port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// How many models are generated; at most 1,500,000.
    pub models: u32,
    /// The catalog is a function of this and the numbers beside it.
    pub seed: u64,
    /// How many images are generated; none for ten a model.
    pub images: Option<u32>,
    /// How many tags there are; none for as many as the vocabulary has, or two for three models where that is more.
    pub tags: Option<u32>,
    /// How many creators there are; none for one in six models.
    pub creators: Option<u32>,
    /// The most hits a walk over the images feed gets to under the trap `depth-cap`.
    pub depth_cap: u32,
    /// Text of recorded items, one JSON object a line, served verbatim instead of generated ones.
    pub catalog: Option<String>,
    /// The time whose server behaves so, and whose shape generated items have.
    pub era: Era,
    /// The peculiarities switched on.
    pub traps: Traps,
    /// The failures to stage.
    pub faults: Vec<Fault>,
    /// Added before the head of every API answer.
    pub latency: Duration,
}

impl Default for Config {
    /// Any port, 2000 models of seed 1 and what belongs to them in the newest era, no traps, no faults, no latency.
    fn default() -> Config {
        Config {
            port: 0,
            models: 2000,
            seed: 1,
            images: None,
            tags: None,
            creators: None,
            depth_cap: 1000,
            catalog: None,
            era: Era::default(),
            traps: Traps::none(),
            faults: Vec::new(),
            latency: Duration::ZERO,
        }
    }
}

/// Why a sandbox cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port is taken or the system refuses sockets.
    #[error("cannot listen on 127.0.0.1:`{port}`; choose another port, or 0 for any free one")]
    Listen {
        /// The port asked for.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The server's thread or runtime could not be started.
    #[error("cannot start the server's thread; the system is short of threads or memory")]
    Thread(#[source] io::Error),
    /// More models than ids have room for.
    #[error("`{0}` models are more than the sandbox can number; ask for at most 1500000")]
    TooMany(u32),
    /// A line of the recorded catalog is no item.
    #[error("line {line} of the recorded catalog is no item: {reason}; give one JSON object with an `id` a line")]
    Catalog {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A recorded catalog holds a model twice.
    #[error("model `{id}` is in the recorded catalog twice; keep one line of it")]
    Repeated {
        /// The model's id.
        id: u32,
    },
    /// A word is no era.
    #[error("`{word}` is no era; known are {known}")]
    Era {
        /// The word.
        word: String,
        /// Every known word.
        known: String,
    },
    /// A word is no trap.
    #[error("`{word}` is no trap; known are all, none, {known}, each with `-` before it to leave it out")]
    Trap {
        /// The word.
        word: String,
        /// Every known name.
        known: String,
    },
    /// A fault's key or value is not understood.
    #[error("`{word}` is not understood in a fault; {expected}")]
    Fault {
        /// The offending word.
        word: String,
        /// What would be right.
        expected: String,
    },
}
