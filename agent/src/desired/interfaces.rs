//! Which interfaces a forward listens on. **pure**

use std::collections::BTreeSet;

use udplb_api::udp_forward::text::InterfacePattern;

use super::{input::Spec, notice::Notice};
use crate::facts::{Facts, InterfaceIndex, Link, LinkKind};

/// The interfaces that a forward names, or those that hold default routes. `only` takes the place of
/// the forward's own list.
pub(super) fn resolve(
    forward: &Spec,
    only: Option<&[InterfacePattern]>,
    facts: &Facts,
    notices: &mut Vec<Notice>,
) -> BTreeSet<InterfaceIndex> {
    let patterns = only.unwrap_or(&forward.interfaces);
    let mut chosen = BTreeSet::new();
    if patterns.is_empty() {
        if facts.default_route_interfaces.is_empty() {
            let forward = forward.name.clone();
            notices.push(Notice::NoDefaultRoute { forward });
        }
        let links = facts.default_route_interfaces.iter();
        for (&index, link) in links.filter_map(|index| facts.links.get_key_value(index)) {
            take(index, link, forward, facts, &mut chosen, notices);
        }
    }
    for pattern in patterns {
        let is_glob = pattern.is_glob();
        let mut found = false;
        for (&index, link) in &facts.links {
            if pattern.matches(&link.name) {
                found = true;
                // Nobody means the loopback interface by "*".
                if !is_glob || link.kind != LinkKind::Loopback {
                    take(index, link, forward, facts, &mut chosen, notices);
                }
            }
        }
        if !found {
            let (forward, pattern) = (forward.name.clone(), pattern.as_str().to_owned());
            notices.push(Notice::InterfaceNotFound { forward, pattern });
        }
    }
    chosen
}

fn take(
    index: InterfaceIndex,
    link: &Link,
    forward: &Spec,
    facts: &Facts,
    chosen: &mut BTreeSet<InterfaceIndex>,
    notices: &mut Vec<Notice>,
) {
    let (forward, interface) = (forward.name.clone(), link.name.clone());
    if !matches!(link.kind, LinkKind::Ethernet | LinkKind::Ip) {
        notices.push(Notice::NotEthernet { forward, interface });
    } else if let Some(master) = link.master {
        let master = name_of(master, facts);
        notices.push(Notice::Member {
            forward,
            interface,
            master,
        });
    } else {
        let _ = chosen.insert(index);
    }
}

/// The name of an interface, or its index where it is gone.
pub(super) fn name_of(interface: InterfaceIndex, facts: &Facts) -> String {
    facts
        .links
        .get(&interface)
        .map_or_else(|| format!("#{interface}"), |link| link.name.clone())
}
