//! The form of a table in a snapshot: the role of its rows, the columns it keeps and the columns it adds.

use super::column::{Bytes, ColumnKind, Id, Name, Time};
use super::{Column, Table, describe, named};
use arrow::datatypes::DataType;

/// The role of a table's rows in a snapshot: it decides which rows stay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Role {
    /// The key identifies a thing of the catalog; its newest row stays.
    Entity,
    /// Rows owned by an entity of this table (their key starts with its key); kept or dropped with it.
    Child(&'static Table),
    /// The key identifies a page; every row stays.
    Log,
}

/// The tables that a snapshot keeps in ranges of ids, with those that belong to them, unless it is asked for others: they have
/// nearly all bytes of a full catalog, and a night adds to their ends.
const SPLIT: [&str; 3] = ["images", "gallery_images", "posts"];

impl Table {
    /// Returns the role of the table's rows in a snapshot.
    pub fn role(&self) -> Role {
        let Some((parent, link)) = self.parent else {
            return if self.key.contains(&"pass") { Role::Log } else { Role::Entity };
        };
        // A parent owns rows only if their key contains its key: a version has a parent model and is an entity itself.
        match named(parent).filter(|_| link.iter().all(|column| self.key.contains(column))) {
            Some(parent) => match parent.role() {
                Role::Child(owner) => Role::Child(owner),
                Role::Entity | Role::Log => Role::Child(parent),
            },
            None => Role::Entity,
        }
    }

    /// Returns the table that owns the rows: the table itself, unless it is a child table.
    pub fn owner(&'static self) -> &'static Self {
        if let Role::Child(owner) = self.role() { owner } else { self }
    }

    /// True if a snapshot can keep the table in ranges of ids: its rows are things of the catalog, and ids name them.
    pub fn is_splittable(&self) -> bool {
        let is_id = |column: &Column| column.name == self.key[0] && column.data_type == Id::data_type();
        self.role() == Role::Entity && self.columns().iter().any(is_id)
    }

    /// True if a snapshot keeps the table in ranges of ids unless it is asked for others.
    pub fn is_split_by_default(&self) -> bool {
        SPLIT.contains(&self.name)
    }

    /// Returns the columns that a snapshot takes from the table: all but answer bodies, which stay in the parts.
    pub fn kept_columns(&self) -> Vec<Column> {
        let body = |column: &Column| column.data_type == Bytes::data_type() || column.name == "body_encoding";
        self.columns().into_iter().filter(|column| !body(column)).collect()
    }

    /// Returns the columns of the table's file in a snapshot.
    pub fn snapshot_columns(&self) -> Vec<Column> {
        let mut columns = self.kept_columns();
        match self.role() {
            Role::Entity => columns.extend(seen().into_iter().chain([gone()])),
            Role::Child(_) => columns.push(gone()),
            Role::Log => {}
        }
        columns
    }

    /// Returns the columns whose changes a history records: counters and states, but no free texts, links, hashes or positions.
    pub fn state_columns(&self) -> Vec<Column> {
        let changes = |column: &Column| {
            let long = column.data_type == DataType::Utf8 && !column.dictionary;
            !long && !self.key.contains(&column.name) && column.name != "position" && !is_provenance(column.name)
        };
        self.columns().into_iter().filter(changes).collect()
    }

    /// Returns the columns of the table's history in a snapshot: key, counters and states, the page that first showed them, and
    /// their period.
    pub fn history_columns(&self) -> Vec<Column> {
        let key = self.columns().into_iter().filter(|column| self.key.contains(&column.name));
        let mut columns: Vec<Column> = key.chain(self.state_columns()).collect();
        columns.extend([
            describe::<Id>("pass", "The pass that first saw it so, counted from 1."),
            describe::<Name>("walk", "The walk that saw it then."),
            describe::<Id>("page", "The page of that walk, counted from 1."),
            describe::<Time>("valid_from", "When it was first seen so."),
            describe::<Time>("valid_to", "When it was seen otherwise, or found gone; null while it is so."),
        ]);
        columns
    }
}

/// Returns the columns with the first and the last observation of a thing.
pub fn seen() -> [Column; 2] {
    [
        describe::<Time>("first_seen_at", "When any page first showed it."),
        describe::<Time>("last_seen_at", "When any page last showed it."),
    ]
}

fn gone() -> Column {
    describe::<Time>("gone_at", "When a later complete walk of the same list had ended without it; null when none has.")
}

/// True if a column says which answer a row came from.
pub fn is_provenance(name: &str) -> bool {
    ["pass", "walk", "page", "fetched_at"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::super::{ALL, model_versions, models};
    use super::*;

    #[test]
    fn every_table_has_its_role() {
        let owner = |name: &str| match named(name).unwrap().role() {
            Role::Entity => "itself",
            Role::Child(owner) => owner.name,
            Role::Log => "nobody",
        };
        let roles: Vec<(&str, &str)> = ALL.iter().map(|table| (table.name, owner(table.name))).collect();
        let expected = [
            ("models", "itself"),
            ("model_tags", "models"),
            ("model_versions", "itself"),
            ("version_files", "model_versions"),
            ("file_hashes", "model_versions"),
            ("version_images", "model_versions"),
            ("images", "itself"),
            ("image_meta", "images"),
            ("image_resources", "images"),
            ("image_model_versions", "images"),
            ("image_tags", "images"),
            ("gallery_images", "itself"),
            ("creators", "itself"),
            ("tags", "itself"),
            ("posts", "itself"),
            ("post_tags", "posts"),
            ("post_images", "posts"),
            ("users", "itself"),
            ("enums", "itself"),
            ("pages", "nobody"),
            ("rejects", "nobody"),
        ];
        assert_eq!(roles, expected);
    }

    #[test]
    fn tables_named_by_ids_can_be_split() {
        let names = |wanted: fn(&Table) -> bool| -> Vec<&str> {
            ALL.iter().filter(|table| wanted(table)).map(|table| table.name).collect()
        };
        assert_eq!(names(Table::is_split_by_default), ["images", "gallery_images", "posts"]);
        assert_eq!(
            names(Table::is_splittable),
            ["models", "model_versions", "images", "gallery_images", "posts", "users"]
        );
    }

    #[test]
    fn the_key_of_a_child_begins_with_its_owners() {
        for table in ALL {
            if let Role::Child(owner) = table.role() {
                let types = |table: &Table, names: &[&str]| -> Vec<DataType> {
                    let schema = table.schema();
                    names.iter().map(|name| schema.field_with_name(name).unwrap().data_type().clone()).collect()
                };
                let beginning = &table.key[..owner.key.len()];
                assert_eq!(types(table, beginning), types(owner, owner.key), "{}", table.name);
                assert!(table.parent.unwrap().1.starts_with(beginning), "{}", table.name);
            }
        }
    }

    #[test]
    fn a_history_tells_counters_and_states_only() {
        let names = |columns: Vec<Column>| columns.into_iter().map(|column| column.name).collect::<Vec<_>>();
        let models = names(models::TABLE.state_columns());
        for state in ["download_count", "nsfw", "mode", "allow_commercial_use", "creator_username", "rating"] {
            assert!(models.contains(&state), "{state}");
        }
        for other in ["id", "name", "description", "extra", "creator_image", "walk", "fetched_at"] {
            assert!(!models.contains(&other), "{other}");
        }
        let versions = names(model_versions::TABLE.state_columns());
        assert!(versions.contains(&"base_model") && !versions.contains(&"position"), "{versions:?}");
    }
}
