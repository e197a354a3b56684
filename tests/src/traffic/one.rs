//! One datagram through a node: the quickest answer to whether it still works. IO.

use super::send;
use crate::{
    capture::Capture,
    lab::Lab,
    packet::{Ethernet, Udp},
};

/// Sends a datagram to port 514 of the node of [`crate::lab::shapes::two_collectors`], and waits for the copy that the
/// first collector gets at port 5514.
pub fn use_it(lab: &Lab) {
    let mut copies = Capture::link(lab.host("collector1"), "eth0");
    let ethernet = Ethernet::new(lab.host("sender").mac("eth0"), lab.host("node").mac("eth0"));
    let frame = Udp::new("10.0.1.2:1000", "10.0.1.1:514", b"hello").frame(&ethernet);
    send(lab.host("sender"), "eth0", &[frame]);
    assert_eq!(copies.expect(1, |packet| packet.is_udp_to(5514)).len(), 1);
}
