//! Checks the path of a dataset.

use std::path::{Component, PathBuf};

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

#[cfg(test)]
mod tests {
    use super::*;

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
