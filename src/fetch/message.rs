//! Finds the readable message in an error body, in any of the server's shapes. Pure.

use serde_json::Value;

/// Longest message kept, in characters.
const MESSAGE_MAX: usize = 300;

/// Returns the message in an error body: `error` or `message` of an object (text, or an object with a message of its own), the
/// issues of a validation error, else the text itself. It is printable and short.
pub(super) fn message(body: &[u8]) -> String {
    let text = match serde_json::from_slice(body) {
        Ok(value) => of_value(&value),
        Err(_) => None,
    };
    printable(&text.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()))
}

fn of_value(value: &Value) -> Option<String> {
    match value {
        // A validation error holds its list of issues as JSON text.
        Value::String(text) if text.trim_start().starts_with('[') => {
            let issues = serde_json::from_str(text).ok();
            Some(issues.as_ref().and_then(of_value).unwrap_or_else(|| text.clone()))
        }
        Value::String(text) => Some(text.clone()),
        Value::Array(issues) => join(issues.iter().filter_map(of_issue), "; "),
        Value::Object(fields) => {
            let messages = ["message", "error"].iter().filter_map(|key| fields.get(*key));
            join(messages.filter_map(of_value), ": ").or_else(|| fields.get("issues").and_then(of_value))
        }
        _ => None,
    }
}

/// One issue of a validation error: `limit: Too big`.
fn of_issue(issue: &Value) -> Option<String> {
    let message = of_value(issue)?;
    let path = issue.get("path").and_then(Value::as_array);
    let path = path.and_then(|keys| {
        let keys = keys.iter().map(|key| key.as_str().map_or_else(|| key.to_string(), str::to_owned));
        join(keys, ".")
    });
    Some(match path {
        Some(path) => format!("{path}: {message}"),
        None => message,
    })
}

fn join(parts: impl Iterator<Item = String>, by: &str) -> Option<String> {
    let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(by))
}

/// Returns true for characters that are not seen, or change how others are seen: zero widths, directions, soft hyphens, tags.
pub fn is_hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns `text` on one line without control and hidden characters, cut to a length fit for a log.
pub fn printable(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control() || is_hidden(c));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(MESSAGE_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_the_message_in_every_shape() {
        for (body, expected) in [
            (r#"{"error":"No model with id 1755196"}"#, "No model with id 1755196"),
            (r#"{"message":"Invalid cursor: expected 2 values"}"#, "Invalid cursor: expected 2 values"),
            (r#"{"message":"An unexpected error occurred","error":{}}"#, "An unexpected error occurred"),
            (
                r#"{"message":"An unexpected error occurred","error":"URI malformed"}"#,
                "An unexpected error occurred: URI malformed",
            ),
            (
                r#"{"error":"canceling statement due to statement timeout","code":"57014"}"#,
                "canceling statement due to statement timeout",
            ),
            (
                r#"{"error":{"name":"ZodError","message":"[\n{\"code\":\"too_big\",\"path\":[\"limit\"],\"message\":\"Too big\"},{\"path\":[\"types\",0],\"message\":\"Invalid option\"}]"}}"#,
                "limit: Too big; types.0: Invalid option",
            ),
            (r#"[{"code":"invalid_type","path":["page"],"message":"Expected number"}]"#, "page: Expected number"),
            (r#"{"name":"ZodError","issues":[{"path":[],"message":"Required"}]}"#, "Required"),
            (r#"{"error":"[not an issue list"}"#, "[not an issue list"),
            (r#"{"code":5}"#, r#"{"code":5}"#),
            ("Internal Server Error", "Internal Server Error"),
            ("", ""),
            ("a\u{202e}b \u{ad}\u{e0041}c", "a b c"),
            ("{\"error\":\"bad\u{7} \u{1b}[31m\\u0000id\\n\\n✖ no\"}", "{\"error\":\"bad [31m\\u0000id\\n\\n✖ no\"}"),
            (r#"{"error":"✖ Invalid input\n  → at id\u001b[0m"}"#, "✖ Invalid input → at id [0m"),
        ] {
            assert_eq!(message(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn is_cut_by_characters() {
        let long = "é".repeat(400);
        assert_eq!(printable(&long), format!("{}…", "é".repeat(MESSAGE_MAX)));
        assert_eq!(printable(&"é".repeat(MESSAGE_MAX)), "é".repeat(MESSAGE_MAX));
    }

    proptest! {
        #[test]
        fn any_body_gives_a_short_printable_line(body: Vec<u8>, text: String) {
            for body in [body, text.clone().into_bytes(), serde_json::json!({"error": text}).to_string().into_bytes()] {
                let text = message(&body);
                prop_assert!(text.chars().count() <= MESSAGE_MAX + 1);
                prop_assert!(!text.chars().any(char::is_control));
            }
        }
    }
}
