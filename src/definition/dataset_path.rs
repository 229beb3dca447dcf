//! Checks the path of a dataset, and the place that is its truth.

use std::path::{Component, Path, PathBuf};

/// Returns the path, or the reason why no dataset can have it, as a sentence with the remedy.
pub fn dataset_path(path: PathBuf) -> Result<PathBuf, String> {
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(String::from("the dataset's path holds a NUL character, which no path may; remove it"));
    }
    match path.components().next() {
        Some(Component::Normal(first)) if first.as_encoded_bytes().starts_with(b"~") => Err(format!(
            "the dataset is `{0}`, and only a shell replaces `~` by a directory; write the whole path, or `./{0}` for a directory \
             of that name",
            path.display()
        )),
        None => Err(String::from("the dataset's path is empty; name a directory")),
        _ => Ok(path),
    }
}

/// Checks the place that is to be the truth of the dataset in this directory.
///
/// # Errors
/// The reason why it cannot be, as a sentence that quotes nothing which may be a secret.
pub(super) fn dataset_store(text: &str, dataset: Option<&Path>) -> Result<(), String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        let path = dataset_path(PathBuf::from(text)).map_err(|fault| fault.replace("dataset", "store"))?;
        return match dataset {
            Some(dataset) if path.starts_with(dataset) || dataset.starts_with(&path) => Err(format!(
                "`store` is `{}`, and the dataset's directory is `{}`: name two directories of which neither is in the other",
                path.display(),
                dataset.display()
            )),
            _ => Ok(()),
        };
    };
    if rest.contains(['@', '?', '#']) {
        return Err(String::from(
            "`store` is a URL with `@`, `?` or `#` in it: write the bucket and the prefix only; credentials are taken from the \
             environment or the machine's role",
        ));
    }
    match scheme {
        "s3" | "az" | "file" if !rest.is_empty() => Ok(()),
        _ => Err(String::from(
            "`store` is no place: write `s3://bucket/prefix`, `az://container/prefix`, or a directory",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_place_without_secrets_beside_the_dataset() {
        for (store, taken) in [
            ("s3://bucket/prefix", true),
            ("az://container/prefix", true),
            ("file:///mnt/catalog", true),
            ("/mnt/catalog", true),
            ("data/y", true),
            ("data/x", false),
            ("data/x/y", false),
            ("data", false),
            ("~/x", false),
            ("", false),
            ("s3://", false),
            ("gs://bucket", false),
            ("https://bucket", false),
            ("s3://key:canary@bucket", false),
            ("az://container/a?sig=canary", false),
            ("canary://bucket", false),
        ] {
            let checked = dataset_store(store, Some(Path::new("data/x")));
            assert_eq!(checked.is_ok(), taken, "{store}");
            assert!(checked.err().is_none_or(|fault| !fault.contains("canary")), "{store}");
        }
    }

    #[test]
    fn a_path_is_taken_as_it_is_or_refused() {
        for (path, taken) in [
            ("data/x", true),
            ("./~x", true),
            ("a/~", true),
            ("/", true),
            (".", true),
            ("~", false),
            ("~/x", false),
            ("~bob/x", false),
            ("a\0b", false),
            ("", false),
        ] {
            assert_eq!(dataset_path(PathBuf::from(path)).is_ok(), taken, "{path}");
        }
    }
}
