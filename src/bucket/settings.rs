//! The clients of stores, as the environment sets them: credentials, region, endpoint, timeouts.

use std::str::FromStr;
use std::sync::Arc;

use hyper::Uri;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::list::PaginatedListStore;
use object_store::multipart::MultipartStore;
use object_store::{ClientConfigKey, ObjectStore, RetryConfig};
use tokio::runtime::Runtime;
use url::Url;

use super::client::Connector;
use crate::definition::{Address, StoreKind};
use crate::place::{Place, place_of};

/// A store that can do all that a place needs.
pub(super) trait Store: ObjectStore + PaginatedListStore + MultipartStore {}

impl<S: ObjectStore + PaginatedListStore + MultipartStore> Store for S {}

/// Returns the client of the store at this address, and a request for its credentials if they are not in the environment.
///
/// # Errors
/// The rest of a sentence about the address.
pub(super) fn connect(address: &Address, runtime: &Runtime) -> Result<Arc<dyn Store>, String> {
    match address.kind {
        StoreKind::S3 => s3(address, runtime),
        StoreKind::Azure => azure(address, runtime),
    }
}

fn s3(address: &Address, runtime: &Runtime) -> Result<Arc<dyn Store>, String> {
    check_variables::<AmazonS3ConfigKey>("AWS_")?;
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(&address.bucket).with_retry(never());
    for (name, key, time) in TIMES {
        if std::env::var_os(format!("AWS_{name}")).is_none() {
            builder = builder.with_config(AmazonS3ConfigKey::Client(key), time);
        }
    }
    let value = |key| builder.get_config_value(&key);
    let endpoint = value(AmazonS3ConfigKey::S3Endpoint).or_else(|| value(AmazonS3ConfigKey::Endpoint));
    let over_http = value(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
    let is_signed = value(AmazonS3ConfigKey::SkipSignature).as_deref() != Some("true");
    let is_here = is_here(endpoint.as_deref(), over_http.as_deref(), "AWS_ALLOW_HTTP")?;
    if is_here {
        builder = builder.with_allow_http(true);
    }
    let store = builder.with_http_connector(Connector { is_here }).build();
    let store = store.map_err(|error| format!("cannot be used with the variables `AWS_*` as they are: {error}"))?;
    if is_signed && runtime.block_on(store.credentials().get_credential()).is_err() {
        return Err(lacking("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"));
    }
    Ok(Arc::new(store))
}

fn azure(address: &Address, runtime: &Runtime) -> Result<Arc<dyn Store>, String> {
    check_variables::<AzureConfigKey>("AZURE_")?;
    let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(&address.bucket).with_retry(never());
    for (name, key, time) in TIMES {
        if std::env::var_os(format!("AZURE_{name}")).is_none() {
            builder = builder.with_config(AzureConfigKey::Client(key), time);
        }
    }
    let value = |key| builder.get_config_value(&key);
    let endpoint = value(AzureConfigKey::Endpoint);
    let over_http = value(AzureConfigKey::Client(ClientConfigKey::AllowHttp));
    let is_signed = value(AzureConfigKey::SkipSignature).as_deref() != Some("true");
    let is_emulated = value(AzureConfigKey::UseEmulator).as_deref() == Some("true");
    let is_here = is_emulated || is_here(endpoint.as_deref(), over_http.as_deref(), "AZURE_ALLOW_HTTP")?;
    if is_here {
        builder = builder.with_allow_http(true);
    }
    let store = builder.with_http_connector(Connector { is_here }).build();
    let store = store.map_err(|error| format!("cannot be used with the variables `AZURE_*` as they are: {error}"))?;
    if is_signed && runtime.block_on(store.credentials().get_credential()).is_err() {
        return Err(lacking("AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"));
    }
    Ok(Arc::new(store))
}

/// The times of a client that are other ones than the library's, by their variables: a request may have to send a part.
const TIMES: [(&str, ClientConfigKey, &str); 2] =
    [("CONNECT_TIMEOUT", ClientConfigKey::ConnectTimeout, "10s"), ("TIMEOUT", ClientConfigKey::Timeout, "120s")];

/// Fails if a variable that the library reads holds a line break or another control character, at which the library panics.
fn check_variables<Key: FromStr>(prefix: &str) -> Result<(), String> {
    let is_read = |name: &str| name.starts_with(prefix) && name.to_ascii_lowercase().parse::<Key>().is_ok();
    let mut variables =
        std::env::vars_os().filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok()));
    match variables.find(|(name, value)| is_read(name) && value.contains(char::is_control)) {
        None => Ok(()),
        Some((name, _)) => Err(format!(
            "cannot be used with `{name}` as it is: it has a line break or another control character in it, perhaps the end of the line \
             of a file; remove that"
        )),
    }
}

/// Returns the library's repetitions: none, because all requests are repeated alike one floor above.
fn never() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

/// Returns true for an endpoint on this machine.
///
/// # Errors
/// If credentials would be sent unencrypted to another one, which the variable of this name does not allow.
fn is_here(endpoint: Option<&str>, over_http: Option<&str>, allows: &str) -> Result<bool, String> {
    let Some(endpoint) = endpoint else { return Ok(false) };
    let no_url = |error: &dyn std::error::Error| format!("has an endpoint that is no URL: {error}");
    let url = Url::parse(endpoint).map_err(|error| no_url(&error))?;
    // The library panics at blanks, which a `Url` drops.
    Uri::from_str(endpoint).map_err(|error| no_url(&error))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(String::from("has an endpoint with credentials in it: set them in variables of their own"));
    }
    let is_here = place_of(&url) == Place::ThisMachine;
    if url.scheme() != "https" && !is_here && over_http != Some("true") {
        return Err(format!(
            "has an endpoint that is not `https://`: everybody on the way could read what is sent; set {allows}=true if that is \
             wanted"
        ));
    }
    Ok(is_here)
}

fn lacking(variables: &str) -> String {
    format!("needs credentials: set {variables}, or run where a role gives them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_this_machine_encrypted() {
        for (endpoint, over_http, expected) in [
            (None, None, Some(false)),
            (Some("https://s3.example.com"), None, Some(false)),
            (Some("http://127.0.0.1:9000"), None, Some(true)),
            (Some("http://localhost:9000"), None, Some(true)),
            (Some("https://[::1]:9000"), None, Some(true)),
            (Some("http://s3.example.com"), None, None),
            (Some("http://s3.example.com"), Some("false"), None),
            (Some("http://s3.example.com"), Some("true"), Some(false)),
            (Some("http://127.0.0.1.example.com"), None, None),
            (Some("https://canary:canary@s3.example.com"), None, None),
            (Some("s3.example.com canary"), None, None),
            (Some("http://127.0.0.1:9000 "), None, None),
            (Some("http://127.0.0.1:9000/can ary"), None, None),
        ] {
            let found = is_here(endpoint, over_http, "ALLOW");
            assert_eq!(found.as_ref().ok().copied(), expected, "{endpoint:?}");
            assert!(found.err().is_none_or(|fault| !fault.contains("canary")));
        }
    }
}
