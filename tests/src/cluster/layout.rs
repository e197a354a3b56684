//! The names and addresses of a cluster. Pure.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The port of the API server.
pub(super) const PORT: u16 = 6443;

/// How many clusters have room beside each other.
pub(super) const SLOTS: u8 = 20;

/// Of which the network of the first cluster is one, 10.210.0.0/16.
const FIRST: u8 = 210;

/// A cluster's name and the number of its network.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// What every object is named with.
    pub(super) id: String,
    /// Which of the networks it has.
    pub(super) slot: u8,
    /// How many nodes.
    pub(super) nodes: u8,
}

/// Somebody on the bridge.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: String,
    /// The last part of its addresses.
    pub(super) number: u8,
    /// The addresses of its pods.
    pub(super) pods: Option<String>,
}

impl Layout {
    /// The bridge, of all members.
    pub(super) fn bridge(&self) -> String {
        format!("udplb-b{}", self.slot)
    }

    /// The end of a member's link at the bridge.
    pub(super) fn port(&self, member: &Member) -> String {
        format!("udplb-b{}-{}", self.slot, member.number)
    }

    /// The name of a member's namespace.
    pub(super) fn namespace(&self, member: &str) -> String {
        format!("{}-{member}", self.id)
    }

    /// Where the API server is.
    pub(super) fn server(&self) -> Ipv4Addr {
        self.address(1)
    }

    /// An address on the bridge.
    pub(super) fn address(&self, number: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, FIRST + self.slot, 0, number)
    }

    /// The same of IPv6.
    pub(super) fn address6(&self, number: u8) -> Ipv6Addr {
        Ipv6Addr::new(
            0xfd10,
            u16::from(FIRST + self.slot),
            0,
            0,
            0,
            0,
            0,
            number.into(),
        )
    }

    /// The nodes.
    pub(super) fn nodes(&self) -> impl Iterator<Item = Member> {
        (1..=self.nodes).map(|index| Member {
            name: format!("node{index}"),
            number: 10 + index,
            pods: Some(format!("10.{}.{}.0/24", FIRST + self.slot, 100 + index)),
        })
    }

    /// Those that are no nodes: for packets from outside, and to the outside.
    pub(super) fn outsiders() -> impl Iterator<Item = Member> {
        [("client", 201), ("upstream", 202)]
            .into_iter()
            .map(|(name, number)| Member {
                name: name.to_owned(),
                number,
                pods: None,
            })
    }

    /// Commands of `ip` that make everybody's pods known: on the bridge, or on the device of this member.
    pub(super) fn routes(&self, own: Option<&Member>) -> String {
        let device = own.map_or_else(|| self.bridge(), |_| "eth0".to_owned());
        self.nodes()
            .filter(|node| own.is_none_or(|own| own.number != node.number))
            .filter_map(|node| {
                let via = self.address(node.number);
                let pods = node.pods?;
                Some(format!("route add {pods} via {via} dev {device}\n"))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(layout: &Layout) -> impl Iterator<Item = Member> {
        layout.nodes().chain(Layout::outsiders())
    }

    #[test]
    fn members_have_addresses_of_their_own_and_know_the_pods_of_others() {
        let layout = Layout {
            id: "udplb-7-c0".to_owned(),
            slot: 2,
            nodes: 3,
        };
        let numbers: std::collections::BTreeSet<u8> =
            members(&layout).map(|member| member.number).collect();
        assert_eq!(numbers.len(), 5);
        assert_eq!(layout.server().to_string(), "10.212.0.1");
        let node = layout.nodes().next().unwrap();
        assert_eq!(node.pods.as_deref(), Some("10.212.101.0/24"));
        assert_eq!(
            layout.routes(Some(&node)),
            "route add 10.212.102.0/24 via 10.212.0.12 dev eth0\n\
             route add 10.212.103.0/24 via 10.212.0.13 dev eth0\n"
        );
        assert_eq!(layout.routes(None).lines().count(), 3);
    }

    #[test]
    fn the_kernel_takes_the_names_of_the_links() {
        let layout = Layout {
            id: String::new(),
            slot: SLOTS,
            nodes: 9,
        };
        for member in members(&layout) {
            assert!(layout.port(&member).len() <= 15);
        }
    }
}
