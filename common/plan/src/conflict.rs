//! Second step: of two forwards that would take the same packets, the older one stays. Pure.
//!
//! Two forwards overlap when interface, port and address prefix can be the same. Interfaces are compared
//! as written: a glob or an omission overlaps everything. Nested prefixes do not overlap, because the
//! more specific one wins for each packet; an omission stands for single unicast addresses.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use udplb_api::udp_forward::{matching::PortRange, text::InterfacePattern};

use crate::{
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
        if let Some((index, ports, address)) = conflict {
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

/// What accepted forwards listen on, by address, so that 10,000 of them are settled quickly.
#[derive(Default)]
struct Taken {
    prefixes: BTreeMap<IpNet, Vec<(PortRange, usize)>>,
    /// All of `prefixes` that a node can have as an address.
    hosts: Vec<(PortRange, usize, IpNet)>,
    any: Vec<(PortRange, usize)>,
}

impl Taken {
    fn add(&mut self, index: usize, forward: &ValidatedForward) {
        for &ports in &forward.ports {
            match &forward.addresses {
                None => self.any.push((ports, index)),
                Some(addresses) => {
                    for &prefix in addresses {
                        self.prefixes
                            .entry(prefix)
                            .or_default()
                            .push((ports, index));
                        if is_unicast_host(prefix) {
                            self.hosts.push((ports, index, prefix));
                        }
                    }
                }
            }
        }
    }

    /// The oldest forward in the way, and what both would take.
    fn find(
        &self,
        forward: &ValidatedForward,
        in_the_way: impl Fn(usize) -> bool,
    ) -> Option<(usize, PortRange, Option<IpNet>)> {
        let mut oldest: Option<(usize, PortRange, Option<IpNet>)> = None;
        let mut consider =
            |theirs: PortRange, index: usize, ours: PortRange, address: Option<IpNet>| {
                let older = oldest.is_none_or(|(found, ..)| index < found);
                if older && theirs.overlaps(ours) && in_the_way(index) {
                    oldest = Some((index, common(theirs, ours), address));
                }
            };
        for &ours in &forward.ports {
            let Some(addresses) = &forward.addresses else {
                self.any
                    .iter()
                    .for_each(|&(theirs, index)| consider(theirs, index, ours, None));
                for &(theirs, index, prefix) in &self.hosts {
                    consider(theirs, index, ours, Some(prefix));
                }
                continue;
            };
            for &prefix in addresses {
                for &(theirs, index) in self.prefixes.get(&prefix).into_iter().flatten() {
                    consider(theirs, index, ours, Some(prefix));
                }
                if is_unicast_host(prefix) {
                    for &(theirs, index) in &self.any {
                        consider(theirs, index, ours, Some(prefix));
                    }
                }
            }
        }
        oldest
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

/// Whether a node can have this as an address of its own. A subnet's broadcast address cannot be told
/// from a host's.
fn is_unicast_host(prefix: IpNet) -> bool {
    let unicast = match prefix.addr() {
        IpAddr::V4(v4) => !v4.is_multicast() && !v4.is_broadcast(),
        IpAddr::V6(v6) => !v6.is_multicast(),
    };
    unicast && prefix.prefix_len() == prefix.max_prefix_len()
}
