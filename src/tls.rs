//! TLS for the HTTPS and RTMPS ports: one certificate, which may change while the server runs.

mod certificate;
pub(crate) mod client;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsAcceptor;

use crate::config::Tls;
use crate::listener::{ALPN_HTTP1, ALPN_HTTP2};
use certificate::{Expiry, Files, Pair};

/// How often the two files are read, which are some kilobytes. Their contents are compared and
/// not their times, so that a symbolic link which is led elsewhere counts as well.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// How often a certificate that expires soon is warned of.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// The certificate that is shown, and where it comes from.
pub(crate) struct Certificates {
    shown: Arc<Shown>,
    provider: Arc<CryptoProvider>,
    files: Files,
    /// What was last found in the files.
    found: Found,
}

/// What a look at the files brought.
#[derive(PartialEq, Eq)]
enum Found {
    /// The pair that is shown.
    Shown(Pair),
    /// Nothing usable, and whether that was said.
    Unusable { pair: Option<Pair>, is_said: bool },
}

impl Certificates {
    /// Reads certificate and key.
    pub(crate) fn load(paths: &Tls) -> anyhow::Result<Self> {
        let provider = Arc::new(default_provider());
        let files = Files::new(paths);
        let pair = files.read()?;
        let loaded = pair.load(&provider)?;
        log("certificate loaded", &loaded);
        Ok(Self {
            shown: Arc::new(Shown(ArcSwap::from_pointee(loaded))),
            provider,
            files,
            found: Found::Shown(pair),
        })
    }

    /// For the HTTPS port.
    pub(crate) fn https(&self) -> anyhow::Result<TlsAcceptor> {
        self.acceptor(&[ALPN_HTTP2, ALPN_HTTP1])
    }

    /// For the RTMPS port.
    pub(crate) fn rtmps(&self) -> anyhow::Result<TlsAcceptor> {
        self.acceptor(&[])
    }

    fn acceptor(&self, alpn: &[&[u8]]) -> anyhow::Result<TlsAcceptor> {
        let resolver = Arc::clone(&self.shown) as Arc<dyn ResolvesServerCert>;
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .context("TLS cannot be set up")?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        // Sessions are resumed from what the client keeps: nothing is held for them here.
        config.ticketer = Ticketer::new().context("TLS session tickets cannot be set up")?;
        // One: a player opens few connections at a time, and each ticket is an encryption.
        config.send_tls13_tickets = 1;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Shows what the files say whenever they change, for as long as the process lives. A pair
    /// that is not usable is warned of once, and the one before it stays.
    pub(crate) async fn follow(mut self) {
        let mut expiry_said = Instant::now();
        loop {
            sleep(LOOK_INTERVAL).await;
            let files = self.files.clone();
            let read = match tokio::task::spawn_blocking(move || files.read()).await {
                Ok(read) => read,
                Err(error) if error.is_panic() => continue,
                // The runtime ends.
                Err(_) => return,
            };
            self.look(read);
            if expiry_said.elapsed() >= EXPIRY_INTERVAL {
                expiry_said = Instant::now();
                warn_of_expiry(&self.shown.0.load());
            }
        }
    }

    fn look(&mut self, read: anyhow::Result<Pair>) {
        let (pair, error) = match read {
            Ok(pair) => {
                if self.found.shows(&pair) {
                    return;
                }
                match pair.load(&self.provider) {
                    Ok(loaded) => {
                        log("certificate changed", &loaded);
                        self.shown.0.store(Arc::new(loaded));
                        self.found = Found::Shown(pair);
                        return;
                    }
                    Err(error) => (Some(pair), error),
                }
            }
            Err(error) => (None, error),
        };
        // Said at the second look: the two files are replaced one after the other.
        match &mut self.found {
            Found::Unusable {
                pair: before,
                is_said,
            } if *before == pair => {
                if !std::mem::replace(is_said, true) {
                    let error = format!("{error:#}");
                    tracing::warn!(
                        error,
                        "the certificate's files changed and are not usable: the certificate before stays"
                    );
                }
            }
            _ => {
                self.found = Found::Unusable {
                    pair,
                    is_said: false,
                }
            }
        }
    }
}

impl Found {
    fn shows(&self, pair: &Pair) -> bool {
        matches!(self, Self::Shown(shown) if shown == pair)
    }
}

fn log(event: &str, loaded: &CertifiedKey) {
    let expires = Expiry::of(loaded).map(|expiry| expiry.to_string());
    tracing::info!(expires, "{event}");
    warn_of_expiry(loaded);
}

fn warn_of_expiry(shown: &CertifiedKey) {
    let near = Expiry::of(shown).filter(|expiry| expiry.is_near(SystemTime::now()));
    if let Some(expires) = near {
        tracing::warn!(%expires, "the certificate expires soon, or has expired: renew it");
    }
}

/// Answers every client with the one certificate there is, whatever name it asks for.
#[derive(Debug)]
struct Shown(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}
