//! A real kube-apiserver with an etcd of its own, from the folder that `KUBEBUILDER_ASSETS` names,
//! as `envtest` does it: no controllers, tokens in a file.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Client, Config};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::harness::etcd::Etcd;
use crate::harness::poll;
use crate::harness::process::Process;

const TOKEN: &str = "scenario";
const READY_LIMIT: Duration = Duration::from_secs(60);

/// A running API server.
pub(crate) struct RealServer {
    address: SocketAddr,
    runtime: Runtime,
    client: Client,
    _server: Process,
    _etcd: Process,
    _folder: TempDir,
}

impl RealServer {
    /// Starts one, if there is one to start.
    pub(crate) fn start() -> Option<RealServer> {
        let assets = PathBuf::from(std::env::var_os("KUBEBUILDER_ASSETS")?);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [address, etcd_client, etcd_peer] = [(); 3].map(|()| Etcd::free_address());
        let etcd = start_etcd(&assets, folder.path(), etcd_client, etcd_peer);
        let mut server = start_server(&assets, folder.path(), address, etcd_client);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let file = folder.path().join("kubeconfig");
        write_kubeconfig(&file, address);
        let client = runtime.block_on(client(&file));
        let ready = poll(READY_LIMIT, || {
            assert!(server.exited().is_none(), "{}", server.output_tail());
            let request = axum::http::Request::get("/readyz").body(Vec::new()).ok()?;
            runtime.block_on(client.request_text(request)).ok()
        });
        assert!(ready.is_some(), "not ready\n{}", server.output_tail());
        Some(RealServer {
            address,
            runtime,
            client,
            _server: server,
            _etcd: etcd,
            _folder: folder,
        })
    }

    pub(crate) fn kubeconfig(&self, file: &Path) {
        write_kubeconfig(file, self.address);
    }

    pub(crate) fn apply(&self, object: &Value) {
        let object: DynamicObject = serde_json::from_value(object.clone()).expect("an object");
        let api = self.api(&object);
        self.runtime.block_on(apply(&api, object));
    }

    pub(crate) fn delete(&self, object: &Value) {
        let object: DynamicObject = serde_json::from_value(object.clone()).expect("an object");
        let name = object.metadata.name.clone().expect("a name");
        let now = DeleteParams {
            grace_period_seconds: Some(0),
            ..DeleteParams::default()
        };
        let deleted = self
            .api(&object)
            .delete(&name, &now)
            .await_on(&self.runtime);
        deleted.expect("delete");
    }

    pub(crate) fn serve_imports(&self) {
        let names = json!({
            "plural": "serviceimports", "singular": "serviceimport",
            "kind": "ServiceImport", "listKind": "ServiceImportList",
        });
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        self.apply(&json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {
                "name": "serviceimports.multicluster.x-k8s.io",
                "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
            },
            "spec": {
                "group": "multicluster.x-k8s.io", "scope": "Namespaced", "names": names,
                "versions": [{
                    "name": "v1alpha1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": schema},
                }],
            },
        }));
        let kind = GroupVersionKind::gvk("multicluster.x-k8s.io", "v1alpha1", "ServiceImport");
        let resource = ApiResource::from_gvk(&kind);
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let served = poll(READY_LIMIT, || {
            api.list(&ListParams::default())
                .await_on(&self.runtime)
                .ok()
        });
        assert!(served.is_some(), "ServiceImports are not served");
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        let kind = GroupVersionKind::gvk("events.k8s.io", "v1", "Event");
        let resource = ApiResource::from_gvk(&kind);
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let events = api.list(&ListParams::default()).await_on(&self.runtime);
        let events = events.expect("list events").items.into_iter();
        events.map(|event| event.data).collect()
    }

    fn api(&self, object: &DynamicObject) -> Api<DynamicObject> {
        let types = object.types.as_ref().expect("apiVersion and kind");
        let kind = GroupVersionKind::try_from(types).expect("a kind");
        let mut resource = ApiResource::from_gvk(&kind);
        if resource.kind == "EndpointSlice" {
            resource.plural = "endpointslices".into();
        }
        match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }
}

