//! A certificate and its key: two PEM files, read, checked against each other, and when the
//! certificate expires.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::time::ASN1Time;

use crate::config::Tls;

/// How long before its expiry a certificate is warned of: certbot renews at 30 days.
const EXPIRES_SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// Where the two are.
#[derive(Clone, Debug)]
pub(super) struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// What stood in them.
#[derive(PartialEq, Eq)]
pub(super) struct Pair {
    files: [PathBuf; 2],
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    pub(super) fn new(paths: &Tls) -> Self {
        Self {
            certificate: paths.certificate.clone(),
            key: paths.key.clone(),
        }
    }

    pub(super) fn read(&self) -> anyhow::Result<Pair> {
        let read =
            |path: &Path, setting| fs::read(path).map_err(|error| unusable(path, setting, &error));
        Ok(Pair {
            certificate: read(&self.certificate, "tls.certificate")?,
            key: read(&self.key, "tls.key")?,
            files: [self.certificate.clone(), self.key.clone()],
        })
    }
}

impl Pair {
    /// Both, if they fit each other.
    pub(super) fn load(&self, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
        let [certificate, key] = &self.files;
        let chain = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<Vec<_>, pem::Error>>()
            .map_err(|error| unusable(certificate, "tls.certificate", &error))?;
        if chain.is_empty() {
            let path = certificate.display();
            return Err(anyhow!("{path} (tls.certificate) holds no certificate"));
        }
        let private = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| unusable(key, "tls.key", &error))?;
        CertifiedKey::from_der(chain, private, provider).with_context(|| {
            let (certificate, key) = (certificate.display(), key.display());
            format!("the certificate {certificate} and the key {key} do not fit each other")
        })
    }
}

fn unusable(path: &Path, setting: &str, error: &dyn fmt::Display) -> anyhow::Error {
    anyhow!("{} ({setting}) is not usable: {error}", path.display())
}

/// When a certificate ends to be valid.
pub(super) struct Expiry(ASN1Time);

impl Expiry {
    /// Of the server's own certificate; `None` where its form is not understood.
    pub(super) fn of(pair: &CertifiedKey) -> Option<Self> {
        let certificate = pair.end_entity_cert().ok()?;
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
        Some(Self(parsed.validity().not_after))
    }

    /// Whether it is near, or past, at `now`.
    pub(super) fn is_near(&self, now: SystemTime) -> bool {
        let soon = now + EXPIRES_SOON;
        let since_epoch = soon.duration_since(SystemTime::UNIX_EPOCH);
        let seconds = since_epoch.map_or(0, |since| since.as_secs());
        i128::from(self.0.timestamp()) < i128::from(seconds)
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, CertifiedKey as Generated, KeyPair, date_time_ymd};
    use rustls::crypto::ring::default_provider;

    fn pair(certificate: String, key: String) -> Pair {
        Pair {
            files: ["cert.pem".into(), "key.pem".into()],
            certificate: certificate.into(),
            key: key.into(),
        }
    }

    fn generated() -> Generated<KeyPair> {
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate")
    }

    #[test]
    fn only_a_certificate_and_its_own_key_are_a_pair() {
        let (first, second) = (generated(), generated());
        let (cert, key) = (first.cert.pem(), first.signing_key.serialize_pem());
        let other = second.signing_key.serialize_pem();
        let provider = default_provider();
        pair(cert.clone(), key.clone())
            .load(&provider)
            .expect("they fit");
        for (cert, key, expected) in [
            (cert.clone(), other, "do not fit each other"),
            (
                cert.clone(),
                String::new(),
                "key.pem (tls.key) is not usable",
            ),
            (
                String::new(),
                key.clone(),
                "cert.pem (tls.certificate) holds no certificate",
            ),
            (
                cert[..cert.len() / 2].to_owned(),
                key,
                "cert.pem (tls.certificate)",
            ),
        ] {
            let error = pair(cert, key).load(&provider).expect_err("no pair");
            assert!(format!("{error:#}").contains(expected), "{error:#}");
        }
    }

    #[test]
    fn expiry_is_near_two_weeks_before() {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.not_after = date_time_ymd(2040, 3, 15);
        let certificate = params.self_signed(&key).expect("a certificate");
        let loaded = pair(certificate.pem(), key.serialize_pem()).load(&default_provider());
        let expiry = Expiry::of(&loaded.expect("they fit")).expect("it has one");
        // 2040-03-15 00:00 UTC.
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(2_215_382_400);
        let hour = Duration::from_secs(3600);
        assert!(!expiry.is_near(end - EXPIRES_SOON - hour));
        assert!(expiry.is_near(end - EXPIRES_SOON + hour));
        assert!(expiry.is_near(end + hour));
        assert!(expiry.to_string().contains("2040"), "{expiry}");
    }
}
