//! What one destination did with one packet, as people and scripts read it. **pure**

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use jiff::Timestamp;
use serde::Serialize;
use udplb_abi::{
    address::{self, Address},
    counters::DropReason,
    forward::ACTION_FORWARD,
    next_hop::{STATE_LOCAL, STATE_RESOLVED},
    trace::{FRAGMENT_FIRST, FRAGMENT_LATER, TraceEvent, TraceVerdict},
};

use crate::{
    rewrite::Rewrite,
    text::{self, mac},
};

/// Numbers of the kernel as names.
pub trait Named {
    /// The name behind an identity.
    fn name(&mut self, id: u64) -> String;
    /// The name of an interface.
    fn interface(&mut self, index: u32) -> String;
}

/// A decision. The JSON shape is described in docs/json.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "fields are the words that users read")]
pub struct Decision {
    pub time: Timestamp,
    pub interface: String,
    pub forward: String,
    pub destination: String,
    pub action: &'static str,
    pub source: SocketAddr,
    pub target: SocketAddr,
    pub ttl: u8,
    pub packets: u32,
    pub bytes: u32,
    /// `first` or `later`: a fragment. A later one is shown with the ports of the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fragment: Option<&'static str>,
    pub verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The upstream that was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// What left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copy: Option<Copy>,
}

/// The packet that left, or went up the stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "fields are the words that users read")]
pub struct Copy {
    pub source: SocketAddr,
    pub target: SocketAddr,
    pub interface: String,
    /// `resolved`, `unresolved` while the kernel was still asking for the neighbour, or `local`: this host itself.
    pub next_hop: &'static str,
    /// Of the neighbour, where it was resolved and frames bear one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}

impl Decision {
    /// What an event says. `time` is the wall clock's for the event.
    #[must_use]
    pub fn new(event: &TraceEvent, time: Timestamp, names: &mut impl Named) -> Self {
        let verdict = TraceVerdict::ALL
            .get(usize::from(event.verdict))
            .copied()
            .unwrap_or(TraceVerdict::Sent);
        let has_reason = matches!(verdict, TraceVerdict::Dropped | TraceVerdict::Passed);
        let reason = DropReason::ALL.get(usize::from(event.reason));
        let forward = names.name(event.forward);
        let full = names.name(event.destination);
        let destination = full
            .strip_prefix(&forward)
            .and_then(|rest| rest.strip_prefix('/'));
        let port = u16::from_be_bytes(event.upstream_port);
        Self {
            time,
            interface: names.interface(event.interface),
            destination: destination.unwrap_or(&full).to_owned(),
            forward,
            action: text::action(event.action == ACTION_FORWARD),
            source: socket(event.source, event.source_port),
            target: socket(event.target, event.target_port),
            ttl: event.hops,
            packets: event.packets,
            bytes: event.bytes,
            fragment: match event.fragment {
                FRAGMENT_FIRST => Some("first"),
                FRAGMENT_LATER => Some("later"),
                _ => None,
            },
            verdict: verdict.label(),
            reason: reason.filter(|_| has_reason).map(|reason| reason.label()),
            upstream: address_of(event.upstream).map(|address| text::endpoint(address, port)),
            copy: (verdict == TraceVerdict::Sent).then(|| Copy::new(event, names)),
        }
    }
}

impl Copy {
    fn new(event: &TraceEvent, names: &mut impl Named) -> Self {
        let is_local = event.neighbour_state == STATE_LOCAL;
        let rewrite = Rewrite {
            is_local,
            source_address: event.source_address,
            destination_address: event.destination_address,
            listener_source: event.listener_source,
            upstream: event.upstream,
            upstream_port: event.upstream_port,
        };
        let source = socket(event.source, event.source_port);
        let (from, target) = rewrite.of(source.ip(), socket(event.target, event.target_port));
        Self {
            source: SocketAddr::new(from, source.port()),
            target,
            interface: names.interface(if is_local {
                event.interface
            } else {
                event.egress
            }),
            next_hop: text::next_hop_state(event.neighbour_state),
            mac: (event.neighbour_state == STATE_RESOLVED && event.neighbour_mac != [0; 6])
                .then(|| mac(event.neighbour_mac)),
        }
    }
}

fn socket(address: Address, port: [u8; 2]) -> SocketAddr {
    SocketAddr::new(address::to_ip(address), u16::from_be_bytes(port))
}

/// None for an address that is all zero.
fn address_of(address: Address) -> Option<IpAddr> {
    (address != [0; 16]).then(|| address::to_ip(address))
}

impl fmt::Display for Decision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            time,
            interface,
            forward,
            destination,
            source,
            target,
            bytes,
            packets,
            fragment,
            verdict,
            ..
        } = self;
        let time = time.strftime("%H:%M:%S%.6f");
        write!(
            formatter,
            "{time} {forward}/{destination} {interface} {source} > {target} {bytes} bytes"
        )?;
        if *packets > 1 {
            write!(formatter, " in {packets} packets")?;
        }
        if let Some(fragment) = fragment {
            write!(formatter, " {fragment} fragment")?;
        }
        write!(formatter, ": {verdict}")?;
        if let Some(reason) = self.reason {
            write!(formatter, " {reason}")?;
        }
        match (&self.copy, &self.upstream) {
            (Some(copy), _) => copy.fmt(formatter),
            (None, Some(upstream)) => write!(formatter, ", upstream {upstream}"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Display for Copy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            target,
            interface,
            next_hop,
            mac,
        } = self;
        let to = match mac {
            Some(mac) => mac,
            None if *next_hop == "local" => "this host",
            None if *next_hop == "resolved" => "the other end",
            None => "a neighbour still asked for",
        };
        write!(formatter, " {source} > {target} {interface} to {to}")
    }
}

