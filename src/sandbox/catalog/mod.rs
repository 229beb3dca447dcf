//! The catalog: a compact index of its models, every sort order, and the source that their items are rendered from.

mod calendar;
pub(super) mod dates;
pub(super) mod entry;
pub(super) mod file_bytes;
pub(super) mod gallery;
mod generate;
pub(super) mod night;
pub(super) mod options;
pub(super) mod random;
pub(super) mod recorded;
pub(super) mod schedule;
pub(super) mod seed;
pub(super) mod sort;
pub(super) mod words;

use std::collections::HashMap;

use serde_json::Value;

use self::entry::{Change, Entry};
use self::night::Night;
use self::options::CatalogOptions;
use self::recorded::Recording;
use self::seed::Generator;
use self::sort::{Sort, date_key, ordered};
use self::words::{KINDS, NEW};
use super::era::Era;
use super::error::Error;
use super::traps::Traps;

/// The source of the items.
pub(super) enum Source {
    Generated(Generator),
    Recorded(Recording),
}

/// Every model of the server.
pub(super) struct Catalog {
    pub(super) seed: u64,
    pub(super) traps: Traps,
    pub(super) era: Era,
    /// Ids ascending.
    pub(super) entries: Vec<Entry>,
    /// Number of entries at the server's start.
    pub(super) first: usize,
    pub(super) source: Source,
    orders: Vec<Vec<u32>>,
    users: HashMap<String, u32>,
    tags: HashMap<String, u32>,
}

impl Catalog {
    /// Generates the catalog, or reads the recorded one.
    ///
    /// # Errors
    /// If a line of the recorded catalog is no item, or two lines are of the same model.
    pub(super) fn build(options: &CatalogOptions<'_>) -> Result<Catalog, Error> {
        let (entries, source) = match options.recorded {
            Some(text) => {
                let (entries, recording) = recorded::read(text)?;
                (entries, Source::Recorded(recording))
            }
            None => {
                let (entries, generator) = generate::catalog(options);
                (entries, Source::Generated(generator))
            }
        };
        let mut catalog = Catalog {
            seed: options.seed,
            traps: options.traps,
            era: options.era,
            orders: Sort::ALL.map(|sort| ordered(&entries, sort)).to_vec(),
            first: entries.len(),
            entries,
            source,
            users: HashMap::new(),
            tags: HashMap::new(),
        };
        catalog.users = catalog.users().iter().zip(0u32..).map(|(name, n)| (slug(name), n)).collect();
        catalog.tags = catalog.tags().iter().cloned().zip(0u32..).collect();
        Ok(catalog)
    }

    /// The positions of all entries in the order of a sort.
    pub(super) fn order(&self, sort: Sort) -> &[u32] {
        &self.orders[sort as usize]
    }

    /// The entry at a position.
    pub(super) fn entry(&self, position: u32) -> &Entry {
        &self.entries[position as usize]
    }

    /// The position of a published model's id.
    pub(super) fn find(&self, id: u32) -> Option<u32> {
        let position = self.entries.binary_search_by_key(&id, |entry| entry.id).ok()?;
        u32::try_from(position).ok().filter(|row| !self.entry(*row).hidden && !self.entry(*row).person)
    }

    /// Applies a change to a model. A published one moves to this instant in the lists sorted by date.
    pub(super) fn change(&mut self, row: u32, change: Change, now: i64) {
        self.entries[row as usize].change(change, now);
        if matches!(change, Change::Publish | Change::PublishAgain) {
            for sort in [Sort::Newest, Sort::Oldest] {
                let order = &mut self.orders[sort as usize];
                order.retain(|other| *other != row);
                let key = |row: u32| date_key(sort, &self.entries[row as usize]);
                let place = order.partition_point(|other| key(*other) < key(row));
                order.insert(place, row);
            }
        }
    }

    /// Applies a night's changes and reports them; `None` for a recorded catalog, which does not change.
    pub(super) fn pass_night(&mut self, night: &Night) -> Option<Value> {
        let Source::Generated(generator) = &self.source else { return None };
        let (changes, newcomers) = (night.changes(&self.entries), night.newcomers(self.entries.len()));
        for (number, at) in newcomers.into_iter().enumerate() {
            let mut entry = generate::newcomer(generator, &self.entries, at);
            // The first one is of the type that the night brings, if there is one for it.
            if number == 0 && night.number as usize <= NEW.len() {
                entry.kind = (KINDS.len() + night.number as usize - 1) as u8;
            }
            self.entries.push(entry);
        }
        for (row, change, at) in &changes {
            self.entries[*row].change(*change, *at);
        }
        self.orders = Sort::ALL.map(|sort| ordered(&self.entries, sort)).to_vec();
        Some(night.report(&changes, &self.entries))
    }

    /// The generator of the items; `None` for a recorded catalog.
    pub(super) fn generator(&self) -> Option<&Generator> {
        match &self.source {
            Source::Generated(generator) => Some(generator),
            Source::Recorded(_) => None,
        }
    }

    /// User names by number.
    pub(super) fn users(&self) -> &[String] {
        match &self.source {
            Source::Generated(generator) => &generator.users,
            Source::Recorded(recording) => &recording.users,
        }
    }

    /// Tag names by number.
    pub(super) fn tags(&self) -> &[String] {
        match &self.source {
            Source::Generated(generator) => &generator.tags,
            Source::Recorded(recording) => &recording.tags,
        }
    }

    /// The number of a user by name; names are compared as the server does, slugified.
    pub(super) fn user(&self, name: &str) -> Option<u32> {
        self.users.get(&slug(name)).copied()
    }

    /// The number of a tag by its exact name.
    pub(super) fn tag(&self, name: &str) -> Option<u32> {
        self.tags.get(name).copied()
    }

    /// True when the model carries the tag.
    pub(super) fn has_tag(&self, position: u32, tag: u32) -> bool {
        match &self.source {
            Source::Generated(generator) => generator.tags_of(self.entry(position)).contains(&tag),
            Source::Recorded(recording) => recording.items[position as usize].tags.contains(&tag),
        }
    }

    /// The model's name, for text search.
    pub(super) fn name(&self, position: u32) -> String {
        match &self.source {
            Source::Generated(generator) => generator.name(self.entry(position)),
            Source::Recorded(recording) => recording.items[position as usize].name.clone(),
        }
    }
}

/// Returns a user name as the server compares it: first space to `_`, anything but letters, digits and `_` removed, lower
/// case.
fn slug(name: &str) -> String {
    let replaced = name.replacen(' ', "_", 1);
    let kept = replaced.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_');
    kept.map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_slugified_as_the_server_does() {
        assert_eq!(slug("Some One Else!"), "some_oneelse");
        assert_eq!(slug("A-b_C9"), "ab_c9");
    }
}
