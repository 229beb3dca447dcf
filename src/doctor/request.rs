//! A request of a probe. Pure.

use serde::{Deserialize, Serialize};

/// A request: equal ones are sent once, and share their answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Request {
    /// The receiver, and the form in which it is asked.
    pub to: To,
    /// The path below the base URL. For files the id of their version.
    pub path: String,
    /// The query. It never holds a key.
    pub query: Vec<(String, String)>,
}

/// The receiver of a request, and its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// The server, as a crawl asks it.
    Server,
    /// The server, without the API key.
    ServerWithoutKey,
    /// The server, with every encoding that a browser takes.
    ServerAnyEncoding,
    /// The host of `--other-host`, without the API key.
    OtherHost,
    /// The server's address of a file; its redirect is not followed.
    Download,
    /// The first byte of the file that the redirect of the same download names.
    Storage,
}

impl Request {
    /// Returns a request to the server, as a crawl sends it.
    pub fn new<V: AsRef<str>>(path: &str, query: &[(&str, V)]) -> Self {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), value.as_ref().to_owned())).collect();
        Self { to: To::Server, path: path.to_owned(), query }
    }

    /// Returns it with another receiver.
    #[must_use]
    pub fn to(self, to: To) -> Self {
        Self { to, ..self }
    }

    /// Returns it with one more pair of its query.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "so that texts and numbers are written alike")]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }
}
