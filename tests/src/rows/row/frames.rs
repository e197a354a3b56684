//! The frames of a row: those that are sent, and those that must be captured. Pure.

use super::{Arrival, Copy, Row, SENDER, UDP};
use crate::{
    lab::Mac,
    packet::{Checksum, Ethernet, Udp},
    scrape::growth::Counts,
};

/// A frame that must be captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::rows) struct Wanted {
    pub(in crate::rows) frame: Vec<u8>,
    /// The checksum is left for a device to complete.
    pub(in crate::rows) pending: bool,
}

impl Row {
    /// The frames as they are sent.
    pub(in crate::rows) fn frames(&self) -> Vec<Vec<u8>> {
        let frame = self
            .raw
            .clone()
            .unwrap_or_else(|| self.frame(&self.datagram, &self.link));
        vec![frame; self.times]
    }

    /// The frames that go on.
    pub(in crate::rows) fn originals(&self) -> Vec<Wanted> {
        if !self.kept || self.sender != SENDER {
            return Vec::new();
        }
        match self.arrival {
            Arrival::Pending { arrives, .. } => {
                let datagram = Udp {
                    checksum: arrives,
                    ..self.datagram.clone()
                };
                let wanted = Wanted {
                    frame: self.frame(&datagram, &self.link),
                    pending: arrives == Checksum::Pending,
                };
                vec![wanted; self.times]
            }
            Arrival::Wire | Arrival::Summed => {
                let wanted = |frame| Wanted {
                    frame,
                    pending: false,
                };
                self.frames().into_iter().map(wanted).collect()
            }
        }
    }

    /// The frames that come to collector 1 or 2.
    pub(in crate::rows) fn copies(&self, collector: u8) -> Vec<Wanted> {
        self.copies
            .iter()
            .filter(|copy| copy.collector == collector)
            .map(|copy| self.wanted(copy))
            .collect()
    }

    /// The last of all copies, and whose it is: by test-run, a packet that is redirected does not leave.
    pub(in crate::rows) fn last_copy(&self) -> Option<(u8, Wanted)> {
        let last = self.copies.last()?;
        Some((last.collector, self.wanted(last)))
    }

    /// The counters that grow.
    pub(in crate::rows) fn counts(&self) -> &Counts {
        &self.counts
    }

    fn wanted(&self, copy: &Copy) -> Wanted {
        let mut datagram = copy.datagram.clone();
        if let Arrival::Pending { leaves, .. } = self.arrival {
            datagram.checksum = leaves;
        }
        let collector = format!("collector{}", copy.collector);
        let egress = format!("eth{}", copy.collector);
        let link = Ethernet::new(Mac::of("node", &egress), Mac::of(&collector, "eth0"));
        Wanted {
            frame: self.frame(&datagram, &link),
            pending: datagram.checksum == Checksum::Pending,
        }
    }

    fn packet(&self, datagram: &Udp) -> Vec<u8> {
        datagram.around(UDP, &[&datagram.segment()[..], &self.trailing].concat())
    }

    pub(super) fn packet_length(&self) -> usize {
        self.packet(&self.datagram).len()
    }

    pub(super) fn frame(&self, datagram: &Udp, link: &Ethernet) -> Vec<u8> {
        let frame = link.frame(datagram.ether_type(), &self.packet(datagram));
        [&frame[..], &self.padding].concat()
    }
}
