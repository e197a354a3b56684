//! What the destinations of a forward do with a datagram: who sends, what, and what is counted. Pure.

use std::net::IpAddr;

use super::{
    Count, Destination, Forward, Outcome, Upstream,
    arithmetic::{adjusted, adjusted_udp},
    reading::{Datagram, IP},
};
use crate::test_run::Verdict;

/// What must come of a datagram to a forward.
pub(super) fn forward(forward: &Forward, frame: &[u8], datagram: &Datagram) -> Outcome {
    let family = usize::from(datagram.destination.is_ipv6());
    let choices: Vec<Result<&Upstream, &'static str>> = forward
        .destinations
        .iter()
        .map(|destination| choose(destination.upstreams[family].as_ref(), datagram))
        .collect();
    let mut copies: Vec<(usize, Vec<u8>)> = forward
        .destinations
        .iter()
        .zip(&choices)
        .filter_map(|(destination, choice)| {
            let upstream = (*choice).ok()?;
            Some((upstream.link, copy(destination, upstream, frame, datagram)))
        })
        .collect();
    let nobody = choices
        .iter()
        .all(|choice| matches!(choice, Err("no_upstream")));
    let passed = nobody && forward.passes && !forward.clones;
    let (verdict, frame) = if forward.clones || passed {
        (Verdict::Next, frame.to_vec())
    } else {
        // The last copy is the packet itself.
        match copies.pop() {
            Some((_, frame)) => (Verdict::Redirect, frame),
            None => (Verdict::Drop, frame.to_vec()),
        }
    };
    let mut counts = vec![Count::Matched(forward.name.clone(), datagram.length)];
    for (destination, choice) in forward.destinations.iter().zip(choices) {
        let (forward, destination) = (forward.name.clone(), destination.name.clone());
        counts.push(match choice {
            _ if passed => Count::Passed(forward, destination),
            Ok(_) => Count::Sent(forward, destination, datagram.length),
            Err(reason) => Count::Dropped(forward, destination, reason),
        });
    }
    Outcome {
        verdict,
        frame,
        copies,
        counts,
    }
}

/// The upstream, or why nothing is sent. A spent TTL counts before anything else.
fn choose<'a>(
    upstream: Option<&'a Upstream>,
    datagram: &Datagram,
) -> Result<&'a Upstream, &'static str> {
    if datagram.hops <= 1 {
        return Err("ttl_expired");
    }
    let upstream = upstream.ok_or("no_upstream")?;
    if datagram.length > upstream.mtu {
        return Err("mtu_exceeded");
    }
    Ok(upstream)
}

/// The frame that a destination sends.
fn copy(
    destination: &Destination,
    upstream: &Upstream,
    frame: &[u8],
    datagram: &Datagram,
) -> Vec<u8> {
    let mut copy = frame.to_vec();
    copy[..6].copy_from_slice(&upstream.macs[1].0);
    copy[6..12].copy_from_slice(&upstream.macs[0].0);
    let source = if destination.hides_source {
        datagram.destination
    } else {
        datagram.source
    };
    let (target, port) = if destination.keeps_destination {
        (datagram.destination, datagram.port)
    } else {
        (upstream.address, upstream.port.unwrap_or(datagram.port))
    };
    let addresses = [bytes(source), bytes(target)].concat();
    let place = if datagram.destination.is_ipv4() {
        copy[IP + 8] -= 1;
        IP + 12
    } else {
        copy[IP + 7] -= 1;
        IP + 8
    };
    copy[place..place + addresses.len()].copy_from_slice(&addresses);
    let udp = datagram.udp;
    copy[udp + 2..udp + 4].copy_from_slice(&port.to_be_bytes());
    // The pseudo header's addresses, and the port.
    let covered = |frame: &[u8]| {
        [
            &frame[place..place + addresses.len()],
            &frame[udp + 2..udp + 4],
        ]
        .concat()
    };
    let checksum = u16::from_be_bytes([frame[udp + 6], frame[udp + 7]]);
    let checksum = adjusted_udp(checksum, &covered(frame), &covered(&copy));
    copy[udp + 6..udp + 8].copy_from_slice(&checksum.to_be_bytes());
    if datagram.destination.is_ipv4() {
        // All of the header but its own checksum; options stay as they are.
        let covered = |frame: &[u8]| [&frame[IP..IP + 10], &frame[IP + 12..IP + 20]].concat();
        let checksum = u16::from_be_bytes([frame[IP + 10], frame[IP + 11]]);
        let checksum = adjusted(checksum, &covered(frame), &covered(&copy));
        copy[IP + 10..IP + 12].copy_from_slice(&checksum.to_be_bytes());
    }
    copy
}

fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
