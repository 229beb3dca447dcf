//! Query parameters read one by one, checked and coerced as the server does; every mistake is collected.

use serde_json::{Value, json};

use super::answer::Answer;

/// The words of `period`, in days.
pub(super) const PERIODS: &[(&str, Option<i64>)] =
    &[("Day", Some(1)), ("Week", Some(7)), ("Month", Some(30)), ("Year", Some(365)), ("AllTime", None)];

/// Refuses a numbered page beyond the first thousand rows.
pub(super) fn depth(page: Option<u32>, cursor: Option<&str>, limit: u32) -> Result<(), Answer> {
    match (page, cursor) {
        (Some(page), None) if u64::from(page) * u64::from(limit) > 1000 => {
            Err(Answer::error(429, "You've requested too many pages, please use cursors instead"))
        }
        _ => Ok(()),
    }
}

/// Parameters being read, and the mistakes found so far.
pub(super) struct Check<'a> {
    pub(super) pairs: &'a [(String, String)],
    pub(super) issues: Vec<Value>,
}

impl<'a> Check<'a> {
    pub(super) fn new(pairs: &'a [(String, String)]) -> Check<'a> {
        Check { pairs, issues: Vec::new() }
    }

    /// Adds an issue for each of these keys that is given twice.
    pub(super) fn single(&mut self, keys: &[&str]) {
        for key in keys {
            if self.pairs.iter().filter(|(name, _)| name == key).count() > 1 {
                self.issue("invalid_type", key, "Invalid input: expected string, received array");
            }
        }
    }

    pub(super) fn issue(&mut self, code: &str, key: &str, message: &str) {
        self.issues.push(json!({ "code": code, "path": [key], "message": message }));
    }

    pub(super) fn value(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub(super) fn filled(&self, key: &str) -> Option<String> {
        self.value(key).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// Reads a number as the server coerces it: an empty text is 0, fractions are cut.
    pub(super) fn number(&mut self, key: &str, least: f64, most: f64) -> Option<u32> {
        let text = self.value(key)?.trim().to_owned();
        let number = if text.is_empty() { Ok(0.0) } else { text.parse::<f64>() };
        match number {
            Ok(number) if number < least => {
                self.issue("too_small", key, &format!("Too small: expected number to be >={least}"));
            }
            Ok(number) if number > most => {
                self.issue("too_big", key, &format!("Too big: expected number to be <={most}"));
            }
            Ok(number) if number.is_finite() => return Some(number as u32),
            _ => self.issue("invalid_type", key, "Invalid input: expected number, received NaN"),
        }
        None
    }

    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)], default: T) -> T {
        let Some(value) = self.value(key) else {
            return default;
        };
        match choices.iter().find(|(word, _)| *word == value) {
            Some((_, choice)) => *choice,
            None => {
                let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
                self.invalid_option(&json!([key]), &words);
                default
            }
        }
    }

    pub(super) fn invalid_option(&mut self, path: &Value, words: &[&str]) {
        let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        let message = format!("Invalid option: expected one of {}", quoted.join("|"));
        self.issues.push(json!({ "code": "invalid_value", "values": words, "path": path, "message": message }));
    }

    /// Reads a comma list of at most this many ids.
    pub(super) fn ids(&mut self, key: &str, most: usize) -> Option<Vec<u32>> {
        let text = self.filled(key)?;
        let ids: Result<Vec<u32>, _> = text.split(',').map(|id| id.trim().parse()).collect();
        match ids {
            Ok(ids) if ids.len() <= most => return Some(ids),
            Ok(_) => self.issue("too_big", key, &format!("Too big: expected array to have <={most} items")),
            Err(_) => self.issue("invalid_type", key, "Invalid input: expected number, received NaN"),
        }
        None
    }

    pub(super) fn truth_word(&mut self, key: &str) -> bool {
        let word = self.value(key).map(str::to_lowercase);
        match word.as_deref() {
            None | Some("false" | "0" | "no" | "off" | "n" | "disabled") => false,
            Some("true" | "1" | "yes" | "on" | "y" | "enabled") => true,
            Some(_) => {
                self.issue("invalid_value", key, "Invalid input: expected a boolean word");
                false
            }
        }
    }
}
