//! A real API server with its etcd, without nodes: for what the server itself says of objects. IO.

mod certificates;
mod program;
mod settings;

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use k8s_openapi::{
    api::core::v1::{ConfigMap, Namespace},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Config, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{conditions::is_crd_established, wait::await_condition},
};
use serde_json::json;
use udplb_api::crd;

use crate::wait;
pub(crate) use certificates::Certificates;
pub(crate) use program::{Program, Spawn};
pub(crate) use settings::Settings;

/// Longer than a start takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running API server on a port of its own; gone when dropped.
pub struct ApiServer {
    kubeconfig: PathBuf,
    port: u16,
    // Ended in this order, and their files go last.
    server: Program,
    etcd: Program,
    store: PathBuf,
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
        let etcd = settings.etcd(client_port, peer_port);
        let server = settings.api_server(client_port);
        let mut this = Self {
            kubeconfig: settings.kubeconfig("admin"),
            port: settings.port,
            server: settings.program(binaries.join("kube-apiserver"), server),
            etcd: settings.program(binaries.join("etcd"), etcd),
            store: settings.store(),
            folder: None,
        };
        this.etcd.start();
        this.server.start();
        this
    }

    /// Ends the API server without a warning; its etcd goes on.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Ends both without a warning.
    pub fn kill_with_store(&mut self) {
        self.server.kill();
        self.etcd.kill();
    }

    /// Starts what does not run, and returns when it is ready.
    pub async fn start_again(&mut self) {
        self.etcd.start();
        self.server.start();
        self.ready().await;
    }

    /// Has so much happen that versions of before are far away.
    pub async fn age(&self) {
        const WRITES: usize = 500;
        let api: Api<ConfigMap> = Api::default_namespaced(self.client().await);
        for number in 0..WRITES {
            let patch = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "age" },
                "data": { "number": number.to_string() },
            });
            let parameters = PatchParams::apply("age").force();
            let _stored = api
                .patch("age", &parameters, &Patch::Apply(patch))
                .await
                .unwrap();
        }
    }

    /// Keeps what is stored. Both were killed.
    pub fn take_snapshot(&self) {
        copy(&self.store, &self.snapshot());
    }

    /// Goes back to what was kept. Both were killed.
    pub fn restore_snapshot(&self) {
        copy(&self.snapshot(), &self.store);
    }

    fn snapshot(&self) -> PathBuf {
        self.store.with_extension("snapshot")
    }

    /// Returns when it is ready.
    pub(crate) async fn ready(&mut self) {
        let client = self.client().await;
        let deadline = wait::Deadline::after(PATIENCE);
        loop {
            if is_ready(&client).await {
                return;
            }
            self.etcd.expect_running();
            self.server.expect_running();
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

/// Puts a copy of a folder in the place of another one.
fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    let status = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(status.unwrap().success(), "cannot copy {}", from.display());
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
