//! The API over TLS with certificates on both sides, and certificates that do not do.

use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use expect_test::expect;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::fake::{Duplex, Fake, Wrap};
use crate::session::Session;

/// Writes an authority `NAME-ca.pem` and by it `NAME-server` and `NAME-client` into a folder.
fn write_certificates(folder: &Path, name: &str) {
    let write = |file: &str, text: String| {
        std::fs::write(folder.join(format!("{name}-{file}")), text).expect("writing a file");
    };
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    write(
        "ca.pem",
        params.self_signed(&key).expect("a certificate").pem(),
    );
    let issuer = Issuer::new(params, key);
    for end in ["server", "client"] {
        let mut params = CertificateParams::new(vec!["127.0.0.1".into()]).expect("parameters");
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        write(&format!("{end}.pem"), certificate.pem());
        write(&format!("{end}.key"), key.serialize_pem());
    }
}

/// TLS that asks for the client's certificate.
struct Tls(Arc<ServerConfig>);

impl Tls {
    fn new(folder: &Path) -> Self {
        let certificate =
            |file: &str| CertificateDer::from_pem_file(folder.join(file)).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(certificate("a-ca.pem")).expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
        let key = PrivateKeyDer::from_pem_file(folder.join("a-server.key")).expect("a key");
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(verifier.build().expect("a verifier"))
            .with_single_cert(vec![certificate("a-server.pem")], key);
        Self(Arc::new(config.expect("certificate and key")))
    }
}

impl Wrap for Tls {
    fn wrap(&self, stream: TcpStream) -> Box<dyn Duplex> {
        let connection = ServerConnection::new(Arc::clone(&self.0)).expect("a configuration");
        Box::new(StreamOwned::new(connection, stream))
    }
}

#[test]
fn certificates_on_both_sides() {
    let folder = TempDir::new().expect("a folder");
    write_certificates(folder.path(), "a");
    write_certificates(folder.path(), "b");
    let mut session = Session::with(Fake::start_with(Tls::new(folder.path())));
    // Below the folder of the session, so that nothing printed has a path of this machine.
    for entry in std::fs::read_dir(folder.path()).expect("the folder") {
        let entry = entry.expect("a file");
        let copy = session.folder.path().join(entry.file_name());
        std::fs::copy(entry.path(), copy).expect("copying a file");
    }
    let good = "--ca a-ca.pem --cert a-client.pem --key a-client.key";
    session.run(&format!("create www.a.test A 10.0.0.1 {good}"));
    let address = session.fake.address;
    session.file(
        "c.toml",
        &format!(
            "default = \"a\"\n[servers.a]\napi = \"https://{address}\"\nca = \"a-ca.pem\"\n\
             cert = \"a-client.pem\"\nkey = \"a-client.key\"\n"
        ),
    );
    session.environment.remove(0);
    session.run("list --config c.toml");
    session.run(&format!("list --api https://{address}"));
    session.run(&format!("list --api {address} --ca b-ca.pem"));
    session.run(&format!("list --api {address} --ca a-ca.pem"));
    session.run("list --ca a-ca.pem --cert a-client.pem --key b-client.key");
    session.run("list --ca a-client.key");
    session.run("list --ca a-ca.pem --cert a-client.pem --key a-ca.pem");
    session.run("list --ca a-ca.pem --cert a-client.pem");
    session.run(&format!("list --api {address}"));
    session.check(expect![[r#"
        $ create www.a.test A 10.0.0.1 --ca a-ca.pem --cert a-client.pem --key a-client.key
        OK
        $ list --config c.toml
        NAME         TTL  TYPE  DATA      USER  HEALTH
        www.a.test.  -    A     10.0.0.1  -     -
        $ list --api https://SERVER
        ! containerdns-apicmd: cannot connect to SERVER (invalid peer certificate: UnknownIssuer): give the certificate of the server's authority with --ca
        exit Some(6)
        $ list --api SERVER --ca b-ca.pem
        ! containerdns-apicmd: cannot connect to SERVER (invalid peer certificate: BadSignature): give the certificate of the server's authority with --ca
        exit Some(6)
        $ list --api SERVER --ca a-ca.pem
        ! containerdns-apicmd: cannot connect to SERVER (the server asks for a certificate): give --cert and --key
        exit Some(6)
        $ list --ca a-ca.pem --cert a-client.pem --key b-client.key
        ! containerdns-apicmd: a-client.pem and b-client.key: keys may not be consistent: KeyMismatch
        exit Some(2)
        $ list --ca a-client.key
        ! containerdns-apicmd: a-client.key: no certificate in PEM
        exit Some(2)
        $ list --ca a-ca.pem --cert a-client.pem --key a-ca.pem
        ! containerdns-apicmd: a-ca.pem: no private key in PEM
        exit Some(2)
        $ list --ca a-ca.pem --cert a-client.pem
        ! containerdns-apicmd: --cert wants --key
        exit Some(2)
        $ list --api SERVER
        ! containerdns-apicmd: cannot connect to SERVER (no HTTP: http parse fail: invalid HTTP version): does it speak TLS? then write https://
        exit Some(6)
    "#]]);
}
