//! What the datapath must do with a frame, written a second time from the RFCs and the rules for users: slowly, plainly,
//! and with nothing of the program's code. Pure.
//!
//! It knows forwards that name single addresses and have one upstream for each family, without sampling and rate
//! limits: then everything follows from the frame alone. Fragments and tagged frames are not its subject.

mod arithmetic;
mod forwarding;
mod reading;

use std::{collections::BTreeMap, net::IpAddr};

use crate::{lab::Mac, test_run::Verdict};

/// A node and what it is told to do.
#[derive(Clone, Debug)]
pub struct Node {
    /// Address of the interface that frames come to.
    pub mac: Mac,
    /// Addresses that its forwards listen on.
    pub addresses: Vec<IpAddr>,
    /// By port.
    pub forwards: BTreeMap<u16, Forward>,
}

/// A forward with its destinations.
#[derive(Clone, Debug)]
pub struct Forward {
    /// Its name.
    pub name: String,
    /// Clone, or otherwise Forward.
    pub clones: bool,
    /// Whether the packet goes to the stack where no destination is available.
    pub passes: bool,
    /// In order.
    pub destinations: Vec<Destination>,
}

/// A destination of a forward.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Its name.
    pub name: String,
    /// Copies show the packet's destination as their source.
    pub hides_source: bool,
    /// Copies keep the packet's destination.
    pub keeps_destination: bool,
    /// For IPv4 and IPv6.
    pub upstreams: [Option<Upstream>; 2],
}

/// Where a destination sends to.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its address.
    pub address: IpAddr,
    /// Its port, or that of the packet.
    pub port: Option<u16>,
    /// Where copies are captured.
    pub link: usize,
    /// Link-layer addresses of copies: the node's and the next hop's.
    pub macs: [Mac; 2],
    /// Longest IP packet that goes there.
    pub mtu: usize,
}

/// What must come of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What becomes of the frame itself.
    pub verdict: Verdict,
    /// Its bytes then; of no meaning where it is dropped.
    pub frame: Vec<u8>,
    /// Copies, each with its link, in the order in which they leave.
    pub copies: Vec<(usize, Vec<u8>)>,
    /// What is counted, each entry once for the frame.
    pub counts: Vec<Count>,
}

/// One counter that grows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Count {
    /// The frame's interface let it go as malformed.
    Malformed,
    /// A forward took it, with so many bytes of IP packet.
    Matched(String, usize),
    /// A destination sent it, with so many bytes.
    Sent(String, String, usize),
    /// A destination dropped it, for that reason.
    Dropped(String, String, &'static str),
    /// A destination left it to the stack.
    Passed(String, String),
}

impl Node {
    /// What must come of a frame; none where that is not told here.
    pub fn judge(&self, frame: &[u8]) -> Option<Outcome> {
        let let_go = |counts| Outcome {
            verdict: Verdict::Next,
            frame: frame.to_vec(),
            copies: Vec::new(),
            counts,
        };
        match reading::read(frame, |port| self.forwards.contains_key(&port)) {
            reading::Reading::Elsewhere => None,
            reading::Reading::Foreign => Some(let_go(Vec::new())),
            reading::Reading::Malformed => Some(let_go(vec![Count::Malformed])),
            reading::Reading::Datagram(datagram) => {
                let to_node = frame[..6] == self.mac.0 || frame[0] & 1 == 1;
                if !to_node || !self.addresses.contains(&datagram.destination) {
                    return Some(let_go(Vec::new()));
                }
                let forward = &self.forwards[&datagram.port];
                Some(forwarding::forward(forward, frame, &datagram))
            }
        }
    }
}
