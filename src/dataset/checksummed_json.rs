//! JSON files that are closed by a checksum: the last member is the BLAKE3 hash of everything before it. Pure.

use serde::Serialize;
use serde::de::DeserializeOwned;

const CHECKSUM: &str = ",\"checksum\":\"";

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

/// Reads a file's content.
///
/// # Errors
/// If it is not, byte for byte, what [`encode`] wrote, or not a `T`. The text says what is wrong.
pub(super) fn decode<T: DeserializeOwned>(content: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(content).map_err(|_| String::from("it is no text"))?;
    let (body, tail) = text.rsplit_once(CHECKSUM).ok_or("it is cut short")?;
    if tail != format!("{}\"}}\n", blake3::hash(body.as_bytes())) {
        return Err(String::from("its checksum does not match"));
    }
    serde_json::from_str(&format!("{body}}}")).map_err(|error| error.to_string())
}
