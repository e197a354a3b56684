use std::collections::BTreeSet;

use super::lab::{Host, Lab, index, ip, run, until};
use crate::{facts::Route, kernel::netlink::Network};

#[test]
fn the_kernel_is_asked_for_routes() {
    run(async |lab: &Lab| {
        lab.ip(
            Host::Here,
            "route add 198.51.100.0/24 via 192.0.2.2
             route add 198.51.101.0/24 via 192.0.2.2 mtu 1300
             route add 198.51.102.0/24 via inet6 2001:db8::2
             route add unreachable 198.51.103.0/24
             route add blackhole 198.51.104.0/24
             route add prohibit 198.51.105.0/24
             link add a0 type veth peer name a1
             link set a1 up
             link set a0 up
             address add 203.0.113.1/25 dev a0
             route add 198.51.106.0/24 nexthop via 192.0.2.2 nexthop via 203.0.113.2
             rule add to 198.51.107.0/24 lookup 100
             route add default via 203.0.113.3 table 100
             route add 2001:db8:1::/48 via 2001:db8::2
             route add 2001:db8:2::/48 via fe80::9 dev v0
             route add unreachable 2001:db8:3::/48
             route add blackhole 2001:db8:4::/48
             tuntap add t0 mode tun
             link set t0 up
             route add 198.51.108.0/24 dev t0",
        );
        let network = Network::open().await.unwrap();
        let facts = network.facts();
        let [v0, a0, t0] = ["v0", "a0", "t0"].map(|name| index(&facts, name).unwrap());
        let via = |interface, gateway| Route::Unicast {
            interface,
            gateway: Some(ip(gateway)),
            mtu: None,
        };
        let on_link = |interface| Route::Unicast {
            interface,
            gateway: None,
            mtu: None,
        };
        let expected = [
            ("192.0.2.2", on_link(v0)),
            ("192.0.2.1", Route::Local),
            ("127.0.0.1", Route::Local),
            ("198.51.100.1", via(v0, "192.0.2.2")),
            (
                "198.51.101.1",
                Route::Unicast {
                    interface: v0,
                    gateway: Some(ip("192.0.2.2")),
                    mtu: Some(1300),
                },
            ),
            ("198.51.102.1", via(v0, "2001:db8::2")),
            ("198.51.103.1", Route::None),
            ("198.51.104.1", Route::None),
            ("198.51.105.1", Route::None),
            ("198.51.107.1", via(a0, "203.0.113.3")),
            ("198.51.108.1", on_link(t0)),
            ("10.0.0.1", Route::None),
            ("255.255.255.255", Route::None),
            ("2001:db8::2", on_link(v0)),
            ("2001:db8::1", Route::Local),
            ("::1", Route::Local),
            ("2001:db8:1::1", via(v0, "2001:db8::2")),
            ("2001:db8:2::1", via(v0, "fe80::9")),
            ("2001:db8:3::1", Route::None),
            ("2001:db8:4::1", Route::None),
            ("2001:db8:5::1", Route::None),
        ];
        let mut wanted: BTreeSet<_> = expected.iter().map(|(address, _)| ip(address)).collect();
        let _new = wanted.insert(ip("198.51.106.1"));
        let facts = network.want(wanted.clone()).await.unwrap();
        assert_eq!(
            facts.routes.keys().copied().collect::<BTreeSet<_>>(),
            wanted
        );
        for (address, route) in expected {
            assert_eq!(facts.routes[&ip(address)], route, "{address}");
        }
        let multipath = facts.routes[&ip("198.51.106.1")];
        assert!([via(v0, "192.0.2.2"), via(a0, "203.0.113.2")].contains(&multipath));

        let fewer = BTreeSet::from([ip("192.0.2.2")]);
        let _facts = network.want(fewer.clone()).await.unwrap();
        until(&network, |facts| (facts.routes.len() == 1).then_some(())).await;
    });
}

/// Routes, rules, next-hop objects, addresses and links: whatever moves a route is followed.
#[test]
fn routes_follow_every_cause() {
    run(async |lab: &Lab| {
        // Changes of next-hop objects are not announced as changes of their routes.
        lab.sysctl(Host::Here, "ipv4/nexthop_compat_mode", "0");
        let network = Network::open().await.unwrap();
        let v0 = index(&network.facts(), "v0").unwrap();
        let upstream = ip("198.51.100.1");
        let mut facts = network.want(BTreeSet::from([upstream])).await.unwrap();
        assert_eq!(facts.routes[&upstream], Route::None);

        let via = |gateway| Route::Unicast {
            interface: v0,
            gateway: Some(ip(gateway)),
            mtu: None,
        };
        let on_link = Route::Unicast {
            interface: v0,
            gateway: None,
            mtu: None,
        };
        let steps = [
            ("route add 198.51.100.0/24 via 192.0.2.2", via("192.0.2.2")),
            (
                "route replace 198.51.100.0/24 via 192.0.2.3",
                via("192.0.2.3"),
            ),
            ("route add 198.51.100.1 via 192.0.2.4", via("192.0.2.4")),
            ("route delete 198.51.100.1", via("192.0.2.3")),
            ("nexthop add id 7 via 192.0.2.5 dev v0", via("192.0.2.3")),
            ("route add 198.51.100.1 nhid 7", via("192.0.2.5")),
            (
                "nexthop replace id 7 via 192.0.2.6 dev v0",
                via("192.0.2.6"),
            ),
            ("route delete 198.51.100.1", via("192.0.2.3")),
            ("rule add to 198.51.100.1 unreachable", Route::None),
            ("rule delete to 198.51.100.1 unreachable", via("192.0.2.3")),
            ("address add 198.51.100.1/32 dev v0", Route::Local),
            ("address delete 198.51.100.1/32 dev v0", via("192.0.2.3")),
            ("route replace 198.51.100.0/24 dev v0", on_link),
            ("link set v0 down", Route::None),
        ];
        for (command, expected) in steps {
            lab.ip(Host::Here, command);
            facts = until(&network, |facts| {
                (facts.routes[&upstream] == expected).then(|| facts.clone().into())
            })
            .await;
        }
        assert_eq!(
            Network::open()
                .await
                .unwrap()
                .want([upstream].into())
                .await
                .unwrap(),
            facts
        );
    });
}
