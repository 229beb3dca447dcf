//! A request and its answer, as the file keeps them. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::finding::Pause;
use super::request::Request;

/// A request and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// The request.
    pub request: Request,
    /// Why no whole answer arrived; unset if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The HTTP status; 0 without an answer.
    pub status: u16,
    /// The version of HTTP, for example `HTTP/2.0`.
    pub http: String,
    /// Milliseconds from sending the request to the body's last byte.
    pub ms: u64,
    /// The headers that are kept, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The host of a redirect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location_host: Option<String>,
    /// The size of the body as received, in bytes.
    pub bytes: u64,
    /// The BLAKE3 hash of the inflated body in hexadecimal; empty if it could not be inflated.
    pub blake3: String,
    /// Raw control bytes that were escaped before the body could be read as JSON.
    #[serde(default)]
    pub control_bytes: u32,
    /// Escapes of half a character that were replaced.
    #[serde(default)]
    pub halves: u32,
    /// The skeleton of the body; null if it is no JSON.
    #[serde(default)]
    pub skeleton: Value,
    /// True if the skeleton ends early, because the body has too much.
    #[serde(default)]
    pub cut: bool,
    /// The inflated body as text, if the user wished to keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// A page of a list.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// Its items.
    pub items: &'a [Value],
    /// The cursor of the next page.
    pub cursor: Option<&'a str>,
    /// Its metadata; null if it has none.
    pub metadata: &'a Value,
}

impl Page<'_> {
    /// Returns the ids of the items that have one, in order.
    pub fn ids(&self) -> Vec<i64> {
        self.items.iter().filter_map(|item| item["id"].as_i64()).collect()
    }
}

impl Exchange {
    /// Returns a header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Returns the skeleton of an answer with status 200.
    ///
    /// # Errors
    /// When it has another status, no JSON, or more than a skeleton holds.
    pub fn json(&self) -> Result<&Value, Pause> {
        match (self.status, &self.skeleton) {
            (200, _) if self.cut => Err(Pause::Lost(format!("`{}` was answered with too much", self.request.path))),
            (200, skeleton) if !skeleton.is_object() && !skeleton.is_array() => {
                Err(Pause::Lost(format!("`{}` was answered with no JSON", self.request.path)))
            }
            (200, skeleton) => Ok(skeleton),
            (status, _) => {
                let message = self.message();
                Err(Pause::Lost(format!("`{}` was answered with status {status}: `{message}`", self.request.path)))
            }
        }
    }

    /// Returns the page that an answer with status 200 is.
    ///
    /// # Errors
    /// When it is none.
    pub fn page(&self) -> Result<Page<'_>, Pause> {
        let json = self.json()?;
        let items = json["items"].as_array();
        let items = items.ok_or_else(|| Pause::Lost(format!("`{}` was answered without items", self.request.path)))?;
        Ok(Page { items, cursor: json["metadata"]["nextCursor"].as_str(), metadata: &json["metadata"] })
    }

    /// Returns the words of an error, or of the first issue in it; empty if it has none.
    pub fn message(&self) -> &str {
        let own = |value: &'_ Value| ["message", "error"].into_iter().find(|key| !value[*key].is_null());
        let mut value = &self.skeleton;
        while let Some(inner) = own(value).and_then(|key| value.get(key)).or_else(|| value.get(0)) {
            value = inner;
        }
        value.as_str().unwrap_or_default()
    }
}
