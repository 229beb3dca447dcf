//! The catalog in figures, counted from a snapshot's tables without things that are gone.

use arrow::array::RecordBatch;
use std::collections::{BTreeMap, HashMap};

use super::tally::Tally;
use crate::dataset::Error;
use crate::dataset::columns::Columns;
use crate::dataset::snapshot_reader::SnapshotReader;
use crate::table::{
    creators, image_meta, images, model_tags, model_versions, models, tags, version_files, version_images,
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
    /// Models by type, and by the highest level each shows.
    pub(super) types: Tally,
    pub(super) levels_of_types: HashMap<String, [u64; LEVELS.len()]>,
    pub(super) levels: [u64; LEVELS.len()],
    pub(super) licences: Licences,
    /// Downloads and models by creator.
    pub(super) creator_downloads: Tally,
    pub(super) creator_models: Tally,
    pub(super) model_tags: Tally,
    /// Versions by base model, and by the month they were published in.
    pub(super) base_models: Tally,
    pub(super) months: BTreeMap<String, Tally>,
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
        let mut catalog = Self::default();
        let columns = [
            "type",
            "nsfw_levels",
            "download_count",
            "creator_username",
            "allow_commercial_use",
            "allow_no_credit",
            "allow_derivatives",
            "allow_different_license",
        ];
        snapshot.scan(&models::TABLE, &columns, &mut |rows| catalog.count_models(rows))?;
        snapshot.scan(&model_tags::TABLE, &["tag"], &mut |rows| {
            rows.texts("tag").iter().for_each(|tag| catalog.model_tags.add(tag, 1));
        })?;
        snapshot
            .scan(&model_versions::TABLE, &["base_model", "published_at"], &mut |rows| catalog.count_versions(rows))?;
        let columns = ["size_kb", "format", "pickle_scan_result", "virus_scan_result"];
        snapshot.scan(&version_files::TABLE, &columns, &mut |rows| catalog.files.count_files(rows))?;
        snapshot.scan(&version_images::TABLE, &["has_meta"], &mut |rows| {
            catalog.showcase.0 += rows.num_rows() as u64;
            catalog.showcase.1 += yes(rows, "has_meta");
        })?;
        snapshot.scan(&images::TABLE, &["type"], &mut |rows| {
            catalog.images.0 += rows.num_rows() as u64;
            rows.texts("type").iter().for_each(|kind| catalog.image_types.add(kind, 1));
        })?;
        catalog.images.1 = snapshot.count(&image_meta::TABLE)?;
        catalog.creators = snapshot.count(&creators::TABLE)?;
        catalog.tags = snapshot.count(&tags::TABLE)?;
        Ok(catalog)
    }

    fn count_models(&mut self, rows: &RecordBatch) {
        let (types, levels) = (rows.texts("type"), rows.numbers("nsfw_levels"));
        for (kind, mask) in types.iter().zip(levels.iter()) {
            let level = mask.and_then(|mask| u64::try_from(mask).ok()?.checked_ilog2());
            let level = level.map_or(LEVELS.len() - 1, |bit| (bit as usize).min(LEVELS.len() - 2));
            self.types.add(kind, 1);
            self.levels[level] += 1;
            self.levels_of_types.entry(kind.unwrap_or_default().to_owned()).or_default()[level] += 1;
        }
        let (creators, downloads) = (rows.texts("creator_username"), rows.numbers("download_count"));
        for (creator, downloads) in creators.iter().zip(downloads.iter()) {
            let downloads = downloads.and_then(|downloads| u64::try_from(downloads).ok()).unwrap_or_default();
            self.downloads = self.downloads.saturating_add(downloads);
            self.creator_downloads.add(creator, downloads);
            self.creator_models.add(creator, 1);
        }
        rows.each_listed_text("allow_commercial_use", |word| self.licences.commercial.add(Some(word), 1));
        self.licences.no_credit += yes(rows, "allow_no_credit");
        self.licences.derivatives += yes(rows, "allow_derivatives");
        self.licences.other_terms += yes(rows, "allow_different_license");
        self.models += rows.num_rows() as u64;
    }

    fn count_versions(&mut self, rows: &RecordBatch) {
        let (base_models, instants) = (rows.texts("base_model"), rows.instants("published_at"));
        for (base_model, published) in base_models.iter().zip(instants.iter()) {
            self.base_models.add(base_model, 1);
            if let Some(published) = published.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()) {
                self.months.entry(published.strftime("%Y-%m").to_string()).or_default().add(base_model, 1);
            }
        }
        self.versions += rows.num_rows() as u64;
    }
}

impl Files {
    fn count_files(&mut self, rows: &RecordBatch) {
        self.count += rows.num_rows() as u64;
        self.bytes += rows.decimals("size_kb").iter().flatten().sum::<f64>() * 1024.0;
        let tallies = [
            ("format", &mut self.formats),
            ("pickle_scan_result", &mut self.pickle_scans),
            ("virus_scan_result", &mut self.virus_scans),
        ];
        for (column, tally) in tallies {
            rows.texts(column).iter().for_each(|word| tally.add(word, 1));
        }
    }
}

/// Returns the number of rows that are true in a column.
fn yes(rows: &RecordBatch, column: &str) -> u64 {
    rows.flags(column).iter().filter(|value| *value == Some(true)).count() as u64
}
