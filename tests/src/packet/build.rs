//! Builds frames, as odd as a test needs them. Pure.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    EtherType, Ethernet2Header, IpNumber, Ipv4Header, Ipv4Options, Ipv6FlowLabel, Ipv6Header,
    UdpHeader,
};

use super::checksum;
use crate::lab::Mac;

/// Link header of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ethernet {
    /// Where it comes from.
    pub source: Mac,
    /// Where it goes.
    pub destination: Mac,
    /// VLAN tags, outermost first.
    pub tags: Vec<Tag>,
}

/// A VLAN tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// 0x8100, or 0x88a8 for an outer tag.
    pub protocol: u16,
    /// Priority, drop eligibility and VLAN number as they are on the wire.
    pub control: u16,
}

impl Tag {
    /// An ordinary tag.
    pub fn vlan(id: u16) -> Self {
        Self {
            protocol: 0x8100,
            control: id,
        }
    }

    /// The outer tag of two.
    pub fn service(id: u16) -> Self {
        Self {
            protocol: 0x88a8,
            control: id,
        }
    }
}

/// What stands in the UDP checksum field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// The right value.
    Right,
    /// Zero: none was computed.
    Zero,
    /// The pseudo-header's sum, for a device to complete.
    Pending,
    /// This value.
    Is(u16),
}

/// A UDP datagram. Change the fields that matter, take the rest as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Udp {
    /// Source address and port.
    pub source: SocketAddr,
    /// Destination address and port; of the same family.
    pub destination: SocketAddr,
    /// Data.
    pub payload: Vec<u8>,
    /// TTL or hop limit.
    pub ttl: u8,
    /// The whole TOS or traffic class byte.
    pub traffic_class: u8,
    /// IPv4 identification; the IPv6 flow label.
    pub identification: u16,
    /// IPv4 options, a multiple of four bytes, at most 40.
    pub options: Vec<u8>,
    /// IPv6 extension headers with their numbers, in order; the first byte of each is filled in.
    pub extensions: Vec<(u8, Vec<u8>)>,
    /// The checksum field.
    pub checksum: Checksum,
}

/// Number of the UDP protocol.
const UDP: u8 = 17;

impl Udp {
    /// A plain datagram.
    pub fn new(source: &str, destination: &str, payload: &[u8]) -> Self {
        Self {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            payload: payload.to_vec(),
            ttl: 64,
            traffic_class: 0,
            identification: 0x1234,
            options: Vec::new(),
            extensions: Vec::new(),
            checksum: Checksum::Right,
        }
    }

    /// The IP packet.
    pub fn packet(&self) -> Vec<u8> {
        self.around(UDP, &self.segment())
    }

    /// The frame.
    pub fn frame(&self, ethernet: &Ethernet) -> Vec<u8> {
        ethernet.frame(self.ether_type(), &self.packet())
    }

    /// The IP packet, cut into fragments with at most `size` bytes of data each (a multiple of eight).
    pub fn fragments(&self, size: usize) -> Vec<Vec<u8>> {
        assert!(
            size.is_multiple_of(8),
            "fragments are cut at multiples of eight bytes"
        );
        let segment = self.segment();
        let count = segment.len().div_ceil(size);
        let cut = |(number, data): (usize, &[u8])| {
            let units = u16::try_from(number * size / 8).unwrap();
            let more = number + 1 < count;
            self.fragment(units, more, data)
        };
        segment.chunks(size).enumerate().map(cut).collect()
    }

    /// A fragment with any data, which belong at an offset of this many units of eight bytes.
    pub fn fragment(&self, units: u16, more: bool, data: &[u8]) -> Vec<u8> {
        if self.source.is_ipv4() {
            self.fragment_v4(units, more, data)
        } else {
            self.fragment_v6(units, more, data)
        }
    }

    /// UDP header and data.
    pub fn segment(&self) -> Vec<u8> {
        let length = u16::try_from(UdpHeader::LEN + self.payload.len()).unwrap();
        let mut header = UdpHeader {
            source_port: self.source.port(),
            destination_port: self.destination.port(),
            length,
            checksum: 0,
        };
        let pseudo = {
            let octets = |address| match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            let (source, destination) = (octets(self.source.ip()), octets(self.destination.ip()));
            checksum::sum(&[&source, &destination, &[0, UDP], &length.to_be_bytes()])
        };
        header.checksum = match self.checksum {
            Checksum::Zero => 0,
            Checksum::Is(value) => value,
            Checksum::Pending => pseudo,
            Checksum::Right => {
                match !checksum::sum(&[&pseudo.to_be_bytes(), &header.to_bytes(), &self.payload]) {
                    0 => 0xffff,
                    value => value,
                }
            }
        };
        [&header.to_bytes()[..], &self.payload].concat()
    }

