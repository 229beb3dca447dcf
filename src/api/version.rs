//! A version in every form the server has sent, inside its model, by id or by hash, and its rows in `model_versions`,
//! `version_files`, `file_hashes` and `version_images`.

use std::borrow::Cow;

use serde::de::MapAccess;

use super::allowance::charge_part;
use super::extra::{Extra, json_text};
use super::item::{Item, PageRows};
use super::object::object;
use super::page::{Query, Taken};
use super::rejection::Reason;
use super::twins::{Key, Keyed, keyed};
use super::value::{Accept, Instant, Objects, Slot, Text, TextList, Word, text};
use crate::table::{file_hashes, model_versions, version_files, version_images};

object! {
    /// `stats` of a version.
    VersionStats {
        download_count: i64 = "downloadCount",
        thumbs_up_count: i64 = "thumbsUpCount",
        thumbs_down_count: i64 = "thumbsDownCount",
        rating_count: i64 = "ratingCount",
        rating: f64 = "rating",
    }
}

object! {
    /// An element of `modelVersions`, or the answer to a look-up.
    Version {
        id: i64 = "id",
        model_id: i64 = "modelId",
        name: Text<'a> = "name",
        description: Text<'a> = "description",
        base_model: Text<'a> = "baseModel",
        base_model_type: Text<'a> = "baseModelType",
        status: Text<'a> = "status",
        availability: Text<'a> = "availability",
        index: i64 = "index",
        nsfw_levels: i64 = "nsfwLevel",
        created_at: Instant = "createdAt",
        updated_at: Instant = "updatedAt",
        published_at: Instant = "publishedAt",
        trained_words: TextList<'a> = "trainedWords",
        download_url: Text<'a> = "downloadUrl",
        stats: VersionStats<'a> = "stats",
        supports_generation: bool = "supportsGeneration",
        covered: bool = "covered",
        early_access_deadline: Instant = "earlyAccessDeadline",
        early_access_ends_at: Instant = "earlyAccessEndsAt",
        early_access_days: i64 = "earlyAccessTimeFrame",
        paid_access: PaidAccess<'a> = "paidAccess",
        licensing_fee: f64 = "licensingFee",
        air: Text<'a> = "air",
        usage_control: Text<'a> = "usageControl",
        upload_type: Text<'a> = "uploadType",
        vae_id: i64 = "vaeId",
        flags: i64 = "flags",
        training_status: Text<'a> = "trainingStatus",
        files: Objects<File<'a>> = "files",
        images: Objects<Image<'a>> = "images",
    } exactly {
        early_access_config = "earlyAccessConfig",
        training_details = "trainingDetails",
        model = "model",
    }
}

object! {
    /// `paidAccess` of a version.
    PaidAccess {
        permanent: bool = "permanent",
        ends_at: Instant = "endsAt",
    }
}

object! {
    /// An element of a version's `files`.
    File {
        id: i64 = "id",
        name: Text<'a> = "name",
        override_name: Text<'a> = "overrideName",
        kind: Text<'a> = "type",
        primary: bool = "primary",
        size_kb: f64 = "sizeKB" | "sizeKb",
        metadata: FileMetadata<'a> = "metadata",
        pickle_scan_result: Text<'a> = "pickleScanResult",
        pickle_scan_message: Text<'a> = "pickleScanMessage",
        virus_scan_result: Text<'a> = "virusScanResult",
        virus_scan_message: Text<'a> = "virusScanMessage",
        scanned_at: Instant = "scannedAt",
        hashes: Hashes<'a> = "hashes",
        download_url: Text<'a> = "downloadUrl",
    }
}

object! {
    /// `metadata` of a file.
    FileMetadata {
        format: Text<'a> = "format",
        size: Text<'a> = "size",
        fp: Text<'a> = "fp",
        quant_type: Text<'a> = "quantType",
        is_required: bool = "isRequired",
    }
}

object! {
    /// An element of a version's `images`.
    Image {
        id: i64 = "id",
        url: Text<'a> = "url",
        kind: Text<'a> = "type",
        nsfw_word: Word<'a> = "nsfw",
        nsfw_level: i64 = "nsfwLevel",
        width: i64 = "width",
        height: i64 = "height",
        hash: Text<'a> = "hash",
        has_meta: bool = "hasMeta",
        has_positive_prompt: bool = "hasPositivePrompt",
        on_site: bool = "onSite",
        remix_of_id: i64 = "remixOfId",
        minor: bool = "minor",
        poi: bool = "poi",
        availability: Text<'a> = "availability",
        flags: i64 = "flags",
    } exactly {
        meta = "meta",
        metadata = "metadata",
    }
}

