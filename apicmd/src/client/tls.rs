//! Certificates and keys from files, checked before anything connects.
//!
//! That a certificate and a key belong together is asked of rustls here, because ureq takes it for
//! granted and would panic.

use std::path::Path;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use ureq::tls::{
    Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, TlsProvider, parse_pem,
};

use crate::settings::Tls;

/// How TLS is done, should the address be https.
///
/// # Errors
/// A file that does not hold what it should, by its name.
pub(crate) fn config(tls: &Tls) -> Result<TlsConfig, String> {
    let roots = match &tls.ca {
        None => RootCerts::WebPki,
        Some(path) => RootCerts::new_with_certs(&read(path)?.certificates(path)?),
    };
    let identity = match &tls.identity {
        None => None,
        Some((cert, key)) => Some(identity(cert, key)?),
    };
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(roots)
        .client_cert(identity)
        .build())
}

fn identity(cert_path: &Path, key_path: &Path) -> Result<ClientCert, String> {
    let chain = read(cert_path)?.certificates(cert_path)?;
    let key = read(key_path)?.key;
    let key = key.ok_or_else(|| format!("{}: no private key in PEM", key_path.display()))?;
    let failed = |problem: &dyn std::fmt::Display| {
        let (cert, key) = (cert_path.display(), key_path.display());
        format!("{cert} and {key}: {problem}")
    };
    let der_chain = chain
        .iter()
        .map(|cert| CertificateDer::from(cert.der().to_vec()));
    let der_key = PrivateKeyDer::try_from(key.der().to_vec()).map_err(|error| failed(&error))?;
    let provider = rustls::crypto::ring::default_provider();
    CertifiedKey::from_der(der_chain.collect(), der_key, &provider)
        .map_err(|error| failed(&error))?;
    Ok(ClientCert::new_with_certs(&chain, key))
}

/// What a file in PEM holds.
#[derive(Default)]
struct Pem {
    certificates: Vec<Certificate<'static>>,
    key: Option<PrivateKey<'static>>,
}

impl Pem {
    fn certificates(self, path: &Path) -> Result<Vec<Certificate<'static>>, String> {
        match &self.certificates[..] {
            [] => Err(format!("{}: no certificate in PEM", path.display())),
            _ => Ok(self.certificates),
        }
    }
}

fn read(path: &Path) -> Result<Pem, String> {
    let shown = path.display();
    let text = std::fs::read(path).map_err(|error| format!("{shown}: {error}"))?;
    let mut pem = Pem::default();
    for item in parse_pem(&text) {
        match item.map_err(|error| format!("{shown}: {error}"))? {
            PemItem::Certificate(certificate) => pem.certificates.push(certificate),
            PemItem::PrivateKey(key) => pem.key = Some(key),
            _ => {}
        }
    }
    Ok(pem)
}
