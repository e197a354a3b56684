//! Who listens on which ports, so that 10,000 forwards are compared quickly. Pure.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use udplb_api::udp_forward::matching::PortRange;

/// What one entry of an accepted forward listens on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listener {
    /// Its ports.
    pub(crate) ports: PortRange,
    /// Its address or prefix; none: every unicast address of the node.
    pub(crate) address: Option<IpNet>,
    /// Place of the forward, the oldest first.
    pub(crate) index: usize,
}

/// Many of them, found by their ports.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    by_first_port: BTreeMap<u16, Vec<Listener>>,
    /// Most ports after the first that an entry has.
    widest: u16,
}

impl Listeners {
    pub(crate) fn add(&mut self, listener: Listener) {
        let PortRange { port, .. } = listener.ports;
        self.widest = self.widest.max(listener.ports.last() - port);
        self.by_first_port.entry(port).or_default().push(listener);
    }

    pub(crate) fn overlapping(&self, ports: PortRange) -> impl Iterator<Item = &Listener> {
        let lowest = ports.first().saturating_sub(self.widest);
        self.by_first_port
            .range(lowest..=ports.last())
            .flat_map(|(_, listeners)| listeners)
            .filter(move |listener| listener.ports.overlaps(ports))
    }
}

/// Whether a node can have this as an address of its own. A subnet's broadcast address cannot be told
/// from a host's.
pub(crate) fn is_unicast_host(prefix: IpNet) -> bool {
    let unicast = match prefix.addr() {
        IpAddr::V4(v4) => !v4.is_multicast() && !v4.is_broadcast(),
        IpAddr::V6(v6) => !v6.is_multicast(),
    };
    unicast && prefix.prefix_len() == prefix.max_prefix_len()
}
