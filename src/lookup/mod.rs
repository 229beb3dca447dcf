//! Looks things up and returns them as the server sent them; stores nothing.
//!
//! Many are requested at once where the server allows it. Those that such a list leaves out are requested one by one, because
//! lists hide items that a look-up shows.

pub mod model_files;

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use futures_util::stream;
use url::Url;

use crate::api::lookup::Kind;
use crate::api::page::Unreadable;
use crate::api::verbatim;
use crate::fetch::{FetchError, FetchErrorKind, Fetcher, Notify, PageUrl, fresh_key};
use crate::stop::Stop;

/// Most ids in one list of models.
const MODELS_MAX: usize = 100;
/// Most hashes in one request.
const HASHES_MAX: usize = 10_000;
/// All browsing levels, and those that are shown whatever tags an image has.
const LEVELS: [&str; 2] = ["31", "3"];

/// Looks things up on one server.
#[derive(Clone, Copy)]
pub struct Lookup<'a> {
    /// The server, `/api/v1` included.
    pub base: &'a Url,
    /// Sends the requests.
    pub fetcher: &'a Fetcher,
    /// Says that every hash is a SHA256, of which many can be looked up by one request.
    pub sha256: bool,
    /// Look-ups under way at once.
    pub in_flight: usize,
    /// Ends the look-ups early.
    pub stop: &'a Stop,
    /// Receives the events of each request.
    pub notify: Notify<'a>,
}

/// The result of one look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<T = String> {
    /// The thing: JSON on one line.
    Item(T),
    /// The server's words: it has no such thing, or does not show it.
    Missing(String),
}

/// Why no more can be looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The server wants another key.
    #[error("{0}")]
    KeyRefused(String),
    /// The server is away, or a stop was asked for.
    #[error("{0}")]
    Stopped(String),
}

impl LookupError {
    /// Returns the error of look-ups that were stopped.
    pub(crate) fn stopped(stop: &Stop) -> Self {
        Self::Stopped(stop.reason().unwrap_or_default())
    }
}

impl From<FetchError> for LookupError {
    fn from(error: FetchError) -> Self {
        match error.kind {
            FetchErrorKind::KeyRefused { .. } | FetchErrorKind::KeyWanted { .. } => Self::KeyRefused(error.to_string()),
            _ => Self::Stopped(error.to_string()),
        }
    }
}

/// The knowledge of a key from a list.
enum Known {
    /// Its item.
    Item(String),
    /// The version that it belongs to.
    Version(String),
    /// The server has no such thing.
    Unknown,
}

