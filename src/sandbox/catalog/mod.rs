//! The catalog: a compact index of its models, every sort order, and the source their items are rendered from.

pub(super) mod dates;
pub(super) mod fate;
pub(super) mod gallery;
pub(super) mod night;
pub(super) mod random;
pub(super) mod recorded;
pub(super) mod seed;
pub(super) mod sort;
pub(super) mod words;

use std::collections::HashMap;

use serde_json::Value;

use super::catalog::fate::Change;
use super::catalog::night::Night;
use super::catalog::recorded::Recording;
use super::catalog::seed::Generator;
use super::catalog::sort::{Sort, date_key, ordered};
use super::endpoint::enums::KINDS;
use super::era::Era;
use super::render::json::Writer;
use super::render::model::View;
use super::{Config, Error};

/// The most versions a model has: their ids must not meet those of the next model.
const VERSIONS_MAX: u8 = 16;

/// What is known of a model without rendering it; times in ms since 1970.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) id: u32,
    pub(super) created_at: i64,
    pub(super) last_version_at: Option<i64>,
    pub(super) thumbs_up: u32,
    pub(super) thumbs_down: u32,
    pub(super) downloads: u32,
    pub(super) comments: u32,
    pub(super) collected: u32,
    pub(super) images: u32,
    pub(super) tips: u32,
    /// Position in [`KINDS`], or past its end for a type unknown to it.
    pub(super) kind: u8,
    pub(super) level: u8,
    pub(super) mode: Mode,
    pub(super) minor: bool,
    pub(super) supports_generation: bool,
    /// The row is removed after the limit was applied, under one of two traps.
    pub(super) removed: Removed,
    pub(super) user: u32,
    /// Versions it has had from the beginning, and when the later ones were published.
    pub(super) versions: u8,
    pub(super) added: Vec<i64>,
    /// The model's date before the first later version.
    pub(super) base_at: Option<i64>,
    /// Bit k is set when version k is not Public.
    pub(super) early_access: u16,
    /// It shows a real person, under the trap that hides those from everybody.
    pub(super) person: bool,
    /// It is not, or no longer, published.
    pub(super) hidden: bool,
    /// It was published after the server started.
    pub(super) late: bool,
    /// It was there, but in no list, until it was published again.
    pub(super) emerged: bool,
    /// It changed after the server started, and its name with it when it was edited.
    pub(super) changed: bool,
    pub(super) edited: bool,
}

impl Entry {
    /// True when every version needs more than public access.
    pub(super) fn all_early_access(&self) -> bool {
        self.versions > 0 && self.added.is_empty() && self.early_access.count_ones() == u32::from(self.versions)
    }

    /// How many versions it has; they are numbered from 0, those that came later behind the others.
    pub(super) fn version_count(&self) -> u8 {
        self.versions + self.added.len() as u8
    }

    /// The numbers of its versions as they are listed: those that came later first, the last one before the others.
    pub(super) fn listed_versions(&self) -> impl Iterator<Item = u8> {
        (self.versions..self.version_count()).rev().chain(0..self.versions)
    }

    /// A change happens to it at an instant.
    pub(super) fn change(&mut self, change: Change, now: i64) {
        self.late |= change == Change::Publish;
        self.hidden = change == Change::Unpublish;
        self.changed |= matches!(change, Change::Edit | Change::PublishAgain);
        self.edited |= change == Change::Edit;
        self.emerged |= change == Change::PublishAgain && (self.last_version_at.is_none() || self.all_early_access());
        if change == Change::PublishAgain && self.version_count() < VERSIONS_MAX {
            self.base_at = self.base_at.or(self.last_version_at).or(Some(self.created_at));
            self.added.push(now);
        }
        if matches!(change, Change::Publish | Change::PublishAgain) {
            self.last_version_at = Some(now);
        }
    }

    /// The model's type as the server spells it.
    pub(super) fn kind_name(&self) -> &'static str {
        KINDS.get(usize::from(self.kind)).copied().unwrap_or("Other")
    }
}

/// A model's mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    Normal,
    Archived,
    TakenDown,
}

/// Which trap, if any, removes a model's row from every page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Removed {
    #[default]
    Never,
    Scattered,
    InBlock,
}

/// Where items come from.
enum Source {
    Generated(Generator),
    Recorded(Recording),
}

/// Every model of the server.
pub(super) struct Catalog {
    pub(super) entries: Vec<Entry>,
    /// The time whose server lists them.
    pub(super) era: Era,
    /// How many of them were there when the server started.
    pub(super) first: usize,
    orders: Vec<Vec<u32>>,
    users: HashMap<String, u32>,
    tags: HashMap<String, u32>,
    source: Source,
}

impl Catalog {
    /// Generates the catalog, or reads the recorded one.
    pub(super) fn build(config: &Config) -> Result<Catalog, Error> {
        let (entries, source) = match &config.catalog {
            Some(text) => {
                let (entries, recording) = recorded::read(text)?;
                (entries, Source::Recorded(recording))
            }
            None => {
                let (entries, generator) = seed::catalog(config);
                (entries, Source::Generated(generator))
            }
        };
        let orders = Sort::ALL.map(|sort| ordered(&entries, sort)).to_vec();
        let first = entries.len();
        let mut catalog =
            Catalog { entries, era: config.era, first, orders, users: HashMap::new(), tags: HashMap::new(), source };
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

    /// Lets a change happen to a model; what is published stands at this instant from then on.
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

    /// Lets a night go by and tells what happened in it; none in a recorded catalog, which does not change.
    pub(super) fn pass_night(&mut self, night: &Night) -> Option<Value> {
        let Source::Generated(generator) = &self.source else { return None };
        let (changes, newcomers) = (night.changes(&self.entries), night.newcomers(self.entries.len()));
        for at in newcomers {
            let entry = seed::newcomer(generator, &self.entries, at);
            self.entries.push(entry);
        }
        for (row, change, at) in &changes {
            self.entries[*row].change(*change, *at);
        }
        self.orders = Sort::ALL.map(|sort| ordered(&self.entries, sort)).to_vec();
        Some(night.told(&changes, &self.entries))
    }

    /// What renders the items, unless they are recorded.
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

    /// Appends the model's item as a request with this view gets it.
    pub(super) fn render(&self, position: u32, view: View, json: &mut Writer) {
        json.separate();
        match &self.source {
            Source::Generated(generator) => generator.render(self.entry(position), view, json),
            Source::Recorded(recording) => json.out.push_str(&recording.items[position as usize].json),
        }
    }
}

/// A user name as the server compares it: first space to `_`, anything but letters, digits and `_` removed, lower case.
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
