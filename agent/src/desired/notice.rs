//! What a user should know about forwards that do not run here as written. **pure**

use std::net::IpAddr;

use thiserror::Error;

/// Part of the input that this host does not carry out. Everything else runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Notice {
    /// The resolved forward has not been seen yet.
    #[error("forward {forward} is not resolved yet; what ran before goes on")]
    Pending {
        /// `namespace/name`.
        forward: String,
    },
    /// Two names have the same 64-bit identity.
    #[error("name {name} has the same identity as {other}; rename one of them")]
    SameIdentity {
        /// The name that is left out.
        name: String,
        /// The name that runs.
        other: String,
    },
    /// No interface holds a default route.
    #[error(
        "forward {forward} names no interfaces and no interface holds a default route; name the interfaces"
    )]
    NoDefaultRoute {
        /// `namespace/name`.
        forward: String,
    },
    /// No interface has such a name.
    #[error("forward {forward}: no interface matches {pattern}; it waits for one")]
    InterfaceNotFound {
        /// `namespace/name`.
        forward: String,
        /// As written.
        pattern: String,
    },
    /// Frames without Ethernet header.
    #[error(
        "forward {forward}: interface {interface} is not Ethernet; packets that arrive there are left alone"
    )]
    NotEthernet {
        /// `namespace/name`.
        forward: String,
        /// Its name.
        interface: String,
    },
    /// The interface is part of another one.
    #[error(
        "forward {forward}: interface {interface} is a member of {master}; name {master} instead"
    )]
    Member {
        /// `namespace/name`.
        forward: String,
        /// Its name.
        interface: String,
        /// The bond, team or bridge.
        master: String,
    },
    /// An earlier forward listens there.
    #[error(
        "forward {forward} does not listen on {address} port {ports} of {interface}: {winner} does"
    )]
    ListenerConflict {
        /// `namespace/name`.
        forward: String,
        /// The forward that listens.
        winner: String,
        /// Name of the interface.
        interface: String,
        /// Address or prefix.
        address: String,
        /// Ports that both want.
        ports: String,
    },
    /// Copies with a rewritten source would carry a multicast or broadcast address.
    #[error(
        "forward {forward} does not listen on {address}: interface {interface} has no address that copies could carry as their source"
    )]
    NoSourceAddress {
        /// `namespace/name`.
        forward: String,
        /// Multicast or broadcast address.
        address: String,
        /// Name of the interface.
        interface: String,
    },
    /// The upstream would send the packet back to us.
    #[error(
        "destination {destination}: upstream {address} is a listener of this host; its packets would go round"
    )]
    Loop {
        /// `namespace/name/destination`.
        destination: String,
        /// The upstream.
        address: IpAddr,
    },
    /// More upstreams than a balance table can number.
    #[error(
        "destination {destination} has {count} upstreams in one address family; the first {limit} are used"
    )]
    TooManyUpstreams {
        /// `namespace/name/destination`.
        destination: String,
        /// How many.
        count: usize,
        /// How many can be used.
        limit: usize,
    },
}
