//! How an API server and its etcd are started, and by whom they are found. IO where written.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    free_ports,
    program::{Flags, Program, Spawn},
};
use crate::lab::Process;

/// What differs between an API server alone and that of a cluster.
pub(crate) struct Settings<'a> {
    folder: &'a Path,
    address: Ipv4Addr,
    pub(super) port: u16,
    authorization: &'static str,
    without_admission: &'static str,
    further: Flags,
    spawn: Spawn,
}

/// The folder of etcd.
const STORE: &str = "etcd";

impl<'a> Settings<'a> {
    /// One alone, that only this machine reaches.
    pub(crate) fn alone(folder: &'a Path) -> Self {
        let [port] = free_ports();
        Self {
            folder,
            address: Ipv4Addr::LOCALHOST,
            port,
            authorization: "RBAC",
            // What other parts of a cluster would make.
            without_admission: "ServiceAccount",
            further: Vec::new(),
            spawn: Arc::new(Process::spawn),
        }
    }

    /// That of a cluster, whose other parts are at hand.
    pub(crate) fn of_a_cluster(
        folder: &'a Path,
        address: Ipv4Addr,
        port: u16,
        spawn: Spawn,
    ) -> Self {
        let file = |name: &str| path(folder, name);
        Self {
            folder,
            address,
            port,
            authorization: "Node,RBAC",
            without_admission: "",
            further: vec![
                ("advertise-address", address.to_string()),
                ("allow-privileged", "true".to_owned()),
                ("enable-admission-plugins", "NodeRestriction".to_owned()),
                ("kubelet-client-certificate", file("admin.crt")),
                ("kubelet-client-key", file("admin.key")),
                ("kubelet-preferred-address-types", "InternalIP".to_owned()),
            ],
            spawn,
        }
    }

    /// One of its programs with these flags.
    pub(crate) fn program(&self, binary: PathBuf, flags: Flags) -> Program {
        Program::new(self.folder, binary, flags, Arc::clone(&self.spawn))
    }

    /// Where etcd keeps everything.
    pub(super) fn store(&self) -> PathBuf {
        self.folder.join(STORE)
    }

    /// Writes the file with which a client, by its certificate's file name, finds the server.
    pub(crate) fn kubeconfig(&self, client: &str) -> PathBuf {
        let (address, port) = (self.address, self.port);
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters: [{{name: test, cluster: {{server: 'https://{address}:{port}', \
             certificate-authority: ca.crt}}}}]\n\
             users: [{{name: {client}, user: {{client-certificate: {client}.crt, client-key: {client}.key}}}}]\n\
             contexts: [{{name: test, context: {{cluster: test, user: {client}}}}}]\n"
        );
        let name = match client {
            "admin" => "kubeconfig".to_owned(),
            client => format!("{client}.kubeconfig"),
        };
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(super) fn etcd(&self, client_port: u16, peer_port: u16) -> Flags {
        let peer_url = url(peer_port);
        vec![
            ("data-dir", path(self.folder, STORE)),
            ("listen-client-urls", url(client_port)),
            ("advertise-client-urls", url(client_port)),
            ("listen-peer-urls", peer_url.clone()),
            ("initial-advertise-peer-urls", peer_url.clone()),
            ("initial-cluster", format!("default={peer_url}")),
            ("unsafe-no-fsync", "true".to_owned()),
            ("log-level", "error".to_owned()),
        ]
    }

    pub(super) fn api_server(&self, etcd_port: u16) -> Flags {
        let file = |name: &str| path(self.folder, name);
        let issuer = "https://kubernetes.default.svc";
        let mut flags = vec![
            ("etcd-servers", url(etcd_port)),
            ("bind-address", self.address.to_string()),
            ("secure-port", self.port.to_string()),
            ("tls-cert-file", file("server.crt")),
            ("tls-private-key-file", file("server.key")),
            ("client-ca-file", file("ca.crt")),
            ("service-account-issuer", issuer.to_owned()),
            ("service-account-key-file", file("server.crt")),
            ("service-account-signing-key-file", file("server.key")),
            ("service-cluster-ip-range", "10.96.0.0/16".to_owned()),
            ("authorization-mode", self.authorization.to_owned()),
            (
                "disable-admission-plugins",
                self.without_admission.to_owned(),
            ),
        ];
        flags.extend(self.further.iter().cloned());
        flags
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).into_os_string().into_string().unwrap()
}
