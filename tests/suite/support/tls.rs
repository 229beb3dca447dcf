//! TLS for servers of tests: certificates in `tests/suite/tls`, all of one key that is good for nothing else.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The certificate of 127.0.0.1, which a client trusts that has it as `SSL_CERT_FILE`.
pub const PEM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/tls/good.pem");

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
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("there are versions").with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.expect("the key is of the certificate");
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}