impl Lookup<'_> {
    /// Looks up every key and reports each in the order of the keys.
    ///
    /// # Errors
    /// When the server cannot be asked any more; earlier keys are reported before.
    pub async fn look_up(
        &self,
        kind: Kind,
        keys: &[String],
        mut report: impl FnMut(&str, Found),
    ) -> Result<(), LookupError> {
        let work = async {
            for keys in keys.chunks(if kind == Kind::Hash { HASHES_MAX } else { MODELS_MAX }) {
                let known = self.known(kind, keys).await?;
                let find = |key| self.find(kind, key, &known);
                let mut answers = stream::iter(keys).map(find).buffered(self.in_flight);
                while let Some(answer) = answers.next().await {
                    let (key, found) = answer?;
                    report(key, found);
                }
            }
            Ok(())
        };
        tokio::select! {
            biased;
            done = work => done,
            () = self.stop.asked() => Err(LookupError::stopped(self.stop)),
        }
    }

    /// Returns what one request can show about many keys.
    async fn known(&self, kind: Kind, keys: &[String]) -> Result<BTreeMap<String, Known>, LookupError> {
        match kind {
            Kind::Model if keys.len() > 1 => self.listed(keys).await,
            Kind::Hash if self.sha256 => self.owners(keys).await,
            Kind::Model | Kind::Hash | Kind::Version | Kind::Image => Ok(BTreeMap::new()),
        }
    }

    /// Returns the versions that these SHA256 belong to. One of several versions is left out: the server chooses when asked.
    async fn owners(&self, hashes: &[String]) -> Result<BTreeMap<String, Known>, LookupError> {
        let url = self.url(&["model-versions", "by-hash", "ids"], &[])?;
        let json = serde_json::to_string(hashes).map_err(|error| LookupError::Stopped(error.to_string()))?;
        let parse = |body: &str| verbatim::owners(body).map_err(|unreadable| unreadable.reason);
        let owners = self.fetcher.attempts(&url, self.notify).with_json(&json).parsed(parse).await?;
        let known = |hash: &String| match owners.get(hash).map(|versions| (versions.first(), versions.len())) {
            None => Some((hash.clone(), Known::Unknown)),
            Some((Some(version), 1)) => Some((hash.clone(), Known::Version(version.to_string()))),
            Some(_) => None,
        };
        Ok(hashes.iter().filter_map(known).collect())
    }

    /// Returns the models of these ids that the list shows with their versions.
    async fn listed(&self, keys: &[String]) -> Result<BTreeMap<String, Known>, LookupError> {
        let (ids, limit) = (keys.join(","), MODELS_MAX.to_string());
        let query = [("ids", ids.as_str()), ("nsfw", "true"), ("archived", "true"), ("limit", limit.as_str())];
        let items = match self.request(&["models"], &query, verbatim::list).await? {
            Found::Item(items) => items,
            // Too much at once, or refused: each is looked up by itself.
            Found::Missing(_) => return Ok(BTreeMap::new()),
        };
        let whole = items.into_iter().filter(|item| !item.without_versions);
        Ok(whole.filter_map(|item| Some((item.id?.to_string(), Known::Item(item.text)))).collect())
    }

    async fn find<'k>(
        &self,
        kind: Kind,
        key: &'k String,
        known: &BTreeMap<String, Known>,
    ) -> Result<(&'k str, Found), LookupError> {
        let found = match known.get(key) {
            Some(Known::Item(text)) => Found::Item(text.clone()),
            Some(Known::Version(version)) => self.one(Kind::Version, version).await?,
            Some(Known::Unknown) => Found::Missing(String::from("the server knows no file like it")),
            None => self.one(kind, key).await?,
        };
        Ok((key, found))
    }

    /// Looks up one thing by a request of its own.
    pub(crate) async fn one(&self, kind: Kind, key: &str) -> Result<Found, LookupError> {
        let path = match kind {
            Kind::Model => vec!["models", key],
            Kind::Version => vec!["model-versions", key],
            Kind::Hash => vec!["model-versions", "by-hash", key],
            Kind::Image => return self.image(key).await,
        };
        // A mixed-up answer, as of a cache, is about another thing.
        let single = |body: &str| match verbatim::single(body)? {
            item if kind == Kind::Hash || item.id.is_some_and(|id| id.to_string() == key) => Ok(item.text),
            item => {
                let other = item.id.map_or_else(|| String::from("no id"), |id| format!("the id {id}"));
                Err(Unreadable::from(format!("the answer for {} {key} has {other}", kind.noun()).as_str()))
            }
        };
        self.request(&path, &[], single).await
    }

    /// Looks up an image. For one image the server takes its older path, whose empty answer may be a query that timed out; and
    /// with the higher browsing levels it hides some images of the lower ones.
    async fn image(&self, key: &str) -> Result<Found, LookupError> {
        let fresh = fresh_key();
        for (levels, again) in [(LEVELS[0], false), (LEVELS[0], true), (LEVELS[1], true)] {
            let mut query = vec![("imageId", key), ("browsingLevel", levels)];
            query.extend([("withMeta", "true"), ("flatMeta", "true"), ("withTags", "true")]);
            query.extend(again.then_some(("_", fresh.as_str())));
            let items = match self.request(&["images"], &query, verbatim::list).await? {
                Found::Item(items) => items,
                Found::Missing(words) => return Ok(Found::Missing(words)),
            };
            // The server has answered this filter with its whole feed.
            let wanted = items.into_iter().find(|item| item.id.is_some_and(|id| id.to_string() == key));
            if let Some(item) = wanted {
                return Ok(Found::Item(item.text));
            }
        }
        Ok(Found::Missing(String::from("the server shows no such image")))
    }

    /// Returns what `parse` makes of an answer, or the words of a refusal that concerns this request alone. A 404 from a cache is
    /// checked by a second request.
    async fn request<T>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        parse: impl Fn(&str) -> Result<T, Unreadable>,
    ) -> Result<Found<T>, LookupError> {
        let mut query = query.to_vec();
        let (fresh, mut again) = (fresh_key(), false);
        loop {
            let url = self.url(path, &query)?;
            let parse = |body: &str| parse(body).map_err(|unreadable| unreadable.reason);
            let error = match self.fetcher.attempts(&url, self.notify).parsed(parse).await {
                Ok(value) => return Ok(Found::Item(value)),
                Err(error) => error,
            };
            match error.kind {
                FetchErrorKind::NotFound(_) if !again && error.is_from_cache() => {
                    again = true;
                    query.push(("_", &fresh));
                }
                FetchErrorKind::NotFound(message) | FetchErrorKind::BadRequest(message) => {
                    return Ok(Found::Missing(message));
                }
                FetchErrorKind::TooLarge(_) | FetchErrorKind::Unreadable(_) => {
                    return Ok(Found::Missing(error.to_string()));
                }
                _ => return Err(error.into()),
            }
        }
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<PageUrl, LookupError> {
        PageUrl::new(self.base, path, query.iter().copied()).map_err(|error| LookupError::Stopped(error.to_string()))
    }
}
