//! Renders the files of a generated version, with their scan results, metadata and hashes.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::json::Writer;
use super::model::Oddity;
use crate::sandbox::catalog::Entry;
use crate::sandbox::catalog::dates;
use crate::sandbox::catalog::random::{Random, Stream};
use crate::sandbox::catalog::seed::Generator;
use crate::sandbox::endpoint::enums::FILE_KINDS;
use crate::sandbox::http::file_host;

/// Files of one VAE component that many versions link to, so one file id occurs under several versions.
const SHARED_FILES: u32 = 5;

/// Who asks for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The list, or one model.
    Item,
    /// The endpoint of one version: `primary` always there, `scannedAt` without a zone, less metadata.
    Lookup,
}

/// Appends the elements of a version's `files`.
pub(crate) fn render(
    generator: &Generator,
    entry: &Entry,
    version: u32,
    shape: Shape,
    oddity: &Oddity,
    json: &mut Writer,
) {
    let mut random = Random::new(generator.seed, Stream::File, u64::from(version) << 4);
    let own = if random.chance(250) { 2 } else { 1 };
    for position in 0..own {
        let id = version * 8 + position;
        let kind = if position == 0 { "Model" } else { random.pick(FILE_KINDS) };
        let kind = if oddity.odd && position > 0 { "Hologram" } else { kind };
        file(generator.seed, entry, version, File { id, kind, primary: position == 0, shape }, oddity, json);
    }
    if entry.kind == 0 && random.chance(80) {
        let id = 1 + random.below(SHARED_FILES);
        file(generator.seed, entry, version, File { id, kind: "VAE", primary: false, shape }, oddity, json);
    }
}

#[derive(Clone, Copy)]
struct File<'a> {
    id: u32,
    kind: &'a str,
    primary: bool,
    shape: Shape,
}

fn file(seed: u64, entry: &Entry, version: u32, file: File<'_>, oddity: &Oddity, json: &mut Writer) {
    let mut random = Random::new(seed, Stream::File, (u64::from(file.id) << 4) | 1);
    let format = random.pick(&["SafeTensor", "SafeTensor", "SafeTensor", "PickleTensor", "GGUF", "Other"]);
    json.open('{');
    json.int("id", file.id);
    json.key("sizeKB");
    let (eighths, kilobytes) = (random.below(8), 40 + random.skewed(22));
    // What the storage host keeps is as long as it is said to be.
    let kept = file_host::kept_bytes(seed, file.id);
    let (kilobytes, eighths) = kept.map_or((kilobytes, eighths), |bytes| (bytes / 1024, bytes % 1024 / 128));
    let _ = write!(json.out, "{kilobytes}.{:03}", eighths * 125);
    json.text("name", &format!("file_{}_{}.safetensors", version, random.below(1000)));
    match file.id % 7 {
        0 => json.text("overrideName", &format!("renamed {}.safetensors", file.id)),
        _ => json.raw("overrideName", "null"),
    }
    json.text("type", file.kind);
    scans(&mut random, entry, file.shape, oddity, json);
    let (size, fp) = (random.pick(&["full", "pruned"]), random.pick(&["fp16", "fp32", "bf16", "fp8"]));
    metadata(&mut random, (format, size, fp), file, oddity, json);
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
    if oddity.odd {
        json.raw("futureFileField", "{}");
    }
    json.close('}');
}

fn scans(random: &mut Random, entry: &Entry, shape: Shape, oddity: &Oddity, json: &mut Writer) {
    let pickle = if random.chance(970) { "Success" } else { "Danger" };
    json.text("pickleScanResult", if oddity.odd { "Quarantined" } else { pickle });
    json.text("pickleScanMessage", "No Pickle imports");
    let unscanned = random.chance(15);
    json.text("virusScanResult", if unscanned { "Pending" } else { "Success" });
    if !oddity.missing {
        json.raw("virusScanMessage", "null");
    }
    if unscanned {
        json.raw("scannedAt", "null");
    } else {
        let scanned = dates::iso(entry.created_at + i64::from(random.below(86_400_000)));
        json.text("scannedAt", if shape == Shape::Lookup { scanned.trim_end_matches('Z') } else { &scanned });
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

/// The SHA256 of what the storage host keeps.
fn sha256(seed: u64, file: u32) -> Option<String> {
    let digest = Sha256::digest(file_host::content(seed, file)?);
    Some(digest.iter().map(|byte| format!("{byte:02X}")).collect())
}

/// Any subset of the six algorithms, mostly all of them; a true SHA256 is there always, and in AutoV2 its beginning.
pub(crate) fn hashes(random: &mut Random, sha256: Option<&str>, json: &mut Writer) {
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

/// Upper-case hexadecimal digits.
pub(crate) fn hex(random: &mut Random, digits: usize) -> String {
    let mut text = String::with_capacity(digits.next_multiple_of(16));
    while text.len() < digits {
        let _ = write!(text, "{:016X}", random.next());
    }
    text.truncate(digits);
    text
}
