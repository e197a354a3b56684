//! Takes frames apart. Pure.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use etherparse::{LaxLinkExtSlice, LaxNetSlice, LaxSlicedPacket, LinkSlice, TransportSlice};

use super::{Tag, fields};
use crate::lab::Mac;

/// A frame and what is in it. As far as it can be read: the rest stays as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Source of the frame.
    pub source_mac: Mac,
    /// Destination of the frame.
    pub destination_mac: Mac,
    /// VLAN tags, outermost first.
    pub tags: Vec<Tag>,
    /// Type of the content, behind the tags.
    pub ether_type: u16,
    /// The IP header, if there is one.
    pub ip: Option<Ip>,
    /// The transport header, if there is one that matters here.
    pub transport: Transport,
    /// Everything.
    pub frame: Vec<u8>,
    ip_offset: usize,
}

/// What an IP header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ip {
    /// 4 or 6.
    pub version: u8,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// What is behind the header and its extensions.
    pub protocol: u8,
    /// Whether only a part of a packet is here.
    pub fragment: bool,
    /// The header with IPv4 options, without IPv6 extensions.
    pub header: Vec<u8>,
    /// Bytes of the packet with all headers, as the header says.
    pub length: usize,
    /// Bytes of the header with options and extensions.
    pub headers: usize,
}

/// What is behind the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP.
    Udp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// The checksum field.
        checksum: u16,
    },
    /// TCP.
    Tcp {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// The checksum field.
        checksum: u16,
    },
    /// Something else, or a fragment that is not the first.
    Other,
}

impl Packet {
    /// Takes an Ethernet frame apart.
    pub fn parse(frame: &[u8]) -> Self {
        let sliced = LaxSlicedPacket::from_ethernet(frame)
            .unwrap_or_else(|error| panic!("{error}: {frame:02x?}"));
        let Some(LinkSlice::Ethernet2(link)) = &sliced.link else {
            panic!("not an Ethernet frame: {frame:02x?}")
        };
        let mut ether_type = link.ether_type().0;
        let mut tags = Vec::new();
        for extension in &sliced.link_exts {
            let LaxLinkExtSlice::Vlan(tag) = extension else {
                break;
            };
            let [high, low, ..] = tag.header_slice() else {
                break;
            };
            tags.push(Tag {
                protocol: ether_type,
                control: u16::from_be_bytes([*high, *low]),
            });
            ether_type = tag.ether_type().0;
        }
        let ip_offset = 14 + 4 * tags.len();
        let ip = sliced.net.as_ref().and_then(Ip::read);
        let transport = match &sliced.transport {
            Some(TransportSlice::Udp(udp)) => Transport::Udp {
                source: udp.source_port(),
                destination: udp.destination_port(),
                checksum: udp.checksum(),
            },
            Some(TransportSlice::Tcp(tcp)) => Transport::Tcp {
                source: tcp.source_port(),
                destination: tcp.destination_port(),
                checksum: tcp.checksum(),
            },
            _ => Transport::Other,
        };
        Self {
            source_mac: Mac(link.source()),
            destination_mac: Mac(link.destination()),
            tags,
            ether_type,
            ip,
            transport,
            frame: frame.to_vec(),
            ip_offset,
        }
    }

    /// Takes a bare IP packet apart; its link header is all zeros.
    pub fn parse_ip(packet: &[u8]) -> Self {
        let ether_type: u16 = if packet.first().is_some_and(|byte| byte >> 4 == 6) {
            0x86dd
        } else {
            0x0800
        };
        Self::parse(&[&[0; 12][..], &ether_type.to_be_bytes(), packet].concat())
    }

    /// The IP packet, without padding of the frame.
    pub fn ip_packet(&self) -> &[u8] {
        let end = self.ip_offset + self.ip.as_ref().map_or(0, |ip| ip.length);
        &self.frame[self.ip_offset..end.min(self.frame.len())]
    }

    /// What is behind the IP header and its extensions.
    pub fn segment(&self) -> &[u8] {
        let headers = self.ip.as_ref().map_or(0, |ip| ip.headers);
        self.ip_packet().get(headers..).unwrap_or_default()
    }

    /// The data of a UDP datagram.
    pub fn payload(&self) -> &[u8] {
        if matches!(self.transport, Transport::Udp { .. }) {
            self.segment().get(8..).unwrap_or_default()
        } else {
            &[]
        }
    }

    /// Whether it is UDP to this port.
    pub fn is_udp_to(&self, port: u16) -> bool {
        matches!(self.transport, Transport::Udp { destination, .. } if destination == port)
    }

    /// Source address and port; port 0 where there are none.
    pub fn source(&self) -> SocketAddr {
        SocketAddr::new(
            self.ip.as_ref().expect("no IP packet").source,
            self.ports().0,
        )
    }

    /// Destination address and port; port 0 where there are none.
    pub fn destination(&self) -> SocketAddr {
        SocketAddr::new(
            self.ip.as_ref().expect("no IP packet").destination,
            self.ports().1,
        )
    }

    fn ports(&self) -> (u16, u16) {
        match self.transport {
            Transport::Udp {
                source,
                destination,
                ..
            }
            | Transport::Tcp {
                source,
                destination,
                ..
            } => (source, destination),
            Transport::Other => (0, 0),
        }
    }
}

impl Ip {
    fn read(net: &LaxNetSlice<'_>) -> Option<Self> {
        match net {
            LaxNetSlice::Ipv4(ip) => {
                let header = ip.header();
                let payload = ip.payload();
                let extensions = usize::from(header.total_len())
                    .saturating_sub(header.slice().len() + payload.payload.len());
                Some(Self {
                    version: 4,
                    source: header.source_addr().into(),
                    destination: header.destination_addr().into(),
                    ttl: header.ttl(),
                    protocol: payload.ip_number.0,
                    fragment: payload.fragmented,
                    header: header.slice().to_vec(),
                    length: header.total_len().into(),
                    headers: header.slice().len() + if payload.incomplete { 0 } else { extensions },
                })
            }
            LaxNetSlice::Ipv6(ip) => {
                let header = ip.header();
                let extensions = ip.extensions().slice().len();
                Some(Self {
                    version: 6,
                    source: header.source_addr().into(),
                    destination: header.destination_addr().into(),
                    ttl: header.hop_limit(),
                    protocol: ip.payload().ip_number.0,
                    fragment: ip.payload().fragmented,
                    header: header.slice().to_vec(),
                    length: header.slice().len() + usize::from(header.payload_length()),
                    headers: header.slice().len() + extensions,
                })
            }
            LaxNetSlice::Arp(_) => None,
        }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<String> = fields(self)
            .into_iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        formatter.write_str(&fields.join(", "))
    }
}
