//! `civitrawl schema`: prints the declared tables as documentation, JSON, or statements for DuckDB and Spark.

use std::path::{Path, PathBuf};

use arrow::datatypes::DataType;
use clap::ValueEnum;
use serde_json::json;

use super::exit::Exit;
use super::output::{complain, print_own, usage};
use super::parameters;
use super::shown::shown;
use crate::api::ENDPOINTS;
use crate::dataset::layout::Layout;
use crate::dataset::sources::{Source, sources};
use crate::storage::Disk;
use crate::table::{self, Column, Table};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only this table; with `--params`, only this endpoint
    #[arg(value_name = "TABLE|ENDPOINT")]
    name: Option<String>,
    /// The parameters of endpoints instead: their values, and the traps in them
    #[arg(long, conflicts_with_all = ["format", "dataset"])]
    params: bool,
    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
    /// The dataset whose files `sql` and `spark` read
    #[arg(long, value_name = "DIR", default_value = ".")]
    dataset: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One Markdown table per table
    Markdown,
    /// One DuckDB view per table of a dataset: its newest snapshot, or all rows if there is none
    Sql,
    /// The same for Spark, as CREATE TABLE ... USING PARQUET
    Spark,
    /// One JSON object
    Json,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    if arguments.params {
        return parameters_of(arguments.name.as_deref());
    }
    let tables: Vec<&'static Table> = match &arguments.name {
        None => table::ALL.to_vec(),
        Some(name) => match table::named(name) {
            Some(table) => vec![table],
            None => {
                let known: Vec<&str> = table::ALL.iter().map(|table| table.name).collect();
                complain(&format!("there is no table `{name}`; the tables are {}", known.join(", ")));
                return Exit::Usage;
            }
        },
    };
    let text = match arguments.format {
        Format::Markdown => tables.iter().map(|table| markdown(table)).collect::<Vec<_>>().join("\n"),
        Format::Sql => return over_files(&arguments.dataset, &tables, view),
        Format::Spark => return over_files(&arguments.dataset, &tables, spark),
        Format::Json => format!("{:#}\n", json!({ "tables": tables.iter().map(|t| as_json(t)).collect::<Vec<_>>() })),
    };
    print_own(&text);
    Exit::Complete
}

/// Prints the parameters of every endpoint, or of one.
fn parameters_of(name: Option<&str>) -> Exit {
    let chosen = ENDPOINTS.iter().filter(|known| name.is_none_or(|name| known.name == name));
    let texts: Vec<String> = chosen.map(|endpoint| parameters::markdown(endpoint)).collect();
    if texts.is_empty() {
        let known: Vec<&str> = ENDPOINTS.iter().map(|endpoint| endpoint.name).collect();
        let name = name.unwrap_or_default();
        return usage(&format!("there is no endpoint `{name}`; the endpoints are {}", known.join(", ")));
    }
    print_own(&texts.join("\n"));
    Exit::Complete
}

/// Prints a statement for each file of a dataset, with its full path, so that it works in any directory.
fn over_files(dataset: &Path, tables: &[&'static Table], statement: fn(&Source) -> String) -> Exit {
    let dataset = std::path::absolute(dataset).unwrap_or_else(|_| dataset.to_owned());
    match sources(&Layout::new(dataset), &Disk) {
        Ok(sources) => {
            let sources = sources.iter().filter(|source| tables.contains(&source.table));
            print_own(&sources.map(statement).collect::<Vec<_>>().join("\n"));
            Exit::Complete
        }
        Err(error) => {
            complain(&error.to_string());
            Exit::from(&error)
        }
    }
}

/// Returns the comment above a statement: the table's sentence, and the rows in this file.
fn about(source: &Source) -> String {
    let what = match (source.history, source.snapshot) {
        (true, _) => "this view has the changes of its counters and states",
        (false, true) => "this view has the newest row of each",
        (false, false) => "this view has every row, as there is no snapshot yet",
    };
    format!("-- {}; {what}.\n", source.table.doc.trim_end_matches('.'))
}

fn view(source: &Source) -> String {
    let files = shown(&source.files).replace('\'', "''");
    format!("{}CREATE OR REPLACE VIEW {} AS FROM read_parquet('{files}');\n", about(source), source.name)
}

fn spark(source: &Source) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let columns = source
        .columns
        .iter()
        .map(|column| format!("  `{}` {} COMMENT {}", column.name, spark_type(column), quoted(column.doc)));
    format!(
        "{}CREATE TABLE IF NOT EXISTS {} (\n{}\n) USING PARQUET LOCATION {};\n",
        about(source),
        source.name,
        columns.collect::<Vec<_>>().join(",\n"),
        quoted(&shown(&source.place))
    )
}

/// Returns Spark's name of a column's type.
fn spark_type(column: &Column) -> &'static str {
    match type_name(column) {
        "TIMESTAMP WITH TIME ZONE" => "TIMESTAMP",
        "VARCHAR[]" => "ARRAY<STRING>",
        "BLOB" => "BINARY",
        "VARCHAR" => "STRING",
        other => other,
    }
}

fn markdown(table: &Table) -> String {
    let mut text = format!("## {}\n\n{} Key: {}.\n\n", table.name, table.doc, table.key.join(", "));
    text.push_str("| column | type | null | meaning |\n|---|---|---|---|\n");
    let columns = table.columns();
    let mut line = |column: &Column, place: &str| {
        let null = if column.nullable { "yes" } else { "" };
        text.push_str(&format!("| {} | {} | {null} | {place}{} |\n", column.name, type_name(column), column.doc));
    };
    columns.iter().for_each(|column| line(column, ""));
    let added = table.snapshot_columns().into_iter().filter(|added| columns.iter().all(|own| own.name != added.name));
    added.for_each(|column| line(&column, "In snapshots: "));
    text
}

fn as_json(table: &Table) -> serde_json::Value {
    let columns = table.columns().into_iter().map(|column| {
        json!({ "name": column.name, "type": type_name(&column), "nullable": column.nullable, "doc": column.doc })
    });
    json!({ "name": table.name, "doc": table.doc, "key": table.key, "columns": columns.collect::<Vec<_>>() })
}

/// Returns the SQL name of a column's type.
pub(super) fn type_name(column: &Column) -> &'static str {
    match &column.data_type {
        DataType::Int64 => "BIGINT",
        DataType::Float64 => "DOUBLE",
        DataType::Boolean => "BOOLEAN",
        DataType::Timestamp(..) => "TIMESTAMP WITH TIME ZONE",
        DataType::List(_) => "VARCHAR[]",
        DataType::Binary => "BLOB",
        _ => "VARCHAR",
    }
}
