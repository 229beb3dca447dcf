//! `civitrawl explain WORD`: what an exit code, the end of a walk, the status of a download, a reject's reason, a table or a
//! column means. The texts are those of the places where these things are declared.

use super::exit::{Exit, usage};
use super::print;
use super::schema::type_name;
use crate::api::rejection::Rejection;
use crate::dataset::commit::Why;
use crate::download::status::DownloadStatus;
use crate::table::{self, Table};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// An exit code (`4`), how a walk ended (`cursor_loop`), the status of a download (`early_access`), a table (`models`),
    /// a column (`models.nsfw_levels`), or the reason of a reject, in quotes
    #[arg(required = true)]
    word: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let word = arguments.word.join(" ");
    let word = word.trim();
    let told = [exit_code, end, download, of_tables, reason].into_iter().find_map(|of| of(word));
    match told {
        Some(text) => {
            print(&text);
            Exit::Complete
        }
        None => {
            let codes: Vec<String> = Exit::ALL.iter().map(|exit| (*exit as u8).to_string()).collect();
            let ends: Vec<&str> = Why::ALL.iter().map(|why| why.as_str()).collect();
            let statuses: Vec<&str> = DownloadStatus::MEANINGS.iter().map(|(code, _)| *code).collect();
            let tables: Vec<&str> = table::ALL.iter().map(|table| table.name).collect();
            usage(&format!(
                "nothing is called `{word}`; there are the exit codes {}; the ends {}; for downloads {}; the reasons in \
                 `rejects`; the tables {}; and their columns, such as `models.id`",
                codes.join(", "),
                ends.join(", "),
                statuses.join(", "),
                tables.join(", ")
            ))
        }
    }
}

fn exit_code(word: &str) -> Option<String> {
    let code: u8 = word.parse().ok()?;
    let exit = Exit::ALL.iter().find(|exit| **exit as u8 == code)?;
    Some(format!("exit code {code}: {}\n", exit.meaning()))
}

fn end(word: &str) -> Option<String> {
    let why = Why::ALL.iter().find(|why| why.as_str() == word)?;
    Some(format!("a walk that ended `{word}`: {}\n", why.meaning()))
}

fn download(word: &str) -> Option<String> {
    let (_, meaning) = DownloadStatus::MEANINGS.iter().find(|(code, _)| *code == word)?;
    Some(format!("a download that is told `{word}`: {meaning}\n"))
}

fn of_tables(word: &str) -> Option<String> {
    match word.split_once('.') {
        None => table::named(word).map(of_table),
        Some((table, column)) => {
            let table = table::named(table)?;
            let mut columns = table.columns().into_iter().chain(table.snapshot_columns());
            let column = columns.find(|known| known.name == column)?;
            let null = if column.nullable { "may be null" } else { "never null" };
            Some(format!("{}.{} ({}, {null}): {}\n", table.name, column.name, type_name(&column), column.doc))
        }
    }
}

fn of_table(table: &Table) -> String {
    let columns: Vec<&str> = table.columns().iter().map(|column| column.name).collect();
    format!("table {}: {} Key: {}.\ncolumns: {}\n", table.name, table.doc, table.key.join(", "), columns.join(", "))
}

fn reason(word: &str) -> Option<String> {
    let meaning = Rejection::of(word)?.meaning();
    Some(format!("rejected because {}: {meaning}\n", word.trim_matches('"')))
}
