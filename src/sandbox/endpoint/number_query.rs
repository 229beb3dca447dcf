//! The parameters of lists paged by number, checked and coerced as the server does.

use serde_json::Value;

use super::answer::Answer;
use super::check::Check;

/// The checked parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NumberQuery {
    pub(crate) limit: usize,
    /// Counted from 1.
    pub(crate) page: usize,
    pub(crate) text: Option<String>,
}

impl NumberQuery {
    /// Returns the slice of a list that is the page.
    pub(crate) fn of<'a, T>(&self, rows: &'a [T]) -> &'a [T] {
        let start = (self.page - 1).saturating_mul(self.limit).min(rows.len());
        &rows[start..(start + self.limit).min(rows.len())]
    }

    /// Returns the number of pages that this many rows fill.
    pub(crate) fn pages(&self, rows: usize) -> usize {
        rows.div_ceil(self.limit)
    }
}

/// Checks every parameter; a refusal is a bare array of issues.
pub(crate) fn parse(pairs: &[(String, String)]) -> Result<NumberQuery, Answer> {
    let mut check = Check::new(pairs);
    check.single(&["limit", "page", "query"]);
    let limit = check.number("limit", 1.0, 200.0).unwrap_or(20);
    let page = check.number("page", 0.0, f64::from(u32::MAX)).unwrap_or(1);
    let text = check.filled("query");
    if !check.issues.is_empty() {
        return Err(Answer::json(400, Value::Array(check.issues).to_string()));
    }
    Ok(NumberQuery { limit: limit as usize, page: page.max(1) as usize, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<NumberQuery, String> {
        let pairs: Vec<_> = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        parse(&pairs).map_err(|answer| format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)))
    }

    #[test]
    fn pages_are_slices_counted_from_one() {
        let query = read("limit=3&page=2").unwrap();
        assert_eq!((query.of(&[1, 2, 3, 4]), query.pages(4)), (&[4][..], 2));
        assert_eq!(read("limit=3&page=9").unwrap().of(&[1]), [0; 0]);
        assert_eq!(read("page=0").unwrap(), read("limit=20&page=1").unwrap());
    }

    #[test]
    fn nothing_is_no_limit() {
        for text in ["limit=0", "limit=", "limit=201", "limit=x", "page=-1"] {
            assert!(read(text).unwrap_err().starts_with("400 [{"), "{text}");
        }
    }
}