/// `hashes`: algorithm → hash. Values that are neither text nor null go to `extra`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Hashes<'a> {
    texts: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    extra: Extra,
}

impl Hashes<'_> {
    /// Returns the hash of an algorithm.
    pub(super) fn get(&self, algorithm: &str) -> Option<&str> {
        self.texts.iter().find(|(known, _)| known == algorithm).map(|(_, hash)| &**hash)
    }
}

impl<'de> Accept<'de> for Hashes<'de> {
    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Slot<Self>, A::Error> {
        let mut hashes = Self::default();
        while let Some((Text(algorithm), hash)) = map.next_entry::<Text<'de>, Slot<Text<'de>>>()? {
            match hash {
                Slot::Value(Text(hash)) if charge_part(2 * size_of::<Cow<'_, str>>()) => {
                    hashes.texts.push((algorithm, hash));
                }
                Slot::Value(_) | Slot::Null => {}
                Slot::Odd(text) => hashes.extra.take(algorithm, &text),
            }
        }
        Ok(Slot::Value(hashes))
    }
}

keyed!(Version<'_>, "version", |version| version.id.map(Key::Id));

impl Item for Version<'_> {
    fn stray(&self, query: &Query<'_>) -> Option<Reason> {
        let (id, key) = (self.id?, query.key?);
        (key.parse() != Ok(id)).then(|| Reason::foreign(&format!("it is version {id}, not {key}")))
    }

    /// Appends the rows of a version that was looked up. The embedded `model` is partial, so it goes to the version's column
    /// `model`, not to the table `models`.
    fn push(self, _: &Query<'_>, rows: &mut PageRows<'_>) -> Result<Taken, Reason> {
        let id = check(&self)?;
        let model_id = self.model_id.ok_or_else(|| Reason::missing_key("the version", "modelId"))?;
        push(self, model_id, None, rows);
        Ok(Taken { id: Some(id), ..Taken::default() })
    }
}

keyed!(File<'_>, "file", |file| file.id.map(Key::Id));
keyed!(Image<'_>, "showcase image", |image| image.image_id().map(Key::Id));

impl Image<'_> {
    fn image_id(&self) -> Option<i64> {
        self.id.or_else(|| text(&self.url).and_then(id_in_file_name))
    }
}

keyed!((Cow<'_, str>, Cow<'_, str>), "hash", |pair| Some(Key::Name(&pair.0)));

/// Returns the version's id, after checking that every part has the key of its table.
pub(super) fn check(version: &Version<'_>) -> Result<i64, Reason> {
    let id = version.id.ok_or_else(|| Reason::missing_key("a version", "id"))?;
    let files = version.files.as_ref();
    let images = version.images.as_ref();
    if files.is_some_and(|files| files.strays > 0) || images.is_some_and(|images| images.strays > 0) {
        return Err(Reason::malformed_part("`files` or `images`"));
    }
    if files.is_some_and(|files| files.items.iter().any(|file| file.id.is_none())) {
        return Err(Reason::missing_key("a file", "id"));
    }
    Ok(id)
}

/// Appends the rows of a version that passed [`check`]. `position` is its place in its model's list, if known.
pub(super) fn push(version: Version<'_>, model_id: i64, position: Option<i64>, rows: &mut PageRows<'_>) {
    // `check` saw the id of every version and file.
    let Some(id) = version.id else { return };
    let Version { stats, paid_access, files, images, mut extra, .. } = version;
    let (stats, paid_access) = (stats.unwrap_or_default(), paid_access.unwrap_or_default());
    if let Some(other) = version.model_id.filter(|other| *other != model_id) {
        extra.add("modelId", &other.to_string());
    }
    extra.nest("stats", stats.extra);
    extra.nest("paidAccess", paid_access.extra);
    let generation = [version.supports_generation, version.covered];
    let deadline = [version.early_access_deadline, version.early_access_ends_at];
    let mut files = files.map(|files| files.items).unwrap_or_default();
    let mut images = images.map(|images| images.items).unwrap_or_default();
    rows.sieve.sift(&mut files);
    rows.sieve.sift(&mut images);
    for file in files {
        push_file(file, id, model_id, rows);
    }
    for (position, image) in images.into_iter().enumerate() {
        push_image(image, id, model_id, position as i64, rows);
    }
    rows.tables.model_versions.push(model_versions::Row {
        id,
        model_id,
        position,
        index: version.index,
        name: text(&version.name),
        description: text(&version.description),
        base_model: text(&version.base_model),
        base_model_type: text(&version.base_model_type),
        status: text(&version.status),
        availability: text(&version.availability),
        nsfw_levels: version.nsfw_levels,
        created_at: version.created_at.map(|at| at.0),
        updated_at: version.updated_at.map(|at| at.0),
        published_at: version.published_at.map(|at| at.0),
        trained_words: version.trained_words.as_ref().map(|words| &*words.0),
        download_url: text(&version.download_url),
        download_count: stats.download_count,
        thumbs_up_count: stats.thumbs_up_count,
        thumbs_down_count: stats.thumbs_down_count,
        rating_count: stats.rating_count,
        rating: stats.rating,
        supports_generation: either(generation, "covered", &mut extra),
        early_access_deadline: either(deadline, "earlyAccessEndsAt", &mut extra).map(|at| at.0),
        early_access_days: version.early_access_days,
        early_access_config: version.early_access_config,
        paid_access_permanent: paid_access.permanent,
        paid_access_ends_at: paid_access.ends_at.map(|at| at.0),
        licensing_fee: version.licensing_fee,
        air: text(&version.air),
        usage_control: text(&version.usage_control),
        upload_type: text(&version.upload_type),
        vae_id: version.vae_id,
        flags: version.flags,
        training_status: text(&version.training_status),
        training_details: version.training_details,
        model: version.model,
        extra: extra.into_column_of(&model_versions::TABLE, &mut rows.tables.unknown).as_deref(),
        at: &rows.at,
    });
}

/// Returns the value of a field that has two names. If both are sent and differ, the second goes to `extra`.
fn either<T: PartialEq + serde::Serialize>([one, other]: [Option<T>; 2], key: &str, extra: &mut Extra) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => {
            if one != other {
                extra.add(key, &json_text(&other));
            }
            Some(one)
        }
        (one, other) => one.or(other),
    }
}

