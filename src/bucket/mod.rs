//! A bucket of an object store as a place: S3 and what is compatible with it, and Azure's blob storage.
//!
//! Each thread that copies makes its calls one after the other, and waits for each; between calls nothing runs. A call is
//! repeated a few times alike, since every name but the head's has one content for ever.

mod answer;
mod client;
mod settings;

use std::collections::BTreeMap;
use std::future::Future;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use object_store::list::PaginatedListOptions;
use object_store::path::Path as Key;
use object_store::{
    GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion,
};
use tokio::runtime::{Builder, Runtime};

use answer::{Answer, Meaning, judge};
use client::Seen;
use settings::{Store, connect};

use crate::dataset::Error;
use crate::dataset::layout::PlaceName;
use crate::dataset::place::{Place, Sink};
use crate::definition::Address;
use crate::stop::Stop;

/// Bytes read or sent in one request; a store takes 10,000 parts of a file.
const RANGE: u64 = 8 << 20;
/// Most bytes of a file that is read whole.
const WHOLE_MAX: u64 = 1 << 30;
/// Most files in a folder.
const LISTED_MAX: usize = 4_000_000;
/// Longest name that a store may make up, of the next page of a list or of an upload. It becomes a part of an address, and the library
/// panics at an address of more than 64 KiB.
const MADE_UP_MAX: usize = 16 << 10;
/// Most pages of a list in a row that name nothing new. A store may send empty ones before others.
const BARREN_MAX: usize = 100;
/// The waits between the attempts of one call, in milliseconds.
const WAITS: [u64; 5] = [200, 400, 800, 1600, 3200];
/// No attempt begins later after the first.
const PATIENCE: Duration = Duration::from_secs(180);
/// Most attempts to replace a file on a condition.
const REPLACE_ATTEMPTS: usize = 5;

/// A bucket, or the names in it that begin with a prefix.
pub struct Bucket {
    address: Address,
    root: PathBuf,
    store: Arc<dyn Store>,
    runtime: Runtime,
    stop: Stop,
    /// The head as it was read last, and its version.
    head: Mutex<Option<(Vec<u8>, UpdateVersion)>>,
}

/// The end of one attempt.
enum Failure {
    /// An answer of the store.
    Meant(Meaning),
    Final(Error),
}

