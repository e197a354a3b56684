//! A real API server with its etcd, without nodes: for what the server itself says of objects. IO.

mod certificates;
mod settings;

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use k8s_openapi::{
    api::core::v1::Namespace,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Config, ResourceExt as _,
    api::PostParams,
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{conditions::is_crd_established, wait::await_condition},
};
use udplb_api::crd;

use crate::{lab::Process, wait};
pub(crate) use certificates::Certificates;
pub(crate) use settings::Settings;

/// Longer than a start takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running API server on a port of its own; gone when dropped.
pub struct ApiServer {
    kubeconfig: PathBuf,
    port: u16,
    // Ended in this order, and their files go last.
    server: Process,
    _etcd: Process,
    folder: Option<Folder>,
}

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

impl ApiServer {
    /// Starts one and returns when it is ready.
    pub async fn start(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("udplb-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut certificates = Certificates::new(&[]);
        certificates.administrator();
        certificates.write(&folder);
        let mut server = Self::launch(&Settings::alone(&folder));
        server.folder = Some(Folder(folder));
        server.ready().await;
        server
    }

    /// Starts the processes in a folder that has the certificates. It stays when they end.
    pub(crate) fn launch(settings: &Settings<'_>) -> Self {
        let [client_port, peer_port] = free_ports();
        let binaries = tools(&["etcd", "kube-apiserver"]);
        let etcd = settings.start(
            &binaries.join("etcd"),
            &settings.etcd(client_port, peer_port),
        );
        let server = settings.start(
            &binaries.join("kube-apiserver"),
            &settings.api_server(client_port),
        );
        let kubeconfig = settings.kubeconfig("admin");
        Self {
            kubeconfig,
            port: settings.port,
            server,
            _etcd: etcd,
            folder: None,
        }
    }

    /// Returns when it is ready.
    pub(crate) async fn ready(&mut self) {
        let client = self.client().await;
        let deadline = wait::Deadline::after(PATIENCE);
        loop {
            if is_ready(&client).await {
                return;
            }
            if let Some(status) = self.server.ended() {
                panic!("the API server ended with {status}:\n{}", self.server.log());
            }
            assert!(
                !deadline.passed(),
                "the API server is not ready:\n{}",
                self.server.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A client with every right.
    pub async fn client(&self) -> Client {
        client(&self.kubeconfig).await
    }

    /// A client with every right, on a server that knows our kinds and serves them.
    pub async fn defined(&self) -> Client {
        let client = self.client().await;
        let api: Api<CustomResourceDefinition> = Api::all(client.clone());
        for definition in crd::all() {
            let definition: CustomResourceDefinition = serde_json::from_value(definition).unwrap();
            let name = definition.name_any();
            let _made = api
                .create(&PostParams::default(), &definition)
                .await
                .unwrap();
            let established = await_condition(api.clone(), &name, is_crd_established());
            let established = tokio::time::timeout(PATIENCE, established).await;
            drop(
                established
                    .expect("the definition is not established")
                    .unwrap(),
            );
        }
        client
    }

    /// Where it listens, on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Runs `kubectl` against it: what that prints, or what it complains about.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(tools(&["kubectl"]).join("kubectl"))
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .arg("--cache-dir")
            .arg(self.kubeconfig.with_file_name("kubectl"))
            .args(arguments)
            .output()
            .unwrap();
        answer(&output)
    }

    /// Writes a file that is gone with the server, and returns its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.kubeconfig.with_file_name(name);
        fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    /// A file for `kubectl`.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig.clone()
    }
}

/// What `kubectl` printed.
fn answer(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

/// A client from a file for `kubectl`.
pub(crate) async fn client(kubeconfig: &Path) -> Client {
    let config = Kubeconfig::read_from(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(config, &options)
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

/// Whether it has made what every cluster has.
async fn is_ready(client: &Client) -> bool {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.get("default").await.is_ok()
}

/// Where parts of Kubernetes are: `$KUBEBUILDER_ASSETS`, or built here once.
fn tools(names: &[&str]) -> PathBuf {
    if let Some(path) = std::env::var_os("KUBEBUILDER_ASSETS") {
        return path.into();
    }
    let mut folders = built(names);
    folders.pop().expect("tests/cluster/build names no folder")
}

/// Folders with these tools, built once.
pub(crate) fn built(tools: &[&str]) -> Vec<PathBuf> {
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/build");
    let output = Command::new(build)
        .args(tools)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "tests/cluster/build failed");
    let folders = String::from_utf8(output.stdout).unwrap();
    folders.lines().map(PathBuf::from).collect()
}

/// Ports that nobody uses. They are let go before they are used, as the servers cannot take them over.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
