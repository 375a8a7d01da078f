//! Whom this server believes when it calls others by HTTPS.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// How a client speaks TLS. Copies share the authorities.
pub(crate) type Config = ClientConfig;

/// Believes the system's authorities (or those in the file that the variable `SSL_CERT_FILE`
/// names). What cannot be used of them is left out; without any, every handshake fails and says
/// why. ALPN is the connector's.
pub(crate) fn config() -> Result<Config, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
