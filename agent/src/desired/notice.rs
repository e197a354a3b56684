//! What a user should know about forwards that do not run here as written. **pure**

use std::net::IpAddr;

use thiserror::Error;

/// Part of the input that this host does not carry out. Everything else runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Notice {
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
        "forward {forward} names no interfaces and no interface holds a default route; name them, or it waits for a route"
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
    /// Frames that we cannot read.
    #[error(
        "forward {forward}: interface {interface} carries neither Ethernet frames nor bare IP packets; what arrives there is left alone"
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
        "forward {forward} does not listen on {address} port {ports} of {interface}: {winner} does; change one of them"
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
        "destination {destination}: upstream {address} is left out, what is sent there would come back to a listener of this host and go round; write another address or port"
    )]
    Loop {
        /// `namespace/name/destination`.
        destination: String,
        /// The upstream.
        address: IpAddr,
    },
    /// The forward listens on no address of the upstreams' family.
    #[error(
        "destination {destination}: its {family} upstreams get nothing, the forward listens on no {family} address; add one to match.addresses, or take the upstreams out"
    )]
    UpstreamsUnheard {
        /// `namespace/name/destination`.
        destination: String,
        /// `IPv4` or `IPv6`.
        family: &'static str,
    },
    /// No upstream is of the family of an address that was named.
    #[error(
        "destination {destination} has no {family} upstream: packets to {address} are not sent there (no_upstream); add one, or take the address out"
    )]
    AddressUnserved {
        /// `namespace/name/destination`.
        destination: String,
        /// `IPv4` or `IPv6`.
        family: &'static str,
        /// The address or prefix.
        address: String,
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

impl Notice {
    /// `namespace/name` of the forward that it is about.
    #[must_use]
    pub fn forward(&self) -> &str {
        let name = match self {
            Self::NoDefaultRoute { forward }
            | Self::InterfaceNotFound { forward, .. }
            | Self::NotEthernet { forward, .. }
            | Self::Member { forward, .. }
            | Self::ListenerConflict { forward, .. }
            | Self::NoSourceAddress { forward, .. } => return forward,
            Self::SameIdentity { name, .. } => name,
            Self::Loop { destination, .. }
            | Self::UpstreamsUnheard { destination, .. }
            | Self::AddressUnserved { destination, .. }
            | Self::TooManyUpstreams { destination, .. } => destination,
        };
        let mut slashes = name.match_indices('/');
        let end = slashes.nth(1).map_or(name.len(), |(index, _)| index);
        &name[..end]
    }
}
