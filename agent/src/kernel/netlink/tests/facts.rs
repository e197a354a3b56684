use std::collections::BTreeSet;

use super::lab::{HERE_MAC, Host, Lab, index, net, run, until};
use crate::{
    facts::{Facts, Link, LinkKind},
    kernel::netlink::Network,
};

#[test]
fn links_and_addresses_are_listed_and_followed() {
    run(async |lab: &Lab| {
        let network = Network::open().await.unwrap();
        let facts = network.facts();
        let v0 = index(&facts, "v0").unwrap();
        let cable = Link {
            name: "v0".into(),
            kind: LinkKind::Ethernet,
            mac: HERE_MAC,
            mtu: 1500,
            up: true,
            master: None,
            vlan: None,
        };
        assert_eq!(facts.links[&v0], cable);
        assert_eq!(
            facts.links[&index(&facts, "lo").unwrap()].kind,
            LinkKind::Loopback
        );
        assert!(facts.addresses.contains(&(v0, net("192.0.2.1/24"))));
        assert!(facts.addresses.contains(&(v0, net("2001:db8::1/64"))));

        lab.ip(
            Host::Here,
            "link add br0 type bridge
             link set v0 mtu 1400 master br0
             address add 198.51.100.1 peer 198.51.100.2/32 dev v0
             address delete 2001:db8::1/64 dev v0
             tuntap add t0 mode tun
             link set v0 name v9",
        );
        let tun = until(&network, |facts| index(facts, "t0")).await;
        let expected = |facts: &Facts| {
            let changed = Link {
                name: "v9".into(),
                mtu: 1400,
                master: Some(index(facts, "br0")?),
                ..cable.clone()
            };
            let own = (v0, net("198.51.100.1/32"));
            (facts.links[&v0] == changed
                && facts.addresses.contains(&own)
                && !facts.addresses.contains(&(v0, net("2001:db8::1/64"))))
            .then_some(())
        };
        until(&network, expected).await;
        assert_eq!(network.facts().links[&tun].kind, LinkKind::Ip);
        assert_eq!(network.facts().links[&tun].mac, [0; 6]);

        // A bridge announces its lost member as a deleted link.
        lab.ip(Host::Here, "link set v9 nomaster");
        until(&network, |facts| {
            facts.links[&v0].master.is_none().then_some(())
        })
        .await;
        assert!(
            network
                .facts()
                .addresses
                .contains(&(v0, net("192.0.2.1/24")))
        );

        lab.ip(Host::Here, "link delete v9");
        let gone = |facts: &Facts| {
            (!facts.links.contains_key(&v0) && facts.addresses.iter().all(|(i, _)| *i != v0))
                .then_some(())
        };
        until(&network, gone).await;
        assert_eq!(network.resyncs(), 0);
    });
}

/// Both families, several next hops, and routes that go without a word when their link goes down.
#[test]
fn default_route_interfaces_are_followed() {
    run(async |lab: &Lab| {
        let network = Network::open().await.unwrap();
        assert_eq!(network.facts().default_route_interfaces, BTreeSet::new());
        lab.ip(
            Host::Here,
            "link add a0 up type veth peer name a1
             link add b0 up type veth peer name b1
             link set a1 up
             link set b1 up
             address add 198.51.100.1/24 dev a0
             address add 203.0.113.1/24 dev b0
             route add default nexthop via 198.51.100.2 nexthop via 192.0.2.2
             route add default via 203.0.113.2 metric 5
             route add default via 2001:db8::2
             route add unreachable default metric 9999
             route add default via 192.0.2.2 table 100",
        );
        let names = |facts: &Facts| -> Vec<String> {
            facts
                .default_route_interfaces
                .iter()
                .map(|i| facts.links[i].name.clone())
                .collect()
        };
        let are = |expected: &'static [&'static str]| {
            move |facts: &Facts| (names(facts) == expected).then_some(())
        };
        until(&network, are(&["v0", "a0", "b0"])).await;

        // IPv6 would announce the loss of an address.
        lab.sysctl(Host::Here, "ipv6/conf/b0/disable_ipv6", "1");
        let no_ipv6 = |facts: &Facts| {
            let b0 = index(facts, "b0")?;
            facts
                .addresses
                .iter()
                .all(|(i, a)| *i != b0 || a.addr().is_ipv4())
                .then_some(())
        };
        until(&network, no_ipv6).await;
        lab.ip(Host::Here, "link set b0 down");
        until(&network, are(&["v0", "a0"])).await;
        lab.ip(Host::Here, "route delete default via 2001:db8::2");
        until(&network, are(&["v0", "a0"])).await;
        lab.ip(Host::Here, "route replace default via 198.51.100.2");
        until(&network, are(&["a0"])).await;

        // A second look from scratch agrees.
        assert_eq!(Network::open().await.unwrap().facts(), network.facts());
    });
}
