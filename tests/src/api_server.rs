//! A real API server with its etcd, without nodes: for what the server itself says of objects. IO.

mod certificates;

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
use certificates::Certificates;

/// Longer than a start takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running API server on a port of its own; gone when dropped.
pub struct ApiServer {
    port: u16,
    // Ended in this order, and their files go last.
    server: Process,
    _etcd: Process,
    folder: Folder,
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
        let binaries = tools(&["etcd", "kube-apiserver"]);
        let folder = std::env::temp_dir().join(format!("udplb-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Certificates::new().write(&folder);
        let [client_port, peer_port, port] = free_ports();
        let file = |name: &str| folder.join(name).into_os_string().into_string().unwrap();
        let etcd_url = format!("http://127.0.0.1:{client_port}");
        let peer_url = format!("http://127.0.0.1:{peer_port}");
        let etcd = start(
            &folder,
            &binaries.join("etcd"),
            &[
                ("data-dir", &file("etcd")),
                ("listen-client-urls", &etcd_url),
                ("advertise-client-urls", &etcd_url),
                ("listen-peer-urls", &peer_url),
                ("initial-advertise-peer-urls", &peer_url),
                ("initial-cluster", &format!("default={peer_url}")),
                ("unsafe-no-fsync", "true"),
                ("log-level", "error"),
            ],
        );
        let server = start(
            &folder,
            &binaries.join("kube-apiserver"),
            &[
                ("etcd-servers", &etcd_url),
                ("bind-address", "127.0.0.1"),
                ("secure-port", &port.to_string()),
                ("tls-cert-file", &file("server.crt")),
                ("tls-private-key-file", &file("server.key")),
                ("client-ca-file", &file("ca.crt")),
                ("service-account-issuer", "https://kubernetes.default.svc"),
                ("service-account-key-file", &file("server.crt")),
                ("service-account-signing-key-file", &file("server.key")),
                ("service-cluster-ip-range", "10.96.0.0/16"),
                ("authorization-mode", "RBAC"),
                // What other parts of a cluster would make.
                ("disable-admission-plugins", "ServiceAccount"),
            ],
        );
        let server = Self {
            port,
            server,
            _etcd: etcd,
            folder: Folder(folder),
        };
        server.ready().await
    }

    async fn ready(mut self) -> Self {
        let client = self.client().await;
        let deadline = wait::Deadline::after(PATIENCE);
        loop {
            if is_ready(&client).await {
                return self;
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
        let config = Kubeconfig::read_from(self.kubeconfig()).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(config, &options)
            .await
            .unwrap();
        Client::try_from(config).unwrap()
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
            .arg(self.folder.0.join("kubectl"))
            .args(arguments)
            .output()
            .unwrap();
        answer(&output)
    }

    /// Writes a file that is gone with the server, and returns its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.0.join(name);
        fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    /// A file for `kubectl`.
    pub fn kubeconfig(&self) -> PathBuf {
        let path = self.folder.0.join("kubeconfig");
        if !path.exists() {
            let port = self.port;
            let text = format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
                 clusters: [{{name: test, cluster: {{server: 'https://127.0.0.1:{port}', \
                 certificate-authority: ca.crt}}}}]\n\
                 users: [{{name: admin, user: {{client-certificate: admin.crt, client-key: admin.key}}}}]\n\
                 contexts: [{{name: test, context: {{cluster: test, user: admin}}}}]\n"
            );
            fs::write(&path, text).unwrap();
        }
        path
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

/// Whether it has made what every cluster has.
async fn is_ready(client: &Client) -> bool {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.get("default").await.is_ok()
}

fn start(folder: &Path, binary: &Path, arguments: &[(&str, &str)]) -> Process {
    let mut command = Command::new(binary);
    let flags = arguments
        .iter()
        .map(|(name, value)| format!("--{name}={value}"));
    let _: &mut Command = command.args(flags).current_dir(folder);
    let name = binary.file_name().unwrap().to_str().unwrap();
    Process::spawn(&folder.join(format!("{name}.log")), &mut command)
}

/// Where parts of Kubernetes are: `$KUBEBUILDER_ASSETS`, or built here once.
fn tools(names: &[&str]) -> PathBuf {
    if let Some(path) = std::env::var_os("KUBEBUILDER_ASSETS") {
        return path.into();
    }
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/build");
    let output = Command::new(build)
        .args(names)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "tests/cluster/build failed");
    String::from_utf8(output.stdout).unwrap().trim().into()
}

/// Ports that nobody uses. They are let go before they are used, as the servers cannot take them over.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
