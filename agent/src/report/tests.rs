//! Two versions of a forward at once, as in the middle of a pass.

use std::convert::Infallible;

use udplb_abi::{
    MAX_DESTINATIONS, NONE,
    address::mapped,
    forward::{Balance, Destination as DestinationSlot},
    listener::{ListenerKey, ListenerSlot, PortWord},
    next_hop::{LINK_HEADER, STATE_RESOLVED},
};

use super::*;
use crate::desired::group::Place;

/// Each counter holds its slot, in tens for bytes.
struct Slots;

fn traffic(slot: u32) -> Traffic {
    Traffic {
        packets: slot.into(),
        bytes: u64::from(slot) * 10,
    }
}

impl Counters for Slots {
    type Error = Infallible;

    fn forward(&self, slot: u32) -> Result<Traffic, Infallible> {
        Ok(traffic(slot))
    }

    fn destination(&self, slot: u32) -> Result<DestinationCounters, Infallible> {
        Ok(DestinationCounters {
            passed: slot.into(),
            ..DestinationCounters::default()
        })
    }

    fn upstream(&self, slot: u32) -> Result<Traffic, Infallible> {
        Ok(traffic(slot))
    }

    fn retired(&self, destination: u64) -> Result<Traffic, Infallible> {
        Ok(traffic(u32::try_from(destination).unwrap()))
    }
}

const FORWARD_ID: u64 = 100;
const DESTINATION_ID: u64 = 200;
const FORWARD_COUNTERS: u32 = 7;
const DESTINATION_COUNTERS: u32 = 8;

/// A version whose one destination has `count` upstreams from `first` on.
fn version(first: u32, count: u32) -> ForwardSlot {
    let mut destinations = [DestinationSlot::default(); MAX_DESTINATIONS];
    destinations[0] = DestinationSlot {
        id: DESTINATION_ID,
        counters: DESTINATION_COUNTERS,
        ..DestinationSlot::default()
    };
    destinations[0].balance[0] = Balance {
        first,
        count,
        slots: 0,
        table: 0,
    };
    ForwardSlot {
        id: FORWARD_ID,
        sources: NONE,
        counters: FORWARD_COUNTERS,
        action: ACTION_FORWARD,
        when_unavailable: 0,
        destination_count: 1,
        padding: 0,
        zero: 0,
        destinations,
    }
}

fn upstream(host: u8, port: u16, counters: u32, next_hop: u32) -> UpstreamSlot {
    UpstreamSlot {
        address: mapped([10, 0, 0, host]),
        next_hop,
        counters,
        port: port.to_be_bytes(),
        weight: 3,
        padding: 0,
    }
}

fn next_hop(state: u8) -> NextHopSlot {
    NextHopSlot {
        neighbour: mapped([10, 0, 0, 1]),
        interface: 2,
        mtu: 1500,
        destination_mac: [2; 6],
        source_mac: [4; 6],
        state,
        link_header: LINK_HEADER,
        padding: [0; 2],
    }
}

/// Version 1, which packets meet, leads to upstreams b and c, version 2 to a and b.
fn tables() -> Tables {
    let mut tables = Tables::empty();
    tables.names.extend([
        (FORWARD_ID, "team/syslog".to_owned()),
        (DESTINATION_ID, "team/syslog/siem".to_owned()),
    ]);
    tables.forwards.extend([(1, 12), (2, 11)]);
    tables
        .forward_slots
        .extend([(11, version(20, 2)), (12, version(30, 2))]);
    tables.upstreams.extend([
        (20, upstream(1, 514, 1, 1)),
        (21, upstream(2, 0, 2, 1)),
        (30, upstream(2, 0, 2, 2)),
        (31, upstream(3, 514, 3, NONE)),
    ]);
    tables
        .next_hops
        .extend([(1, next_hop(0)), (2, next_hop(STATE_RESOLVED))]);
    let key = ListenerKey {
        interface: 5,
        group: 1,
        padding: 0,
        address: mapped([10, 0, 0, 9]),
    };
    let place = Place {
        interface: 5,
        prefix: Prefix::exact(key.address),
    };
    let _new = tables.listeners.insert((1, place), 40);
    let slot = ListenerSlot {
        key,
        source: [0; 16],
        forward: 1,
        prefix_length: 128,
        padding: [0; 3],
    };
    let _new = tables.listener_slots.insert(40, slot);
    for port in [514, 515, 516, 600, u16::MAX] {
        let _new = tables.ports.insert(port, PortWord::new(1, false, false));
    }
    tables
}

#[test]
fn every_counter_counts_once_and_the_present_version_speaks() {
    let forwards = forwards(&tables(), &Slots).unwrap();
    let [forward] = &forwards[..] else {
        panic!("{forwards:?}");
    };
    assert_eq!(
        (&forward.namespace[..], &forward.name[..]),
        ("team", "syslog")
    );
    assert!(forward.consumes);
    assert_eq!(forward.matched, traffic(FORWARD_COUNTERS));
    assert_eq!(forward.listeners.len(), 1);
    assert_eq!(
        forward.listeners[0].ports,
        [(514, 516), (600, 600), (u16::MAX, u16::MAX)]
    );
    let [destination] = &forward.destinations[..] else {
        panic!("{:?}", forward.destinations);
    };
    assert_eq!(destination.name, "siem");
    assert_eq!(destination.counters.passed, u64::from(DESTINATION_COUNTERS));
    assert_eq!(destination.retired, None);
    let upstreams: Vec<_> = destination
        .upstreams
        .iter()
        .map(|one| (&one.label[..], one.sent.packets, one.is_reachable()))
        .collect();
    assert_eq!(
        upstreams,
        [
            ("10.0.0.1:514", 1, false),
            ("10.0.0.2", 2, true),
            ("10.0.0.3:514", 3, false)
        ]
    );
}

#[test]
fn what_upstreams_that_left_had_sent_is_told() {
    let mut tables = tables();
    let _new = tables.retired.insert(DESTINATION_ID);
    let forwards = forwards(&tables, &Slots).unwrap();
    assert_eq!(forwards[0].destinations[0].retired, Some(traffic(200)));
}

#[test]
fn an_upstream_is_called_by_address_and_port() {
    let mut slot = upstream(1, 514, 0, 0);
    slot.address = std::net::Ipv6Addr::LOCALHOST.octets();
    assert_eq!(label(&slot), "[::1]:514");
    slot.port = [0; 2];
    assert_eq!(label(&slot), "::1");
}
