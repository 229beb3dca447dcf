//! Checks the place that is the truth of a dataset.

use std::path::{Component, Path, PathBuf};

use super::paths::{misspelt_url, written_dataset_path};

/// Checks the text of a place: a directory, or a URL of a store.
///
/// # Errors
/// The reason why it is none, as a sentence with the remedy that quotes nothing which may be a secret.
pub fn store_place(text: &str) -> Result<(), String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        if let Some(fault) = misspelt_url(text) {
            return Err(format!("`store` {fault}"));
        }
        return written_dataset_path(PathBuf::from(text)).map(drop).map_err(|fault| fault.replace("dataset", "store"));
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

/// Checks that a directory may be the truth of the dataset in another one.
///
/// # Errors
/// The reason why it may not, as a sentence with the remedy.
pub fn store_beside(store: &Path, dataset: &Path) -> Result<(), String> {
    let plain = |path: &Path| path.components().filter(|part| *part != Component::CurDir).collect::<PathBuf>();
    let (one, other) = (plain(store), plain(dataset));
    if one.starts_with(&other) || other.starts_with(&one) {
        return Err(format!(
            "`store` is `{}`, and the dataset is `{}`; name two directories of which neither is in the other",
            store.display(),
            dataset.display()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_place_without_secrets() {
        for (store, taken) in [
            ("s3://bucket/prefix", true),
            ("az://container/prefix", true),
            ("file:///mnt/catalog", true),
            ("s3://${BUCKET}/a", true),
            ("/mnt/catalog", true),
            ("~/x", true),
            ("data/y", true),
            ("", false),
            ("s3://", false),
            ("gs://bucket", false),
            ("s3:bucket", false),
            ("S3:/bucket", false),
            ("az:container", false),
            ("./s3:bucket", true),
            ("x:y", true),
            ("https://bucket", false),
            ("s3://key:canary@bucket", false),
            ("s3:/key:canary@bucket", false),
            ("az://container/a?sig=canary", false),
            ("canary://bucket", false),
        ] {
            let checked = store_place(store);
            assert_eq!(checked.is_ok(), taken, "{store}");
            assert!(checked.err().is_none_or(|fault| !fault.contains("canary")), "{store}");
        }
    }

    #[test]
    fn neither_directory_is_in_the_other() {
        for (store, dataset, apart) in [
            ("a/y", "a/x", true),
            ("a/xy", "a/x", true),
            ("a/x", "a/x", false),
            ("a/x/y", "a/x", false),
            ("a", "a/x", false),
            (".", "a/x", false),
            ("./a/x/y", "a/x", false),
            ("..", "a", true),
        ] {
            assert_eq!(store_beside(Path::new(store), Path::new(dataset)).is_ok(), apart, "{store} {dataset}");
        }
    }
}