impl Bucket {
    /// Returns the place at this address. Credentials are the environment's, or those of the machine's role, which
    /// are asked for here; nothing else is sent.
    ///
    /// # Errors
    /// A sentence about the environment.
    pub fn open(address: Address, stop: Stop) -> Result<Self, String> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot set up networking: {error}"))?;
        let store = connect(&address, &runtime).map_err(|fault| format!("`{}` {fault}", address.url()))?;
        Ok(Self { root: PathBuf::from(address.url()), address, store, runtime, stop, head: Mutex::default() })
    }

    fn key(&self, name: &str) -> Result<Key, Error> {
        let away =
            |error: object_store::path::Error| Error::Refused { place: self.root.clone(), reason: error.to_string() };
        Key::parse(self.address.key(name)).map_err(away)
    }

    /// Makes one attempt of a call, which a stop ends.
    fn once<T>(&self, path: &Path, call: impl Future<Output = object_store::Result<T>>) -> Result<T, Failure> {
        let seen = Seen::default();
        let called = self.runtime.block_on(async {
            tokio::select! {
                called = seen.of(call) => Some(called),
                () = self.stop.asked() => None,
            }
        });
        match called {
            None => Err(Failure::Final(Error::Cancelled)),
            Some(Ok(value)) => Ok(value),
            Some(Err(object_store::Error::InvalidPath { .. })) => {
                let reason = String::from(
                    "holds a file that no push made, with a folder without a name or another odd one; name a new or an empty one",
                );
                Err(Failure::Final(Error::Apart { there: path.to_owned(), reason }))
            }
            Some(Err(_)) => {
                // The library's words may quote what the store sent.
                let answer = seen.take().unwrap_or_else(|| Answer::Broken(String::from("the request was not sent")));
                match judge(&answer) {
                    Meaning::Never(reason) => Err(Failure::Final(Error::Refused { place: path.to_owned(), reason })),
                    meaning => Err(Failure::Meant(meaning)),
                }
            }
        }
    }

    /// Makes a call, again where that can help. Returns `None` if the store says that there is no such file.
    ///
    /// # Errors
    /// [`Error::Rotten`] if the file has not so many bytes.
    fn call<T, F>(&self, path: &Path, call: impl Fn() -> F) -> Result<Option<T>, Error>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let began = Instant::now();
        let mut waits = WAITS.iter().copied().map(Duration::from_millis);
        loop {
            let reason = match self.once(path, call()) {
                Ok(value) => return Ok(Some(value)),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Meant(Meaning::Absent)) => return Ok(None),
                Err(Failure::Meant(Meaning::Outside)) => {
                    return Err(Error::rotten(path, "is empty, or shorter than it was"));
                }
                Err(Failure::Meant(Meaning::Later(reason) | Meaning::Never(reason))) => reason,
                Err(Failure::Meant(Meaning::Changed)) => String::from("answers that another request is in the way"),
            };
            let wait = waits.next().filter(|wait| began.elapsed() + *wait < PATIENCE);
            let Some(wait) = wait else { return Err(Error::Away { place: path.to_owned(), reason }) };
            self.wait(wait)?;
        }
    }

    /// Fails at a name that the store makes up if it is too long.
    fn check_made_up(&self, name: &str) -> Result<(), Error> {
        let reason = || format!("makes up a name of {} bytes, which no address can hold", name.len());
        if name.len() <= MADE_UP_MAX { Ok(()) } else { Err(Error::Away { place: self.root.clone(), reason: reason() }) }
    }

    fn wait(&self, wait: Duration) -> Result<(), Error> {
        self.runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(wait) => Ok(()),
                () = self.stop.asked() => Err(Error::Cancelled),
            }
        })
    }

    /// Makes a call that needs what it names to be there.
    fn send<T, F>(&self, path: &Path, call: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let absent = || Error::Away { place: path.to_owned(), reason: String::from("is not there, says the store") };
        self.call(path, call)?.ok_or_else(absent)
    }

    /// Returns bytes of a file, fewer only at its end, and what is known of it; `None` if there is no such file.
    fn range(&self, name: &PlaceName, from: u64, to: u64) -> Result<Option<(Bytes, ObjectMeta)>, Error> {
        let key = self.key(name.as_str())?;
        self.call(&self.path(name), || {
            let (store, key) = (Arc::clone(&self.store), key.clone());
            async move {
                let found = store.get_opts(&key, GetOptions::new().with_range(Some(from..to))).await?;
                let (meta, due) = (found.meta.clone(), to.min(found.meta.size).saturating_sub(from));
                let content = found.bytes().await?;
                match content.len() as u64 == due {
                    true => Ok((content, meta)),
                    false => Err(object_store::Error::Generic { store: "range", source: "has another length".into() }),
                }
            }
        })
    }

    /// Returns a file's content and version, and keeps those of the head; `None` if there is no such file.
    fn whole(&self, name: &PlaceName) -> Result<Option<(Vec<u8>, UpdateVersion)>, Error> {
        let Some((first, meta)) = self.range(name, 0, RANGE)? else { return Ok(None) };
        let (path, mut content) = (self.path(name), first.to_vec());
        if meta.size > WHOLE_MAX {
            return Err(Error::rotten(&path, "is larger than 1 GiB"));
        }
        while (content.len() as u64) < meta.size {
            let at = content.len() as u64;
            match self.range(name, at, (at + RANGE).min(meta.size))? {
                Some((more, _)) => content.extend_from_slice(&more),
                None => return Err(Error::rotten(&path, "is missing")),
            }
        }
        let version = UpdateVersion { e_tag: meta.e_tag, version: meta.version };
        if *name == PlaceName::head() {
            *self.head.lock().unwrap_or_else(PoisonError::into_inner) = Some((content.clone(), version.clone()));
        }
        Ok(Some((content, version)))
    }

    /// Returns the condition that a file is what was `seen` of it; `None` if it must be read for that.
    fn condition(&self, name: &PlaceName, seen: Option<&[u8]>) -> Option<PutMode> {
        let Some(seen) = seen else { return Some(PutMode::Create) };
        let head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
        let known = head.as_ref().filter(|(content, _)| *name == PlaceName::head() && content == seen);
        known.map(|(_, version)| PutMode::Update(version.clone()))
    }

    /// Creates or replaces an empty file on a condition. Returns true if the store refuses it for that.
    fn is_refused(&self, name: &PlaceName, mode: &PutMode) -> Result<bool, Error> {
        let (path, key) = (self.path(name), self.key(name.as_str())?);
        let put = || {
            let (store, key) = (Arc::clone(&self.store), key.clone());
            let options = PutOptions { mode: mode.clone(), ..PutOptions::default() };
            async move {
                match store.put_opts(&key, PutPayload::new(), options).await {
                    Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                        Ok(true)
                    }
                    put => put.map(|_| false),
                }
            }
        };
        self.send(&path, put)
    }

    fn put_whole(&self, name: &PlaceName, content: &Bytes) -> Result<(), Error> {
        let key = self.key(name.as_str())?;
        let put = || {
            let (store, key, content) = (Arc::clone(&self.store), key.clone(), PutPayload::from(content.clone()));
            async move { store.put(&key, content).await }
        };
        self.send(&self.path(name), put).map(drop)
    }

    /// Sends a file in parts, of which this is the first.
    fn put_parts(&self, name: &PlaceName, first: Bytes, content: &mut dyn Read) -> Result<(), Error> {
        let (path, key) = (self.path(name), self.key(name.as_str())?);
        let upload = self.send(&path, || {
            let (store, key) = (Arc::clone(&self.store), key.clone());
            async move { store.create_multipart(&key).await }
        })?;
        self.check_made_up(&upload)?;
        let sent = self.send_parts(&path, &key, &upload, first, content);
        if sent.is_err() {
            // The store keeps the parts until they are given up, or a rule of the bucket does so.
            let _ = self.once(&path, self.store.abort_multipart(&key, &upload));
        }
        sent
    }

    fn send_parts(
        &self,
        path: &Path,
        key: &Key,
        upload: &String,
        first: Bytes,
        content: &mut dyn Read,
    ) -> Result<(), Error> {
        let (mut parts, mut part, mut bytes) = (Vec::new(), first, 0);
        while !part.is_empty() {
            bytes += part.len() as u64;
            let number = parts.len();
            parts.push(self.send(path, || {
                let (store, key, payload) = (Arc::clone(&self.store), key.clone(), PutPayload::from(part.clone()));
                async move { store.put_part(&key, upload, number, payload).await }
            })?);
            part = block(content, path)?;
        }
        let completed = self.call(path, || {
            let (store, key, parts) = (Arc::clone(&self.store), key.clone(), parts.clone());
            async move { store.complete_multipart(&key, upload, parts).await }
        });
        match completed {
            Ok(Some(_)) => Ok(()),
            Err(error @ (Error::Cancelled | Error::Refused { .. })) => Err(error),
            // The upload may be gone because an answer was lost.
            ended => {
                let head = self.send(path, || {
                    let (store, key) = (Arc::clone(&self.store), key.clone());
                    async move { store.head(&key).await }
                })?;
                let reason = String::from("was not put together by the store");
                if head.size == bytes {
                    Ok(())
                } else {
                    Err(ended.err().unwrap_or(Error::Away { place: path.to_owned(), reason }))
                }
            }
        }
    }

    /// Replaces a file that was `seen`, or creates it if it was not there. Returns true if it holds this content now, and false if
    /// it holds another one. The condition is the version of a content that was read, so each put is read back, which also finds
    /// the version for the next one.
    fn replace(&self, name: &PlaceName, seen: Option<&[u8]>, content: &[u8]) -> Result<bool, Error> {
        let (path, key) = (self.path(name), self.key(name.as_str())?);
        if seen == Some(content) {
            return Ok(true);
        }
        let (mut condition, mut reason) = (self.condition(name, seen), String::new());
        for _ in 0..REPLACE_ATTEMPTS {
            if let Some(mode) = condition {
                let payload = PutPayload::from(Bytes::copy_from_slice(content));
                let put = self.store.put_opts(&key, payload, PutOptions { mode, ..PutOptions::default() });
                reason = match self.once(&path, put) {
                    Ok(_) => String::from("is not what the store said that it wrote"),
                    Err(Failure::Final(error)) => return Err(error),
                    Err(Failure::Meant(meaning)) => {
                        self.wait(Duration::from_millis(WAITS[0]))?;
                        match meaning {
                            Meaning::Later(reason) | Meaning::Never(reason) => reason,
                            _ => String::from("answers that another request is in the way"),
                        }
                    }
                };
            }
            // An answer may have been lost; and a store may call a file written that it has not.
            let there = self.whole(name)?;
            let now = there.as_ref().map(|(now, _)| now.as_slice());
            if now == Some(content) {
                return Ok(true);
            }
            if now != seen {
                return Ok(false);
            }
            condition = Some(there.map_or(PutMode::Create, |(_, version)| PutMode::Update(version)));
        }
        Err(Error::Away { place: path, reason })
    }
}

