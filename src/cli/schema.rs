//! `civitrawl schema`: the tables as they are declared, so that the documentation cannot drift.

use arrow::datatypes::DataType;
use clap::ValueEnum;
use serde_json::json;

use super::exit::Exit;
use super::{complain, print};
use crate::table::{self, Column, Table};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only this table
    table: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A Markdown table for each
    Markdown,
    /// CREATE TABLE statements
    Sql,
    /// One JSON object
    Json,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let tables: Vec<&Table> = match &arguments.table {
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
        Format::Sql => tables.iter().map(|table| sql(table)).collect::<Vec<_>>().join("\n"),
        Format::Json => format!("{:#}\n", json!({ "tables": tables.iter().map(|t| as_json(t)).collect::<Vec<_>>() })),
    };
    print(&text);
    Exit::Complete
}

fn markdown(table: &Table) -> String {
    let mut text = format!("## {}\n\n{} Key: {}.\n\n", table.name, table.doc, table.key.join(", "));
    text.push_str("| column | type | null | meaning |\n|---|---|---|---|\n");
    for column in table.columns() {
        let null = if column.nullable { "yes" } else { "" };
        text.push_str(&format!("| {} | {} | {null} | {} |\n", column.name, type_name(&column), column.doc));
    }
    text
}

fn sql(table: &Table) -> String {
    let columns = table.columns().into_iter().map(|column| {
        let null = if column.nullable { "" } else { " NOT NULL" };
        format!("  \"{}\" {}{null}", column.name, type_name(&column))
    });
    format!("CREATE TABLE {} (\n{}\n);\n", table.name, columns.collect::<Vec<_>>().join(",\n"))
}

fn as_json(table: &Table) -> serde_json::Value {
    let columns = table.columns().into_iter().map(|column| {
        json!({ "name": column.name, "type": type_name(&column), "nullable": column.nullable, "doc": column.doc })
    });
    json!({ "name": table.name, "doc": table.doc, "key": table.key, "columns": columns.collect::<Vec<_>>() })
}

/// The SQL name of a column's type.
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
