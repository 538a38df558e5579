//! Certificates and passwords: how etcd knows us, and we it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use containerdns_store::Store;
use containerdns_store::StoreError;
use containerdns_store::etcd::{EtcdOptions, EtcdStore, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::cases::{batches, commit, list, put, watch};
use crate::etcd_server::{EtcdServer, free_port, ready_store};

/// An authority with a certificate for the server and one for the client.
struct Certificates(TempDir);

impl Certificates {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        std::fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
        let issuer = Issuer::new(params, key);
        for name in ["server", "client"] {
            let mut params = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
            params.extended_key_usages = vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ];
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap();
            std::fs::write(dir.path().join(format!("{name}.pem")), certificate.pem()).unwrap();
            std::fs::write(dir.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        Certificates(dir)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn client(&self) -> TlsFiles {
        TlsFiles {
            ca: self.file("ca.pem"),
            client: Some((self.file("client.pem"), self.file("client.key"))),
        }
    }
}

#[tokio::test]
async fn certificates_are_checked_on_both_sides() {
    let (ours, foreign) = (Certificates::new(), Certificates::new());
    let argument = |name: &str, file: &str| format!("--{name}={}", ours.file(file).display());
    let arguments = [
        argument("cert-file", "server.pem"),
        argument("key-file", "server.key"),
        argument("trusted-ca-file", "ca.pem"),
        "--client-cert-auth".into(),
    ];
    let endpoint = format!("https://127.0.0.1:{}", free_port());
    let server = EtcdServer::start_at(&endpoint, &arguments.each_ref().map(String::as_str));
    let options = |tls: TlsFiles| EtcdOptions {
        endpoints: vec![server.endpoint.clone()],
        tls: Some(tls),
        ..EtcdOptions::default()
    };
    let store = ready_store(options(ours.client())).await;
    let revision = commit(&store, &[put("/a/1", "x")]).await;
    let mut watch = watch(&store, "/a/", revision).await;
    assert_eq!(batches(&mut watch, 1).await.concat().len(), 1);

    let foreign_client = TlsFiles {
        ca: ours.file("ca.pem"),
        ..foreign.client()
    };
    let foreign_authority = TlsFiles {
        ca: foreign.file("ca.pem"),
        ..ours.client()
    };
    for tls in [foreign_client, foreign_authority] {
        let store = EtcdStore::connect(options(tls)).unwrap();
        let error = store.list_page(b"/", None, None).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    }
}

fn login(server: &EtcdServer, user: &str, password: &str) -> EtcdOptions {
    let file = server.dir.path().join(password);
    std::fs::write(&file, format!("{password}\n")).unwrap();
    EtcdOptions {
        endpoints: vec![server.endpoint.clone()],
        user: Some(user.into()),
        password_file: Some(file),
        ..EtcdOptions::default()
    }
}

/// An etcd with a user `dns` who may read and write `/a/` alone; tokens last for a second.
async fn guarded_server() -> EtcdServer {
    let server = EtcdServer::start(&["--auth-token-ttl=1", "--bcrypt-cost=4"]);
    server.store().await;
    for command in [
        "user add root:secret",
        "user grant-role root root",
        "role add dns",
        "role grant-permission dns --prefix=true readwrite /a/",
        "user add dns:word",
        "user grant-role dns dns",
        "auth enable",
    ] {
        server.control(&command.split(' ').collect::<Vec<_>>());
    }
    server
}

#[tokio::test]
async fn an_expired_token_is_renewed() {
    let server = guarded_server().await;
    let store = EtcdStore::connect(login(&server, "dns", "word")).unwrap();
    let store: std::sync::Arc<dyn Store> = store;
    let expired = || tokio::time::sleep(Duration::from_secs(4));
    let revision = commit(&store, &[put("/a/1", "x")]).await;
    let mut running = watch(&store, "/a/", revision).await;
    expired().await;
    assert_eq!(list(&store, "/a/").await.1.len(), 1);
    expired().await;
    commit(&store, &[put("/a/1", "y")]).await;
    expired().await;
    let mut later = watch(&store, "/a/", revision).await;
    for watch in [&mut running, &mut later] {
        assert_eq!(batches(watch, 2).await.concat().len(), 2);
    }
}

#[tokio::test]
async fn what_is_not_allowed_is_refused() {
    let server = guarded_server().await;
    let store = EtcdStore::connect(login(&server, "dns", "word")).unwrap();
    for error in [
        store.list_page(b"/b/", None, None).await.err(),
        store.transact(&[], &[put("/b/1", "x")]).await.err(),
        store.watch(&["/a/".into(), "/b/".into()], 1).await.err(),
    ] {
        assert!(matches!(error, Some(StoreError::Refused(_))), "{error:?}");
    }
    let store = EtcdStore::connect(login(&server, "dns", "guess")).unwrap();
    let error = store.list_page(b"/a/", None, None).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error}");
}

#[tokio::test]
async fn a_changed_password_is_read_again() {
    let server = guarded_server().await;
    let options = login(&server, "dns", "word");
    let file: &Path = options.password_file.as_deref().unwrap();
    let store = EtcdStore::connect(options.clone()).unwrap();
    store.list_page(b"/a/", None, None).await.unwrap();
    let changed = Command::new("sh")
        .env("ETCDCTL_API", "3")
        .env("ETCDCTL_ENDPOINTS", &server.endpoint)
        .env("ETCDCTL_USER", "root:secret")
        .args([
            "-c",
            "echo other | etcdctl user passwd dns --interactive=false",
        ])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&changed.stderr);
    assert!(changed.status.success(), "{error}");
    let error = store.list_page(b"/a/", None, None).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error}");
    std::fs::write(file, "other\n").unwrap();
    store.list_page(b"/a/", None, None).await.unwrap();
}
