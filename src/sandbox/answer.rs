//! An answer before it is sent: status, body and the few headers that differ between answers.

use bytes::Bytes;
use serde_json::{Value, json};

/// What a handler decided to say.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    /// Where a redirect leads.
    pub(super) location: Option<Box<str>>,
    pub(super) body: Bytes,
    /// Ids, or numbers, of the items the body holds.
    pub(super) items: Vec<u32>,
    /// The cursor the body names, for faults that replace it.
    pub(super) next_cursor: Option<String>,
}

const JSON: &str = "application/json; charset=utf-8";

impl Answer {
    /// A JSON text.
    pub(super) fn json(status: u16, body: impl Into<Bytes>) -> Answer {
        Answer { status, content_type: JSON, location: None, body: body.into(), items: Vec::new(), next_cursor: None }
    }

    /// JSON lines.
    pub(super) fn lines(body: String) -> Answer {
        Answer { content_type: "application/x-ndjson", ..Answer::json(200, body) }
    }

    /// An HTML page.
    pub(super) fn html(status: u16, title: &str) -> Answer {
        let page =
            format!("<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>");
        Answer { content_type: "text/html; charset=utf-8", ..Answer::json(status, page) }
    }

    /// `{"error": text}`.
    pub(super) fn error(status: u16, text: &str) -> Answer {
        Answer::json(status, json!({ "error": text }).to_string())
    }

    /// `{"message": text}`.
    pub(super) fn message(status: u16, text: &str) -> Answer {
        Answer::json(status, json!({ "message": text }).to_string())
    }

    /// The 400 of a parameter check: issues as indented JSON text inside an error object.
    pub(super) fn issues(issues: Vec<Value>) -> Answer {
        let text = format!("{:#}", Value::Array(issues));
        Answer::json(400, json!({ "error": { "name": "ZodError", "message": text } }).to_string())
    }
}
