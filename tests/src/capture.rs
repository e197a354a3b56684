//! Sees what passes at four places of a host. IO.
//!
//! | place | how | sees |
//! | --- | --- | --- |
//! | [`Capture::link`] | `AF_PACKET`, before tc | frames as the device delivers them |
//! | [`Capture::stack`] | NFLOG in prerouting, after tc and `ip_rcv` | IP packets that the stack accepted, byte for byte, not yet changed by it |
//! | [`Tunnel::capture`] | the far end of a tun device | IP packets that a host sends into it |
//! | [`Capture::hook`] | a clsact filter behind everything else that mirrors to a veth pair | frames that left tc towards the stack: tagged ones, ARP, other hosts' |
//!
//! NFLOG is the reference for "the original as the node's stack receives it": the hook is the stack's own, the
//! payload is copied from the network header on, and no checksum is completed on the way (`nfnetlink_log` does
//! not, `nfnetlink_queue` would).

mod hook;
mod link;
mod stack;
mod tunnel;

use std::time::Duration;

pub use tunnel::Tunnel;

use crate::{
    lab::Host,
    packet::{Packet, checksum},
    wait::{Deadline, readable},
};

/// Longer than anything takes here; only a failing test waits for it.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Room for what arrives before a test looks.
const BUFFER: i32 = 128 << 20;

/// One captured frame; what was captured in the stack has a link header of zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub packet: Packet,
    /// The transport checksum is left for the device to complete.
    pub checksum_pending: bool,
}

impl Frame {
    /// Whether every checksum is right, also one that is still to be completed.
    pub fn verify(&self) -> Result<(), String> {
        checksum::verify(&self.packet, self.checksum_pending)
    }
}

/// The frame that ends a wait did not come in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastLost {
    /// Where it was waited for.
    pub place: String,
}

/// Where frames come from.
trait Source: Send {
    /// The descriptor to wait on.
    fn descriptor(&self) -> &std::os::fd::OwnedFd;
    /// Takes what has arrived, without waiting. Panics if something was lost.
    fn take(&mut self) -> Vec<Frame>;
}

/// A running capture. It sees everything from its making on, whether or not anybody looks.
pub struct Capture {
    place: String,
    source: Box<dyn Source>,
    /// Taken from the source, not yet asked for.
    waiting: Vec<Frame>,
}

impl Capture {
    /// Incoming frames of an interface, those for other hosts too.
    pub fn link(host: &Host, interface: &str) -> Self {
        Self::new(
            format!("{} {interface}", host.name()),
            link::Link::open(host, interface, true),
        )
    }

    /// Incoming and outgoing frames of an interface.
    pub fn both_ways(host: &Host, interface: &str) -> Self {
        Self::new(
            format!("{} {interface}", host.name()),
            link::Link::open(host, interface, false),
        )
    }

    /// IP packets that a host's stack receives from any interface. One a host.
    pub fn stack(host: &Host) -> Self {
        Self::new(format!("{} stack", host.name()), stack::Stack::open(host))
    }

    /// Frames of an interface that nothing in tc consumed. One a host.
    pub fn hook(host: &Host, interface: &str) -> Self {
        Self::new(
            format!("{} {interface} behind tc", host.name()),
            hook::open(host, interface),
        )
    }

    fn new(place: String, source: impl Source + 'static) -> Self {
        Self {
            place,
            source: Box::new(source),
            waiting: Vec::new(),
        }
    }

    /// The next `count` frames that match; others are thrown away. Panics with what did come.
    pub fn expect(&mut self, count: usize, what: impl Fn(&Packet) -> bool) -> Vec<Frame> {
        self.expect_within(PATIENCE, count, what)
    }

    /// [`Self::expect`] with a time of its own.
    pub fn expect_within(
        &mut self,
        time: Duration,
        count: usize,
        what: impl Fn(&Packet) -> bool,
    ) -> Vec<Frame> {
        let deadline = Deadline::after(time);
        let mut found = Vec::new();
        let mut others: Vec<String> = Vec::new();
        loop {
            let mut waiting = std::mem::take(&mut self.waiting).into_iter();
            for frame in waiting.by_ref() {
                if what(&frame.packet) {
                    found.push(frame);
                    if found.len() == count {
                        break;
                    }
                } else if others.len() < 10 {
                    others.push(frame.packet.to_string());
                }
            }
            self.waiting = waiting.collect();
            if found.len() >= count {
                return found;
            }
            assert!(
                readable(self.source.descriptor(), deadline),
                "{}: {} of {count} frames came in {time:?}; others: {others:#?}",
                self.place,
                found.len()
            );
            self.waiting = self.source.take();
        }
    }

    /// Every frame that matches and comes before the one that `last` describes. Where frames keep their order,
    /// this shows an absence without waiting for it to end.
    pub fn until(
        &mut self,
        what: impl Fn(&Packet) -> bool,
        last: impl Fn(&Packet) -> bool,
    ) -> Vec<Frame> {
        let found = self.try_until(what, last);
        found.unwrap_or_else(|LastLost { place }| panic!("{place}: the last frame did not come"))
    }

    /// [`Self::until`] for those who go on without the last frame.
    pub fn try_until(
        &mut self,
        what: impl Fn(&Packet) -> bool,
        last: impl Fn(&Packet) -> bool,
    ) -> Result<Vec<Frame>, LastLost> {
        let deadline = Deadline::after(PATIENCE);
        let mut found = Vec::new();
        loop {
            let mut waiting = std::mem::take(&mut self.waiting).into_iter();
            for frame in waiting.by_ref() {
                if last(&frame.packet) {
                    self.waiting = waiting.collect();
                    return Ok(found);
                }
                if what(&frame.packet) {
                    found.push(frame);
                }
            }
            if !readable(self.source.descriptor(), deadline) {
                let place = self.place.clone();
                return Err(LastLost { place });
            }
            self.waiting = self.source.take();
        }
    }

    /// What has arrived so far and matches.
    pub fn arrived(&mut self, what: impl Fn(&Packet) -> bool) -> Vec<Frame> {
        self.waiting.extend(self.source.take());
        std::mem::take(&mut self.waiting)
            .into_iter()
            .filter(|frame| what(&frame.packet))
            .collect()
    }
}
