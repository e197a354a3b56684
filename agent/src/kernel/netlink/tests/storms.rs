use std::{
    collections::BTreeSet,
    fmt::Write as _,
    net::{IpAddr, UdpSocket},
    time::{Duration, Instant},
};

use super::lab::{Host, Lab, index, ip, net, run, until};
use crate::{
    facts::{NeighbourState, Route},
    kernel::netlink::Network,
};

/// Events that we were too slow to take: everything is listed again, and who had failed stays failed.
#[test]
fn lost_events_lead_to_a_new_listing() {
    run(async |lab: &Lab| {
        lab.sysctl(Host::Here, "ipv4/neigh/v0/retrans_time_ms", "20");
        let network = Network::with_receive_buffer(4096).await.unwrap();
        let v0 = index(&network.facts(), "v0").unwrap();
        let absent = (v0, ip("192.0.2.77"));
        let _facts = network
            .want(BTreeSet::from([ip("198.51.100.1")]))
            .await
            .unwrap();
        let _origin = network.manage(absent.0, absent.1).await.unwrap();
        let failed = |facts: &crate::facts::Facts| {
            (facts.neighbours.get(&absent)?.state == NeighbourState::Failed).then_some(())
        };
        until(&network, failed).await;
        // The kernel asks again, for a long time: the new listing finds an entry without an answer.
        lab.sysctl(Host::Here, "ipv4/neigh/v0/retrans_time_ms", "10000");
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        let _sent = socket.send_to(b"x", (absent.1, 9)).unwrap();
        assert!(
            lab.show(Host::Here, "neigh show 192.0.2.77")
                .contains("INCOMPLETE")
        );

        let mut burst = String::new();
        for last in 1..200 {
            writeln!(burst, "address add 203.0.113.{last}/32 dev v0").unwrap();
        }
        burst.push_str("route add 198.51.100.0/24 via 192.0.2.2\n");
        // The runtime has one thread, this one: nobody reads events meanwhile.
        lab.ip(Host::Here, &burst);
        let last = (v0, net("203.0.113.199/32"));
        until(&network, |facts| {
            facts.addresses.contains(&last).then_some(())
        })
        .await;
        assert!(network.resyncs() > 0);
        let facts = network.facts();
        let gateway = Some(ip("192.0.2.2"));
        let expected = Route::Unicast {
            interface: v0,
            gateway,
            mtu: None,
        };
        assert_eq!(facts.routes[&ip("198.51.100.1")], expected);
        assert_eq!(
            facts
                .addresses
                .iter()
                .filter(|(_, a)| a.prefix_len() == 32)
                .count(),
            199
        );
        assert_eq!(failed(&facts), Some(()));
    });
}

/// From the end of the command to the fact: on a quiet host, and while the route of every upstream
/// changes as fast as it can.
#[test]
fn changes_are_seen_at_once_also_in_a_storm() {
    run(async |lab: &Lab| {
        let network = Network::open().await.unwrap();
        let v0 = index(&network.facts(), "v0").unwrap();
        let wanted: BTreeSet<IpAddr> = (0..1000_u32)
            .map(|low| IpAddr::from((0xc633_0000 + low).to_be_bytes()))
            .collect();
        let _facts = network.want(wanted).await.unwrap();
        let measure = async |title: &str, pause| {
            let mut delays = Vec::new();
            for round in 0..40 {
                tokio::time::sleep(pause).await;
                let mtu = 1300 + round;
                lab.ip(Host::Here, &format!("link set v0 mtu {mtu}"));
                let start = Instant::now();
                until(&network, |facts| {
                    (facts.links[&v0].mtu == mtu).then_some(())
                })
                .await;
                delays.push(start.elapsed());
            }
            delays.sort_unstable();
            println!("{title}: median {:?}, worst {:?}", delays[20], delays[39]);
            delays[20]
        };
        let quiet = measure("quiet", Duration::from_millis(50)).await;

        let mut batch = String::new();
        for _ in 0..500 {
            batch.push_str("route add 198.51.0.0/16 via 192.0.2.2\n");
            batch.push_str("route delete 198.51.0.0/16\n");
        }
        let running = lab.repeat(Host::Here, &batch);
        let storm = measure("storm", Duration::ZERO).await;
        drop(running);
        assert!(quiet < Duration::from_millis(100), "{quiet:?}");
        assert!(storm < Duration::from_secs(2), "{storm:?}");
    });
}
