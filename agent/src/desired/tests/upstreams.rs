//! Which upstreams a destination is left with, and who keeps their neighbour entries. **pure**

use super::*;

#[test]
fn an_upstream_that_would_come_back_is_left_out() {
    let mut forward = spec("a/a");
    forward.destinations[0].upstreams = vec![
        upstream("192.0.2.10", None),
        upstream("192.0.2.10", Some(514)),
        upstream("192.0.2.10", Some(515)),
        upstream("203.0.113.1", None),
    ];
    let desired = settle(&[forward], &host());
    let [v4, v6] = &desired.forwards[0].treatment.destinations[0].upstreams;
    let left: Vec<_> = v4
        .iter()
        .map(|one| (address::to_ip(one.address), one.port))
        .collect();
    assert_eq!(
        left,
        [(ip("192.0.2.10"), Some(515)), (ip("203.0.113.1"), None)]
    );
    assert_eq!(v6[..], []);
    assert_eq!(desired.notices.len(), 2);
}

/// With its destination kept, what goes to this host is for the listener that took it, on whatever port.
#[test]
fn a_kept_destination_on_this_host_goes_round() {
    let mut facts = host();
    let _ = facts.routes.insert(ip("203.0.113.1"), Route::Local);
    let mut forward = spec("a/a");
    forward.destinations[0].upstreams = vec![
        upstream("192.0.2.10", Some(515)),
        upstream("203.0.113.1", Some(515)),
    ];
    let left = |forward: &Spec| {
        let desired = settle(std::slice::from_ref(forward), &facts);
        let [v4, _] = &desired.forwards[0].treatment.destinations[0].upstreams;
        v4.len()
    };
    assert_eq!(left(&forward), 2);
    forward.destinations[0].options.destination_address = ADDRESS_PRESERVE;
    assert_eq!(left(&forward), 0);
}

/// The kernel may take packets for more addresses than those of interfaces.
#[test]
fn a_listener_on_a_local_route_is_no_upstream() {
    let mut facts = host();
    let _ = facts.routes.insert(ip("203.0.113.1"), Route::Local);
    let mut forward = spec("a/a");
    forward.addresses = vec!["203.0.113.0/24".parse().unwrap()];
    let desired = settle(&[forward], &facts);
    let [v4, _] = &desired.forwards[0].treatment.destinations[0].upstreams;
    assert_eq!(v4[..], []);
}

#[test]
fn an_upstream_that_does_not_answer_leaves_the_balance_unless_none_is_left() {
    let mut facts = host();
    for (address, state) in [
        ("192.0.2.50", NeighbourState::Failed),
        ("192.0.2.51", NeighbourState::Valid([2; 6])),
        ("192.0.2.52", NeighbourState::Resolving),
    ] {
        let route = Route::Unicast {
            interface: ETH0,
            gateway: None,
            mtu: None,
        };
        let _ = facts.routes.insert(ip(address), route);
        let entry = Neighbour {
            state,
            keeper: Keeper::Kernel,
        };
        let _ = facts.neighbours.insert((ETH0, ip(address)), entry);
    }
    let usable = |addresses: &[&str]| -> Vec<bool> {
        let mut forward = spec("a/a");
        forward.destinations[0].upstreams =
            addresses.iter().map(|one| upstream(one, Some(1))).collect();
        let desired = settle(&[forward], &facts);
        let [v4, _] = &desired.forwards[0].treatment.destinations[0].upstreams;
        v4.iter().map(|one| one.usable).collect()
    };
    assert_eq!(
        usable(&["192.0.2.50", "192.0.2.51", "192.0.2.52"]),
        [false, true, true]
    );
    assert_eq!(usable(&["192.0.2.50"]), [true]);
}

#[test]
fn neighbours_of_others_are_used_and_not_managed() {
    let mut facts = host();
    let gateway = Some(ip("192.0.2.1"));
    let route = Route::Unicast {
        interface: ETH0,
        gateway,
        mtu: None,
    };
    let _ = facts.routes.insert(ip("203.0.113.1"), route);
    let managed = settle(&[spec("a/a")], &facts);
    assert_eq!(managed.neighbours, [(ETH0, ip("192.0.2.1"))].into());
    let state = NeighbourState::Valid([2; 6]);
    let entry = Neighbour {
        state,
        keeper: Keeper::Other,
    };
    let _ = facts.neighbours.insert((ETH0, ip("192.0.2.1")), entry);
    let used = settle(&[spec("a/a")], &facts);
    assert!(used.neighbours.is_empty());
    assert_eq!(
        used.next_hops.values().next().unwrap().destination_mac,
        [2; 6]
    );
}
