//! `drop`: tables and columns to leave out, if nothing needs them.

use super::crawl::{Partitioning, Source, Walk};
use super::mistake::{Findings, clip};
use super::suggestion;
use super::value::Section;
use crate::table::dropped::Dropped;
use crate::table::snapshot::{Role, is_provenance};
use crate::table::{self, Column, Table};

/// Columns that a crawl compares with each other at the end of a pass.
const COMPARED: [(&str, &str); 2] = [("creators", "model_count"), ("models", "creator_username")];

/// Reads `drop`: a list of tables, of columns, and of columns of one table (`table.column`).
pub(super) fn read(
    file: &mut Section<'_>,
    walks: &[Walk],
    history: &[&'static Table],
    found: &mut Findings<'_>,
) -> Dropped {
    let at = file.at_key("drop");
    let mut dropped = Dropped::default();
    for name in file.texts("drop", found).unwrap_or_default() {
        let need = |table: &'static Table, column| need(table, column, walks, history);
        let (tables, columns) = (named_tables(&name), named_columns(&name));
        let mut needs: Vec<String> = tables.iter().filter_map(|table| need(table, None)).collect();
        // Of a column that several tables have, all that can be dropped are.
        let (kept, free): (Vec<_>, Vec<_>) =
            columns.into_iter().partition(|(table, column)| need(table, Some(column)).is_some());
        if free.is_empty() {
            needs.extend(kept.iter().filter_map(|(table, column)| need(table, Some(column))));
        }
        if let Some(need) = needs.first() {
            found.mistake(at, format!("`drop` names `{}`, and {need}; leave it out of `drop`.", clip(&name)));
        } else if tables.is_empty() && free.is_empty() {
            let known: Vec<String> = table::ALL.iter().flat_map(|table| names(table)).collect();
            let known = || known.iter().map(String::as_str);
            let otherwise = "`civitrawl schema` lists tables and columns.";
            let ending = suggestion::did_you_mean(&name, known(), otherwise);
            found.mistake(at, format!("`drop` names `{}`, which is no table or column.{ending}", clip(&name)));
        }
        dropped.tables.extend(tables);
        dropped.columns.extend(free);
    }
    dropped
}

/// Returns the names by which a table and its columns can be dropped.
fn names(table: &'static Table) -> impl Iterator<Item = String> {
    let columns = table.columns().into_iter();
    let both = columns.flat_map(|column| [column.name.to_owned(), format!("{}.{}", table.name, column.name)]);
    both.chain([table.name.to_owned()])
}

/// Returns the table of this name and those that belong to it; none if there is no such table.
fn named_tables(name: &str) -> Vec<&'static Table> {
    let Some(named) = table::named(name) else { return Vec::new() };
    let mut tables = vec![named];
    // A table is declared before those that belong to it.
    for table in table::ALL.iter().copied().filter(|table| matches!(table.role(), Role::Child(_))) {
        if table.parent.is_some_and(|(parent, _)| tables.iter().any(|dropped| dropped.name == parent)) {
            tables.push(table);
        }
    }
    tables
}

/// Returns the columns of this name, or the one of a table named before a dot.
fn named_columns(name: &str) -> Vec<(&'static Table, &'static str)> {
    let (of, column) = name.split_once('.').map_or((None, name), |(of, column)| (Some(of), column));
    if of.is_none() && table::named(name).is_some() {
        return Vec::new();
    }
    let tables = table::ALL.iter().copied().filter(|table| of.is_none_or(|of| table.name == of));
    let columns = tables.flat_map(|table| table.columns().into_iter().map(move |known| (table, known.name)));
    columns.filter(|(_, known)| *known == column).collect()
}