async fn apply(api: &Api<DynamicObject>, mut object: DynamicObject) {
    let name = object.metadata.name.clone().expect("a name");
    let status = object.data.get("status").cloned();
    // Asked for first: to create a Service again is refused for its address, not for its name.
    let held = api.get_opt(&name).await.expect("get");
    let applied = match held {
        Some(held) => {
            object.metadata.resource_version = held.metadata.resource_version;
            api.replace(&name, &PostParams::default(), &object).await
        }
        None => api.create(&PostParams::default(), &object).await,
    };
    applied.unwrap_or_else(|error| panic!("apply {name}: {error}"));
    if let Some(status) = status {
        let patch = Patch::Merge(json!({"status": status}));
        let parameters = PatchParams::default();
        let patched = api.patch_status(&name, &parameters, &patch).await;
        patched.unwrap_or_else(|error| panic!("status of {name}: {error}"));
    }
}

trait AwaitOn: Future + Sized {
    fn await_on(self, runtime: &Runtime) -> Self::Output {
        runtime.block_on(self)
    }
}

impl<F: Future> AwaitOn for F {}

async fn client(file: &Path) -> Client {
    let file = Kubeconfig::read_from(file).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    Client::try_from(config.expect("a configuration")).expect("a client")
}

fn write_kubeconfig(file: &Path, address: SocketAddr) {
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: real\n\
         clusters:\n- name: real\n  cluster:\n    server: https://{address}\n    \
         insecure-skip-tls-verify: true\n\
         users:\n- name: dns\n  user:\n    token: {TOKEN}\n\
         contexts:\n- name: real\n  context:\n    cluster: real\n    user: dns\n"
    );
    fs::write(file, text).expect("write the kubeconfig");
}

fn start_etcd(assets: &Path, folder: &Path, client: SocketAddr, peer: SocketAddr) -> Process {
    let program = assets.join("etcd").to_string_lossy().into_owned();
    let data = folder.join("etcd").to_string_lossy().into_owned();
    let (client, peer) = (format!("http://{client}"), format!("http://{peer}"));
    let cluster = format!("default={peer}");
    let arguments = [
        "--data-dir",
        &data,
        "--listen-client-urls",
        &client,
        "--advertise-client-urls",
        &client,
        "--listen-peer-urls",
        &peer,
        "--initial-advertise-peer-urls",
        &peer,
        "--initial-cluster",
        &cluster,
    ];
    Process::start(&program, &arguments, &folder.join("etcd.log"))
}

fn start_server(assets: &Path, folder: &Path, address: SocketAddr, etcd: SocketAddr) -> Process {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let key = rcgen::KeyPair::generate().expect("a key pair");
    fs::write(path("sa.key"), key.serialize_pem()).expect("write the key");
    let public = key.public_key_pem();
    fs::write(path("sa.pub"), public).expect("write the public key");
    let tokens = format!("{TOKEN},admin,admin,\"system:masters\"\n");
    fs::write(path("tokens.csv"), tokens).expect("write the tokens");
    let arguments = [
        format!("--etcd-servers=http://{etcd}"),
        format!("--secure-port={}", address.port()),
        "--bind-address=127.0.0.1".into(),
        format!("--cert-dir={}", path("certs")),
        "--service-account-issuer=https://scenario.test".into(),
        format!("--service-account-key-file={}", path("sa.pub")),
        format!("--service-account-signing-key-file={}", path("sa.key")),
        "--service-cluster-ip-range=10.20.0.0/16,fd00:20::/108".into(),
        format!("--token-auth-file={}", path("tokens.csv")),
        "--authorization-mode=RBAC".into(),
        "--disable-admission-plugins=ServiceAccount".into(),
        "--endpoint-reconciler-type=none".into(),
    ];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let program = assets.join("kube-apiserver").to_string_lossy().into_owned();
    Process::start(&program, &arguments, &folder.join("kube-apiserver.log"))
}
