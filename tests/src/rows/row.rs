//! One case: what is sent, what must come of it, and the defect that it catches. Pure.

mod frames;

use std::net::{IpAddr, SocketAddr};

pub(super) use frames::Wanted;

use crate::{
    lab::Mac,
    packet::{Checksum, Ethernet, Tag, Udp, checksum},
    scrape::growth::{self, Counts},
};

/// Link-layer address that all frames of rows come from; no interface has it.
pub(super) const SOURCE: Mac = Mac([0x02, 0, 0, 0, 0, 0x77]);

/// Who sends unless a row says otherwise.
const SENDER: &str = "sender";

/// Number of the UDP protocol.
const UDP: u8 = 17;

/// How frames come to the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// On the wire, with whatever stands in their checksum field.
    Wire,
    /// On the wire, from a stack that leaves the checksum to its device.
    Pending {
        /// What the sender's device makes of the checksum.
        arrives: Checksum,
        /// What the node's device makes of it.
        leaves: Checksum,
    },
    /// By test-run, with a checksum that the device took over all bytes (`CHECKSUM_COMPLETE`).
    Summed,
}

#[derive(Clone, Debug)]
struct Copy {
    collector: u8,
    datagram: Udp,
}

/// One case. Its methods say one fact each; what none of them says must not happen.
#[derive(Clone, Debug)]
pub struct Row {
    name: String,
    catches: &'static str,
    datagram: Udp,
    link: Ethernet,
    /// In the IP packet, behind the datagram.
    trailing: Vec<u8>,
    /// In the frame, behind the IP packet.
    padding: Vec<u8>,
    /// In the place of the frame that follows from all that.
    raw: Option<Vec<u8>>,
    times: usize,
    pub(super) arrival: Arrival,
    /// Host whose `eth0` the frames leave by.
    pub(super) sender: &'static str,
    kept: bool,
    copies: Vec<Copy>,
    counts: Counts,
}

impl Row {
    /// A datagram to the node's `eth0`, with the defect of a datapath that this row catches. As long as nothing
    /// else is said, it is not ours: it goes on, and nothing is counted.
    pub fn new(name: impl Into<String>, catches: &'static str, datagram: &Udp) -> Self {
        Self {
            name: name.into(),
            catches,
            datagram: datagram.clone(),
            link: Ethernet::new(SOURCE, Mac::of("node", "eth0")),
            trailing: Vec::new(),
            padding: Vec::new(),
            raw: None,
            times: 1,
            arrival: Arrival::Wire,
            sender: SENDER,
            kept: true,
            copies: Vec::new(),
            counts: Counts::new(),
        }
    }

