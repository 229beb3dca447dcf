//! The place to which a dataset goes: a directory, or a bucket of a store.

use std::path::{Component, Path, PathBuf};

use url::Url;

use super::address::{Address, StoreKind};
use super::paths::{fault_of_path, misspelt_url};

/// A place, as its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A directory.
    Directory(PathBuf),
    /// A bucket, or the names in it that begin with a prefix.
    Bucket(Address),
}

impl Location {
    /// Parses a path, or a URL with `file:///`, `s3://` or `az://`.
    ///
    /// # Errors
    /// The fault with its remedy, as the rest of a sentence about the text that quotes nothing which may be a secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            let fault = misspelt_url(text).or_else(|| fault_of_path(Path::new(text)).map(String::from));
            return fault.map_or_else(|| Ok(Self::Directory(PathBuf::from(text))), Err);
        };
        if rest.contains(['@', '?', '#']) {
            return Err(String::from(
                "is a URL with `@`, `?` or `#` in it: write the bucket and the prefix only; credentials are taken from the \
                 environment or the machine's role",
            ));
        }
        match scheme {
            "s3" => Address::parse(StoreKind::S3, rest).map(Self::Bucket),
            "az" => Address::parse(StoreKind::Azure, rest).map(Self::Bucket),
            "file" => match Url::parse(text).ok().and_then(|url| url.to_file_path().ok()) {
                Some(path) => Ok(Self::Directory(path)),
                None => Err(String::from("is a `file://` URL: write `file:///` and the absolute path of a directory")),
            },
            _ => Err(String::from(
                "is a URL of another kind: write `s3://bucket/prefix`, `az://container/prefix`, or a directory, which may be a mounted \
                 store of another kind",
            )),
        }
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
    fn a_place_is_a_directory_or_a_bucket_without_secrets() {
        for (text, directory) in [
            ("s3://bucket/prefix", None),
            ("az://container/prefix", None),
            ("file:///mnt/catalog", Some("/mnt/catalog")),
            ("/mnt/catalog", Some("/mnt/catalog")),
            ("~/x", Some("~/x")),
            ("data/y", Some("data/y")),
            ("./s3:bucket", Some("./s3:bucket")),
            ("x:y", Some("x:y")),
        ] {
            let found = match Location::parse(text).unwrap() {
                Location::Directory(path) => Some(path),
                Location::Bucket(address) => {
                    assert_eq!(address.url(), text);
                    None
                }
            };
            assert_eq!(found.as_deref(), directory.map(Path::new), "{text}");
        }
        for (text, said) in [
            ("", "is empty; name a directory"),
            ("a\0b", "holds a NUL character"),
            ("s3://", "without a bucket's name"),
            ("s3://x/canary", "without a bucket's name"),
            ("s3://bucket/canary canary", "has a prefix that is not names"),
            ("gs://bucket", "of another kind"),
            ("S3://bucket", "of another kind"),
            ("https://bucket", "of another kind"),
            ("canary://bucket", "of another kind"),
            ("s3:bucket", "not with `s3://`"),
            ("S3:/bucket", "not with `s3://`"),
            ("az:container", "not with `az://`"),
            ("file:x", "not with `file://`"),
            ("file://canary/x", "write `file:///`"),
            ("s3:/key:canary@bucket", "not with `s3://`"),
            ("s3://key:canary@bucket", "credentials are taken from"),
            ("az://container/a?sig=canary", "credentials are taken from"),
        ] {
            let fault = Location::parse(text).unwrap_err();
            assert!(fault.contains(said) && !fault.contains("canary"), "{text}: {fault}");
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
