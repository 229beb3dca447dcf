//! The host that keeps the files, apart from the API: where a download's redirect leads. It knows nobody, only signatures.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use serde_json::Value;

use super::answer::Answer;
use super::call::Call;
use crate::sandbox::catalog::random::{Random, Stream};
use crate::sandbox::catalog::{Catalog, Mode};
use crate::sandbox::endpoint::model_versions;
use crate::sandbox::render::version;

/// How long a link is good for, in milliseconds.
const GOOD_FOR: u64 = 60_000;
/// The largest file that is really kept.
const KEPT_BYTES: u32 = 32 << 10;

/// The size of a file, in bytes, where the host really keeps it: the first file of one version in some models.
pub(crate) fn kept_bytes(seed: u64, file: u32) -> Option<u32> {
    let kept = (file / 128).is_multiple_of(5) && file.is_multiple_of(128);
    kept.then(|| 128 * (1 + Random::new(seed, Stream::Content, u64::from(file)).below(KEPT_BYTES / 128)))
}

/// A file's content: as long as it is kept, and the same every time.
pub(crate) fn content(seed: u64, file: u32) -> Option<Vec<u8>> {
    let bytes = kept_bytes(seed, file)? as usize;
    let mut random = Random::new(seed, Stream::Content, u64::from(file));
    let mut content = Vec::with_capacity(bytes + 8);
    while content.len() < bytes {
        content.extend(random.next().to_le_bytes());
    }
    content.truncate(bytes);
    Some(content)
}

/// The host, as the API knows it.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    pub(crate) seed: u64,
    /// `http://127.0.0.1:PORT`.
    pub(crate) origin: String,
}

impl Storage {
    /// Answers `GET /api/download/models/:id`: a redirect to a link that is good for a while, or why there is none.
    pub(crate) fn redirect(&self, catalog: &Catalog, call: &Call, id: &str, now: u64) -> Answer {
        let Some(id) = id.parse::<u32>().ok().filter(|id| *id > 0) else {
            return Answer::error(
                400,
                "\u{2716} Invalid input: expected number, received NaN\n  \u{2192} at modelVersionId",
            );
        };
        let Some(row) = catalog.find(id / 16) else { return Answer::error(404, "File not found") };
        let entry = catalog.entry(row);
        if entry.mode == Mode::Archived {
            return Answer::error(410, "Model archived, not available for download");
        }
        let Some(body) = model_versions::render(catalog, id).ok().and_then(|text| serde_json::from_str(&text).ok())
        else {
            return Answer::error(404, "File not found");
        };
        let body: Value = body;
        let position = version::position(id);
        if entry.early_access & (1 << position) != 0 && !call.authorization {
            let body = "{\"error\":\"Early Access\",\"deadline\":\"2027-01-01T00:00:00.000Z\",\"message\":\"The creator of this asset has set this version to early access\"}";
            return Answer::json(403, body);
        }
        if body["usageControl"] != "Download" {
            return unauthorized("The creator of this asset has disabled downloads on this file");
        }
        if needs_login(self.seed, id) && !call.authorization {
            return unauthorized("The creator of this asset requires you to be logged in to download it");
        }
        let primary = body["files"][0]["id"].as_u64().and_then(|file| u32::try_from(file).ok());
        let Some(file) = primary.filter(|file| kept_bytes(self.seed, *file).is_some()) else {
            return Answer::error(404, "File not found");
        };
        let name = body["files"][0]["name"].as_str().unwrap_or_default();
        // Names are what people typed: some lead out of the folder.
        let name = if entry.id.is_multiple_of(15) { format!("../../{name}") } else { name.to_owned() };
        let (path, expires) = (format!("/model/{id}/{file}"), now + GOOD_FOR);
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("name", &name)
            .append_pair("expires", &expires.to_string())
            .append_pair("signature", &self.signature(&path, &name, expires))
            .finish();
        Answer { location: Some(format!("{}{path}?{query}", self.origin).into()), ..Answer::json(307, "") }
    }

    fn signature(&self, path: &str, name: &str, expires: u64) -> String {
        let mut hasher = DefaultHasher::new();
        (self.seed, path, name, expires).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// What the host itself answers: a file, or the part of it that was asked for.
    pub(crate) fn serve(&self, call: &Call, now: u64) -> Served {
        let value = |key: &str| call.pairs.iter().find(|(known, _)| known == key).map_or("", |(_, value)| value);
        let (name, expires) = (value("name"), value("expires").parse::<u64>().unwrap_or(0));
        if expires < now || value("signature") != self.signature(&call.path, name, expires) {
            return Served::refused(
                403,
                "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>",
            );
        }
        let file = call.path.rsplit('/').next().and_then(|file| file.parse().ok());
        let Some(content) = file.and_then(|file| content(self.seed, file)) else {
            return Served::refused(404, "<Error><Code>NoSuchKey</Code></Error>");
        };
        let whole = content.len();
        let from: Option<usize> =
            call.range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let disposition = format!("attachment; filename=\"{}\"", name.replace(['"', '\\'], "_"));
        match from {
            Some(from) if from >= whole => Served::refused(416, "<Error><Code>InvalidRange</Code></Error>"),
            Some(from) => Served {
                status: 206,
                range: Some(format!("bytes {from}-{}/{whole}", whole - 1)),
                disposition,
                body: Bytes::from(content).slice(from..),
            },
            None => Served { status: 200, range: None, disposition, body: content.into() },
        }
    }
}

/// What the host says.
pub(crate) struct Served {
    pub(crate) status: u16,
    /// `Content-Range`.
    pub(crate) range: Option<String>,
    /// `Content-Disposition`.
    pub(crate) disposition: String,
    pub(crate) body: Bytes,
}

impl Served {
    fn refused(status: u16, body: &'static str) -> Served {
        Served { status, range: None, disposition: String::new(), body: Bytes::from_static(body.as_bytes()) }
    }
}

/// Whether a version's creator wants to know who downloads it.
fn needs_login(seed: u64, version: u32) -> bool {
    Random::new(seed, Stream::Content, u64::from(version) | 1 << 40).chance(150)
}

fn unauthorized(message: &str) -> Answer {
    Answer::json(401, serde_json::json!({ "error": "Unauthorized", "message": message }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_repeat_and_differ() {
        let file = 5 * 128;
        let one = content(1, file).unwrap();
        assert_eq!(one.len(), kept_bytes(1, file).unwrap() as usize);
        assert_eq!(content(1, file), content(1, file));
        assert_ne!(content(1, file), content(2, file));
        assert_eq!(content(1, file + 1), None);
        assert_eq!(content(1, 128), None);
    }
}
