//! Addresses of the labs that rows are played on, by family. Pure.

use crate::packet::Udp;

/// An address family, as rows use it: the hosts are those of [`crate::lab::shapes::two_collectors`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Port that datagrams come from.
const SOURCE_PORT: u16 = 1000;

impl Family {
    /// Its name, for the names of rows.
    pub fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// One of two things.
    pub fn choose<T>(self, v4: T, v6: T) -> T {
        match self {
            Self::V4 => v4,
            Self::V6 => v6,
        }
    }

    /// The sender's address.
    pub fn sender(self) -> &'static str {
        self.choose("10.0.1.2", "2001:db8:1::2")
    }

    /// The node's address towards the sender.
    pub fn node(self) -> &'static str {
        self.choose("10.0.1.1", "2001:db8:1::1")
    }

    /// A host on the link of collector 1 or 2, by the last part of its address; the collector itself is 2.
    pub fn beside_collector(self, collector: u8, host: u8) -> String {
        match self {
            Self::V4 => format!("10.0.{}.{host}", collector + 1),
            Self::V6 => format!("2001:db8:{}::{host:x}", collector + 1),
        }
    }

    /// Address of collector 1 or 2.
    pub fn collector(self, collector: u8) -> String {
        self.beside_collector(collector, 2)
    }

    /// A port of collector 1 or 2.
    pub fn collector_at(self, collector: u8, port: u16) -> String {
        self.at(&self.collector(collector), port)
    }

    /// A port of an address.
    pub fn at(self, address: &str, port: u16) -> String {
        match self {
            Self::V4 => format!("{address}:{port}"),
            Self::V6 => format!("[{address}]:{port}"),
        }
    }

    /// A plain datagram from the sender to a port of the node.
    pub fn datagram(self, port: u16) -> Udp {
        self.datagram_to(self.node(), port)
    }

    /// A plain datagram from the sender to a port of any address.
    pub fn datagram_to(self, address: &str, port: u16) -> Udp {
        Udp::new(
            &self.at(self.sender(), SOURCE_PORT),
            &self.at(address, port),
            b"<13>hello, world",
        )
    }
}

/// The collector's addresses in both families as the upstreams of a destination, in the words of a spec. Without a
/// port they get the one that a packet came to.
pub fn upstreams(collector: u8, port: Option<u16>) -> String {
    let port = port.map_or_else(String::new, |port| format!(", port: {port}"));
    let [v4, v6] = [Family::V4, Family::V6].map(|family| family.collector(collector));
    format!("[{{address: {v4}{port}}}, {{address: '{v6}'{port}}}]")
}

/// Rows for both families.
pub fn both<T>(rows: impl Fn(Family) -> Vec<T>) -> Vec<T> {
    [Family::V4, Family::V6]
        .into_iter()
        .flat_map(rows)
        .collect()
}
