//! What rewriting does with both ends of a packet, as the program does it: for `explain` and `trace`. **pure**

use std::net::{IpAddr, SocketAddr};

use udplb_abi::{
    address::{self, Address},
    forward::ADDRESS_REWRITE,
};

/// How a destination addresses the copies for one of its upstreams.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite {
    /// Whether the upstream is this host itself: its stack takes a packet from outside that bears an own address
    /// for a forged one, so the source stays.
    pub is_local: bool,
    /// `ADDRESS_*` for the source.
    pub source_address: u8,
    /// `ADDRESS_*` for the destination.
    pub destination_address: u8,
    /// The source of copies with a rewritten source; all zero for the packet's own destination.
    pub listener_source: Address,
    /// The upstream's address.
    pub upstream: Address,
    /// The upstream's port, network byte order; 0: the packet's own.
    pub upstream_port: [u8; 2],
}

impl Rewrite {
    /// Source address and destination of the copy of a packet. Its source port stays.
    #[must_use]
    pub fn of(&self, source: IpAddr, destination: SocketAddr) -> (IpAddr, SocketAddr) {
        let (mut from, mut to) = (source, destination);
        if self.source_address == ADDRESS_REWRITE && !self.is_local {
            from = if self.listener_source == [0; 16] {
                destination.ip()
            } else {
                address::to_ip(self.listener_source)
            };
        }
        if self.destination_address == ADDRESS_REWRITE {
            to.set_ip(address::to_ip(self.upstream));
            if self.upstream_port != [0; 2] {
                to.set_port(u16::from_be_bytes(self.upstream_port));
            }
        }
        (from, to)
    }
}
