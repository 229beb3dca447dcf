//! The errors of starting a sandbox, and of reading its eras, traps and faults from words.

use std::io;

/// The reason why a sandbox cannot start, or a word of its options cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port is taken or the system refuses sockets.
    #[error("cannot listen on 127.0.0.1:`{port}`; choose another port, or 0 for any free one")]
    Listen {
        /// The port asked for.
        port: u16,
        /// The system's error.
        source: io::Error,
    },
    /// The server's thread or runtime could not be started.
    #[error("cannot start the server's thread; the system is short of threads or memory")]
    Thread(#[source] io::Error),
    /// The text holds no certificate with its key.
    #[error("a certificate and its key are needed to encrypt, and {0}; give both in one PEM file")]
    Tls(String),
    /// More models than ids have room for.
    #[error("`{0}` models are more than the sandbox can number; ask for at most 1500000")]
    TooMany(u32),
    /// A line of the recorded catalog is no item.
    #[error("line {line} of the recorded catalog is no item: {reason}; give one JSON object with an `id` a line")]
    Catalog {
        /// Counted from 1.
        line: usize,
        /// The parser's error, or the missing key.
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
        /// The valid keys or values.
        expected: String,
    },
}
