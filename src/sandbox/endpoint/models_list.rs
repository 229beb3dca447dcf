//! The models that a query lists, their pages and cursors: the rules of visibility and of paging.

use super::cursor::{self, Position};
use super::models_query::ModelsQuery;
use crate::sandbox::catalog::Catalog;
use crate::sandbox::catalog::entry::{Entry, Mode};
use crate::sandbox::render::view::View;
use crate::sandbox::traps::{Trap, Traps};

/// One page: the positions of its models, and the cursor of the next page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ModelsPage {
    pub(crate) rows: Vec<u32>,
    pub(crate) next: Option<String>,
}

/// The list of one query, names already looked up.
pub(crate) struct ModelsList<'a> {
    catalog: &'a Catalog,
    query: &'a ModelsQuery,
    user: Option<u32>,
    tag: Option<u32>,
    oldest: Option<i64>,
    text: Option<String>,
}

impl<'a> ModelsList<'a> {
    /// Returns `None` when the query names an unknown user; an unknown tag filters nothing.
    pub(crate) fn new(catalog: &'a Catalog, query: &'a ModelsQuery) -> Option<ModelsList<'a>> {
        let nobody = catalog.traps.has(Trap::UnknownUsersEmpty).then_some(u32::MAX);
        let user = match &query.username {
            Some(name) => Some(catalog.user(name).or(nobody)?),
            None => None,
        };
        let nothing = catalog.traps.has(Trap::TagFilters).then_some(u32::MAX);
        let tag = query.tag.as_ref().and_then(|name| catalog.tag(name).or(nothing));
        // A period ends at the newest date of the catalog, not today: the same query must give the same rows every day.
        let newest = || catalog.entries.iter().filter_map(|entry| entry.last_version_at).max();
        let oldest = query.period_days.and_then(|days| Some(newest()? - days * 86_400_000));
        let text = query.text.as_ref().map(|text| text.to_lowercase());
        Some(ModelsList { catalog, query, user, tag, oldest, text })
    }

    /// The parts of a model that this query shows.
    pub(crate) fn view(&self, row: u32) -> View {
        let (all_versions, among) = (self.all_versions(), self.among(self.catalog.entry(row)));
        View { nsfw: self.query.nsfw, all_versions, among, detail: false }
    }

    /// True when versions that are not Public are shown.
    fn all_versions(&self) -> bool {
        let exempt = self.query.ids.is_some() || self.query.username.is_some();
        exempt || !self.catalog.traps.has(Trap::HiddenEarlyAccess)
    }

    /// Returns the versions that `baseModels` and `modelVersionIds` leave of a generated model, as bits.
    fn among(&self, entry: &Entry) -> u16 {
        let (bases, ids) = (&self.query.bases, &self.query.version_ids);
        if self.query.ids.is_some() && self.catalog.traps.has(Trap::IdsNewestVersion) {
            return entry.listed_versions().next().map_or(0, |newest| 1 << newest);
        }
        let Some(generator) = self.catalog.generator().filter(|_| !bases.is_empty() || ids.is_some()) else {
            return u16::MAX;
        };
        let passes = |position: u8| {
            let base = generator.base_model(entry, position);
            (bases.is_empty() || bases.iter().any(|name| name == base))
                && ids.as_ref().is_none_or(|ids| ids.contains(&entry.version_id(position)))
        };
        (0..entry.version_count()).filter(|position| passes(*position)).fold(0, |bits, position| bits | 1 << position)
    }

    /// Returns the page that the query asks for; the error is the server's message about the cursor.
    ///
    /// One row more than the limit is taken, and becomes the cursor. Rows with nothing to show are removed after that, so
    /// a page may be short or empty and still have a cursor.
    pub(crate) fn page(&self) -> Result<ModelsPage, String> {
        if self.by_offset() {
            return self.offset_page();
        }
        let sort = self.query.sort;
        let limit = self.query.limit as usize;
        let numbered = self.query.cursor.is_none() && self.catalog.traps.has(Trap::PagesServed);
        let pages = self.query.page.filter(|_| numbered).map_or(0, |page| page as usize - 1);
        let rows = self.rows_from_cursor()?.filter(|row| self.matches(*row)).skip(pages.saturating_mul(limit));
        let mut taken: Vec<u32> = rows.take(limit + 1).collect();
        let next = (limit > 0 && taken.len() > limit).then(|| taken.pop()).flatten();
        let next = next.map(|row| cursor::print(sort, self.catalog.entry(row), self.catalog.traps));
        taken.retain(|row| self.shows(self.catalog.entry(*row)));
        Ok(ModelsPage { rows: taken, next })
    }

    /// Every model that a perfect client of this query gets to see, in the order of ids.
    pub(crate) fn everything(&self) -> Result<Vec<u32>, String> {
        let mut rows = self.hits()?;
        rows.retain(|row| self.shows(self.catalog.entry(*row)));
        rows.sort_unstable();
        Ok(rows)
    }

    /// Every model on the pages of this query, in their order, those included whose rows a trap removes.
    pub(crate) fn hits(&self) -> Result<Vec<u32>, String> {
        let by_date = self.query.sort.by_date() && self.text.is_none();
        // No date cursor reaches an undated model; only a first page long enough shows it.
        let reach = if self.query.limit == 0 { 1 } else { self.query.limit as usize };
        let rows = self.rows_from_cursor()?.filter(|row| self.matches(*row)).enumerate();
        let dated = |row: u32| !by_date || self.catalog.entry(row).last_version_at.is_some();
        Ok(rows.filter(|(place, row)| dated(*row) || *place < reach).map(|(_, row)| row).collect())
    }

    /// True when the cursor is an offset into the hits, as in the text search.
    fn by_offset(&self) -> bool {
        self.text.is_some() || (!self.query.sort.by_date() && self.catalog.traps.has(Trap::OffsetCursors))
    }

    /// Returns all rows of the sort from the cursor on; a date cursor leaves out the undated tail.
    fn rows_from_cursor(&self) -> Result<impl Iterator<Item = u32> + '_, String> {
        let sort = self.query.sort;
        let order = self.catalog.order(sort);
        let rows = match self.query.cursor.as_ref().filter(|_| !self.by_offset()) {
            None => order,
            Some(text) => {
                let position = cursor::parse(sort, text, self.catalog.traps, self.catalog.era)?;
                if self.catalog.traps.has(Trap::ForgedCursorsRefused) && !self.names_a_row(text) {
                    return Err(format!("Invalid cursor: \"{text}\" names no row"));
                }
                let dated = |row: &u32| !sort.by_date() || self.catalog.entry(*row).last_version_at.is_some();
                let order = &order[..order.partition_point(dated)];
                let boundary = cursor::Boundary::of(sort, self.catalog.era, self.catalog.traps);
                let before = |row: &u32| !cursor::follows(sort, position, self.catalog.entry(*row), boundary);
                &order[order.partition_point(before)..]
            }
        };
        Ok(rows.iter().copied())
    }

    /// True for the cursor of some row, and for its repaired forms with all digits of the fraction or with the next id.
    fn names_a_row(&self, text: &str) -> bool {
        let sort = self.query.sort;
        let Ok(position) = cursor::parse(sort, text, Traps::none(), self.catalog.era) else {
            return false;
        };
        let (Position::Counters(.., id) | Position::Date(_, id)) = position;
        let row = |id: i64| u32::try_from(id).ok().and_then(|id| self.catalog.find(id));
        [id, id - 1].into_iter().filter_map(row).any(|row| {
            let entry = self.catalog.entry(row);
            match position {
                Position::Counters(first, second, _) => sort.counters(entry) == (first, second),
                Position::Date(instant, _) => entry.last_version_at == Some(instant),
            }
        })
    }

    /// Returns a page whose cursor is an offset into the hits.
    fn offset_page(&self) -> Result<ModelsPage, String> {
        let text = self.query.cursor.as_deref().unwrap_or("0");
        let offset: usize =
            text.parse().map_err(|_| format!("Invalid cursor: unparseable numeric value \"{text}\""))?;
        let limit = self.query.limit.max(1) as usize;
        let hits: Vec<u32> =
            self.rows_from_cursor()?.filter(|row| self.matches(*row)).skip(offset).take(limit + 1).collect();
        let next = (hits.len() > limit && self.query.limit > 0).then(|| (offset + limit).to_string());
        let shown = hits.into_iter().take(limit).filter(|row| self.shows(self.catalog.entry(*row)));
        Ok(ModelsPage { rows: shown.collect(), next })
    }

    /// The filters of the database query.
    fn matches(&self, row: u32) -> bool {
        let (entry, query) = (self.catalog.entry(row), self.query);
        let mature = query.nsfw || self.catalog.traps.has(Trap::MatureByDefault);
        let hidden_minor = query.nsfw && entry.minor && self.catalog.traps.has(Trap::HiddenMinors);
        !entry.hidden
            && !entry.person
            && self.among(entry) != 0
            && in_region(entry, self.catalog.traps)
            && (query.archived || entry.mode != Mode::Archived)
            && (if mature { entry.level != 0 } else { entry.level & 1 != 0 })
            && !hidden_minor
            && (query.kinds.is_empty() || query.kinds.contains(&entry.kind))
            && (!query.early_access || entry.early_access != 0)
            && (!query.supports_generation || entry.supports_generation)
            && self.oldest.is_none_or(|oldest| entry.last_version_at.is_some_and(|at| at >= oldest))
            && query.ids.as_ref().is_none_or(|ids| ids.contains(&entry.id))
            && self.user.is_none_or(|user| entry.user == user)
            && self.tag.is_none_or(|tag| self.catalog.has_tag(row, tag))
            && self.text.as_ref().is_none_or(|text| self.catalog.name(row).to_lowercase().contains(text))
    }

    /// False for rows that are removed after the limit was applied.
    fn shows(&self, entry: &Entry) -> bool {
        !entry.removed.under(self.catalog.traps) && (self.all_versions() || !entry.all_early_access())
    }
}

/// False for models that a restricted region never gets to see.
fn in_region(entry: &Entry, traps: Traps) -> bool {
    entry.level & 3 != 0 || !traps.has(Trap::RegionClamp)
}

/// Returns the positions of the models that some list query could show.
pub(crate) fn reachable(catalog: &Catalog) -> Vec<u32> {
    let traps = catalog.traps;
    let shown = |entry: &Entry| {
        let lost_minor = entry.minor && entry.level & 1 == 0 && traps.has(Trap::HiddenMinors);
        !entry.removed.under(traps)
            && !lost_minor
            && entry.level != 0
            && !entry.hidden
            && !entry.person
            && in_region(entry, traps)
    };
    (0u32..).zip(&catalog.entries).filter(|(_, entry)| shown(entry)).map(|(row, _)| row).collect()
}
