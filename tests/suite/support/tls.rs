//! TLS for servers of tests: certificates in `tests/suite/tls`, all of one key that is good for nothing else.

use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

/// The certificate of 127.0.0.1, which a client trusts that has it as `SSL_CERT_FILE`.
pub const PEM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/tls/good.pem");

/// The certificate of sandboxes, of 127.0.0.1 and `localhost`, and its key.
pub const SANDBOX_PEM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/tls/sandbox.pem");

/// Returns the path of a certificate.
pub fn pem(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/suite/tls").join(name)
}

/// TLS of 127.0.0.1, which speaks these protocols.
pub fn tls_config(protocols: &[&[u8]]) -> Arc<ServerConfig> {
    tls_config_of("good.pem", protocols)
}

/// TLS with this certificate, which speaks these protocols.
pub fn tls_config_of(certificate: &str, protocols: &[&[u8]]) -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_file(pem(certificate)).expect("it is a certificate")];
    let key = PrivateKeyDer::from_pem_file(pem("key.pem")).expect("it is a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("there are versions").with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.expect("the key is of the certificate");
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

/// Encrypts a connection to a sandbox.
pub fn tls_stream(socket: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(SANDBOX_PEM).expect("it is a certificate")).expect("it can be trusted");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("there are versions").with_root_certificates(roots).with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), Ipv4Addr::LOCALHOST.into());
    StreamOwned::new(connection.expect("it is an address"), socket)
}
