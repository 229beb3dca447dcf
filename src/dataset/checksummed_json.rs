//! JSON files that are closed by a checksum: the last member is the BLAKE3 hash of everything before it. Pure.
//!
//! That, and the fields `format` and `version`, are the same in every format, so that a newer file is known from a damaged one.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::origin::{Newer, Origin};

const CHECKSUM: &str = ",\"checksum\":\"";

/// A reason why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is not what was written, for this reason.
    Damaged(String),
    /// A newer version wrote it.
    Newer(Newer),
}

/// Returns the file's content: one JSON object, closed by its checksum.
///
/// # Errors
/// If the value has no JSON form.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string(value)?;
    text.pop();
    let checksum = blake3::hash(text.as_bytes());
    Ok(format!("{text}{CHECKSUM}{checksum}\"}}\n"))
}

/// Reads a file's content, which is in this format; `is_known` finds values that this version does not know.
///
/// # Errors
/// If it is not, byte for byte, what [`encode`] wrote, or not a `T`.
pub(super) fn decode<T: DeserializeOwned>(
    content: &[u8],
    format: u32,
    is_known: impl FnOnce(&T) -> bool,
) -> Result<T, Fault> {
    let damaged = |reason: &str| Fault::Damaged(reason.to_owned());
    let text = std::str::from_utf8(content).map_err(|_| damaged("it is no text"))?;
    let (body, tail) = text.rsplit_once(CHECKSUM).ok_or_else(|| damaged("it is cut short"))?;
    if tail != format!("{}\"}}\n", blake3::hash(body.as_bytes())) {
        return Err(damaged("its checksum does not match"));
    }
    let body = format!("{body}}}");
    let wrong = |error: serde_json::Error| Fault::Damaged(error.to_string());
    let origin: Origin = serde_json::from_str(&body).map_err(wrong)?;
    if let Some(newer) = origin.in_newer_format(format) {
        return Err(Fault::Newer(newer));
    }
    let unknown = |fault: Fault| origin.of_newer_version(format).map_or(fault, Fault::Newer);
    let value = serde_json::from_str(&body).map_err(wrong).map_err(unknown)?;
    if is_known(&value) { Ok(value) } else { Err(unknown(damaged("it names a table that this version does not know"))) }
}
