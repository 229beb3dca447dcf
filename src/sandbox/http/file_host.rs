//! The host of the files, the target of a download's redirect. It checks no account, only signatures of links.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use serde_json::Value;

use super::call::Call;
use crate::sandbox::catalog::entry::Mode;
use crate::sandbox::catalog::random::{Random, Stream};
use crate::sandbox::catalog::{Catalog, file_bytes};
use crate::sandbox::endpoint::answer::Answer;
use crate::sandbox::endpoint::model_versions;
use crate::sandbox::traps::{Trap, Traps};

/// The time that a link is valid, in milliseconds.
const VALID_FOR: u64 = 60_000;

/// The host of the files.
#[derive(Debug, Clone)]
pub(super) struct FileHost {
    pub(super) seed: u64,
    pub(super) traps: Traps,
    /// `http://127.0.0.1:PORT`.
    pub(super) origin: String,
}

impl FileHost {
    /// Answers `GET /api/download/models/:id`: a redirect to a link that is valid for a while, or a refusal.
    pub(super) fn redirect(&self, catalog: &Catalog, call: &Call, id: &str, now: u64) -> Answer {
        let Some(id) = id.parse::<u32>().ok().filter(|id| *id > 0) else {
            return Answer::not_a_number("modelVersionId");
        };
        let Some(row) = catalog.find(id / 16) else { return Answer::error(404, "File not found") };
        let entry = catalog.entry(row);
        if entry.mode == Mode::Archived {
            return Answer::error(410, "Model archived, not available for download");
        }
        let body = model_versions::render(catalog, id).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let Some(body) = body else { return Answer::error(404, "File not found") };
        if !entry.is_public((id % 16) as u8) && !call.authorization {
            let body = "{\"error\":\"Early Access\",\"deadline\":\"2027-01-01T00:00:00.000Z\",\"message\":\"The creator of this asset has set this version to early access\"}";
            return Answer::json(403, body);
        }
        if body["usageControl"] != "Download" {
            return unauthorized("The creator of this asset has disabled downloads on this file");
        }
        if self.needs_login(id) && !call.authorization {
            return unauthorized("The creator of this asset requires you to be logged in to download it");
        }
        let primary = body["files"][0]["id"].as_u64().and_then(|file| u32::try_from(file).ok());
        let Some(file) = primary.filter(|file| file_bytes::size(self.seed, *file).is_some()) else {
            return Answer::error(404, "File not found");
        };
        let name = body["files"][0]["name"].as_str().unwrap_or_default();
        // People type the names: some would lead out of the download folder.
        let name = if entry.id.is_multiple_of(15) { format!("../../{name}") } else { name.to_owned() };
        let (path, expires) = (format!("/model/{id}/{file}"), now + VALID_FOR);
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("name", &name)
            .append_pair("expires", &expires.to_string())
            .append_pair("signature", &self.signature(&path, &name, expires))
            .finish();
        Answer { location: Some(format!("{}{path}?{query}", self.origin).into()), ..Answer::json(307, "") }
    }

    /// True for a version whose creator demands a login.
    fn needs_login(&self, version: u32) -> bool {
        let drawn = Random::new(self.seed, Stream::Content, u64::from(version) | 1 << 40).chance(150);
        drawn || self.traps.has(Trap::LoginsDemanded)
    }

    fn signature(&self, path: &str, name: &str, expires: u64) -> String {
        self.digest((path, name, expires))
    }

    fn digest(&self, what: impl Hash) -> String {
        let mut hasher = DefaultHasher::new();
        (self.seed, what).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// Answers a request to the host itself: a file, or the part of it that was asked for.
    pub(super) fn serve(&self, call: &Call, now: u64) -> Served {
        let value = |key: &str| call.pairs.iter().find(|(known, _)| known == key).map_or("", |(_, value)| value);
        let (name, expires) = (value("name"), value("expires").parse::<u64>().unwrap_or(0));
        if expires < now || value("signature") != self.signature(&call.path, name, expires) {
            return Served::refused(
                403,
                "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>",
            );
        }
        let file = call.path.rsplit('/').next().and_then(|file| file.parse().ok());
        let Some(content) = file.and_then(|file| file_bytes::content(self.seed, file)) else {
            return Served::refused(404, "<Error><Code>NoSuchKey</Code></Error>");
        };
        let whole = content.len();
        let range = call.range.as_deref().filter(|_| !self.traps.has(Trap::NoRanges));
        let range = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let (from, to): (Option<usize>, _) = range.map_or((None, whole), |(from, to)| {
            (from.parse().ok(), to.parse::<usize>().map_or(whole, |last| last.saturating_add(1).min(whole)))
        });
        let disposition = format!("attachment; filename=\"{}\"", name.replace(['"', '\\'], "_"));
        let etag = format!("\"{}\"", self.digest(&call.path));
        match from {
            Some(from) if from >= to => Served::refused(416, "<Error><Code>InvalidRange</Code></Error>"),
            Some(from) => Served {
                status: 206,
                range: Some(format!("bytes {from}-{}/{whole}", to - 1)),
                disposition,
                etag,
                body: Bytes::from(content).slice(from..to),
            },
            None => Served { status: 200, range: None, disposition, etag, body: content.into() },
        }
    }
}

/// An answer of the host.
pub(super) struct Served {
    pub(super) status: u16,
    /// `Content-Range`.
    pub(super) range: Option<String>,
    /// `Content-Disposition`.
    pub(super) disposition: String,
    /// `ETag`.
    pub(super) etag: String,
    pub(super) body: Bytes,
}

impl Served {
    fn refused(status: u16, body: &'static str) -> Served {
        Served {
            status,
            range: None,
            disposition: String::new(),
            etag: String::new(),
            body: Bytes::from_static(body.as_bytes()),
        }
    }
}

fn unauthorized(message: &str) -> Answer {
    Answer::json(401, serde_json::json!({ "error": "Unauthorized", "message": message }).to_string())
}
