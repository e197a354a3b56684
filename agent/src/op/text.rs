//! An op in one line, as `run --debug` logs it: the map, the slot, what it holds from now on. **pure**

use std::fmt;

use udplb_abi::{
    NONE, address,
    forward::{ACTION_FORWARD, UpstreamSlot},
    listener::ListenerKey,
    next_hop::{NextHopSlot, STATE_RESOLVED},
};

use super::Op;
use crate::{
    desired::prefix::{ADDRESS_BITS, Prefix},
    report,
    text::{self, mac},
};

impl fmt::Display for Op {
    #[expect(clippy::too_many_lines, reason = "a table with a line for each op")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WriteName { id, name } => write!(f, "NAMES[{id:016x}] = {name}"),
            Self::WriteSource { key, prefix_length } => {
                let source = Prefix::new(key.address, *prefix_length);
                write!(f, "SOURCES[{}] + {source}", key.set)
            }
            Self::WriteTable { first, entries } => {
                write!(f, "TABLES[{first}] = {} entries", entries.len())
            }
            Self::WriteNextHop { slot, value } => {
                write!(f, "NEXT_HOPS[{slot}] = {}", NextHop(value))
            }
            Self::WriteRateLimit { slot, value } => write!(
                f,
                "RATE_LIMITS[{slot}] = every {} ns, {} ns ahead",
                value.interval, value.tolerance
            ),
            Self::WriteUpstream { slot, value } => {
                write!(f, "UPSTREAMS[{slot}] = {}", Upstream(value))
            }
            Self::WriteForward { slot, value } => {
                let action = text::action(value.action == ACTION_FORWARD);
                let (id, count) = (value.id, value.destination_count);
                write!(
                    f,
                    "FORWARD_SLOTS[{slot}] = {action} of {id:016x} to {count} destinations"
                )
            }
            Self::WriteListener { slot, value } => {
                let (key, forward) = (Listener(&value.key, value.prefix_length), value.forward);
                write!(f, "LISTENER_SLOTS[{slot}] = {key} for forward {forward}")
            }
            Self::SetListener {
                key,
                prefix_length,
                slot,
            } => {
                let key = Listener(key, *prefix_length);
                write!(f, "{}[{key}] = slot {slot}", listeners(*prefix_length))
            }
            Self::SetNextHop { upstream, slot } => {
                write!(f, "UPSTREAMS[{upstream}].next_hop = {}", Slot(*slot))
            }
            Self::SetForward { forward, slot } => {
                write!(f, "FORWARDS[{forward}] = {}", Slot(*slot))
            }
            Self::SetPort { port, word } => match word.group() {
                0 => write!(f, "PORTS[{port}] = nobody"),
                group => write!(f, "PORTS[{port}] = group {group}"),
            },
            Self::RemoveListener { key, prefix_length } => {
                let key = Listener(key, *prefix_length);
                write!(f, "{}[{key}] removed", listeners(*prefix_length))
            }
            Self::SetVlan { key, device } => write!(
                f,
                "VLANS[{} on interface {}] = interface {device}",
                key.vlan, key.interface
            ),
            Self::RemoveVlan { key } => {
                write!(
                    f,
                    "VLANS[{} on interface {}] removed",
                    key.vlan, key.interface
                )
            }
            Self::Attach { interface } => write!(f, "attached to interface {interface}"),
            Self::Detach { interface } => write!(f, "detached from interface {interface}"),
            Self::ManageNeighbour { interface, address } => {
                write!(
                    f,
                    "neighbour {address} on interface {interface} is kept fresh"
                )
            }
            Self::ReleaseNeighbour { interface, address } => {
                write!(
                    f,
                    "neighbour {address} on interface {interface} is given back"
                )
            }
            Self::Grace => f.write_str("every program that ran has ended"),
            Self::RemoveSource { key, prefix_length } => {
                let source = Prefix::new(key.address, *prefix_length);
                write!(f, "SOURCES[{}] - {source}", key.set)
            }
            Self::RetireUpstream {
                destination,
                counters,
            } => write!(
                f,
                "UPSTREAM_COUNTERS[{counters}] moved to RETIRED[{destination:016x}]"
            ),
            Self::RemoveRetired { destination } => {
                write!(f, "RETIRED[{destination:016x}] removed")
            }
            Self::ClearForwardCounters { slot } => write!(f, "FORWARD_COUNTERS[{slot}] = 0"),
            Self::ClearDestinationCounters { slot } => {
                write!(f, "DESTINATION_COUNTERS[{slot}] = 0")
            }
            Self::ClearUpstreamCounters { slot } => write!(f, "UPSTREAM_COUNTERS[{slot}] = 0"),
            Self::RemoveName { id } => write!(f, "NAMES[{id:016x}] removed"),
        }
    }
}

/// A next hop as a person reads it.
struct NextHop<'a>(&'a NextHopSlot);

