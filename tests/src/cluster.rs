//! A real Kubernetes cluster: a control plane, and nodes with a kubelet and a containerd of their own. IO.
//!
//! ```text
//! this machine: etcd, kube-apiserver, kube-controller-manager, kube-scheduler
//!     │ udplb-bN 10.21N.0.1
//!     ├── node1     10.21N.0.11   pods 10.21N.101.0/24
//!     ├── node2     10.21N.0.12   pods 10.21N.102.0/24
//!     ├── …
//!     ├── client    10.21N.0.201  for packets from outside
//!     └── upstream  10.21N.0.202  and to the outside
//! ```
//!
//! Each but the first is a network namespace with its interface eth0, and IPv6 `fd10:21N::/64` beside IPv4. A node
//! has its own mounts, processes and host name, too: its bpffs, its boot, its /var/lib.

mod control_plane;
mod files;
mod install;
pub mod kept;
mod layout;
mod network;
mod node;
mod objects;
mod processes;
mod remains;

use std::{
    collections::BTreeMap,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use kube::Client;

use crate::{
    api_server::built,
    lab::{Host, namespace},
};
use control_plane::ControlPlane;
pub use install::{AGENTS, OPERATOR};
use layout::Layout;
pub use node::Node;
pub use objects::is_ready;
use processes::Processes;

/// A running cluster; all of it is gone when this is dropped, also while a test panics.
pub struct Cluster {
    layout: Layout,
    folder: PathBuf,
    client: Client,
    nodes: Vec<Node>,
    outsiders: BTreeMap<String, Host>,
    control_plane: ControlPlane,
    _remains: Remains,
}

/// Removes what there is, also of a cluster that is not complete.
struct Remains {
    id: String,
    folder: PathBuf,
}

impl Cluster {
    /// Starts a cluster of so many nodes, and returns when all are ready.
    pub async fn start(nodes: u8) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}c{number}", namespace::prefix(std::process::id()));
        let folder = std::env::temp_dir().join(&id);
        Self::start_as(&id, &folder, nodes, false).await
    }

    async fn start_as(id: &str, folder: &Path, nodes: u8, kept: bool) -> Self {
        namespace::prepare_machine();
        remains::sweep();
        let remains = Remains {
            id: id.to_owned(),
            folder: folder.to_owned(),
        };
        fs::create_dir_all(folder).unwrap();
        let layout = network::claim(id, nodes);
        network::address(&layout);
        let processes = Processes::new(folder, kept);
        let control_plane = ControlPlane::start(folder, &layout, &processes).await;
        let host = |name: &str| Host::new(name, &layout.namespace(name), id, folder);
        let mut outsiders = BTreeMap::new();
        for member in Layout::outsiders() {
            let host = host(&member.name);
            network::join(&layout, &member, &host);
            drop(outsiders.insert(member.name, host));
        }
        let mut nodes = Vec::new();
        for member in layout.nodes() {
            let host = host(&member.name);
            network::join(&layout, &member, &host);
            nodes.push(Node::new(host, &layout, member, &processes));
        }
        network::routes(&layout);
        for node in &mut nodes {
            node.start();
            node.import(&image("udplb-pause"));
        }
        let cluster = Self {
            client: control_plane.server.client().await,
            layout,
            folder: folder.to_owned(),
            nodes,
            outsiders,
            control_plane,
            _remains: remains,
        };
        cluster.ready_nodes().await;
        cluster
    }

    /// Its nodes, node1 first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of that name.
    pub fn node(&self, name: &str) -> &Node {
        let found = self.nodes.iter().find(|node| node.name() == name);
        found.unwrap_or_else(|| panic!("the cluster has no {name}"))
    }

    /// The same, to stop or reboot it.
    pub fn node_mut(&mut self, name: &str) -> &mut Node {
        let found = self.nodes.iter_mut().find(|node| node.name() == name);
        found.unwrap_or_else(|| panic!("the cluster has no {name}"))
    }

    /// A host on the bridge that is no node: `client` or `upstream`.
    pub fn outside(&self, name: &str) -> &Host {
        let found = self.outsiders.get(name);
        found.unwrap_or_else(|| panic!("there is no {name} outside, but client and upstream"))
    }

    /// What everything of it is named with.
    pub fn id(&self) -> &str {
        &self.layout.id
    }

    /// What is still there of the cluster that was called so.
    pub fn residue(id: &str) -> Vec<String> {
        remains::residue(id)
    }

    /// A file for `kubectl`, with every right.
    pub fn kubeconfig(&self) -> PathBuf {
        self.control_plane.server.kubeconfig()
    }

    /// The address of a node, of `client` or of `upstream`.
    pub fn address_of(&self, name: &str) -> Ipv4Addr {
        let mut members = self.layout.nodes().chain(Layout::outsiders());
        let found = members.find(|member| member.name == name);
        let member = found.unwrap_or_else(|| panic!("there is no {name} in the cluster"));
        self.layout.address(member.number)
    }

    /// `kubectl`, not started yet.
    pub fn kubectl_command(&self) -> Command {
        kubectl(&self.folder)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.product_logs());
            for node in &self.nodes {
                eprint!("{}", node.report());
            }
        }
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        remains::remove(&self.id, &self.folder);
        if !std::thread::panicking() {
            let left = remains::residue(&self.id);
            assert!(left.is_empty(), "cluster {} left behind: {left:?}", self.id);
        }
    }
}

/// `kubectl` for the cluster in this folder.
fn kubectl(folder: &Path) -> Command {
    let binary = built(&["kubectl"]).remove(0).join("kubectl");
    let mut command = Command::new(binary);
    let _: &mut Command = command
        .arg("--kubeconfig")
        .arg(folder.join("kubeconfig"))
        // What the server knows is kept there between runs; the next cluster knows something else.
        .arg("--cache-dir")
        .arg(folder.join("kubectl"));
    command
}

/// An archive of `make images`.
fn image(name: &str) -> PathBuf {
    let folder = std::env::var_os("UDPLB_IMAGES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/images"),
        PathBuf::from,
    );
    let path = folder.join(format!("{name}.tar"));
    assert!(
        path.exists(),
        "{} is missing: run `make images` or set UDPLB_IMAGES",
        path.display()
    );
    path.canonicalize().unwrap()
}