/// Returns a clause that says what needs a table, or its column; `None` if nothing does.
fn need(table: &'static Table, column: Option<&str>, walks: &[Walk], history: &[&'static Table]) -> Option<String> {
    let name = table.name;
    if table.role() == Role::Log {
        return Some(format!("`{name}` shows what a crawl has asked for and could not keep"));
    }
    let is_link = |column| table.parent.is_some_and(|(_, links)| links.contains(&column));
    let is_never_null = |column| table.columns().iter().any(|known| known.name == column && !known.nullable);
    if column.is_some_and(|column| is_link(column) || is_never_null(column) || is_provenance(column)) {
        return Some(format!("`{name}` is sorted, joined or dated by it"));
    }
    if let Some(walk) = walks.iter().find(|walk| reads(walk, table, column)) {
        return Some(format!("walk `{}` takes its values from `{name}`", walk.name));
    }
    let Some(column) = column else {
        let is_entity = table.role() == Role::Entity;
        return is_entity.then(|| format!("a snapshot knows by the rows of `{name}` what there is and what is gone"));
    };
    if COMPARED.contains(&(name, column)) {
        return Some(String::from("the models in the tables are compared by it with the numbers that creators report"));
    }
    let is_state = |of: &Column| of.name == column;
    let recorded = history.contains(&table) && table.state_columns().iter().any(is_state);
    recorded.then(|| format!("the history of `{name}` records it"))
}

/// True if a walk takes its values from rows of the table, and reads the column, if one is named.
fn reads(walk: &Walk, table: &Table, column: Option<&str>) -> bool {
    let Partitioning::Each(each) = &walk.partitioning else { return false };
    match &each.source {
        Source::Column { table: of, column: values, choice } => {
            let by = choice.top.iter().map(|top| top.by);
            let mut read = choice.conditions.iter().map(|condition| condition.column).chain(by).chain([*values]);
            *of == table.name && column.is_none_or(|column| read.any(|read| read == column))
        }
        // All columns show whether a row has changed.
        Source::Changed { table: of, .. } => *of == table.name,
        Source::List(_) | Source::Range { .. } | Source::Newest { .. } | Source::Types => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::api::ENDPOINTS;
    use crate::definition::{fingerprint, parse};

    fn dropping(drop: &str, more: &str) -> Result<Vec<String>, String> {
        let walks = "[[walk]]\nname = \"models\"\nendpoint = \"models\"\n\
            [[walk]]\nname = \"files\"\nendpoint = \"model_version\"\n\
            for_each = { table = \"file_hashes\", column = \"version_id\", where = { algorithm = \"SHA256\" } }\n\
            [[walk]]\nname = \"best\"\nendpoint = \"model\"\n\
            for_each = { table = \"models\", column = \"id\", order_by = \"download_count\", top = 9 }\n";
        let text = format!("server = \"sandbox\"\ndataset = \"d\"\ndrop = [{drop}]\n{more}\n{walks}");
        let read = parse("x", &text, ENDPOINTS).map_err(|mistakes| mistakes.lines("x").join("\n"));
        read.map(|(crawl, _)| {
            let recorded = fingerprint(&crawl)["drop"].as_array().cloned().unwrap_or_default();
            recorded.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
        })
    }

    #[test]
    fn tables_and_columns_are_dropped_by_name() {
        for (drop, names) in [
            ("", &[][..]),
            ("\"description\"", &["model_versions.description", "models.description"]),
            ("\"models.description\", \"models.description\"", &["models.description"]),
            ("\"image_tags\"", &["image_tags"]),
            ("\"image_meta.prompt\", \"model_tags\"", &["image_meta.prompt", "model_tags"]),
        ] {
            assert_eq!(dropping(drop, "").unwrap(), names, "{drop}");
        }
    }

    #[test]
    fn a_refusal_names_the_need() {
        for (drop, more, said) in [
            ("images", "", "what there is and what is gone"),
            ("pages", "", "shows what a crawl has asked for"),
            ("rejects.item", "", "shows what a crawl has asked for"),
            ("models.id", "", "sorted, joined or dated by it"),
            ("fetched_at", "", "sorted, joined or dated by it"),
            ("model_versions.model_id", "", "sorted, joined or dated by it"),
            ("file_hashes", "", "walk `files` takes its values from `file_hashes`"),
            ("version_files", "", "walk `files` takes its values from `file_hashes`"),
            ("models.download_count", "", "walk `best` takes its values from `models`"),
            ("models.creator_username", "", "numbers that creators report"),
            ("models.thumbs_up_count", "history = [\"models\"]", "the history of `models` records it"),
            ("descriptoin", "", "Did you mean `description`?"),
            ("zzzzzzzzzzzz", "", "no table or column. `civitrawl schema` lists"),
            ("models.body", "", "which is no table or column"),
        ] {
            let refused = dropping(&format!("\"{drop}\""), more).unwrap_err();
            assert!(refused.starts_with("x:3: `drop` names `") && refused.contains(said), "{drop}: {refused}");
        }
    }
}
