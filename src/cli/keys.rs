//! The keys of a command: where they are read from, and which server may have the API key.
//!
//! A crawl file may be somebody else's. So the user's own key goes to the service and to this machine only, unless the user
//! names another host; and a crawl file may name no key file but its own, which lies beside it.

use std::path::{Path, PathBuf};

use url::Host;

use super::exit::Exit;
use super::output::{usage, warn};
use crate::api::pseudonym::Pseudonyms;
use crate::definition::{Crawl, Server};
use crate::fetch::Secret;
use crate::storage;

/// The environment variables of the API key, of a file that holds it, and of a further host that may have it.
const KEY: &str = "CIVITAI_API_KEY";
const KEY_FILE: &str = "CIVITAI_API_KEY_FILE";
const KEY_HOST: &str = "CIVITAI_API_KEY_HOST";
/// The environment variable of the pseudonyms' key.
const PSEUDONYM_KEY: &str = "CIVITRAWL_PSEUDONYM_KEY";
/// The hosts of the service.
const SERVICE: [&str; 2] = ["civitai.com", "civitai.red"];

/// Returns the API key for a server: of the variable, else of the file that the option or its variable names, else of the file
/// beside the crawl file. `None` if nobody names one.
pub(super) fn api_key(
    server: &Server,
    option: Option<&Path>,
    crawl: Option<(&Path, &Crawl)>,
) -> Result<Option<Secret>, Exit> {
    let file = option.map(Path::to_owned).or_else(|| std::env::var_os(KEY_FILE).map(PathBuf::from));
    let text = match (variable(KEY)?, file.filter(|file| !file.as_os_str().is_empty()), crawl) {
        (Some(text), ..) => may_have_key(server).map(|()| text)?,
        (None, Some(file), _) => may_have_key(server).and_then(|()| private(&file))?,
        (None, None, Some((path, Crawl { key_file: Some(file), .. }))) => {
            let remedy = format!("or name it yourself with `--key-file` or {KEY_FILE}");
            private(&beside(path, file, "key_file", &remedy)?)?
        }
        _ => return Ok(None),
    };
    let key = Secret::parse(&text).map_err(|error| usage(&error.to_string()))?;
    if !key.is_masked() {
        warn(
            "the API key is so short or simple that it cannot be masked in the server's answers; real keys have 32 digits and \
             letters",
        );
    }
    Ok(Some(key))
}

/// Returns the pseudonyms if the crawl uses them; their key is from the variable, else from a file beside the crawl file.
pub(super) fn pseudonyms(path: &Path, crawl: &Crawl) -> Result<Option<Pseudonyms>, Exit> {
    if crawl.pseudonymize.is_empty() {
        return Ok(None);
    }
    let text = match (variable(PSEUDONYM_KEY)?, &crawl.pseudonym_key_file) {
        (Some(text), _) => text,
        (None, Some(file)) => {
            let remedy = format!("or set {PSEUDONYM_KEY} instead");
            private(&beside(path, file, "pseudonym_key_file", &remedy)?)?
        }
        (None, None) => {
            return Err(usage(&format!(
                "`pseudonymize` needs a key of its own; set {PSEUDONYM_KEY}, or name a file that holds it with \
                 `pseudonym_key_file`"
            )));
        }
    };
    Pseudonyms::new(&text).map(Some).map_err(|error| usage(&error.to_string()))
}

/// Fails unless the user's own key may go to this server: the service, this machine, or the host that the user names.
fn may_have_key(server: &Server) -> Result<(), Exit> {
    let Server::Url(url) = server else { return Ok(()) };
    let host = url.host_str().unwrap_or_default();
    if server.is_local() || SERVICE.contains(&host) {
        return Ok(());
    }
    let named = variable(KEY_HOST)?;
    if let Some(text) = &named {
        let named = Host::parse(text)
            .map_err(|_| usage(&format!("{KEY_HOST} is `{text}`, which is no host; write it like `{}`", SERVICE[0])))?;
        if named.to_string() == host {
            return Ok(());
        }
    }
    Err(usage(&format!(
        "your API key goes to {} and this machine only, and the server is `{host}`; if that host may have the key, set \
         {KEY_HOST}={host}, else unset the key",
        SERVICE.join(", ")
    )))
}

/// Returns the resolved path of a file that a crawl file names as its key, which must lie in the folder of that crawl file
/// or below; `remedy` ends the sentence that refuses any other.
fn beside(crawl: &Path, file: &Path, setting: &str, remedy: &str) -> Result<PathBuf, Exit> {
    let resolved = |path: &Path| storage::resolved(path).map_err(|error| unusable(path, &error));
    let (crawl_file, key_file) = (resolved(crawl)?, resolved(file)?);
    if crawl_file.parent().is_some_and(|folder| key_file.starts_with(folder)) {
        return Ok(key_file);
    }
    Err(usage(&format!(
        "`{setting}` of `{}` names `{}`, which does not lie beside that crawl file: move it there, {remedy}",
        crawl.display(),
        file.display()
    )))
}

/// Reads a file that must not be readable by others.
fn private(path: &Path) -> Result<String, Exit> {
    storage::read_private_text(path).map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, error: &std::io::Error) -> Exit {
    usage(&format!("cannot use the key file `{}`: {error}", path.display()))
}

/// Returns an environment variable's value, `None` if it is unset or empty.
fn variable(name: &str) -> Result<Option<String>, Exit> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(usage(&format!("{name} is not valid text"))),
    }
}