/// Reads the next part of a file; it is empty at the end.
fn block(content: &mut dyn Read, path: &Path) -> Result<Bytes, Error> {
    let mut block = Vec::new();
    let read = content.take(RANGE).read_to_end(&mut block);
    read.map_err(|source| Error::Disk { action: "read what is sent to", path: path.to_owned(), source })?;
    Ok(block.into())
}

impl Place for Bucket {
    fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, name: &PlaceName) -> PathBuf {
        PathBuf::from(format!("{}/{}", self.address.url(), name.as_str()))
    }

    fn list(&self, folder: &str) -> Result<BTreeMap<String, u64>, Error> {
        let folder = self.address.key(folder);
        let folder = folder.trim_end_matches('/');
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let (mut found, mut token, mut barren): (BTreeMap<String, u64>, _, _) = (BTreeMap::new(), None, 0);
        let away = |reason: &str| Error::Away { place: self.root.clone(), reason: reason.to_owned() };
        loop {
            let options = PaginatedListOptions {
                delimiter: Some("/".into()),
                page_token: token,
                ..PaginatedListOptions::default()
            };
            let page =
                self.send(&self.root, || {
                    let (store, prefix, options) = (Arc::clone(&self.store), &prefix, options.clone());
                    async move {
                        store.list_paginated(Some(prefix.as_str()).filter(|prefix| !prefix.is_empty()), options).await
                    }
                })?;
            let files = page.result.objects.into_iter().map(|file| (file.location, file.size));
            let folders = page.result.common_prefixes.into_iter().map(|folder| (folder, 0));
            let before = found.len();
            // Some tools make an empty file with the name of a folder.
            for (key, bytes) in files.chain(folders).filter(|(key, _)| key.as_ref() != folder) {
                let Some(name) = key.as_ref().strip_prefix(&prefix).filter(|name| !name.contains('/')) else {
                    return Err(away("lists files that were not asked for"));
                };
                found.insert(name.to_owned(), bytes);
            }
            let Some(next) = page.page_token else { return Ok(found) };
            self.check_made_up(&next)?;
            barren = if found.len() == before { barren + 1 } else { 0 };
            if Some(&next) == options.page_token.as_ref() || barren > BARREN_MAX || found.len() > LISTED_MAX {
                return Err(away("lists files without end"));
            }
            token = Some(next);
        }
    }

    fn read(&self, name: &PlaceName) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.whole(name)?.map(|(content, _)| content))
    }

    fn fetch(&self, name: &PlaceName, bytes: u64, sink: &mut Sink<'_>) -> Result<(), Error> {
        let mut at = 0;
        while at < bytes {
            match self.range(name, at, (at + RANGE).min(bytes))? {
                Some((content, meta)) if meta.size == bytes => {
                    sink(&content)?;
                    at += content.len() as u64;
                }
                Some((_, meta)) => return Err(Error::other_size(&self.path(name), meta.size, bytes)),
                None => return Err(Error::rotten(&self.path(name), "is missing")),
            }
        }
        Ok(())
    }

    fn put(&self, name: &PlaceName, content: &mut dyn Read) -> Result<(), Error> {
        let first = block(content, &self.path(name))?;
        if (first.len() as u64) < RANGE { self.put_whole(name, &first) } else { self.put_parts(name, first, content) }
    }

    fn probe(&self) -> Result<(), Error> {
        // A file that has one content for ever, so that a store which ignores conditions changes nothing by it.
        let name = PlaceName::probe();
        self.is_refused(&name, &PutMode::Create)?;
        let other = UpdateVersion { e_tag: Some(String::from("\"civitrawl\"")), version: None };
        for (mode, condition) in [(PutMode::Create, "If-None-Match"), (PutMode::Update(other), "If-Match")] {
            if !self.is_refused(&name, &mode)? {
                let reason = format!(
                    "ignores conditions (`{condition}`), by which a run knows that another one went on: use another store, or a directory"
                );
                return Err(Error::Refused { place: self.root.clone(), reason });
            }
        }
        Ok(())
    }

    /// A store has no locks. The condition on the head keeps one push from undoing another.
    fn hold(&self) -> Result<Box<dyn Send>, Error> {
        Ok(Box::new(()))
    }

    fn create(&self, name: &PlaceName, content: &[u8]) -> Result<bool, Error> {
        self.replace(name, None, content)
    }

    fn replace_head(&self, seen: Option<&[u8]>, content: &[u8]) -> Result<(), Error> {
        match self.replace(&PlaceName::head(), seen, content)? {
            true => Ok(()),
            false => Err(Error::Overtaken { place: self.root.clone() }),
        }
    }
}
