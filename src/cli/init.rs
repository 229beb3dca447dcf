//! `civitrawl init [NAME …]`: writes the crawl files and queries that are inside the program, or lists them.

use std::io::ErrorKind;
use std::path::Path;

use super::exit::Exit;
use super::format::grid;
use super::output::{complain, print, usage};
use crate::storage;

/// Every crawl file of `crawls/` and every query of `scripts/queries/`, with its text.
const FILES: &[(&str, &str)] = &[
    ("creators.toml", include_str!("../../crawls/creators.toml")),
    ("everything.toml", include_str!("../../crawls/everything.toml")),
    ("first-look.toml", include_str!("../../crawls/first-look.toml")),
    ("images-by-version.toml", include_str!("../../crawls/images-by-version.toml")),
    ("images-of-creators.toml", include_str!("../../crawls/images-of-creators.toml")),
    ("images.toml", include_str!("../../crawls/images.toml")),
    ("models.toml", include_str!("../../crawls/models.toml")),
    ("nightly.toml", include_str!("../../crawls/nightly.toml")),
    ("posts.toml", include_str!("../../crawls/posts.toml")),
    ("sandbox.toml", include_str!("../../crawls/sandbox.toml")),
    ("tags.toml", include_str!("../../crawls/tags.toml")),
    ("top-loras.toml", include_str!("../../crawls/top-loras.toml")),
    ("base-models-by-month.sql", include_str!("../../scripts/queries/base-models-by-month.sql")),
    ("deleted-share.sql", include_str!("../../scripts/queries/deleted-share.sql")),
    ("downloads-by-week.sql", include_str!("../../scripts/queries/downloads-by-week.sql")),
    ("files-and-scans.sql", include_str!("../../scripts/queries/files-and-scans.sql")),
    ("growth-by-month.sql", include_str!("../../scripts/queries/growth-by-month.sql")),
    ("images-with-metadata.sql", include_str!("../../scripts/queries/images-with-metadata.sql")),
    ("licence-mix.sql", include_str!("../../scripts/queries/licence-mix.sql")),
    ("loras-and-prompts.sql", include_str!("../../scripts/queries/loras-and-prompts.sql")),
    ("models-by-images-and-reactions.sql", include_str!("../../scripts/queries/models-by-images-and-reactions.sql")),
    ("models-by-type-and-level.sql", include_str!("../../scripts/queries/models-by-type-and-level.sql")),
    ("posts-by-version.sql", include_str!("../../scripts/queries/posts-by-version.sql")),
    ("prompts-by-month-and-base-model.sql", include_str!("../../scripts/queries/prompts-by-month-and-base-model.sql")),
    ("resources-used-together.sql", include_str!("../../scripts/queries/resources-used-together.sql")),
    ("resources-used-with-models.sql", include_str!("../../scripts/queries/resources-used-with-models.sql")),
    ("snapshot-spark.sql", include_str!("../../scripts/queries/snapshot-spark.sql")),
    ("snapshot.sql", include_str!("../../scripts/queries/snapshot.sql")),
    ("top-creators.sql", include_str!("../../scripts/queries/top-creators.sql")),
    ("users-by-contributions.sql", include_str!("../../scripts/queries/users-by-contributions.sql")),
];

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The files to write here, such as `models` or `top-creators.sql`; none lists all of them
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    if arguments.names.is_empty() {
        let rows = FILES.iter().map(|(name, text)| vec![(*name).to_owned(), first_sentence(text)]);
        print(grid(&["file", "what it is"], &rows.collect::<Vec<_>>()));
        return Exit::Complete;
    }
    let mut chosen = Vec::new();
    for wanted in &arguments.names {
        let is_wanted = |name: &str| name == wanted || name.rsplit_once('.').is_some_and(|(stem, _)| stem == wanted);
        match FILES.iter().find(|(name, _)| is_wanted(name)) {
            Some(file) => chosen.push(file),
            None => {
                return usage(&format!("there is no file `{wanted}` inside; `civitrawl init` lists those there are"));
            }
        }
    }
    let mut exit = Exit::Complete;
    for (name, text) in chosen {
        match storage::create_text(Path::new(name), text) {
            Ok(()) => {
                print([name]);
            }
            Err(error) => {
                let is_there = error.kind() == ErrorKind::AlreadyExists;
                complain(&match is_there {
                    true => format!("`{name}` is there already, and is left as it is; move it, or work elsewhere"),
                    false => format!("cannot write `{name}`: {error}"),
                });
                exit = if is_there { Exit::Usage } else { Exit::from(&error) };
            }
        }
    }
    exit
}

/// Returns the sentence that a file opens with.
fn first_sentence(text: &str) -> String {
    let head = text.lines().take_while(|line| line.starts_with("# ") || line.starts_with("-- "));
    let head = head.map(|line| line.trim_start_matches(['#', '-']).trim()).collect::<Vec<_>>().join(" ");
    let end = head.find(['.', '?', ':']).map_or(head.len(), |end| end + 1);
    head[..end].trim_end_matches(['.', ':']).to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_crawl_file_and_query_is_inside() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders = ["crawls", "scripts/queries"].map(|folder| std::fs::read_dir(root.join(folder)).unwrap());
        let there = folders.into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(FILES.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>(), there.collect());
        let stems: BTreeSet<&str> = FILES.iter().filter_map(|(name, _)| Some(name.rsplit_once('.')?.0)).collect();
        assert_eq!(stems.len(), FILES.len(), "a stem names one file");
        assert!(FILES.iter().all(|(_, text)| first_sentence(text).len() > 10));
    }
}