    /// Its name, one of its own within the theme.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The defect that turns it red.
    pub fn catches(&self) -> &'static str {
        self.catches
    }

    /// Tags of the frame, outermost first. Copies have none.
    #[must_use]
    pub fn tagged(mut self, tags: &[Tag]) -> Self {
        self.link.tags = tags.to_vec();
        self
    }

    /// The frame goes to another link-layer address.
    #[must_use]
    pub fn to_mac(mut self, destination: Mac) -> Self {
        self.link.destination = destination;
        self
    }

    /// The frame comes from another host, over the link between its `eth0` and this interface of the node. Whether it
    /// goes on is not looked at there.
    #[must_use]
    pub fn from_host(mut self, host: &'static str, interface: &str) -> Self {
        self.sender = host;
        self.to_mac(Mac::of("node", interface))
    }

    /// Bytes in the IP packet, behind the datagram.
    #[must_use]
    pub fn trailed_by(mut self, bytes: &[u8]) -> Self {
        self.trailing = bytes.to_vec();
        self
    }

    /// Bytes in the frame, behind the IP packet.
    #[must_use]
    pub fn padded_with(mut self, bytes: &[u8]) -> Self {
        self.padding = bytes.to_vec();
        self
    }

    /// Changes the finished frame in a way that no datagram describes.
    #[must_use]
    pub fn bent(mut self, bend: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut frame = self.frame(&self.datagram, &self.link);
        bend(&mut frame);
        self.raw = Some(frame);
        self
    }

    /// The frame comes several times.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// The sender leaves the checksum to its device; this is what arrives and what leaves the node.
    #[must_use]
    pub fn pending(mut self, arrives: Checksum, leaves: Checksum) -> Self {
        self.datagram.checksum = Checksum::Pending;
        self.arrival = Arrival::Pending { arrives, leaves };
        self
    }

    /// The node's device has taken a checksum over all bytes, which must stay right.
    #[must_use]
    pub fn summed(mut self) -> Self {
        self.arrival = Arrival::Summed;
        self
    }

    /// A forward takes every frame.
    #[must_use]
    pub fn matches(mut self, forward: &str) -> Self {
        self.count("matched_packets", &[forward], self.times);
        self.count(
            "matched_bytes",
            &[forward],
            self.times * self.packet_length(),
        );
        self
    }

    /// No frame goes on.
    #[must_use]
    pub fn consumed(mut self) -> Self {
        self.kept = false;
        self
    }

    /// A destination, written `forward/destination`, sends one copy to an upstream, whose address and port it has
    /// then; without a port it keeps that of the datagram.
    #[must_use]
    pub fn copied(self, at: &str, upstream: &str) -> Self {
        self.copied_as(at, upstream, |_| {})
    }

    /// The same with another source address.
    #[must_use]
    pub fn copied_from(self, at: &str, upstream: &str, source: IpAddr) -> Self {
        self.copied_as(at, upstream, |copy| copy.source.set_ip(source))
    }

    /// The same with the destination address left as it is: only the next hop is the upstream.
    #[must_use]
    pub fn copied_directly(self, at: &str, upstream: &str) -> Self {
        let destination = self.datagram.destination;
        self.copied_as(at, upstream, |copy| copy.destination = destination)
    }

    /// Counts a packet as sent to an upstream, with no copy that could be captured.
    #[must_use]
    pub fn handed_over(mut self, at: &str, upstream: &str) -> Self {
        let length = self.packet_length();
        let [forward, destination] = parts(at);
        let labels = [forward, destination, upstream];
        self.count("sent_packets", &labels, 1);
        self.count("sent_bytes", &labels, length);
        self
    }

    /// A destination drops every frame.
    #[must_use]
    pub fn dropped(self, at: &str, reason: &str) -> Self {
        let times = self.times;
        self.dropped_times(times, at, reason)
    }

    /// A destination drops so many of the frames.
    #[must_use]
    pub fn dropped_times(mut self, times: usize, at: &str, reason: &str) -> Self {
        let [forward, destination] = parts(at);
        self.count("dropped_packets", &[forward, destination, reason], times);
        self
    }

    /// Sampling leaves every frame out of a destination.
    #[must_use]
    pub fn sampled_out(mut self, at: &str) -> Self {
        self.count("sampled_out_packets", &parts(at), self.times);
        self
    }

    /// A destination leaves every frame to the stack.
    #[must_use]
    pub fn passed(mut self, at: &str) -> Self {
        self.count("passed_packets", &parts(at), self.times);
        self
    }

    /// Every frame counts for the interface.
    #[must_use]
    pub fn unmatched(mut self, interface: &str, reason: &str) -> Self {
        let labels = [interface, reason];
        self.count("interface_unmatched_packets", &labels, self.times);
        self
    }

    fn copied_as(mut self, at: &str, upstream: &str, change: impl FnOnce(&mut Udp)) -> Self {
        let address = endpoint(upstream, self.datagram.destination.port());
        let mut datagram = self.datagram.clone();
        datagram.ttl -= 1;
        datagram.destination = address;
        change(&mut datagram);
        if let Checksum::Is(_) = datagram.checksum {
            datagram.checksum = checksum::as_wrong_as(&self.datagram, &datagram);
        }
        self.copies.push(Copy {
            collector: collector_beside(address.ip()),
            datagram,
        });
        self.handed_over(at, upstream)
    }

    fn count(&mut self, counter: &str, labels: &[&str], growth: usize) {
        let name = growth::name(counter, labels);
        *self.counts.entry(name).or_default() += u64::try_from(growth).unwrap();
    }
}

/// `forward/destination`.
fn parts(at: &str) -> [&str; 2] {
    let (forward, destination) = at
        .split_once('/')
        .unwrap_or_else(|| panic!("{at} is not FORWARD/DESTINATION"));
    [forward, destination]
}

/// An upstream as metrics call it.
fn endpoint(upstream: &str, port: u16) -> SocketAddr {
    upstream.parse().unwrap_or_else(|_| {
        let address: IpAddr = upstream
            .parse()
            .unwrap_or_else(|error| panic!("{upstream} is no upstream: {error}"));
        SocketAddr::new(address, port)
    })
}

/// The collector on whose link an address is: the third part of either family counts links from 1, the sender's.
fn collector_beside(address: IpAddr) -> u8 {
    let link = match address {
        IpAddr::V4(address) => address.octets()[2],
        IpAddr::V6(address) => address.octets()[5],
    };
    link.checked_sub(1)
        .filter(|collector| [1, 2].contains(collector))
        .unwrap_or_else(|| panic!("{address} is on no collector's link"))
}