fn push_file(file: File<'_>, version_id: i64, model_id: i64, rows: &mut PageRows<'_>) {
    let Some(id) = file.id else { return };
    let File { metadata, hashes, mut extra, .. } = file;
    let metadata = metadata.unwrap_or_default();
    let mut hashes = hashes.unwrap_or_default();
    rows.sieve.sift(&mut hashes.texts);
    for (algorithm, hash) in &hashes.texts {
        rows.tables.file_hashes.push(file_hashes::Row {
            version_id,
            file_id: id,
            algorithm,
            hash: Some(hash),
            at: &rows.at,
        });
    }
    extra.nest("hashes", hashes.extra);
    extra.nest("metadata", metadata.extra);
    rows.tables.version_files.push(version_files::Row {
        version_id,
        id,
        model_id,
        name: text(&file.name),
        override_name: text(&file.override_name),
        r#type: text(&file.kind),
        is_primary: Some(file.primary.unwrap_or(false)),
        is_required: metadata.is_required,
        size_kb: file.size_kb,
        format: text(&metadata.format),
        size: text(&metadata.size),
        fp: text(&metadata.fp),
        quant_type: text(&metadata.quant_type),
        pickle_scan_result: text(&file.pickle_scan_result),
        pickle_scan_message: text(&file.pickle_scan_message),
        virus_scan_result: text(&file.virus_scan_result),
        virus_scan_message: text(&file.virus_scan_message),
        scanned_at: file.scanned_at.map(|at| at.0),
        download_url: text(&file.download_url),
        extra: extra.into_column_of(&version_files::TABLE, &mut rows.tables.unknown).as_deref(),
        at: &rows.at,
    });
}

fn push_image(image: Image<'_>, version_id: i64, model_id: i64, position: i64, rows: &mut PageRows<'_>) {
    rows.tables.version_images.push(version_images::Row {
        version_id,
        position,
        image_id: image.image_id(),
        model_id,
        url: text(&image.url),
        r#type: text(&image.kind),
        nsfw_word: image.nsfw_word.as_ref().map(|word| &*word.0),
        nsfw_level: image.nsfw_level,
        width: image.width,
        height: image.height,
        hash: text(&image.hash),
        has_meta: image.has_meta,
        meta: image.meta,
        has_positive_prompt: image.has_positive_prompt,
        on_site: image.on_site,
        remix_of_id: image.remix_of_id,
        minor: image.minor,
        poi: image.poi,
        availability: text(&image.availability),
        flags: image.flags,
        metadata: image.metadata,
        extra: image.extra.into_column_of(&version_images::TABLE, &mut rows.tables.unknown).as_deref(),
        at: &rows.at,
    });
}

/// Returns the number that names the file of an image link: `…/width=450/358388.jpeg` → 358388.
fn id_in_file_name(url: &str) -> Option<i64> {
    let file = url.rsplit('/').next()?;
    file.split_once('.').map_or(file, |(stem, _)| stem).parse().ok()
}