    /// Puts the IP header of this datagram around other data, under any protocol number.
    pub fn around(&self, protocol: u8, data: &[u8]) -> Vec<u8> {
        if self.source.is_ipv4() {
            let mut header = self.header_v4(protocol, data.len());
            header.header_checksum = header.calc_header_checksum();
            return [&header.to_bytes()[..], data].concat();
        }
        let chain = self.chain(protocol);
        [
            &self
                .header_v6(protocol, chain.len() + data.len())
                .to_bytes()[..],
            &chain,
            data,
        ]
        .concat()
    }

    /// The Ethernet type of the packet.
    pub fn ether_type(&self) -> u16 {
        if self.source.is_ipv4() {
            EtherType::IPV4.0
        } else {
            EtherType::IPV6.0
        }
    }

    fn header_v4(&self, protocol: u8, length: usize) -> Ipv4Header {
        let (IpAddr::V4(source), IpAddr::V4(destination)) =
            (self.source.ip(), self.destination.ip())
        else {
            panic!(
                "{} and {} are of different families",
                self.source, self.destination
            )
        };
        let mut header = Ipv4Header::new(
            0,
            self.ttl,
            IpNumber(protocol),
            source.octets(),
            destination.octets(),
        )
        .unwrap();
        header.options =
            Ipv4Options::try_from(&self.options[..]).expect("IPv4 options are up to ten words");
        header.total_len = u16::try_from(header.header_len() + length).unwrap();
        header.identification = self.identification;
        header.dont_fragment = false;
        header.dscp = (self.traffic_class >> 2).try_into().unwrap();
        header.ecn = (self.traffic_class & 3).try_into().unwrap();
        header
    }

    fn header_v6(&self, protocol: u8, length: usize) -> Ipv6Header {
        let (IpAddr::V6(source), IpAddr::V6(destination)) =
            (self.source.ip(), self.destination.ip())
        else {
            panic!(
                "{} and {} are of different families",
                self.source, self.destination
            )
        };
        Ipv6Header {
            traffic_class: self.traffic_class,
            flow_label: Ipv6FlowLabel::try_new(self.identification.into()).unwrap(),
            payload_length: length.try_into().unwrap(),
            next_header: IpNumber(
                self.extensions
                    .first()
                    .map_or(protocol, |(number, _)| *number),
            ),
            hop_limit: self.ttl,
            source: source.octets(),
            destination: destination.octets(),
        }
    }

    /// The extension headers, each naming the next.
    fn chain(&self, last: u8) -> Vec<u8> {
        let next = self
            .extensions
            .iter()
            .skip(1)
            .map(|(number, _)| *number)
            .chain([last]);
        let name_next =
            |((_, header), next): (&(u8, Vec<u8>), u8)| [&[next], &header[1..]].concat();
        self.extensions
            .iter()
            .zip(next)
            .flat_map(name_next)
            .collect()
    }

    fn fragment_v4(&self, units: u16, more: bool, data: &[u8]) -> Vec<u8> {
        let mut header = self.header_v4(UDP, data.len());
        header.fragment_offset = units.try_into().unwrap();
        header.more_fragments = more;
        header.header_checksum = header.calc_header_checksum();
        [&header.to_bytes()[..], data].concat()
    }

    fn fragment_v6(&self, units: u16, more: bool, data: &[u8]) -> Vec<u8> {
        const FRAGMENT: u8 = 44;
        let [high, low] = (units << 3 | u16::from(more)).to_be_bytes();
        let [a, b] = self.identification.to_be_bytes();
        let mut whole = self.clone();
        whole
            .extensions
            .push((FRAGMENT, vec![0, 0, high, low, 0, 0, a, b]));
        whole.around(UDP, data)
    }
}

impl Ethernet {
    /// A link header without tags.
    pub fn new(source: Mac, destination: Mac) -> Self {
        Self {
            source,
            destination,
            tags: Vec::new(),
        }
    }

    /// The same with tags, outermost first.
    #[must_use]
    pub fn tagged(mut self, tags: &[Tag]) -> Self {
        self.tags = tags.to_vec();
        self
    }

    /// A frame with any content.
    pub fn frame(&self, ether_type: u16, content: &[u8]) -> Vec<u8> {
        let types = self.tags.iter().map(|tag| tag.protocol).chain([ether_type]);
        let tags = self.tags.iter().map(|tag| tag.control);
        let mut types = types.map(u16::to_be_bytes);
        let header = Ethernet2Header {
            source: self.source.0,
            destination: self.destination.0,
            ether_type: EtherType(u16::from_be_bytes(types.next().unwrap())),
        };
        let mut frame = header.to_bytes().to_vec();
        for (control, ether_type) in tags.zip(types) {
            frame.extend(control.to_be_bytes());
            frame.extend(ether_type);
        }
        frame.extend(content);
        frame
    }
}

#[cfg(test)]
mod tests;