impl fmt::Display for NextHop<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(slot) = self;
        if slot.is_local() {
            return f.write_str("this host");
        }
        let (neighbour, interface) = (address::to_ip(slot.neighbour), slot.interface);
        write!(f, "{neighbour} on interface {interface}, ")?;
        if slot.state == STATE_RESOLVED {
            write!(f, "{}", mac(slot.destination_mac))?;
        } else {
            f.write_str("unresolved")?;
        }
        write!(f, ", MTU {}", slot.mtu)
    }
}

/// An upstream as a person reads it.
struct Upstream<'a>(&'a UpstreamSlot);

impl fmt::Display for Upstream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(slot) = self;
        let (label, weight, next_hop) = (report::label(slot), slot.weight, Slot(slot.next_hop));
        write!(f, "{label}, weight {weight}, next hop {next_hop}")
    }
}

/// A listener's key, with the length of its prefix.
struct Listener<'a>(&'a ListenerKey, u8);

impl fmt::Display for Listener<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(key, length) = self;
        let address = Prefix::new(key.address, *length);
        write!(
            f,
            "{address} on interface {}, group {}",
            key.interface, key.group
        )
    }
}

/// A slot's number, or that there is none.
struct Slot(u32);

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(NONE) => f.write_str("none"),
            Self(slot) => write!(f, "slot {slot}"),
        }
    }
}

/// The map that holds prefixes of this length.
const fn listeners(prefix_length: u8) -> &'static str {
    if prefix_length == ADDRESS_BITS {
        "LISTENERS"
    } else {
        "PREFIXES"
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use udplb_abi::listener::PortWord;

    use udplb_abi::next_hop::LINK_HEADER;

    use super::*;

    fn check<const N: usize>(cases: [(Op, &str); N]) {
        for (op, line) in cases {
            assert_eq!(op.to_string(), line);
        }
    }

    fn address(text: &str) -> address::Address {
        address::from_ip(text.parse().unwrap())
    }

    #[test]
    fn next_hops_and_upstreams_are_shown_with_their_addresses() {
        let next_hop = NextHopSlot {
            neighbour: address("203.0.113.1"),
            interface: 3,
            mtu: 1500,
            destination_mac: [2, 0, 0, 0, 0, 0xaa],
            source_mac: [0; 6],
            state: STATE_RESOLVED,
            link_header: LINK_HEADER,
            padding: [0; 2],
        };
        let upstream = UpstreamSlot {
            address: address("2001:db8::5"),
            next_hop: NONE,
            counters: 1,
            port: 514_u16.to_be_bytes(),
            weight: 3,
            padding: 0,
        };
        check([
            (
                Op::WriteNextHop {
                    slot: 1,
                    value: next_hop,
                },
                "NEXT_HOPS[1] = 203.0.113.1 on interface 3, 02:00:00:00:00:aa, MTU 1500",
            ),
            (
                Op::WriteNextHop {
                    slot: 1,
                    value: NextHopSlot {
                        state: 0,
                        ..next_hop
                    },
                },
                "NEXT_HOPS[1] = 203.0.113.1 on interface 3, unresolved, MTU 1500",
            ),
            (
                Op::WriteUpstream {
                    slot: 4,
                    value: upstream,
                },
                "UPSTREAMS[4] = [2001:db8::5]:514, weight 3, next hop none",
            ),
            (
                Op::SetNextHop {
                    upstream: 4,
                    slot: 1,
                },
                "UPSTREAMS[4].next_hop = slot 1",
            ),
        ]);
    }

    #[test]
    fn listeners_and_ports_are_shown_by_their_keys() {
        let key = |text| ListenerKey {
            interface: 2,
            group: 1,
            padding: 0,
            address: address(text),
        };
        let set = |text, prefix_length| Op::SetListener {
            key: key(text),
            prefix_length,
            slot: 7,
        };
        check([
            (
                set("192.0.2.10", 128),
                "LISTENERS[192.0.2.10 on interface 2, group 1] = slot 7",
            ),
            (
                set("192.0.2.0", 120),
                "PREFIXES[192.0.2.0/24 on interface 2, group 1] = slot 7",
            ),
            (
                Op::SetPort {
                    port: 514,
                    word: PortWord::new(1, true, false),
                },
                "PORTS[514] = group 1",
            ),
            (
                Op::SetPort {
                    port: 514,
                    word: PortWord::NOBODY,
                },
                "PORTS[514] = nobody",
            ),
            (
                Op::WriteTable {
                    first: 1,
                    entries: Arc::from([0; 16_381]),
                },
                "TABLES[1] = 16381 entries",
            ),
            (
                Op::ManageNeighbour {
                    interface: 3,
                    address: "203.0.113.1".parse().unwrap(),
                },
                "neighbour 203.0.113.1 on interface 3 is kept fresh",
            ),
        ]);
    }
}
