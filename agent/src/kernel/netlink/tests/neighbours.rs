use std::collections::BTreeSet;

use tokio::time::timeout;

use super::lab::{Host, Lab, PATIENCE, PEER_MAC, index, ip, neighbour, run, until};
use crate::{
    facts::{Facts, Keeper, Neighbour, NeighbourState},
    kernel::netlink::{Network, Origin, Outcome, decode::Event, events::Events},
};

const FAMILIES: [&str; 2] = ["192.0.2.2", "2001:db8::2"];
const OURS: Neighbour = Neighbour {
    state: NeighbourState::Valid(PEER_MAC),
    keeper: Keeper::Ours,
};

fn has(address: &'static str, expected: Neighbour) -> impl Fn(&Facts) -> Option<()> {
    move |facts| (neighbour(facts, "v0", address) == Some(expected)).then_some(())
}

async fn open() -> (Network, u32) {
    let network = Network::open().await.unwrap();
    let v0 = index(&network.facts(), "v0").unwrap();
    (network, v0)
}

/// Nobody sends a packet, and still the kernel resolves the entry and follows a new MAC address.
#[test]
fn managed_entries_resolve_and_follow_announcements() {
    run(async |lab: &Lab| {
        lab.sysctl(Host::Peer, "ipv4/conf/v1/arp_notify", "1");
        lab.sysctl(Host::Peer, "ipv6/conf/v1/ndisc_notify", "1");
        let (network, v0) = open().await;
        for address in FAMILIES {
            let origin = network.manage(v0, ip(address)).await.unwrap();
            assert_eq!(origin, Outcome::Managed(Origin::Created));
            until(&network, has(address, OURS)).await;
        }

        lab.ip(Host::Peer, "link set v1 address 02:00:00:00:00:99");
        let moved = NeighbourState::Valid([2, 0, 0, 0, 0, 0x99]);
        for address in FAMILIES {
            until(
                &network,
                has(
                    address,
                    Neighbour {
                        state: moved,
                        ..OURS
                    },
                ),
            )
            .await;
        }

        for address in FAMILIES {
            network
                .release(v0, ip(address), Origin::Created)
                .await
                .unwrap();
            let gone = |facts: &Facts| neighbour(facts, "v0", address).is_none().then_some(());
            until(&network, gone).await;
            assert_eq!(lab.show(Host::Here, &format!("neigh show {address}")), "");
            // Once more is fine.
            network
                .release(v0, ip(address), Origin::Created)
                .await
                .unwrap();
        }
    });
}

#[test]
fn failed_entries_stay_failed_until_they_answer() {
    run(async |lab: &Lab| {
        lab.sysctl(Host::Here, "ipv4/neigh/v0/retrans_time_ms", "20");
        let (network, v0) = open().await;
        let absent = ip("192.0.2.77");
        let created = Outcome::Managed(Origin::Created);
        assert_eq!(network.manage(v0, absent).await.unwrap(), created);
        // It is known before it is resolved, so that nobody creates it again.
        let resolving = Neighbour {
            state: NeighbourState::Resolving,
            ..OURS
        };
        until(&network, has("192.0.2.77", resolving)).await;
        assert_eq!(network.manage(v0, absent).await.unwrap(), Outcome::Already);
        let failed = Neighbour {
            state: NeighbourState::Failed,
            ..OURS
        };
        until(&network, has("192.0.2.77", failed)).await;

        // The kernel asks again by itself; what comes next is an answer.
        let mut changes = network.changes();
        changes.mark_unchanged();
        lab.ip(Host::Peer, "address add 192.0.2.77/32 dev v1");
        timeout(PATIENCE, changes.changed()).await.unwrap().unwrap();
        assert_eq!(neighbour(&changes.borrow(), "v0", "192.0.2.77"), Some(OURS));
    });
}

/// A dynamic entry keeps its address and state while it becomes managed and while it is released.
#[test]
fn dynamic_entries_are_upgraded_and_given_back() {
    run(async |lab: &Lab| {
        let (network, v0) = open().await;
        let raw = Events::open(1 << 20).unwrap();
        let _facts = network.want(FAMILIES.map(ip).into()).await.unwrap();
        for (address, nud) in FAMILIES.into_iter().zip(["stale", "reachable"]) {
            lab.ip(
                Host::Here,
                &format!("neigh add {address} lladdr 02:00:00:00:00:02 nud {nud} dev v0"),
            );
            let dynamic = Neighbour {
                keeper: Keeper::Kernel,
                ..OURS
            };
            until(&network, has(address, dynamic)).await;

            let origin = network.manage(v0, ip(address)).await.unwrap();
            assert_eq!(origin, Outcome::Managed(Origin::Upgraded));
            until(&network, has(address, OURS)).await;
            let shown = lab.show(Host::Here, &format!("neigh show {address}"));
            assert!(
                shown.contains("managed") && shown.contains("proto 209"),
                "{shown}"
            );

            network
                .release(v0, ip(address), Origin::Upgraded)
                .await
                .unwrap();
            until(&network, has(address, dynamic)).await;
            let shown = lab.show(Host::Here, &format!("neigh show {address}"));
            assert!(shown.contains("02:00:00:00:00:02"), "{shown}");
            assert!(
                !shown.contains("managed") && !shown.contains("proto 209"),
                "{shown}"
            );
        }
        // The kernel announced each step: none was without the link-layer address.
        while let Some(events) = raw.receive_waiting().await.unwrap() {
            for event in events {
                if let Event::Neighbour((_, address), entry) = event
                    && FAMILIES.map(ip).contains(&address)
                {
                    assert_eq!(entry.state, OURS.state, "{address}");
                }
            }
        }
    });
}

