//! One model in the index: everything known about it without rendering it, and the changes that happen to it.

use super::random::Random;
use super::words::{KINDS, NEW};
use crate::sandbox::traps::{Trap, Traps};

/// The most versions of one model; ids of versions leave room for 16.
const VERSIONS_MAX: u8 = 16;

/// The index entry of a model; times in ms since 1970.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) id: u32,
    pub(crate) created_at: i64,
    pub(crate) last_version_at: Option<i64>,
    pub(crate) thumbs_up: u32,
    pub(crate) thumbs_down: u32,
    pub(crate) downloads: u32,
    pub(crate) comments: u32,
    pub(crate) collected: u32,
    pub(crate) images: u32,
    pub(crate) tips: u32,
    /// Position in [`KINDS`] and behind them in [`NEW`], or past both for a type that is in neither.
    pub(crate) kind: u8,
    pub(crate) level: u8,
    pub(crate) mode: Mode,
    pub(crate) minor: bool,
    pub(crate) supports_generation: bool,
    /// The trap, if any, under which the row is removed after the limit was applied.
    pub(crate) removed: Removed,
    pub(crate) user: u32,
    /// Number of versions at the server's start.
    pub(crate) versions: u8,
    /// Publication times of the later versions.
    pub(crate) added: Vec<i64>,
    /// The model's date before the first later version.
    pub(crate) base_at: Option<i64>,
    /// Bit k is set when version k is not Public.
    pub(crate) early_access: u16,
    /// It shows a real person; set only under the trap that hides these models.
    pub(crate) person: bool,
    /// It is not published, or no longer.
    pub(crate) hidden: bool,
    /// It was published after the server started.
    pub(crate) late: bool,
    /// It existed, but in no list, until it was published again.
    pub(crate) emerged: bool,
    /// It was edited or published again after the server started.
    pub(crate) changed: bool,
    /// It was edited, which changes its name.
    pub(crate) edited: bool,
}

impl Entry {
    /// True when every version needs more than public access.
    pub(crate) fn all_early_access(&self) -> bool {
        self.versions > 0 && self.added.is_empty() && self.early_access.count_ones() == u32::from(self.versions)
    }

    /// True when a version is Public.
    pub(crate) fn is_public(&self, position: u8) -> bool {
        self.early_access & (1 << position) == 0
    }

    /// Number of versions. They are numbered from 0, later ones behind the others.
    pub(crate) fn version_count(&self) -> u8 {
        self.versions + self.added.len() as u8
    }

    /// The numbers of its versions in the order of a list: later versions first, newest of these in front.
    pub(crate) fn listed_versions(&self) -> impl Iterator<Item = u8> {
        (self.versions..self.version_count()).rev().chain(0..self.versions)
    }

    /// The id of a version by its position; ids of different models never collide.
    pub(crate) fn version_id(&self, position: u8) -> u32 {
        self.id * 16 + u32::from(position)
    }

    /// The number in a version's name, counted from 1 in the order of publication.
    pub(crate) fn version_number(&self, position: u8) -> u8 {
        self.versions.checked_sub(position).filter(|number| *number > 0).unwrap_or(position + 1)
    }

    /// The publication time of a version. A later version has its own; of the others the newest has the model's date, and
    /// each next one lies days before it.
    pub(super) fn published_at(&self, position: u8, random: &mut Random) -> i64 {
        let later = position.checked_sub(self.versions).and_then(|later| self.added.get(usize::from(later)));
        if let Some(at) = later {
            return *at;
        }
        let newest = self.base_at.or(self.last_version_at).unwrap_or(self.created_at);
        newest - i64::from(position) * (86_400_000 + i64::from(random.below(20 * 86_400_000)))
    }

    /// Applies a change that happens at an instant.
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
    pub(crate) fn kind_name(&self) -> &'static str {
        let known = KINDS.get(usize::from(self.kind)).copied();
        known.or_else(|| self.new_words().map(|new| new[0])).unwrap_or("Other")
    }

    /// The model type, base model and file type of a model of a type that a night brought.
    pub(crate) fn new_words(&self) -> Option<&'static [&'static str; 3]> {
        NEW.get(usize::from(self.kind).checked_sub(KINDS.len())?)
    }
}

/// A model's mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Normal,
    Archived,
    TakenDown,
}

/// The trap, if any, that removes a row from every page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Removed {
    #[default]
    Never,
    Scattered,
    InBlock,
}

impl Removed {
    /// True when one of these traps removes the row.
    pub(crate) fn under(self, traps: Traps) -> bool {
        match self {
            Removed::Never => false,
            Removed::Scattered => traps.has(Trap::ShortPages),
            Removed::InBlock => traps.has(Trap::EmptyPages),
        }
    }
}

/// A change of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It did not exist before.
    Publish,
    /// It gets a new version and moves to the end of Oldest.
    PublishAgain,
    /// Its name changes, but nothing that lists are sorted by.
    Edit,
    /// It disappears.
    Unpublish,
}
