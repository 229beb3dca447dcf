//! Test support: reads a body with an endpoint and returns the rows as JSON, by table.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMillisecondType};
use serde_json::{Map, Value, json};

use super::endpoint::Endpoint;
use super::page::{Page, Query, Unreadable};
use super::rejection::Rejection;
use crate::table::{Provenance, Tables};

/// A page taken: its facts, and the rows of each table without their provenance.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) page: Page,
    tables: BTreeMap<&'static str, Vec<Value>>,
}

impl Taken {
    /// Returns the rows of a table.
    pub(super) fn rows(&self, table: &str) -> &[Value] {
        self.tables.get(table).map_or(&[], |rows| rows)
    }

    /// Returns the only row of a table.
    pub(super) fn row(&self, table: &str) -> &Value {
        assert_eq!(self.rows(table).len(), 1, "{table}: {:#?}", self.tables);
        &self.rows(table)[0]
    }

    /// Returns the reasons of the rejects, after checking that each begins with a code.
    pub(super) fn reasons(&self) -> Vec<&str> {
        let reasons: Vec<&str> = self.rows("rejects").iter().filter_map(|row| row["reason"].as_str()).collect();
        reasons.iter().for_each(|reason| {
            assert!(Rejection::ALL.iter().any(|kind| reason.starts_with(&format!("{}: ", kind.code()))), "{reason}");
        });
        reasons
    }

    /// Returns every value of every row as text.
    pub(super) fn dump(&self) -> String {
        let cells = |row: &Value| row.as_object().unwrap().values().map(plain).collect::<Vec<_>>();
        self.tables.values().flatten().flat_map(cells).collect::<Vec<_>>().join("\n")
    }
}

/// Reads a body with an endpoint. `query` is written `a=1&b=2`; `key` is the id or hash looked up.
pub(super) fn read(endpoint: &Endpoint, body: &str, query: &str, key: Option<&str>) -> Result<Taken, Unreadable> {
    read_after(endpoint, body, query, key, None)
}

/// Like [`read`], for a page requested with a cursor.
pub(super) fn read_after(
    endpoint: &Endpoint,
    body: &str,
    query: &str,
    key: Option<&str>,
    cursor: Option<&str>,
) -> Result<Taken, Unreadable> {
    let at = Provenance { pass: 1, walk: "w", page: 1, fetched_at: 0 };
    let query = Query { params: &params(query), cursor, key, ..Query::believed(at) };
    let mut tables = Tables::default();
    let page = (endpoint.read)(body, &query, &mut tables);
    if page.is_err() {
        assert_eq!(tables.rows(), 0, "an unreadable page left rows");
    }
    let taken = tables.builders_mut().map(|builder| (builder.table().name, rows(&builder.finish().unwrap())));
    Ok(Taken { page: page?, tables: taken.into_iter().collect() })
}

/// Parses query parameters written `a=1&b=2`.
pub(super) fn params(query: &str) -> Vec<(String, String)> {
    query.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn rows(batch: &RecordBatch) -> Vec<Value> {
    let schema = batch.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let own = names.len() - 4;
    let row = |at: usize| (0..own).map(|c| (names[c].to_owned(), cell(batch.column(c), at))).collect::<Map<_, _>>();
    (0..batch.num_rows()).map(|at| Value::Object(row(at))).collect()
}

fn cell(column: &dyn Array, at: usize) -> Value {
    if column.is_null(at) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Int64 => json!(column.as_primitive::<Int64Type>().value(at)),
        DataType::Float64 => json!(column.as_primitive::<Float64Type>().value(at)),
        DataType::Timestamp(..) => json!(column.as_primitive::<TimestampMillisecondType>().value(at)),
        DataType::Boolean => json!(column.as_boolean().value(at)),
        DataType::Utf8 => json!(column.as_string::<i32>().value(at)),
        DataType::List(_) => {
            let list = column.as_list::<i32>().value(at);
            (0..list.len()).map(|at| cell(&list, at)).collect()
        }
        other => unreachable!("{other}"),
    }
}
