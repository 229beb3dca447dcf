//! `civitrawl explain CODE`: the meaning of an exit code, a walk end, a download state, a reject reason, a table, a column or a
//! parameter.
//!
//! [`registry`] lists every code; the texts come from the place that declares the code.

use super::exit::Exit;
use super::output::{complain_of, print};
use super::parameters::{trap, values};
use super::schema::type_name;
use crate::api::ENDPOINTS;
use crate::api::rejection::Rejection;
use crate::dataset::commit::Why;
use crate::download::status::DownloadStatus;
use crate::table::{self, Table};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// An exit code (`4`), a walk end (`cursor_loop`), a download state (`early_access`), the code of a reject's reason
    /// (`twin`), a table (`models`), a column (`models.nsfw_levels`) or a parameter of an endpoint (`models.types`)
    #[arg(required = true, value_name = "CODE")]
    word: Vec<String>,
}

/// All codes of one kind, each with its meaning.
struct Codes {
    /// The kind's name in the singular.
    noun: &'static str,
    meanings: Vec<(String, &'static str)>,
}

/// Every code that users see in outputs and datasets.
fn registry() -> [Codes; 4] {
    let code = |code: &str, meaning| (code.to_owned(), meaning);
    let exits = Exit::ALL.map(|exit| code(&(exit as u8).to_string(), exit.meaning()));
    let ends = Why::ALL.iter().map(|why| code(why.as_str(), why.meaning()));
    let downloads = DownloadStatus::MEANINGS.iter().map(|(known, meaning)| code(known, meaning));
    let rejects = Rejection::ALL.map(|kind| code(kind.code(), kind.meaning()));
    [
        Codes { noun: "exit code", meanings: exits.into() },
        Codes { noun: "walk end", meanings: ends.collect() },
        Codes { noun: "download state", meanings: downloads.collect() },
        Codes { noun: "reject reason", meanings: rejects.into() },
    ]
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let word = arguments.word.join(" ");
    let word = word.trim_matches(|c: char| c.is_whitespace() || c == '"');
    match explain(word).or_else(|| of_tables(word)) {
        Some(text) => {
            print(text);
            Exit::Complete
        }
        None => {
            complain_of(unknown(word));
            Exit::Usage
        }
    }
}

/// The meaning of a code. A sentence may follow the code behind a colon, as in `rejects.reason` and in download lines.
fn explain(word: &str) -> Option<Vec<String>> {
    let code = word.split(':').next()?;
    registry().into_iter().find_map(|Codes { noun, meanings }| {
        let (_, meaning) = meanings.into_iter().find(|(known, _)| known == code)?;
        Some(vec![format!("{noun} {code}: {meaning}")])
    })
}

fn unknown(word: &str) -> Vec<String> {
    let kinds = registry().map(|Codes { noun, meanings }| {
        let codes: Vec<String> = meanings.into_iter().map(|(code, _)| code).collect();
        format!("{noun}s: {}", codes.join(", "))
    });
    let tables: Vec<&str> = table::ALL.iter().map(|table| table.name).collect();
    let mut lines = vec![format!("there is no code `{word}`; known are")];
    lines.extend(kinds);
    lines.extend([format!("tables: {}", tables.join(", ")), String::from("columns, such as models.id")]);
    lines.push(String::from("parameters of endpoints, such as models.types"));
    lines
}

fn of_tables(word: &str) -> Option<Vec<String>> {
    let Some((place, name)) = word.split_once('.') else { return table::named(word).map(of_table) };
    let lines: Vec<String> = of_column(place, name).into_iter().chain(of_parameter(place, name)).collect();
    (!lines.is_empty()).then_some(lines)
}

/// Returns the line of a parameter of an endpoint: its values, and the trap in it.
fn of_parameter(endpoint: &str, name: &str) -> Option<String> {
    let endpoint = ENDPOINTS.iter().find(|known| known.name == endpoint)?;
    let param = endpoint.params.iter().find(|known| known.name == name)?;
    let warning = match trap(param) {
        "" => String::new(),
        text => format!(" Warning: {text}."),
    };
    Some(format!("parameter {} of `{}`: {}.{warning}", param.name, endpoint.name, values(param)))
}

fn of_column(table: &str, column: &str) -> Option<String> {
    let table = table::named(table)?;
    let mut columns = table.columns().into_iter().chain(table.snapshot_columns());
    let column = columns.find(|known| known.name == column)?;
    let null = if column.nullable { "may be null" } else { "never null" };
    Some(format!("{}.{} ({}, {null}): {}", table.name, column.name, type_name(&column), column.doc))
}

fn of_table(table: &Table) -> Vec<String> {
    let columns: Vec<&str> = table.columns().iter().map(|column| column.name).collect();
    let head = format!("table {}: {} Key: {}.", table.name, table.doc, table.key.join(", "));
    vec![head, format!("columns: {}", columns.join(", "))]
}