#[test]
fn entries_of_others_stay_as_they_are() {
    run(async |lab: &Lab| {
        lab.ip(
            Host::Here,
            "neigh add 192.0.2.11 lladdr 02:00:00:00:00:11 nud permanent dev v0
             neigh add 192.0.2.12 lladdr 02:00:00:00:00:12 nud reachable extern_learn dev v0
             neigh add 192.0.2.13 lladdr 02:00:00:00:00:13 nud reachable protocol zebra dev v0
             neigh add 2001:db8::11 lladdr 02:00:00:00:00:14 nud permanent dev v0
             neigh add 192.0.2.2 nud none managed dev v0",
        );
        let addresses = [
            "192.0.2.11",
            "192.0.2.12",
            "192.0.2.13",
            "2001:db8::11",
            "192.0.2.2",
        ]
        .map(ip);
        let (network, v0) = open().await;
        let facts = network.want(addresses.into()).await.unwrap();
        let look =
            || addresses.map(|address| lab.show(Host::Here, &format!("neigh show {address}")));
        let before = look();
        for address in addresses {
            assert_eq!(
                facts.neighbours[&(v0, address)].keeper,
                Keeper::Other,
                "{address}"
            );
            assert_eq!(
                network.manage(v0, address).await.unwrap(),
                Outcome::LeftAlone
            );
            for origin in [Origin::Created, Origin::Upgraded] {
                network.release(v0, address, origin).await.unwrap();
            }
        }
        assert_eq!(look()[..4], before[..4]);
        assert!(look()[4].contains("managed"));
    });
}

/// Somebody makes our entry permanent, or sets its state: in both cases it is not ours any more.
#[test]
fn entries_taken_over_by_others_are_theirs() {
    run(async |lab: &Lab| {
        let (network, v0) = open().await;
        let _facts = network.want(FAMILIES.map(ip).into()).await.unwrap();
        for (address, nud, keeper) in [
            (FAMILIES[0], "permanent", Keeper::Other),
            (FAMILIES[1], "reachable", Keeper::Kernel),
        ] {
            let _origin = network.manage(v0, ip(address)).await.unwrap();
            until(&network, has(address, OURS)).await;
            lab.ip(
                Host::Here,
                &format!("neigh replace {address} lladdr 02:00:00:00:00:02 nud {nud} dev v0"),
            );
            until(&network, has(address, Neighbour { keeper, ..OURS })).await;
        }
        network
            .release(v0, ip(FAMILIES[0]), Origin::Created)
            .await
            .unwrap();
        assert!(
            lab.show(Host::Here, "neigh show 192.0.2.2")
                .contains("PERMANENT")
        );
        assert_eq!(
            network.manage(v0, ip(FAMILIES[1])).await.unwrap(),
            Outcome::Managed(Origin::Upgraded)
        );
        until(&network, has(FAMILIES[1], OURS)).await;
    });
}

/// Entries that no route leads to and that are not ours stay out of the facts.
#[test]
fn other_neighbours_are_no_news() {
    run(async |lab: &Lab| {
        let (network, _v0) = open().await;
        let _facts = network
            .want(BTreeSet::from([ip("192.0.2.2")]))
            .await
            .unwrap();
        lab.ip(
            Host::Here,
            "neigh add 192.0.2.50 lladdr 02:00:00:00:00:50 nud reachable dev v0
             neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 nud reachable dev v0",
        );
        let dynamic = Neighbour {
            keeper: Keeper::Kernel,
            ..OURS
        };
        until(&network, has("192.0.2.2", dynamic)).await;
        assert_eq!(neighbour(&network.facts(), "v0", "192.0.2.50"), None);
    });
}

#[test]
fn a_link_that_is_gone_is_named_in_the_error() {
    run(async |_lab: &Lab| {
        let (network, _v0) = open().await;
        let error = network.manage(9999, ip("192.0.2.2")).await.unwrap_err();
        let expected = "the kernel refused the neighbour entry of 192.0.2.2 on interface 9999";
        assert_eq!(error.to_string(), expected);
        let release = network.release(9999, ip("192.0.2.2"), Origin::Created);
        assert_eq!(release.await.unwrap_err().to_string(), expected);
    });
}
