//! Labs that many tests share. IO.

use std::fmt::Write as _;

use super::Lab;

/// A sender, the node, and two collectors, each on a link of its own, in both families.
///
/// ```text
/// sender eth0 ── eth0 node eth1 ── eth0 collector1
///                          eth2 ── eth0 collector2
/// 10.0.1.2   10.0.1.1   10.0.2.1   10.0.2.2         and 2001:db8:1::2 and so on
///                       10.0.3.1   10.0.3.2
/// ```
///
/// The node's default route leads to the sender, so `eth0` is the interface that forwards use unasked.
pub fn two_collectors(name: &str) -> Lab {
    Lab::new(
        name,
        "
        sender eth0 10.0.1.2/24 2001:db8:1::2/64 -- node       eth0 10.0.1.1/24 2001:db8:1::1/64
        node   eth1 10.0.2.1/24 2001:db8:2::1/64 -- collector1 eth0 10.0.2.2/24 2001:db8:2::2/64
        node   eth2 10.0.3.1/24 2001:db8:3::1/64 -- collector2 eth0 10.0.3.2/24 2001:db8:3::2/64
        sender:     route add default via 10.0.1.1
        sender:     route add default via 2001:db8:1::1
        node:       route add default via 10.0.1.2
        node:       route add default via 2001:db8:1::2
        collector1: route add default via 10.0.2.1
        collector1: route add default via 2001:db8:2::1
        collector2: route add default via 10.0.3.1
        collector2: route add default via 2001:db8:3::1
        ",
    )
}

/// Upstreams that the node reaches through a router only.
///
/// ```text
/// sender eth0 ── eth0 node eth1 ── eth0 gateway eth1 ── eth0 collector1
///                                               eth2 ── eth0 collector2
/// 10.0.1.2   10.0.1.1   10.0.9.1  10.0.9.254
///                                 10.0.2.1          10.0.2.2
///                                 10.0.3.1          10.0.3.2
/// ```
pub fn behind_gateway(name: &str) -> Lab {
    let lab = Lab::new(
        name,
        "
        sender  eth0 10.0.1.2/24 2001:db8:1::2/64 -- node       eth0 10.0.1.1/24   2001:db8:1::1/64
        node    eth1 10.0.9.1/24 2001:db8:9::1/64 -- gateway    eth0 10.0.9.254/24 2001:db8:9::254/64
        gateway eth1 10.0.2.1/24 2001:db8:2::1/64 -- collector1 eth0 10.0.2.2/24   2001:db8:2::2/64
        gateway eth2 10.0.3.1/24 2001:db8:3::1/64 -- collector2 eth0 10.0.3.2/24   2001:db8:3::2/64
        sender:     route add default via 10.0.1.1
        sender:     route add default via 2001:db8:1::1
        node:       route add default via 10.0.1.2
        node:       route add default via 2001:db8:1::2
        node:       route add 10.0.2.0/23 via 10.0.9.254
        node:       route add 2001:db8:2::/47 via 2001:db8:9::254
        gateway:    route add default via 10.0.9.1
        gateway:    route add default via 2001:db8:9::1
        collector1: route add default via 10.0.2.1
        collector1: route add default via 2001:db8:2::1
        collector2: route add default via 10.0.3.1
        collector2: route add default via 2001:db8:3::1
        ",
    );
    lab.host("gateway").sysctl("ipv4/ip_forward", "1");
    lab.host("gateway").sysctl("ipv6/conf/all/forwarding", "1");
    lab
}

/// A node with two uplinks to one collector, so that its route can move from one to the other.
///
/// ```text
/// sender eth0 ── eth0 node eth1 ── eth0 collector1     10.0.2.1 ── 10.0.2.2
///                          eth2 ── eth1                10.0.3.1 ── 10.0.3.2
/// ```
///
/// `collector1` has `10.0.7.7` and `2001:db8:7::7` on loopback; the route there starts over `eth1`.
pub fn two_uplinks(name: &str) -> Lab {
    Lab::new(
        name,
        "
        sender eth0 10.0.1.2/24 2001:db8:1::2/64 -- node       eth0 10.0.1.1/24 2001:db8:1::1/64
        node   eth1 10.0.2.1/24 2001:db8:2::1/64 -- collector1 eth0 10.0.2.2/24 2001:db8:2::2/64
        node   eth2 10.0.3.1/24 2001:db8:3::1/64 -- collector1 eth1 10.0.3.2/24 2001:db8:3::2/64
        collector1: address add 10.0.7.7/32 dev lo
        collector1: address add 2001:db8:7::7/128 dev lo nodad
        sender:     route add default via 10.0.1.1
        sender:     route add default via 2001:db8:1::1
        node:       route add default via 10.0.1.2
        node:       route add default via 2001:db8:1::2
        node:       route add 10.0.7.7 via 10.0.2.2
        node:       route add 2001:db8:7::7 via 2001:db8:2::2
        collector1: route add default via 10.0.2.1
        collector1: route add default via 2001:db8:2::1
        ",
    )
}

/// [`two_collectors`] without any IPv4 address.
pub fn ipv6_only(name: &str) -> Lab {
    Lab::new(
        name,
        "
        sender eth0 2001:db8:1::2/64 -- node       eth0 2001:db8:1::1/64
        node   eth1 2001:db8:2::1/64 -- collector1 eth0 2001:db8:2::2/64
        node   eth2 2001:db8:3::1/64 -- collector2 eth0 2001:db8:3::2/64
        sender:     route add default via 2001:db8:1::1
        node:       route add default via 2001:db8:1::2
        collector1: route add default via 2001:db8:2::1
        collector2: route add default via 2001:db8:3::1
        ",
    )
}

/// One collector with many addresses (`10.0.2.2` and so on, `2001:db8:2::2` and so on in hex)
/// behind a switch, for balancing and for changes of link-layer addresses.
///
/// ```text
/// sender eth0 ── eth0 node eth1 ── uplink switch port1 ── eth0 collector1
///                                               port2 ── eth0 collector2
/// 10.0.1.2   10.0.1.1   10.0.2.1                          10.0.2.2 …, 10.0.2.200 (collector2)
/// ```
pub fn on_switch(name: &str, count: u8) -> Lab {
    let lab = Lab::new(
        name,
        "
        sender eth0 10.0.1.2/24 2001:db8:1::2/64 -- node       eth0 10.0.1.1/24 2001:db8:1::1/64
        node   eth1 10.0.2.1/24 2001:db8:2::1/64 -- switch     uplink
        switch port1                             -- collector1 eth0
        switch port2                             -- collector2 eth0 10.0.2.200/24 2001:db8:2::c8/64
        switch switch
        sender:     route add default via 10.0.1.1
        sender:     route add default via 2001:db8:1::1
        node:       route add default via 10.0.1.2
        node:       route add default via 2001:db8:1::2
        ",
    );
    let mut batch = String::new();
    for number in 2..=count + 1 {
        writeln!(batch, "address add 10.0.2.{number}/24 dev eth0").unwrap();
        writeln!(
            batch,
            "address add 2001:db8:2::{number:x}/64 dev eth0 nodad"
        )
        .unwrap();
    }
    batch += "route add default via 10.0.2.1\nroute add default via 2001:db8:2::1\n";
    lab.host("collector1").ip_batch(&batch);
    lab
}
