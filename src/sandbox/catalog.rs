//! The catalog: a compact index of its models, every sort order, and the source their items are rendered from.

use std::collections::HashMap;

use super::enums::KINDS;
use super::generate::Generator;
use super::item::View;
use super::json::Writer;
use super::recorded::Recording;
use super::{Config, Error, generate, recorded};

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
    pub(super) versions: u8,
    /// Bit k is set when version k is not Public.
    pub(super) early_access: u16,
}

impl Entry {
    /// True when every version needs more than public access.
    pub(super) fn all_early_access(&self) -> bool {
        self.versions > 0 && self.early_access.count_ones() == u32::from(self.versions)
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

/// The eight sort words of the models list, as seven orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    HighestRated,
    MostDownloaded,
    MostDiscussed,
    MostCollected,
    MostImages,
    Newest,
    Oldest,
}

impl Sort {
    pub(super) const WORDS: &[(&str, Sort)] = &[
        ("Highest Rated", Sort::HighestRated),
        ("Most Downloaded", Sort::MostDownloaded),
        ("Most Liked", Sort::HighestRated),
        ("Most Discussed", Sort::MostDiscussed),
        ("Most Collected", Sort::MostCollected),
        ("Most Images", Sort::MostImages),
        ("Newest", Sort::Newest),
        ("Oldest", Sort::Oldest),
    ];
    const ALL: [Sort; 7] = [
        Sort::HighestRated,
        Sort::MostDownloaded,
        Sort::MostDiscussed,
        Sort::MostCollected,
        Sort::MostImages,
        Sort::Newest,
        Sort::Oldest,
    ];

    /// True for the sorts whose cursor is a date.
    pub(super) fn by_date(self) -> bool {
        matches!(self, Sort::Newest | Sort::Oldest)
    }

    /// The two counters a metric sort orders by, descending.
    pub(super) fn counters(self, entry: &Entry) -> (i64, i64) {
        let (first, second) = match self {
            Sort::HighestRated => (entry.thumbs_up, entry.downloads),
            Sort::MostDownloaded => (entry.downloads, entry.thumbs_up),
            Sort::MostDiscussed => (entry.comments, entry.thumbs_up),
            Sort::MostCollected => (entry.collected, entry.thumbs_up),
            Sort::MostImages | Sort::Newest | Sort::Oldest => (entry.images, entry.thumbs_up),
        };
        (i64::from(first), i64::from(second))
    }
}

/// Where items come from.
enum Source {
    Generated(Generator),
    Recorded(Recording),
}

/// Every model of the server.
pub(super) struct Catalog {
    pub(super) entries: Vec<Entry>,
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
                let (entries, generator) = generate::catalog(config);
                (entries, Source::Generated(generator))
            }
        };
        let orders = Sort::ALL.map(|sort| ordered(&entries, sort)).to_vec();
        let mut catalog = Catalog { entries, orders, users: HashMap::new(), tags: HashMap::new(), source };
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

    /// The position of a model id.
    pub(super) fn find(&self, id: u32) -> Option<u32> {
        let position = self.entries.binary_search_by_key(&id, |entry| entry.id).ok()?;
        u32::try_from(position).ok()
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

fn ordered(entries: &[Entry], sort: Sort) -> Vec<u32> {
    let mut order: Vec<u32> = (0u32..).take(entries.len()).collect();
    let entry = |position: &u32| &entries[*position as usize];
    match sort {
        Sort::Newest => order.sort_by_key(|p| {
            let entry = entry(p);
            (entry.last_version_at.is_none(), entry.last_version_at.map(|ms| -ms), -i64::from(entry.id))
        }),
        Sort::Oldest => order.sort_by_key(|p| {
            let entry = entry(p);
            (entry.last_version_at.is_none(), entry.last_version_at, entry.id)
        }),
        _ => order.sort_by_key(|p| {
            let (first, second) = sort.counters(entry(p));
            (-first, -second, entry(p).id)
        }),
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_slugified_as_the_server_does() {
        assert_eq!(slug("Some One Else!"), "some_oneelse");
        assert_eq!(slug("A-b_C9"), "ab_c9");
    }

    #[test]
    fn orders_put_the_undated_last() {
        let entry = |id, at| Entry { id, last_version_at: at, ..Entry::default() };
        let entries = [entry(1, Some(5)), entry(2, None), entry(3, Some(9)), entry(4, Some(5))];
        assert_eq!(ordered(&entries, Sort::Newest), [2, 3, 0, 1]);
        assert_eq!(ordered(&entries, Sort::Oldest), [0, 3, 2, 1]);
    }
}
