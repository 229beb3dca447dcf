//! `pseudonymize`: the fields to hide, and the settings that would record names all the same.

use std::path::PathBuf;

use super::crawl::{Each, Partitioning, Source, Walk};
use super::mistake::{Findings, clip};
use super::value::Section;
use crate::api::users::USERS;

/// Fields that can be hidden.
const FIELDS: &[&str] = &["username"];
/// Parameters whose values are user names.
const NAMING: &[&str] = &["username", "user"];

/// Reads the fields to hide, and the path of the key file.
pub(super) fn read(
    file: &mut Section<'_>,
    keep_bodies: bool,
    walks: &[Walk],
    found: &mut Findings<'_>,
) -> (Vec<String>, Option<PathBuf>) {
    let at = file.at_key("pseudonymize");
    let fields = file.texts("pseudonymize", found).unwrap_or_default();
    let key_file = file.text("pseudonym_key_file", found).map(PathBuf::from);
    for field in fields.iter().filter(|field| !FIELDS.contains(&field.as_str())) {
        found.mistake(at, format!("`pseudonymize` holds `{}`; it takes `username`.", clip(field)));
    }
    if fields.is_empty() {
        return (fields, key_file);
    }
    if keep_bodies {
        found.mistake(at, "`keep_bodies` keeps answers as received, names included; remove it, or `pseudonymize`.");
    }
    for walk in walks.iter().filter(|walk| asks_by_name(walk)) {
        let text = format!(
            "walk `{}` asks by name, and what is asked is recorded; ask by ids, or remove `pseudonymize`.",
            walk.name
        );
        found.mistake(at, text);
    }
    for walk in walks.iter().filter(|walk| walk.endpoint.name == USERS.name) {
        let text = format!(
            "walk `{}` asks for the names that go with ids, which undoes what is hidden; remove it, or `pseudonymize`.",
            walk.name
        );
        found.mistake(at, text);
    }
    (fields, key_file)
}

fn asks_by_name(walk: &Walk) -> bool {
    let names = |param: &str| NAMING.contains(&param);
    let each = match &walk.partitioning {
        Partitioning::Each(Each { source, param, .. }) => {
            let compared = match source {
                Source::Column { column, choice, .. } => {
                    choice.conditions.iter().map(|condition| condition.column).chain([*column]).collect()
                }
                Source::Changed { column, .. } => vec![*column],
                _ => Vec::new(),
            };
            compared.iter().any(|column| column.ends_with("username")) || param.as_deref().is_some_and(names)
        }
        Partitioning::One | Partitioning::Windows { .. } => false,
    };
    each || walk.params.iter().any(|(name, _)| names(name) || name == "query")
}
