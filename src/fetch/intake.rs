//! Puts the bytes of an answer behind those of a file that arrived before. These are dropped only when an answer that may be the
//! whole file shows other ones.

use std::io;

use bytes::Bytes;

use super::attempt_error::AttemptError;
use super::offer::{FileFacts, Offer, begins_as_page};
use super::source::Source;

/// The destination of a file's bytes. Errors are those of the disk.
#[expect(async_fn_in_trait, reason = "awaited on one thread")]
pub trait Sink {
    /// Bytes stored so far.
    fn bytes(&self) -> u64;
    /// Returns the state of the file that these bytes belong to, if it is known.
    fn source(&self) -> Option<&Source>;
    /// Records that state, or with `None` that it is not known.
    async fn note(&mut self, source: Option<Source>) -> io::Result<()>;
    /// Returns how many more bytes the disk has room for.
    async fn room(&mut self) -> io::Result<u64>;
    /// Compares bytes with those stored from `at` on; returns the position of the first stored byte that differs.
    async fn difference(&mut self, at: u64, bytes: &Bytes) -> io::Result<Option<u64>>;
    /// Drops all bytes from `at` on.
    async fn cut(&mut self, at: u64) -> io::Result<()>;
    /// Appends bytes.
    async fn append(&mut self, bytes: Bytes) -> io::Result<()>;
}

/// A file that has arrived.
#[derive(Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The name that the host gives it.
    pub name: Option<String>,
    /// True if the answer showed its end; else a cut connection looks the same.
    pub ended: bool,
    /// True if all bytes are known to belong to one state of the file; else a part may be older than the rest.
    pub uniform: bool,
}

/// An answer on its way into a sink.
pub(super) struct Intake<'a, S> {
    sink: &'a mut S,
    facts: &'a FileFacts,
    offer: Offer,
    /// Bytes in the sink when it began.
    before: u64,
    /// The position behind the last byte taken.
    at: u64,
    /// True if the bytes in the sink are known to be of the state that is offered.
    same: bool,
    /// True once that state is noted, or need not be.
    noted: bool,
    /// Bytes that the disk had room for when it began.
    room: u64,
}

impl<'a, S: Sink> Intake<'a, S> {
    /// Begins with an answer whose first byte is the first of the file, or the next of the sink.
    pub(super) async fn begin(offer: Offer, sink: &'a mut S, facts: &'a FileFacts) -> Result<Self, AttemptError> {
        let (first, total, before) = (offer.first, offer.total, sink.bytes());
        if let Some(bytes) = total.filter(|bytes| !facts.admit(*bytes)) {
            return Err(AttemptError::OtherSize(bytes));
        }
        if first > 0 && !facts.hashed && total.is_none() {
            return Err(no_file("the host sent a part of the file without the size of the whole"));
        }
        // A part without a state is only appended if a hash decides in the end.
        let may_lack = first > 0 && facts.hashed;
        let same = sink.source().is_some_and(|kept| kept.fits(offer.source.as_ref(), total, may_lack));
        if first > 0 && sink.source().is_some() && !same {
            sink.note(None).await?;
            return Err(AttemptError::broken("the host has changed the file"));
        }
        let room = sink.room().await?;
        if let Some(total) = total {
            fits(total.saturating_sub(before), room)?;
        }
        let noted = first > 0 || (same && before > 0);
        Ok(Self { sink, facts, offer, before, at: first, same, noted, room })
    }

    /// Takes the next bytes: compares those that are there already, and appends the others.
    pub(super) async fn take(&mut self, mut piece: Bytes) -> Result<(), AttemptError> {
        if self.at == 0 && begins_as_page(&piece) {
            return Err(no_file("the host sent a web page instead of a file"));
        }
        let end = self.at + piece.len() as u64;
        if end > self.facts.bytes_max {
            self.sink.cut(self.before).await?;
            return Err(AttemptError::OtherSize(end));
        }
        if let Some(differs) = self.sink.difference(self.at, &piece).await? {
            if !self.is_proof() {
                return Err(no_file("the host sent other bytes than have arrived, but not as many"));
            }
            if !self.same {
                self.sink.note(None).await?;
            }
            self.sink.cut(differs).await?;
        }
        let known = self.sink.bytes().saturating_sub(self.at).min(piece.len() as u64);
        let new = piece.split_off(known as usize);
        self.at = end;
        if new.is_empty() {
            return Ok(());
        }
        fits(end.saturating_sub(self.before), self.room)?;
        if !self.noted {
            self.sink.note(self.offer.source.clone()).await?;
            self.noted = true;
        }
        Ok(self.sink.append(new).await?)
    }

    /// Judges whether the whole file is there, now that the answer has ended.
    pub(super) async fn end(self) -> Result<Arrived, AttemptError> {
        let (Offer { first, total, ends, .. }, at) = (&self.offer, self.at);
        if *total == Some(at) && self.is_proof() {
            self.sink.cut(at).await?;
        }
        let arrived = self.sink.bytes();
        let is_short = total.is_some_and(|total| at < total) || at < arrived || at == 0;
        let may_be_whole = self.facts.may_have(arrived) || (self.facts.hashed && *ends);
        if is_short || !may_be_whole {
            let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
            let reason = format!("the host sent the file up to byte {at}{of} only");
            return Err(if arrived > self.before { AttemptError::broken(reason) } else { no_file(&reason) });
        }
        Ok(Arrived { name: None, ended: *ends, uniform: *first == 0 || self.same })
    }

    /// Returns true if other bytes in this answer are a proof against those that arrived before. One that is shorter, or of unknown
    /// size, is none.
    fn is_proof(&self) -> bool {
        let is_size = |total| self.facts.sizes.is_some() && self.facts.may_have(total);
        self.offer.total.is_some_and(|total| total >= self.before || is_size(total))
    }
}

fn no_file(reason: &str) -> AttemptError {
    AttemptError::NoFile(reason.to_owned())
}

/// Fails if the disk has no room for so many bytes.
fn fits(bytes: u64, room: u64) -> io::Result<()> {
    if bytes <= room {
        return Ok(());
    }
    let reason = format!("`{bytes}` more bytes are needed and there is room for `{room}`; free some space");
    Err(io::Error::new(io::ErrorKind::StorageFull, reason))
}
