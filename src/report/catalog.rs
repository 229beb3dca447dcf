//! The catalog in figures, counted from a snapshot's tables without things that are gone.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;

use super::chart::COLOURS;
use super::tally::Tally;
use crate::dataset::Error;
use crate::dataset::columns::Columns;
use crate::dataset::snapshot_reader::SnapshotReader;
use crate::table::{
    Table, creators, image_meta, images, model_tags, model_versions, models, tags, version_files, version_images,
};

/// The levels in the order of their bits, and last those without one.
pub(super) const LEVELS: [&str; 7] = ["PG", "PG13", "R", "X", "XXX", "Blocked", "not reported"];

/// The figures of the catalog.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    pub(super) models: u64,
    pub(super) versions: u64,
    pub(super) creators: u64,
    pub(super) tags: u64,
    pub(super) downloads: u64,
    /// Models by type, and by the highest level each shows; the latter also of each of the most frequent types.
    pub(super) types: Tally,
    pub(super) levels: [u64; LEVELS.len()],
    pub(super) levels_of_types: Vec<[u64; LEVELS.len()]>,
    pub(super) licences: Licences,
    /// Downloads by creator, and the models of the creators with most of them.
    pub(super) creator_downloads: Tally,
    pub(super) creator_models: Vec<u64>,
    pub(super) model_tags: Tally,
    /// Versions by base model, and by the month they were published in: of the most frequent base models and of all others.
    pub(super) base_models: Tally,
    pub(super) months: BTreeMap<String, [u64; COLOURS]>,
    pub(super) files: Files,
    /// Showcase and posted images: all, and those with generation data.
    pub(super) showcase: (u64, u64),
    pub(super) images: (u64, u64),
    pub(super) image_types: Tally,
}

/// The permissions that creators give, in models.
#[derive(Debug, Default)]
pub(super) struct Licences {
    /// Models by permitted commercial use.
    pub(super) commercial: Tally,
    pub(super) no_credit: u64,
    pub(super) derivatives: u64,
    pub(super) other_terms: u64,
}

/// Files, counted once per version that lists them.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) count: u64,
    pub(super) bytes: f64,
    pub(super) formats: Tally,
    pub(super) pickle_scans: Tally,
    pub(super) virus_scans: Tally,
}

impl Catalog {
    /// Counts everything, table after table.
    pub(super) fn gather(snapshot: &SnapshotReader<'_>) -> Result<Self, Error> {
        let names = |table, column| names(snapshot, table, column);
        let mut catalog = Self {
            types: names(&models::TABLE, "type")?,
            creator_downloads: Tally::of(|add| {
                snapshot.scan(&models::TABLE, &["creator_username", "download_count"], &mut |rows| {
                    let creators = rows.texts("creator_username");
                    creators.iter().zip(downloads(rows)).for_each(|(creator, downloads)| add(creator, downloads));
                })
            })?,
            licences: Licences {
                commercial: Tally::of(|add| {
                    snapshot.scan(&models::TABLE, &["allow_commercial_use"], &mut |rows| {
                        rows.each_listed_text("allow_commercial_use", |word| add(Some(word), 1));
                    })
                })?,
                ..Licences::default()
            },
            model_tags: names(&model_tags::TABLE, "tag")?,
            base_models: names(&model_versions::TABLE, "base_model")?,
            files: Files {
                formats: names(&version_files::TABLE, "format")?,
                pickle_scans: names(&version_files::TABLE, "pickle_scan_result")?,
                virus_scans: names(&version_files::TABLE, "virus_scan_result")?,
                ..Files::default()
            },
            image_types: names(&images::TABLE, "type")?,
            creators: snapshot.count(&creators::TABLE)?,
            tags: snapshot.count(&tags::TABLE)?,
            ..Self::default()
        };
        catalog.levels_of_types = vec![Default::default(); catalog.types.names.len()];
        catalog.creator_models = vec![0; catalog.creator_downloads.names.len()];
        let columns = [
            "type",
            "nsfw_levels",
            "download_count",
            "creator_username",
            "allow_no_credit",
            "allow_derivatives",
            "allow_different_license",
        ];
        snapshot.scan(&models::TABLE, &columns, &mut |rows| catalog.count_models(rows))?;
        snapshot
            .scan(&model_versions::TABLE, &["base_model", "published_at"], &mut |rows| catalog.count_versions(rows))?;
        snapshot.scan(&version_files::TABLE, &["size_kb"], &mut |rows| {
            catalog.files.count += rows.num_rows() as u64;
            catalog.files.bytes += rows.decimals("size_kb").iter().flatten().sum::<f64>() * 1024.0;
        })?;
        snapshot.scan(&version_images::TABLE, &["has_meta"], &mut |rows| {
            catalog.showcase.0 += rows.num_rows() as u64;
            catalog.showcase.1 += yes(rows, "has_meta");
        })?;
        catalog.images =
            (catalog.image_types.total() + catalog.image_types.nameless, snapshot.count(&image_meta::TABLE)?);
        Ok(catalog)
    }

    fn count_models(&mut self, rows: &RecordBatch) {
        let (types, levels, creators) =
            (rows.texts("type"), rows.numbers("nsfw_levels"), rows.texts("creator_username"));
        for (row, mask) in levels.iter().enumerate() {
            let level = mask.and_then(|mask| u64::try_from(mask).ok()?.checked_ilog2());
            let level = level.map_or(LEVELS.len() - 1, |bit| (bit as usize).min(LEVELS.len() - 2));
            self.levels[level] += 1;
            if let Some(place) = self.types.place(types.get(row)) {
                self.levels_of_types[place][level] += 1;
            }
            if let Some(place) = self.creator_downloads.place(creators.get(row)) {
                self.creator_models[place] += 1;
            }
        }
        self.downloads = downloads(rows).fold(self.downloads, u64::saturating_add);
        self.licences.no_credit += yes(rows, "allow_no_credit");
        self.licences.derivatives += yes(rows, "allow_derivatives");
        self.licences.other_terms += yes(rows, "allow_different_license");
        self.models += rows.num_rows() as u64;
    }

    fn count_versions(&mut self, rows: &RecordBatch) {
        let (base_models, instants) = (rows.texts("base_model"), rows.instants("published_at"));
        for (base_model, published) in base_models.iter().zip(instants.iter()) {
            if let Some(published) = published.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()) {
                let place = self.base_models.place(base_model).map_or(COLOURS - 1, |place| place.min(COLOURS - 1));
                self.months.entry(published.strftime("%Y-%m").to_string()).or_default()[place] += 1;
            }
        }
        self.versions += rows.num_rows() as u64;
    }
}

/// Returns the rows of a table by the name in a column.
fn names(snapshot: &SnapshotReader<'_>, table: &'static Table, column: &'static str) -> Result<Tally, Error> {
    Tally::of(|add| {
        snapshot.scan(table, &[column], &mut |rows| rows.texts(column).iter().for_each(|name| add(name, 1)))
    })
}

/// Returns the downloads of each model; 0 where they are hidden.
fn downloads(rows: &RecordBatch) -> impl Iterator<Item = u64> {
    let counts = rows.numbers("download_count");
    (0..rows.num_rows()).map(move |row| counts.get(row).and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
}

/// Returns the number of rows that are true in a column.
fn yes(rows: &RecordBatch, column: &str) -> u64 {
    rows.flags(column).iter().filter(|value| *value == Some(true)).count() as u64
}
