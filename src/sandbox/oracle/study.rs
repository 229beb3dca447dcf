//! `GET /sandbox/study/<name>`: the answer to a question about everything the lists show, reckoned from the catalog itself.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{study_images, study_models};
use crate::sandbox::http::answer::Answer;
use crate::sandbox::http::world::World;

/// A row of a table, or of an answer.
pub(crate) type Row = Map<String, Value>;

/// What reckons an answer's rows.
type Study = fn(&Tables<'_>) -> Vec<Row>;

const STUDIES: &[(&str, Study)] = &[
    ("base-models-by-month", study_models::base_models_by_month),
    ("deleted-share", study_models::deleted_share),
    ("downloads-by-week", study_models::downloads_by_week),
    ("files-and-scans", study_models::files_and_scans),
    ("growth-by-month", study_models::growth_by_month),
    ("images-with-metadata", study_images::images_with_metadata),
    ("licence-mix", study_models::licence_mix),
    ("models-by-type-and-level", study_models::models_by_type_and_level),
    ("prompts-by-base-model", study_images::prompts_by_base_model),
    ("resources-used-with-models", study_images::resources_used_with_models),
    ("top-creators", study_models::top_creators),
];

/// Answers with JSON lines, in the order of the answer.
pub(crate) fn answer(world: &World, host: &str, name: &str) -> Answer {
    let Some((_, study)) = STUDIES.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = STUDIES.iter().map(|(known, _)| *known).collect();
        return Answer::error(404, &format!("no study `{name}`; known are {}", known.join(", ")));
    };
    let rows = study(&Tables { world, host });
    Answer::lines(rows.into_iter().map(|row| format!("{}\n", Value::Object(row))).collect())
}

/// The rows that a perfect client has.
pub(crate) struct Tables<'a> {
    pub(crate) world: &'a World,
    host: &'a str,
}

impl Tables<'_> {
    /// Every row of a table.
    pub(crate) fn rows(&self, table: &str) -> Vec<Row> {
        let lines = super::answer(self.world, self.host, table, &[]).body;
        lines.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}

/// The rows that agree in these columns, each set with its values of them.
pub(crate) fn grouped<'a>(rows: &'a [Row], columns: &[&str]) -> Vec<(Row, Vec<&'a Row>)> {
    let mut groups: BTreeMap<String, (Row, Vec<&Row>)> = BTreeMap::new();
    for row in rows {
        let key: Row = columns.iter().map(|column| ((*column).to_owned(), row[*column].clone())).collect();
        let group = groups.entry(Value::Object(key.clone()).to_string());
        group.or_insert_with(|| (key, Vec::new())).1.push(row);
    }
    groups.into_values().collect()
}

/// The sum of a column; nulls count as nothing.
pub(crate) fn sum<'a>(rows: impl IntoIterator<Item = &'a Row>, column: &str) -> i64 {
    rows.into_iter().filter_map(|row| row[column].as_i64()).sum()
}

/// How many rows have a value in a column.
pub(crate) fn present(rows: &[&Row], column: &str) -> usize {
    rows.iter().filter(|row| !row[column].is_null()).count()
}

/// A part of a whole, to four decimals.
pub(crate) fn share(part: usize, whole: usize) -> Value {
    rounded(part as f64 / whole as f64, 4)
}

/// A number to so many decimals.
pub(crate) fn rounded(number: f64, decimals: i32) -> Value {
    let scale = 10f64.powi(decimals);
    json!((number * scale).round() / scale)
}

/// The row with further values.
pub(crate) fn with(mut row: Row, values: Value) -> Row {
    if let Value::Object(values) = values {
        row.extend(values);
    }
    row
}

/// The rows in the order of these columns, those marked `-` from high to low; nulls last.
pub(crate) fn ordered(mut rows: Vec<Row>, columns: &[&str]) -> Vec<Row> {
    rows.sort_by(|a, b| {
        let compared = columns.iter().map(|column| match column.strip_prefix('-') {
            Some(column) => compare(&b[column], &a[column]),
            None => compare(&a[*column], &b[*column]),
        });
        compared.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
    rows
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
        _ => a.is_null().cmp(&b.is_null()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_grouped_and_ordered_with_nulls_last() {
        let rows: Vec<Row> =
            [("b", 1), ("a", 2), ("b", 4)].map(|(key, n)| with(Row::new(), json!({ "key": key, "n": n }))).into();
        let groups = grouped(&rows, &["key"]);
        let sums: Vec<Row> =
            groups.into_iter().map(|(key, rows)| with(key, json!({ "sum": sum(rows, "n") }))).collect();
        let nameless = with(Row::new(), json!({ "key": null, "sum": 5 }));
        let sums = ordered([sums, vec![nameless]].concat(), &["-sum", "key"]);
        let told: Vec<String> = sums.into_iter().map(|row| Value::Object(row).to_string()).collect();
        assert_eq!(told, [r#"{"key":"b","sum":5}"#, r#"{"key":null,"sum":5}"#, r#"{"key":"a","sum":2}"#]);
    }
}