#[cfg(test)]
mod tests {
    use udplb_abi::{forward::ADDRESS_REWRITE, record, trace::FRAGMENT_NONE};

    use super::*;

    struct Names;

    impl Named for Names {
        fn name(&mut self, id: u64) -> String {
            let known = ["telemetry/syslog", "telemetry/syslog/siem"];
            let found = known
                .iter()
                .find(|name| record::identity(name.as_bytes()) == id);
            (*found.unwrap()).to_owned()
        }

        fn interface(&mut self, index: u32) -> String {
            format!("eth{index}")
        }
    }

    fn event() -> TraceEvent {
        let at = |text: &str| address::from_ip(text.parse().unwrap());
        TraceEvent {
            time: 1,
            forward: record::identity(b"telemetry/syslog"),
            destination: record::identity(b"telemetry/syslog/siem"),
            source: at("198.51.100.7"),
            target: at("192.0.2.10"),
            upstream: at("203.0.113.5"),
            listener_source: [0; 16],
            interface: 0,
            egress: 1,
            packets: 1,
            bytes: 128,
            source_port: 40_000_u16.to_be_bytes(),
            target_port: 514_u16.to_be_bytes(),
            upstream_port: 5514_u16.to_be_bytes(),
            source_address: 0,
            destination_address: ADDRESS_REWRITE,
            hops: 63,
            verdict: TraceVerdict::Sent as u8,
            reason: 0,
            action: 0,
            neighbour_mac: [2, 0, 0, 0, 0, 1],
            neighbour_state: STATE_RESOLVED,
            fragment: FRAGMENT_NONE,
            padding: [0; 4],
        }
    }

    fn line(event: &TraceEvent) -> String {
        let time: Timestamp = "2026-11-22T22:21:50.123456Z".parse().unwrap();
        Decision::new(event, time, &mut Names).to_string()
    }

    const START: &str = "22:21:50.123456 telemetry/syslog/siem eth0 198.51.100.7:40000 > \
                         192.0.2.10:514 128 bytes";

    #[test]
    fn a_copy_is_shown_as_it_left() {
        assert_eq!(
            line(&event()),
            format!(
                "{START}: sent 198.51.100.7:40000 > 203.0.113.5:5514 eth1 to 02:00:00:00:00:01"
            )
        );
        let rewritten = TraceEvent {
            source_address: ADDRESS_REWRITE,
            upstream_port: [0; 2],
            neighbour_state: 0,
            ..event()
        };
        assert_eq!(
            line(&rewritten),
            format!(
                "{START}: sent 192.0.2.10:40000 > 203.0.113.5:514 eth1 to a neighbour still asked for"
            )
        );
        let local = TraceEvent {
            neighbour_state: STATE_LOCAL,
            egress: 0,
            ..rewritten
        };
        assert_eq!(
            line(&local),
            format!("{START}: sent 198.51.100.7:40000 > 203.0.113.5:514 eth0 to this host")
        );
        let named = TraceEvent {
            source_address: ADDRESS_REWRITE,
            listener_source: address::from_ip("192.0.2.99".parse().unwrap()),
            destination_address: 0,
            packets: 3,
            ..event()
        };
        assert_eq!(
            line(&named),
            format!(
                "{START} in 3 packets: sent 192.0.2.99:40000 > 192.0.2.10:514 eth1 to \
                 02:00:00:00:00:01"
            )
        );
    }

    #[test]
    fn a_fragment_says_which_one_it_is() {
        let end = "sent 198.51.100.7:40000 > 203.0.113.5:5514 eth1 to 02:00:00:00:00:01";
        for (fragment, word) in [(FRAGMENT_FIRST, "first"), (FRAGMENT_LATER, "later")] {
            let part = TraceEvent {
                fragment,
                ..event()
            };
            assert_eq!(line(&part), format!("{START} {word} fragment: {end}"));
        }
    }

    #[test]
    fn what_was_not_sent_says_why_and_to_whom() {
        let dropped = TraceEvent {
            verdict: TraceVerdict::Dropped as u8,
            reason: DropReason::MtuExceeded as u8,
            ..event()
        };
        let end = "dropped mtu_exceeded, upstream 203.0.113.5:5514";
        assert_eq!(line(&dropped), format!("{START}: {end}"));
        let sampled_out = TraceEvent {
            verdict: TraceVerdict::SampledOut as u8,
            upstream: [0; 16],
            upstream_port: [0; 2],
            ..event()
        };
        assert_eq!(line(&sampled_out), format!("{START}: sampled_out"));
        let passed = TraceEvent {
            verdict: TraceVerdict::Passed as u8,
            reason: DropReason::NoUpstream as u8,
            ..sampled_out
        };
        assert_eq!(line(&passed), format!("{START}: passed no_upstream"));
    }
}
