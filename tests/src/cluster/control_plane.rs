//! etcd, the API server, the controllers and the scheduler of a cluster. IO.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::Arc,
};

use super::{
    layout::{Layout, PORT},
    processes::Processes,
};
use crate::api_server::{ApiServer, Certificates, Program, Settings, Spawn, built};

/// The first address of services, at which pods look for the API server.
const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// The processes of a control plane.
pub(super) struct ControlPlane {
    // Ended in this order.
    _others: [Program; 2],
    pub(super) server: ApiServer,
}

impl ControlPlane {
    /// Starts it and returns when the API server is ready. The nodes have files to find it then, too.
    pub(super) async fn start(folder: &Path, layout: &Layout, processes: &Processes) -> Self {
        let addresses = [layout.server(), SERVICE].map(IpAddr::V4);
        let mut certificates = Certificates::new(&addresses);
        certificates.administrator();
        for part in ["kube-controller-manager", "kube-scheduler"] {
            certificates.client(part, &format!("system:{part}"), None);
        }
        for node in layout.nodes() {
            let name = format!("system:node:{}", node.name);
            certificates.client(&node.name, &name, Some("system:nodes"));
        }
        certificates.write(folder);

        let processes = processes.clone();
        let spawn: Spawn = Arc::new(move |log, command| processes.spawn(log, command));
        let settings = Settings::of_a_cluster(folder, layout.server(), PORT, spawn);
        for node in layout.nodes() {
            drop(settings.kubeconfig(&node.name));
        }
        let mut server = ApiServer::launch(&settings);
        server.ready().await;
        let file = |name: &str| folder.join(name).display().to_string();
        let controllers = vec![
            // It makes this folder.
            ("flex-volume-plugin-dir", file("volume-plugins")),
            ("root-ca-file", file("ca.crt")),
            ("service-account-private-key-file", file("server.key")),
            ("use-service-account-credentials", "true".to_owned()),
        ];
        let others = [
            ("kube-controller-manager", controllers),
            ("kube-scheduler", Vec::new()),
        ];
        let others = others.map(|(part, mut flags)| {
            let kubeconfig = settings.kubeconfig(part).display().to_string();
            flags.extend([
                ("kubeconfig", kubeconfig),
                ("leader-elect", "false".to_owned()),
                // Nobody asks it anything, and the port is the machine's.
                ("secure-port", "0".to_owned()),
            ]);
            let binaries = built(&[part]).remove(0);
            let mut program = settings.program(binaries.join(part), flags);
            program.start();
            program
        });
        Self {
            _others: others,
            server,
        }
    }
}
