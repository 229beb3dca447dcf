//! Renders the files of a generated version, with their scan results, metadata and hashes.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::json::Writer;
use super::view::{Item, Oddity};
use crate::sandbox::catalog::random::{Random, Stream};
use crate::sandbox::catalog::words::FILE_KINDS;
use crate::sandbox::catalog::{dates, file_bytes};
use crate::sandbox::traps::Trap;

/// Number of VAE files that many versions link to, so that one file id occurs under several versions.
const SHARED_FILES: u32 = 5;

/// The endpoint whose answer the file is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The list, or one model.
    Item,
    /// The endpoint of one version: `primary` always there, `scannedAt` without a zone, less metadata.
    Lookup,
}

/// Appends the elements of a version's `files`.
pub(crate) fn render(item: &Item<'_>, version: u32, shape: Shape, json: &mut Writer) {
    let mut random = Random::new(item.generator.seed, Stream::File, u64::from(version) << 4);
    let own = if random.chance(250) { 2 } else { 1 };
    for position in 0..own {
        let id = version * 8 + position;
        let kind = if position == 0 { "Model" } else { random.pick(FILE_KINDS) };
        let kind = if item.oddity.odd && position > 0 { "Hologram" } else { kind };
        let kind = item.entry.new_words().map_or(kind, |new| new[2]);
        file(item, version, File { id, kind, primary: position == 0, shape }, json);
    }
    if item.entry.kind == 0 && random.chance(80) {
        let id = 1 + random.below(SHARED_FILES);
        file(item, version, File { id, kind: "VAE", primary: false, shape }, json);
    }
}

#[derive(Clone, Copy)]
struct File<'a> {
    id: u32,
    kind: &'a str,
    primary: bool,
    shape: Shape,
}

fn file(item: &Item<'_>, version: u32, file: File<'_>, json: &mut Writer) {
    let seed = item.generator.seed;
    let mut random = Random::new(seed, Stream::File, (u64::from(file.id) << 4) | 1);
    let format = random.pick(&["SafeTensor", "SafeTensor", "SafeTensor", "PickleTensor", "GGUF", "Other"]);
    json.open('{');
    json.int("id", file.id);
    json.key("sizeKB");
    let (eighths, kilobytes) = (random.below(8), 40 + random.skewed(22));
    // The size of a file with content is true.
    let size = file_bytes::size(seed, file.id);
    let (kilobytes, eighths) = size.map_or((kilobytes, eighths), |bytes| (bytes / 1024, bytes % 1024 / 128));
    let _ = write!(json.out, "{kilobytes}.{:03}", eighths * 125);
    json.text("name", &format!("file_{}_{}.safetensors", version, random.below(1000)));
    match file.id % 7 {
        0 => json.text("overrideName", &format!("renamed {}.safetensors", file.id)),
        _ => json.raw("overrideName", "null"),
    }
    json.text("type", file.kind);
    scans(&mut random, item, file.shape, json);
    let (size, fp) = (random.pick(&["full", "pruned"]), random.pick(&["fp16", "fp32", "bf16", "fp8"]));
    metadata(&mut random, (format, size, fp), file, &item.oddity, json);
    hashes(&mut random, sha256(seed, file.id).as_deref(), json);
    let base = format!("https://civitai.com/api/download/models/{version}");
    if file.primary {
        json.text("downloadUrl", &base);
    } else {
        let kind = file.kind.replace(' ', "%20");
        json.text("downloadUrl", &format!("{base}?type={kind}&format={format}&size={size}&fp={fp}"));
    }
    if file.primary || file.shape == Shape::Lookup {
        json.flag("primary", file.primary);
    }
    if item.oddity.odd {
        json.raw("futureFileField", "{}");
    }
    json.close('}');
}

fn scans(random: &mut Random, item: &Item<'_>, shape: Shape, json: &mut Writer) {
    let pickle = if random.chance(970) { "Success" } else { "Danger" };
    json.text("pickleScanResult", if item.oddity.odd { "Quarantined" } else { pickle });
    json.text("pickleScanMessage", "No Pickle imports");
    let unscanned = random.chance(15);
    json.text("virusScanResult", if unscanned { "Pending" } else { "Success" });
    if !item.oddity.missing {
        json.raw("virusScanMessage", "null");
    }
    if unscanned {
        json.raw("scannedAt", "null");
    } else {
        let scanned = dates::iso(item.entry.created_at + i64::from(random.below(86_400_000)));
        let zoned = shape == Shape::Item || item.generator.traps.has(Trap::ZonedScans);
        json.text("scannedAt", if zoned { &scanned } else { scanned.trim_end_matches('Z') });
    }
}

fn metadata(
    random: &mut Random,
    (format, size, fp): (&str, &str, &str),
    file: File<'_>,
    oddity: &Oddity,
    json: &mut Writer,
) {
    json.open_at("metadata", '{');
    json.text("format", format);
    if random.chance(600) {
        json.text("size", size);
        json.text("fp", fp);
    } else if !oddity.missing {
        json.raw("size", "null");
        json.raw("fp", "null");
    }
    if format == "GGUF" && file.shape == Shape::Item {
        json.text("quantType", "Q8_0");
    }
    if file.shape == Shape::Item {
        json.raw("isRequired", if file.kind == "VAE" { "true" } else { "null" });
    }
    json.close('}');
}

/// The SHA256 of a file with content.
fn sha256(seed: u64, file: u32) -> Option<String> {
    let digest = Sha256::digest(file_bytes::content(seed, file)?);
    Some(digest.iter().map(|byte| format!("{byte:02X}")).collect())
}

/// Appends any subset of the six hashes, mostly all of them. A true SHA256 is always in it, and its beginning as AutoV2.
pub(super) fn hashes(random: &mut Random, sha256: Option<&str>, json: &mut Writer) {
    json.open_at("hashes", '{');
    for (algorithm, digits) in
        [("AutoV1", 8), ("AutoV2", 10), ("SHA256", 64), ("CRC32", 8), ("BLAKE3", 64), ("AutoV3", 64)]
    {
        let hash = hex(random, digits);
        let drawn = random.chance(900);
        match (algorithm, sha256) {
            ("SHA256", Some(sha256)) => json.text(algorithm, sha256),
            ("AutoV2", Some(sha256)) => json.text(algorithm, &sha256[..10]),
            _ if drawn => json.text(algorithm, &hash),
            _ => {}
        }
    }
    json.close('}');
}

/// Draws upper-case hexadecimal digits.
pub(super) fn hex(random: &mut Random, digits: usize) -> String {
    let mut text = String::with_capacity(digits.next_multiple_of(16));
    while text.len() < digits {
        let _ = write!(text, "{:016X}", random.next());
    }
    text.truncate(digits);
    text
}
