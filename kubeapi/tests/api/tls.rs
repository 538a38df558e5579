//! TLS: encrypted connections, and certificates that clients must show.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client::Connection;
use crate::poll;
use crate::server::{API, Api, READY_LIMIT, ROOT, Settings};

/// An authority with a certificate for the server and one for a client.
struct Certificates(TempDir);

impl Certificates {
    fn new() -> Certificates {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = params.self_signed(&key).expect("an authority");
        fs::write(folder.path().join("ca.pem"), authority.pem()).expect("write");
        let issuer = Issuer::new(params, key);
        for (name, usage) in [
            ("server", ExtendedKeyUsagePurpose::ServerAuth),
            ("client", ExtendedKeyUsagePurpose::ClientAuth),
        ] {
            let mut params = CertificateParams::new(vec!["127.0.0.1".into()]).expect("parameters");
            params.extended_key_usages = vec![usage];
            let key = KeyPair::generate().expect("a key");
            let certificate = params.signed_by(&key, &issuer).expect("a certificate");
            let file = |end: &str| folder.path().join(format!("{name}.{end}"));
            fs::write(file("pem"), certificate.pem()).expect("write");
            fs::write(file("key"), key.serialize_pem()).expect("write");
        }
        Certificates(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Lines of `[api]`.
    fn settings(&self, client_ca: Option<&Path>) -> Settings {
        let (cert, key) = (self.file("server.pem"), self.file("server.key"));
        let client = client_ca.map_or(String::new(), |path| format!(", client_ca = {path:?}"));
        Settings {
            api: format!("tls = {{ cert = {cert:?}, key = {key:?}{client} }}"),
            ..Settings::default()
        }
    }
}

/// Starts and waits until the port takes connections.
fn start(settings: &Settings) -> Api {
    let api = Api::start_without_waiting(settings);
    let up = poll(READY_LIMIT, || TcpStream::connect(api.address).ok());
    assert!(up.is_some(), "{}", api.process.output_tail());
    api
}

/// One request over TLS, with a client's certificate or without.
fn ask(api: &Api, ours: &Certificates, client: Option<&Certificates>) -> io::Result<String> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(ours.file("ca.pem")).expect("PEM");
    roots.add(authority).expect("an authority");
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match client {
        None => config.with_no_client_auth(),
        Some(client) => {
            let chain = CertificateDer::from_pem_file(client.file("client.pem")).expect("PEM");
            let key = PrivateKeyDer::from_pem_file(client.file("client.key")).expect("PEM");
            let config = config.with_client_auth_cert(vec![chain], key);
            config.expect("a certificate and its key")
        }
    };
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let session = ClientConnection::new(Arc::new(config), name).expect("a session");
    let socket = TcpStream::connect(api.address)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut stream = StreamOwned::new(session, socket);
    let text = format!("GET {API} HTTP/1.0\r\nAuthorization: Bearer {ROOT}\r\n\r\n");
    stream.write_all(text.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn assert_served(answer: &io::Result<String>, api: &Api) {
    let served = answer
        .as_ref()
        .is_ok_and(|text| text.starts_with("HTTP/1.0 200"));
    assert!(served, "{answer:?}\n{}", api.process.output_tail());
}

#[test]
fn connections_are_encrypted() {
    let (ours, foreign) = (Certificates::new(), Certificates::new());
    let api = start(&ours.settings(None));
    // The store may not have been read yet.
    let ready = poll(READY_LIMIT, || {
        let answer = ask(&api, &ours, None).ok()?;
        answer.starts_with("HTTP/1.0 200").then_some(())
    });
    assert!(ready.is_some(), "{}", api.process.output_tail());
    assert!(
        ask(&api, &foreign, None).is_err(),
        "the client trusts another authority"
    );
    // Plain HTTP gets no answer of HTTP, and harms nobody.
    let mut plain = Connection::open(api.address).expect("a connection");
    plain
        .send(b"GET /containerdns/api HTTP/1.0\r\n\r\n")
        .expect("send");
    assert!(plain.answer().is_err());
    // A handshake that does not go on ends by itself and hinders nobody.
    let mut silent = Connection::open(api.address).expect("a connection");
    assert_served(&ask(&api, &ours, None), &api);
    assert!(silent.is_closed());
}

#[test]
fn clients_must_show_a_certificate_of_the_authority() {
    let (ours, foreign) = (Certificates::new(), Certificates::new());
    let api = start(&ours.settings(Some(&ours.file("ca.pem"))));
    let ready = poll(READY_LIMIT, || {
        let answer = ask(&api, &ours, Some(&ours)).ok()?;
        answer.starts_with("HTTP/1.0 200").then_some(())
    });
    assert!(ready.is_some(), "{}", api.process.output_tail());
    for client in [None, Some(&foreign)] {
        let answer = ask(&api, &ours, client);
        assert!(answer.is_err(), "{answer:?}");
    }
    assert_served(&ask(&api, &ours, Some(&ours)), &api);
}

#[test]
fn bad_certificates_are_refused_at_start() {
    let (ours, foreign) = (Certificates::new(), Certificates::new());
    let good = ours.settings(None).api;
    let replaced = |name: &str, with: &Path| {
        good.replace(&*ours.file(name).to_string_lossy(), &with.to_string_lossy())
    };
    let none = ours.file("none.pem");
    let other_key = foreign.file("server.key");
    for (api, wanted) in [
        (replaced("server.pem", &none), "none.pem"),
        (replaced("server.key", &none), "none.pem"),
        (
            replaced("server.pem", &ours.file("server.key")),
            "no certificate in it",
        ),
        (replaced("server.key", &other_key), "server.key"),
    ] {
        let settings = Settings {
            api,
            ..Settings::default()
        };
        let mut api = Api::start_without_waiting(&settings);
        let status = api.process.wait_exit(Duration::from_secs(10));
        let output = api.process.output();
        assert_eq!(status.and_then(|status| status.code()), Some(1), "{output}");
        assert!(
            output.contains("api.tls: ") && output.contains(wanted),
            "{wanted}: {output}"
        );
    }
}
