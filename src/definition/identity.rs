//! The identity of a server, by which a dataset knows whose rows it holds.

use super::crawl::{Crawl, Server};

/// Returns the server's host and path. All loopback addresses are one server, whatever the port, because proxies and tests change
/// it; the embedded sandbox is named by what decides its catalog.
pub fn identity(crawl: &Crawl) -> String {
    match &crawl.server {
        Server::Sandbox => format!("sandbox ({} models, seed {})", crawl.sandbox.models, crawl.sandbox.seed),
        Server::Url(url) if crawl.server.is_local() => format!("localhost{}", url.path()),
        Server::Url(url) => {
            let host = url.host_str().unwrap_or_default().trim_end_matches('.');
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{host}{port}{}", url.path())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ENDPOINTS;
    use crate::definition::parse;

    #[test]
    fn a_server_is_its_host_and_path_and_the_sandbox_its_catalog() {
        let of = |server: &str| {
            let head = format!(
                "{server}\ninsecure_http = true\ndataset = \"d\"\n[[walk]]\nname = \"a\"\nendpoint = \"tags\"\n"
            );
            identity(&parse("x", &head, ENDPOINTS).unwrap().0)
        };
        for (server, expected) in [
            ("server = \"https://civitai.com/api/v1\"", "civitai.com/api/v1"),
            ("server = \"https://CIVITAI.com.:443/api/v1\"", "civitai.com/api/v1"),
            ("server = \"http://civitai.com/api/v1\"", "civitai.com/api/v1"),
            ("server = \"https://civitai.red/api/v1\"", "civitai.red/api/v1"),
            ("server = \"https://mirror.example:8443/c/api/v1\"", "mirror.example:8443/c/api/v1"),
            ("server = \"http://127.0.0.1:4000/api/v1\"", "localhost/api/v1"),
            ("server = \"http://[::1]:5/api/v1\"", "localhost/api/v1"),
            ("server = \"http://localhost/x/api/v1\"", "localhost/x/api/v1"),
            (
                "server = \"sandbox\"\nsandbox = { models = 5, seed = 3, era = \"2026-08\" }",
                "sandbox (5 models, seed 3)",
            ),
        ] {
            assert_eq!(of(server), expected, "{server}");
        }
    }
}
