//! Looking things up and handing them over as the server wrote them: nothing is stored.
//!
//! Many are asked for at once where the server allows it; what such a list leaves out is asked for by itself, because lists
//! hide what a look-up shows.

pub mod model_files;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use crate::api::lookup::Kind;
use crate::api::page;
use crate::api::verbatim;
use crate::engine::events::{Event, Listener};
use crate::fetch::{self, Answer, Cause, Excess, Failure, Fetcher, PageUrl, Unreadable, fresh_key};
use crate::stop::Stop;
use futures_util::StreamExt as _;
use futures_util::stream;
use url::Url;

/// The most ids of one list of models.
const MODELS_MAX: usize = 100;
/// The most hashes of one question.
const HASHES_MAX: usize = 10_000;
/// All levels, and those that are shown whatever tags an image has.
const LEVELS: [&str; 2] = ["31", "3"];

/// Where things are looked up.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// The server, `/api/v1` included.
    pub base: &'a Url,
    /// Who asks it.
    pub fetcher: &'a Fetcher,
    /// Whether every hash is a SHA256, of which many can be asked for at once.
    pub sha256: bool,
    /// How many questions may be under way at once.
    pub in_flight: usize,
    /// Ends it early.
    pub stop: &'a Stop,
    /// Hears of requests and retries.
    pub listener: &'a dyn Listener,
}

/// What became of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// There it is, as JSON on one line.
    Item(String),
    /// The server has no such thing, or will not show it; in its words.
    Missing(String),
}

/// Why no more can be looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The server wants another key.
    #[error("{0}")]
    KeyRefused(String),
    /// The server is away, or a stop was asked for.
    #[error("{0}")]
    Stopped(String),
}

type Answers = Result<(), Broken>;

/// What is known of a key before it is asked for by itself.
enum Known {
    /// All of it.
    Item(String),
    /// The version it belongs to.
    Version(String),
    /// That there is no such thing.
    Nobodys,
}

