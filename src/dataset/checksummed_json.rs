//! JSON files that are closed by a checksum: the last member is the BLAKE3 hash of everything before it. Pure.
//!
//! That, and the fields `format` and `version`, are the same in every format, so that a newer file is known from a damaged one.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, Visitor,
};

use super::origin::{Newer, Origin};

const CHECKSUM: &str = ",\"checksum\":\"";
const END: &str = "\"}\n";

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
    let checksum = blake3::hash(text.as_bytes()).to_hex();
    text.reserve_exact(CHECKSUM.len() + checksum.len() + END.len());
    text.push_str(CHECKSUM);
    text.push_str(&checksum);
    text.push_str(END);
    Ok(text)
}

/// Reads a file's content, which is in this format.
///
/// # Errors
/// If it is not, byte for byte, what [`encode`] wrote, or not a `T`.
pub(super) fn decode<T: DeserializeOwned>(content: &[u8], format: u32) -> Result<T, Fault> {
    let damaged = |reason: &str| Fault::Damaged(reason.to_owned());
    let text = std::str::from_utf8(content).map_err(|_| damaged("it is no text"))?;
    let (body, tail) = text.rsplit_once(CHECKSUM).ok_or_else(|| damaged("it is cut short"))?;
    if tail.strip_suffix(END) != Some(&*blake3::hash(body.as_bytes()).to_hex()) {
        return Err(damaged("its checksum does not match"));
    }
    let wrong = |error: serde_json::Error| Fault::Damaged(error.to_string());
    let origin: Origin = serde_json::from_str(text).map_err(wrong)?;
    if let Some(newer) = origin.in_newer_format(format) {
        return Err(Fault::Newer(newer));
    }
    // A newer version may have written what this one does not know.
    let unknown = |fault: Fault| origin.of_newer_version(format).map_or(fault, Fault::Newer);
    serde_json::from_str(text).map(|Body(value)| value).map_err(wrong).map_err(unknown)
}

/// The value in a file without its checksum, which is not cut off the text because that would copy it: it may be large.
struct Body<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Body<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BodyVisitor(PhantomData))
    }
}

struct BodyVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for BodyVisitor<T> {
    type Value = Body<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Body<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(Members(map))).map(Body)
    }
}

/// The members of a file's object but for the checksum.
struct Members<A>(A);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        match self.0.next_key::<String>()? {
            Some(key) if key == "checksum" => {
                self.0.next_value::<IgnoredAny>()?;
                self.0.next_key_seed(seed)
            }
            Some(key) => seed.deserialize(key.into_deserializer()).map(Some),
            None => Ok(None),
        }
    }
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.0.next_value_seed(seed)
    }
}
