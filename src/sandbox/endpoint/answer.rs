//! An answer before it is sent: status, body and the few headers that differ between answers.

use bytes::Bytes;
use serde_json::{Value, json};

/// The answer of an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    /// The target of a redirect.
    pub(crate) location: Option<Box<str>>,
    /// Seconds after which the caller may try again.
    pub(crate) retry_after: Option<u16>,
    pub(crate) body: Bytes,
    /// Ids, or numbers, of the items the body holds.
    pub(crate) items: Vec<u32>,
    /// The cursor the body names, for faults that replace it.
    pub(crate) next_cursor: Option<String>,
}

const JSON: &str = "application/json; charset=utf-8";

impl Answer {
    /// Returns a JSON text.
    pub(crate) fn json(status: u16, body: impl Into<Bytes>) -> Answer {
        Answer {
            status,
            content_type: JSON,
            location: None,
            retry_after: None,
            body: body.into(),
            items: Vec::new(),
            next_cursor: None,
        }
    }

    /// Returns JSON lines.
    pub(crate) fn lines(body: String) -> Answer {
        Answer { content_type: "application/x-ndjson", ..Answer::json(200, body) }
    }

    /// Returns an HTML page.
    pub(crate) fn html(status: u16, title: &str) -> Answer {
        let page =
            format!("<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>");
        Answer { content_type: "text/html; charset=utf-8", ..Answer::json(status, page) }
    }

    /// Returns `{"error": text}`.
    pub(crate) fn error(status: u16, text: &str) -> Answer {
        Answer::json(status, json!({ "error": text }).to_string())
    }

    /// Returns the refusal of a path segment that is no number.
    pub(crate) fn not_a_number(name: &str) -> Answer {
        Answer::error(400, &format!("\u{2716} Invalid input: expected number, received NaN\n  \u{2192} at {name}"))
    }

    /// Returns `{"message": text}`.
    pub(crate) fn message(status: u16, text: &str) -> Answer {
        Answer::json(status, json!({ "message": text }).to_string())
    }

    /// Returns the failure without a reason that every endpoint of era 2026-09 sends.
    pub(crate) fn unexpected() -> Answer {
        let text = "An unexpected error occurred";
        Answer::json(500, json!({ "error": text, "message": text, "code": "INTERNAL_SERVER_ERROR" }).to_string())
    }

    /// Returns the page of a list without these keys in its metadata, which are its last member.
    pub(crate) fn without(self, keys: &[&str]) -> Answer {
        const METADATA: &str = "\"metadata\":";
        let text = String::from_utf8_lossy(&self.body).into_owned();
        let Some((items, metadata)) = text.rsplit_once(METADATA) else { return self };
        let Ok(Value::Object(mut metadata)) = metadata.strip_suffix('}').map_or(Ok(Value::Null), serde_json::from_str)
        else {
            return self;
        };
        metadata.retain(|key, _| !keys.contains(&&**key));
        let body = format!("{items}{METADATA}{}}}", Value::Object(metadata));
        Answer { body: body.into(), next_cursor: None, ..self }
    }

    /// Returns an error in the words of era 2026-09's images list: a refusal is a message, a failure the general one.
    pub(super) fn reworded(self) -> Answer {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        match [&body["error"]["message"], &body["error"], &body["message"]].into_iter().find_map(Value::as_str) {
            _ if self.status >= 500 => Answer::unexpected(),
            Some(text) => Answer { body: json!({ "message": text }).to_string().into(), ..self },
            None => self,
        }
    }

    /// Returns the 400 of a parameter check: issues as indented JSON text inside an error object.
    pub(super) fn issues(issues: Vec<Value>) -> Answer {
        let text = format!("{:#}", Value::Array(issues));
        Answer::json(400, json!({ "error": { "name": "ZodError", "message": text } }).to_string())
    }
}
