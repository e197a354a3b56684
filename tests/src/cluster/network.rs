//! The bridge of a cluster and the namespaces on it. IO.

use std::process::Command;

use serde_json::Value;

use super::layout::{Layout, Member, SLOTS};
use crate::lab::{Host, ip_batch, namespace};

/// Makes a bridge, under the first name that is free, and marks it as the cluster's.
pub(super) fn claim(id: &str, nodes: u8) -> Layout {
    for slot in 0..SLOTS {
        let layout = Layout {
            id: id.to_owned(),
            slot,
            nodes,
        };
        let bridge = layout.bridge();
        let kind = "type bridge mcast_snooping 0 forward_delay 0";
        let made = Command::new("ip")
            .args(["link", "add", &bridge])
            .args(kind.split(' '))
            .output()
            .expect("cannot run ip (package iproute2)");
        if made.status.success() {
            ip_batch(&[], &format!("link set {bridge} alias {id}\n"));
            return layout;
        }
        let error = String::from_utf8_lossy(&made.stderr);
        assert!(error.contains("File exists"), "{bridge}: {error}");
    }
    panic!("{SLOTS} clusters run on this machine; end one, or see `ip link show type bridge`");
}

/// Gives the bridge its addresses.
pub(super) fn address(layout: &Layout) {
    let (bridge, server, server6) = (layout.bridge(), layout.server(), layout.address6(1));
    ip_batch(
        &[],
        &format!(
            "address add {server}/24 dev {bridge}\n\
             address add {server6}/64 dev {bridge} nodad\n\
             link set {bridge} up\n"
        ),
    );
}

/// Makes the namespace of a member and its link.
pub(super) fn join(layout: &Layout, member: &Member, host: &Host) {
    let namespace = host.namespace();
    namespace::create(namespace);
    let (port, bridge, id) = (layout.port(member), layout.bridge(), &layout.id);
    let mac = host.mac("eth0");
    ip_batch(
        &[],
        &format!(
            "link add {port} type veth peer name eth0 address {mac} netns {namespace}\n\
             link set {port} alias {id}\n\
             link set {port} master {bridge} addrgenmode none up\n"
        ),
    );
    let (address, address6) = (
        layout.address(member.number),
        layout.address6(member.number),
    );
    host.ip_batch(&format!(
        "link set lo up\n\
         link set eth0 up\n\
         address add {address}/24 dev eth0\n\
         address add {address6}/64 dev eth0 nodad\n\
         route add default via {}\n{}",
        layout.server(),
        layout.routes(Some(member))
    ));
    if member.pods.is_some() {
        host.sysctl("ipv4/ip_forward", "1");
    }
}

/// Makes the pods known to this machine; the nodes are there already.
pub(super) fn routes(layout: &Layout) {
    ip_batch(&[], &layout.routes(None));
}

/// Removes the bridge and the links of a cluster, with the routes over them.
pub(super) fn remove(id: &str) {
    for (name, _) in links().into_iter().filter(|(_, alias)| alias == id) {
        // The other end of a link may have gone with its namespace in the meantime.
        drop(Command::new("ip").args(["link", "delete", &name]).output());
    }
}

/// The interfaces of this machine that have an alias: their names, and that.
pub(super) fn links() -> Vec<(String, String)> {
    let output = Command::new("ip")
        .args(["-json", "link", "show"])
        .output()
        .expect("cannot run ip (package iproute2)");
    let links: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    links
        .iter()
        .filter_map(|link| {
            let text = |key: &str| link[key].as_str().map(str::to_owned);
            Some((text("ifname")?, text("ifalias")?))
        })
        .collect()
}