impl Desk<'_> {
    /// Looks up every key and tells of each in the order of the keys.
    ///
    /// # Errors
    /// When the server cannot be asked any more; what was found before has been told.
    pub async fn look_up(&self, kind: Kind, keys: &[String], mut tell: impl FnMut(&str, Found)) -> Answers {
        let work = async {
            for keys in keys.chunks(if kind == Kind::Hash { HASHES_MAX } else { MODELS_MAX }) {
                let known = self.known(kind, keys).await?;
                let ask = |key| self.find(kind, key, &known);
                let mut answers = stream::iter(keys).map(ask).buffered(self.in_flight);
                while let Some(answer) = answers.next().await {
                    let (key, found) = answer?;
                    tell(key, found);
                }
            }
            Ok(())
        };
        let never = AtomicBool::new(false);
        tokio::select! {
            biased;
            answers = work => answers,
            () = self.stop.must_drop(&never) => Err(Broken::Stopped(self.stop.reason().unwrap_or_default())),
        }
    }

    /// What can be known of many keys by one question.
    async fn known(&self, kind: Kind, keys: &[String]) -> Result<BTreeMap<String, Known>, Broken> {
        match kind {
            Kind::Model if keys.len() > 1 => self.listed(keys).await,
            Kind::Hash if self.sha256 => self.owned(keys).await,
            Kind::Model | Kind::Hash | Kind::Version | Kind::Image => Ok(BTreeMap::new()),
        }
    }

    /// Which versions these SHA256 belong to; of several the server knows best which one to show.
    async fn owned(&self, hashes: &[String]) -> Result<BTreeMap<String, Known>, Broken> {
        let url = self.url(&["model-versions", "by-hash", "ids"], &[])?;
        let json = serde_json::to_string(hashes).map_err(|error| Broken::Stopped(error.to_string()))?;
        let read = async |answer: Answer| Ok(verbatim::owners(&answer.text()?).map_err(damaged)?);
        let owners = self.fetcher.post(&url, &json, &|event| self.hear(&event), read).await;
        let owners = owners.map_err(|failure| broken(&failure))?.value;
        let known = |hash: &String| match owners.get(hash).map(|versions| (versions.first(), versions.len())) {
            None => Some((hash.clone(), Known::Nobodys)),
            Some((Some(version), 1)) => Some((hash.clone(), Known::Version(version.to_string()))),
            Some(_) => None,
        };
        Ok(hashes.iter().filter_map(known).collect())
    }

    /// The models of these ids that the list shows with their versions.
    async fn listed(&self, keys: &[String]) -> Result<BTreeMap<String, Known>, Broken> {
        let (ids, limit) = (keys.join(","), MODELS_MAX.to_string());
        let query = [("ids", ids.as_str()), ("nsfw", "true"), ("archived", "true"), ("limit", limit.as_str())];
        // Too much at once, or refused: each by itself, then.
        let items = self.ask(&["models"], &query, verbatim::list).await?.unwrap_or_default();
        let whole = items.into_iter().filter(|item| !item.without_versions);
        Ok(whole.filter_map(|item| Some((item.id?.to_string(), Known::Item(item.text)))).collect())
    }

    /// What becomes of one key.
    async fn find<'k>(
        &self,
        kind: Kind,
        key: &'k String,
        known: &BTreeMap<String, Known>,
    ) -> Result<(&'k str, Found), Broken> {
        let found = match known.get(key) {
            Some(Known::Item(text)) => Found::Item(text.clone()),
            Some(Known::Version(version)) => self.one(Kind::Version, version).await?,
            Some(Known::Nobodys) => Found::Missing(String::from("the server knows no file like it")),
            None => self.one(kind, key).await?,
        };
        Ok((key, found))
    }

    /// One thing, by a question of its own.
    pub(crate) async fn one(&self, kind: Kind, key: &str) -> Result<Found, Broken> {
        let path = match kind {
            Kind::Model => vec!["models", key],
            Kind::Version => vec!["model-versions", key],
            Kind::Hash => vec!["model-versions", "by-hash", key],
            Kind::Image => return self.image(key).await,
        };
        let read = |body: &str| verbatim::single(body).map(|item| item.text);
        Ok(match self.ask(&path, &[], read).await? {
            Ok(text) => Found::Item(text),
            Err(words) => Found::Missing(words),
        })
    }

    /// An image. Asked for one, the server takes its older path, whose empty answer may be a query that took too long; and
    /// with the higher levels it hides some images of the lower ones.
    async fn image(&self, key: &str) -> Result<Found, Broken> {
        let fresh = fresh_key();
        for (levels, again) in [(LEVELS[0], false), (LEVELS[0], true), (LEVELS[1], true)] {
            let mut query = vec![("imageId", key), ("browsingLevel", levels)];
            query.extend([("withMeta", "true"), ("flatMeta", "true"), ("withTags", "true")]);
            query.extend(again.then_some(("_", fresh.as_str())));
            let items = match self.ask(&["images"], &query, verbatim::list).await? {
                Ok(items) => items,
                Err(words) => return Ok(Found::Missing(words)),
            };
            // The server has answered this filter with its whole feed.
            let wanted = items.into_iter().find(|item| item.id.is_some_and(|id| id.to_string() == key));
            if let Some(item) = wanted {
                return Ok(Found::Item(item.text));
            }
        }
        Ok(Found::Missing(String::from("the server shows no such image")))
    }

    /// What an answer holds, or the words of a refusal that concerns this question alone. A 404 that a cache gave is not
    /// believed.
    async fn ask<T>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        read: impl Fn(&str) -> Result<T, page::Unreadable>,
    ) -> Result<Result<T, String>, Broken> {
        let mut query = query.to_vec();
        let (fresh, mut again) = (fresh_key(), false);
        loop {
            let url = self.url(path, &query)?;
            let read = async |answer: Answer| Ok(read(&answer.text()?).map_err(damaged)?);
            match self.fetcher.page(&url, &|event| self.hear(&event), read).await {
                Ok(fetched) => return Ok(Ok(fetched.value)),
                Err(failure) => match &failure.cause {
                    Cause::Stop(fetch::Stop::NotFound { .. }) if !again && failure.is_from_cache() => {
                        again = true;
                        query.push(("_", &fresh));
                    }
                    Cause::Stop(fetch::Stop::NotFound { message } | fetch::Stop::BadRequest { message }) => {
                        return Ok(Err(message.clone()));
                    }
                    Cause::Smaller(Excess::TooLarge(_) | Excess::Unreadable(_)) => {
                        return Ok(Err(failure.to_string()));
                    }
                    _ => return Err(broken(&failure)),
                },
            }
        }
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<PageUrl, Broken> {
        PageUrl::new(self.base, path, query.iter().copied()).map_err(|error| Broken::Stopped(error.to_string()))
    }

    fn hear(&self, event: &fetch::Event) {
        self.listener.event(&Event::of("get", event));
    }
}

fn broken(failure: &Failure) -> Broken {
    match failure.cause {
        Cause::Stop(fetch::Stop::KeyRefused { .. } | fetch::Stop::KeyWanted { .. }) => {
            Broken::KeyRefused(failure.to_string())
        }
        _ => Broken::Stopped(failure.to_string()),
    }
}

fn damaged(unreadable: page::Unreadable) -> Unreadable {
    Unreadable::Damaged(unreadable.reason)
}
