//! Second step: of two forwards that would take the same packets, the older one stays. Pure.
//!
//! Two forwards overlap when interface, port and address prefix can be the same. Interfaces are compared
//! as written: a glob or an omission overlaps everything. Nested prefixes do not overlap, because the
//! more specific one wins for each packet; an omission stands for single unicast addresses.

use std::collections::BTreeMap;

use ipnet::IpNet;
use udplb_api::udp_forward::{matching::PortRange, text::InterfacePattern};

use crate::{
    listeners::{Listener, Listeners, is_unicast_host},
    types::{ForwardKey, Rejection},
    validate::ValidatedForward,
};

/// A forward that no older one is in the way of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedForward(ValidatedForward);

impl AcceptedForward {
    /// The forward.
    #[must_use]
    pub const fn forward(&self) -> &ValidatedForward {
        &self.0
    }
}

/// Who runs and who does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// From the oldest to the youngest.
    pub accepted: Vec<AcceptedForward>,
    /// Each with the forward that is in its way.
    pub rejected: BTreeMap<ForwardKey, Rejection>,
}

/// Settles all conflicts. `share_node` says whether some node would run both.
#[must_use]
pub fn settle(
    mut forwards: Vec<ValidatedForward>,
    share_node: impl Fn(&ValidatedForward, &ValidatedForward) -> bool,
) -> Settled {
    forwards.sort_by(|a, b| (a.seniority, &a.key).cmp(&(b.seniority, &b.key)));
    let mut settled = Settled::default();
    let mut taken = Taken::default();
    for forward in forwards {
        let conflict = taken.find(&forward, |index| {
            let older = settled.accepted[index].forward();
            interfaces_overlap(older.interfaces.as_deref(), forward.interfaces.as_deref())
                && share_node(older, &forward)
        });
        if let Some(Listener {
            ports,
            address,
            index,
        }) = conflict
        {
            let winner = settled.accepted[index].forward().key.clone();
            let listener = describe(ports, address);
            let rejection = Rejection::ListenerConflict { winner, listener };
            let _ = settled.rejected.insert(forward.key, rejection);
        } else {
            taken.add(settled.accepted.len(), &forward);
            settled.accepted.push(AcceptedForward(forward));
        }
    }
    settled
}

fn describe(ports: PortRange, address: Option<IpNet>) -> String {
    match address {
        None => format!("port {ports}"),
        Some(prefix) if prefix.prefix_len() == prefix.max_prefix_len() => {
            format!("port {ports} of {}", prefix.addr())
        }
        Some(prefix) => format!("port {ports} of {prefix}"),
    }
}

fn interfaces_overlap(a: Option<&[InterfacePattern]>, b: Option<&[InterfacePattern]>) -> bool {
    let (Some(a), Some(b)) = (a, b) else {
        return true;
    };
    a.iter().chain(b).any(InterfacePattern::is_glob) || a.iter().any(|name| b.contains(name))
}

/// What accepted forwards listen on, so that 10,000 of them are settled quickly.
#[derive(Default)]
struct Taken {
    by_prefix: BTreeMap<IpNet, Listeners>,
    /// All of `by_prefix` that a node can have as an address.
    hosts: Listeners,
    /// Those of forwards that name no address.
    any: Listeners,
}

impl Taken {
    fn add(&mut self, index: usize, forward: &ValidatedForward) {
        for &ports in &forward.ports {
            let Some(addresses) = &forward.addresses else {
                self.any.add(Listener {
                    ports,
                    address: None,
                    index,
                });
                continue;
            };
            for &prefix in addresses {
                let listener = Listener {
                    ports,
                    address: Some(prefix),
                    index,
                };
                self.by_prefix.entry(prefix).or_default().add(listener);
                if is_unicast_host(prefix) {
                    self.hosts.add(listener);
                }
            }
        }
    }

    /// The listener of the oldest forward in the way, cut down to what both would take.
    fn find(
        &self,
        forward: &ValidatedForward,
        in_the_way: impl Fn(usize) -> bool,
    ) -> Option<Listener> {
        let mut oldest: Option<Listener> = None;
        for &ports in &forward.ports {
            for (listeners, address) in self.beside(forward) {
                for theirs in listeners.overlapping(ports) {
                    let older = oldest.is_none_or(|found| theirs.index < found.index);
                    if older && in_the_way(theirs.index) {
                        oldest = Some(Listener {
                            ports: common(theirs.ports, ports),
                            address: address.or(theirs.address),
                            index: theirs.index,
                        });
                    }
                }
            }
        }
        oldest
    }

    /// The listeners whose address can be that of the forward, and that address where it has one.
    fn beside<'a>(
        &'a self,
        forward: &'a ValidatedForward,
    ) -> Box<dyn Iterator<Item = (&'a Listeners, Option<IpNet>)> + 'a> {
        let Some(addresses) = &forward.addresses else {
            return Box::new([(&self.any, None), (&self.hosts, None)].into_iter());
        };
        Box::new(addresses.iter().flat_map(|&prefix| {
            let any = is_unicast_host(prefix).then_some(&self.any);
            self.by_prefix
                .get(&prefix)
                .into_iter()
                .chain(any)
                .map(move |found| (found, Some(prefix)))
        }))
    }
}

/// The ports in both of two ranges that overlap.
fn common(a: PortRange, b: PortRange) -> PortRange {
    let (first, last) = (a.first().max(b.first()), a.last().min(b.last()));
    PortRange {
        port: first,
        end_port: (last > first).then_some(last),
    }
}
