//! What this host's network looks like: links, addresses, routes to upstreams, neighbours. Pure data;
//! `kernel::netlink` fills it, `desired` and `next_hop` read it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;

/// Index of a network interface, as the kernel counts them.
pub type InterfaceIndex = u32;

/// A consistent view of the host's network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Every interface of the network namespace.
    pub links: BTreeMap<InterfaceIndex, Link>,
    /// Every address with its on-link prefix, by interface.
    pub addresses: BTreeSet<(InterfaceIndex, IpNet)>,
    /// Interfaces that hold a default route of either family.
    pub default_route_interfaces: BTreeSet<InterfaceIndex>,
    /// The kernel's answer for each upstream address that was asked for.
    pub routes: BTreeMap<IpAddr, Route>,
    /// Neighbour entries that those routes lead to, and all that are ours.
    pub neighbours: BTreeMap<(InterfaceIndex, IpAddr), Neighbour>,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name, at most 15 bytes.
    pub name: String,
    /// What its frames look like.
    pub kind: LinkKind,
    /// Its link-layer address; zero where there is none.
    pub mac: [u8; 6],
    /// Longest IP packet, bytes.
    pub mtu: u32,
    /// Whether it is administratively up.
    pub up: bool,
    /// The bond, team or bridge that it is a member of.
    pub master: Option<InterfaceIndex>,
    /// Set for VLAN devices.
    pub vlan: Option<Vlan>,
}

/// What the frames of a link look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// Ethernet frames.
    Ethernet,
    /// The loopback interface.
    Loopback,
    /// Bare IP packets: tun, wireguard, ipip and the like.
    Ip,
    /// Frames that we cannot build: InfiniBand and the like. Nothing is sent there.
    Other,
}

/// Which frames of its parent a VLAN device takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vlan {
    /// The interface below.
    pub parent: InterfaceIndex,
    /// 0x8100 or 0x88a8.
    pub protocol: u16,
    /// 0–4095.
    pub id: u16,
}

/// Where the kernel would send a packet for an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Out of an interface.
    Unicast {
        /// Egress interface.
        interface: InterfaceIndex,
        /// The next router; the address itself is on-link where there is none.
        gateway: Option<IpAddr>,
        /// MTU that the route sets, below the interface's own.
        mtu: Option<u32>,
    },
    /// To this host itself.
    Local,
    /// Nowhere: no route, or one that says unreachable, prohibit or blackhole.
    None,
}

/// A neighbour entry, as far as the datapath cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Whether frames can be sent to it.
    pub state: NeighbourState,
    /// Who keeps it.
    pub keeper: Keeper,
}

/// Whether frames can be sent to a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighbourState {
    /// This link-layer address is good (`NUD_VALID`).
    Valid([u8; 6]),
    /// Asked for, no answer yet, and it has not failed since it was last good.
    Resolving,
    /// It did not answer. Stays failed while the kernel asks again, until it answers.
    Failed,
}

/// Who keeps a neighbour entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// We do: it carries our protocol number and the kernel keeps it fresh.
    Ours,
    /// The kernel: a dynamic entry, which may be upgraded to a managed one.
    Kernel,
    /// Somebody else: permanent, externally learned, or with another protocol number.
    Other,
}
