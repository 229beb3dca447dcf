//! Encryption is verified: a server with a certificate that nobody vouches for, that is too old or of another host hears no
//! request and no key. The certificates lie in `tests/suite/tls`, all of one key that is good for nothing else.

use std::process::Output;

use crate::support::{Room, Server, answer, assert_exit, pem, printed, tls_config_of};

const KEY: &str = "canary-4f1d9c27b3";

const CRAWL: &str = r#"
retry = { attempts = 1 }

[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", nsfw = true }
"#;

/// Starts a server with this certificate.
fn serve(certificate: &str) -> Server {
    let page = r#"{"items":[{"id":1,"modelVersions":[{"id":1}]}],"metadata":{}}"#;
    Server::encrypted(tls_config_of(certificate, &[]), move |_| answer("200 OK", "", page))
}

/// Crawls `https://<host>:<port>` with a key, trusting these certificates instead of the system's where there are any.
fn crawl(host: &str, port: u16, trusted: Option<&str>) -> Output {
    let room = Room::new(CRAWL, &format!("https://{host}:{port}/api/v1"));
    let mut command = room.crawl();
    if let Some(trusted) = trusted {
        command.env("SSL_CERT_FILE", pem(trusted));
    }
    command.args(["-v", "-v"]).env("CIVITAI_API_KEY", KEY).output().unwrap()
}

#[test]
fn a_server_that_is_vouched_for_is_asked() {
    let server = serve("good.pem");
    assert_exit(&crawl("127.0.0.1", server.port, Some("good.pem")), 0);
    assert!(server.requests().iter().any(|request| request.header("authorization") == format!("Bearer {KEY}")));
}

#[test]
fn a_server_that_nobody_vouches_for_hears_nothing() {
    for (why, certificate, host, trusted) in [
        ("self-signed", "good.pem", "127.0.0.1", None),
        ("signed by somebody else", "good.pem", "127.0.0.1", Some("another-host.pem")),
        ("too old", "expired.pem", "127.0.0.1", Some("expired.pem")),
        ("of another host", "another-host.pem", "127.0.0.1", Some("another-host.pem")),
        ("of an address, asked by name", "good.pem", "localhost", Some("good.pem")),
    ] {
        let server = serve(certificate);
        let refused = crawl(host, server.port, trusted);
        assert_eq!(refused.status.code(), Some(3), "{why}: {}", printed(&refused));
        assert!(printed(&refused).contains("no secure connection could be made"), "{why}: {}", printed(&refused));
        assert!(!printed(&refused).contains(KEY), "{why}: the key was printed");
        assert!(server.requests().is_empty(), "{why}: it was asked");
    }
}

#[test]
fn without_encryption_only_this_machine_is_asked() {
    // Addresses that no packet reaches; nothing is looked up either.
    for host in [
        "192.0.2.1",
        "[2001:db8::1]",
        "3221225985",
        "mirror.invalid",
        "127.0.0.1.mirror.invalid",
        "localhost.mirror.invalid",
    ] {
        let room = Room::new(CRAWL, &format!("http://{host}:9/api/v1"));
        let refused = room.run(&[]);
        assert_exit(&refused, 2);
        assert!(printed(&refused).contains("insecure_http"), "{host}: {}", printed(&refused));
        // Allowed or not, a key does not go there.
        let text = std::fs::read_to_string(room.file()).unwrap();
        std::fs::write(room.file(), format!("insecure_http = true\n{text}")).unwrap();
        let mut crawl = room.crawl();
        crawl.env("CIVITAI_API_KEY", KEY).env("CIVITAI_API_KEY_HOST", host);
        let refused = crawl.output().unwrap();
        assert_exit(&refused, 2);
        assert!(printed(&refused).contains("unencrypted"), "{host}: {}", printed(&refused));
    }
}
