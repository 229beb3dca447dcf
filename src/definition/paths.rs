//! The paths of a crawl file, in which `~` and variables stand for directories, and the path of a dataset.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// The variable of the user's own directory.
const HOME: &str = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
/// The words in the names of variables that may hold a secret, of which no path is made.
const SECRETS: [&str; 5] = ["CREDENTIAL", "KEY", "PASSWORD", "SECRET", "TOKEN"];

/// Returns the path, or the reason why no dataset can have it, as a sentence with the remedy.
pub fn dataset_path(path: PathBuf) -> Result<PathBuf, String> {
    if begins_with_tilde(&path) {
        return Err(format!(
            "the dataset is `{0}`, and only a shell replaces `~` by a directory; write the whole path, or `./{0}` for a directory \
             of that name",
            path.display()
        ));
    }
    written_dataset_path(path)
}

/// Returns the path of a dataset in a crawl file, as [`dataset_path`] does, `~` and variables left as they are.
pub(super) fn written_dataset_path(path: PathBuf) -> Result<PathBuf, String> {
    if let Some(fault) = fault_of_path(&path) {
        return Err(format!("the dataset's path {fault}"));
    }
    let text = path.to_string_lossy();
    let (scheme, rest) = text.split_once(':').unwrap_or_default();
    let is_scheme =
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if is_scheme && (rest.starts_with("//") || misspelt_url(&text).is_some()) {
        // What is behind the scheme may be a secret.
        return Err(format!(
            "the dataset is a `{scheme}:` URL, and a dataset is a directory; name one, and name a place in a bucket by `store`"
        ));
    }
    Ok(path)
}

/// Returns the fault of a path that no directory can have, as the rest of a sentence with the remedy; `None` for any other.
pub(super) fn fault_of_path(path: &Path) -> Option<&'static str> {
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Some("holds a NUL character, which no path may; remove it");
    }
    path.components().next().is_none().then_some("is empty; name a directory")
}

/// Returns the fault of a URL of a place that lacks its slashes, as the rest of a sentence; `None` for the path of a directory.
pub(super) fn misspelt_url(path: &str) -> Option<String> {
    let (scheme, _) = path.split_once(':')?;
    ["s3", "az", "file"].contains(&&*scheme.to_ascii_lowercase()).then(|| {
        format!(
            "begins with `{scheme}:` and not with `{0}://`: write `s3://bucket/prefix` or `az://container/prefix`, or `./{scheme}:…` \
             for a directory of that name",
            scheme.to_ascii_lowercase()
        )
    })
}

/// Returns a path of a crawl file with `~`, `$NAME` and `${NAME}` replaced, once, by the values of variables. Fails with the end
/// of a sentence, and the remedy, if a variable is not set or may hold a secret. Nothing else is replaced.
pub fn expanded(written: &Path, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<PathBuf, String> {
    let text = written.to_string_lossy();
    let value = |name: &str| -> Result<OsString, String> {
        if let Some(word) = SECRETS.iter().find(|word| name.to_uppercase().contains(**word)) {
            return Err(format!(
                "and the variable {name}, with {word} in its name, may hold a secret, which goes into no path; use another one"
            ));
        }
        let missing = || format!("and the variable {name} is not set; set it, or write the whole path");
        variable(name).filter(|value| !value.is_empty()).ok_or_else(missing)
    };
    let (mut path, mut rest) = (OsString::new(), &*text);
    if begins_with_tilde(written) {
        rest = &text[1..];
        if !(rest.is_empty() || rest.starts_with(std::path::is_separator)) {
            return Err(format!(
                "and `~` is the directory of the one who runs this only; write the whole path, or `./{text}`"
            ));
        }
        path.push(value(HOME)?);
    }
    while let Some((before, behind)) = rest.split_once('$') {
        path.push(before);
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, after) = match behind.strip_prefix('{') {
            Some(inner) => inner.split_once('}').unwrap_or(("", inner)),
            None => behind.split_at(behind.find(|c| !is_of_name(c)).unwrap_or(behind.len())),
        };
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(is_of_name) {
            return Err(String::from("and behind `$` a variable's name is missing; write `$NAME` or `${NAME}`"));
        }
        path.push(value(name)?);
        rest = after;
    }
    path.push(rest);
    Ok(PathBuf::from(path))
}

fn begins_with_tilde(path: &Path) -> bool {
    matches!(path.components().next(), Some(Component::Normal(first)) if first.as_encoded_bytes().starts_with(b"~"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_is_taken_as_it_is_or_refused() {
        for (path, taken) in [
            ("data/x", true),
            ("./~x", true),
            ("a/~", true),
            ("./s3:x", true),
            ("./s3://x", true),
            ("a b://x", true),
            ("x:y", true),
            ("s3://bucket/x", false),
            ("S3://bucket", false),
            ("https://x", false),
            ("s3:bucket", false),
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

    fn variable(name: &str) -> Option<OsString> {
        let known = [(HOME, "/u/me"), ("A", "one"), ("A_2", "$A/~"), ("EMPTY", ""), ("API_KEY", "hidden")];
        known.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
    }

    #[test]
    fn home_and_variables_are_replaced_once_and_nothing_else_is() {
        for (written, path) in [
            ("data/x", "data/x"),
            ("~", "/u/me"),
            ("~/x", "/u/me/x"),
            ("./~/x", "./~/x"),
            ("x/~/y", "x/~/y"),
            ("$A/x", "one/x"),
            ("x-${A}y/$A.d", "x-oney/one.d"),
            ("${A_2}", "$A/~"),
            ("~/$A", "/u/me/one"),
            ("a b*?[c]%d", "a b*?[c]%d"),
        ] {
            assert_eq!(expanded(Path::new(written), &variable), Ok(PathBuf::from(path)), "{written}");
        }
        for (written, said) in [
            ("$B/x", "variable B is not set"),
            ("${B}", "variable B is not set"),
            ("$EMPTY/x", "variable EMPTY is not set"),
            ("$AB", "variable AB is not set"),
            ("~bob/x", "`./~bob/x`"),
            ("~$A", "`./~$A`"),
            ("x$", "`$NAME` or `${NAME}`"),
            ("$1", "`$NAME` or `${NAME}`"),
            ("${A", "`$NAME` or `${NAME}`"),
            ("${A:-b}", "`$NAME` or `${NAME}`"),
            ("$(id)", "`$NAME` or `${NAME}`"),
            ("$API_KEY", "API_KEY, with KEY in its name, may hold a secret"),
            ("$MonkeyBusiness", "MonkeyBusiness, with KEY in its name, may hold a secret"),
        ] {
            let fault = expanded(Path::new(written), &variable).unwrap_err();
            assert!(fault.contains(said) && !fault.contains("hidden"), "{written}: {fault}");
        }
        let nothing = expanded(Path::new("~/x"), &|_| None).unwrap_err();
        assert!(nothing.contains(&format!("variable {HOME} is not set")), "{nothing}");
    }

    proptest! {
        #[test]
        fn a_path_without_marks_stays(path in "[a-z/.~-]{0,12}") {
            prop_assume!(!path.starts_with('~'));
            prop_assert_eq!(expanded(Path::new(&path), &|_| None), Ok(PathBuf::from(&path)));
        }

        #[test]
        fn any_path_is_replaced_or_refused(path in "[~${}A/_1é]{0,12}") {
            if let Ok(replaced) = expanded(Path::new(&path), &variable) {
                prop_assert!(!replaced.to_string_lossy().contains("hidden"));
            }
        }
    }
}
