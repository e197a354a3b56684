//! Who stays when two forwards overlap.

use serde_json::json;
use udplb_api::{UdpForward, condition::Reason};

use crate::common::{forward, listener, plan, rejection, running};

/// Whether the second of two forwards is rejected for the first, and the other way round.
fn overlap(first: &UdpForward, second: &UdpForward) -> bool {
    let forwards = [first.clone(), second.clone()];
    let (there, back) = (plan(&forwards), plan(&[second.clone(), first.clone()]));
    let loser = |plan: &udplb_plan::Standalone| plan.forwards.len() == 1;
    assert_eq!(loser(&there), loser(&back), "overlap is symmetric");
    if loser(&there) {
        assert_eq!(running(&there), [first.metadata.name.as_deref().unwrap()]);
        assert_eq!(running(&back), [second.metadata.name.as_deref().unwrap()]);
    }
    loser(&there)
}

#[test]
fn the_first_document_stays_and_the_second_is_told_why() {
    let plan = plan(&[
        listener("z-first", 514, &["192.0.2.10"]),
        listener("a-second", 514, &["192.0.2.10"]),
    ]);
    assert_eq!(running(&plan), ["z-first"]);
    assert_eq!(plan.forwards.len(), 1);
    let rejection = rejection(&plan, "a-second");
    assert_eq!(rejection.reason(), Reason::ListenerConflict);
    assert_eq!(
        rejection.to_string(),
        "default/z-first is older and listens on port 514 of 192.0.2.10 too: change the ports, addresses or interfaces of one of them"
    );
}

#[test]
fn a_rejected_forward_is_in_nobodys_way() {
    let plan = plan(&[
        listener("first", 514, &[]),
        forward(
            "second",
            &json!({ "ports": [{ "port": 500, "endPort": 600 }] }),
            &json!({}),
        ),
        listener("third", 550, &[]),
    ]);
    assert_eq!(running(&plan), ["first", "third"]);
    assert_eq!(
        rejection(&plan, "second").to_string(),
        "default/first is older and listens on port 514 too: change the ports, addresses or interfaces of one of them"
    );
}

#[test]
fn the_oldest_in_the_way_is_named() {
    let wide = forward(
        "wide",
        &json!({ "ports": [{ "port": 1, "endPort": 1000 }] }),
        &json!({}),
    );
    let plan = plan(&[
        listener("first", 700, &[]),
        listener("second", 600, &[]),
        wide,
    ]);
    let said = rejection(&plan, "wide").to_string();
    assert!(
        said.starts_with("default/first is older and listens on port 700 too"),
        "{said}"
    );
}

#[test]
fn ports_overlap_where_one_is_in_both() {
    let range = |first: u16, last: u16| {
        let ports = json!({ "ports": [{ "port": first, "endPort": last }, { "port": 9 }] });
        forward("range", &ports, &json!({}))
    };
    assert!(overlap(&listener("one", 514, &[]), &range(514, 600)));
    assert!(overlap(&listener("one", 600, &[]), &range(514, 600)));
    assert!(overlap(&listener("one", 9, &[]), &range(514, 600)));
    assert!(!overlap(&listener("one", 601, &[]), &range(514, 600)));
    assert!(!overlap(&listener("one", 513, &[]), &range(514, 600)));
}

#[test]
fn addresses_overlap_where_the_prefix_can_be_the_same() {
    let cases: [(&[&str], &[&str], bool); 13] = [
        (&["192.0.2.10"], &["192.0.2.10"], true),
        (&["192.0.2.10"], &["192.0.2.11"], false),
        (&["192.0.2.0/24"], &["192.0.2.0/24"], true),
        (&["192.0.2.10/32"], &["192.0.2.10"], true),
        (&["2001:DB8::1"], &["2001:db8:0::1"], true),
        // The more specific one wins for each packet.
        (&["192.0.2.0/24"], &["192.0.2.10"], false),
        (&["192.0.2.0/24"], &["192.0.2.0/25"], false),
        (
            &["198.51.100.1", "192.0.2.10"],
            &["192.0.2.10", "203.0.113.1"],
            true,
        ),
        // An omission is the node's own addresses, whichever they are.
        (&[], &[], true),
        (&[], &["192.0.2.10"], true),
        (&[], &["2001:db8::1"], true),
        (&[], &["192.0.2.0/24"], false),
        (&[], &["239.1.2.3", "ff02::1", "255.255.255.255"], false),
    ];
    for (first, second, expected) in cases {
        let found = overlap(
            &listener("first", 514, first),
            &listener("second", 514, second),
        );
        assert_eq!(found, expected, "{first:?} {second:?}");
    }
}

#[test]
fn interfaces_overlap_as_written() {
    let on = |name: &str, interfaces: &[&str]| {
        let rest = if interfaces.is_empty() {
            json!({})
        } else {
            json!({ "interfaces": interfaces })
        };
        forward(name, &json!({ "ports": [{ "port": 514 }] }), &rest)
    };
    let cases: [(&[&str], &[&str], bool); 7] = [
        (&["eth0"], &["eth0"], true),
        (&["eth0"], &["eth1"], false),
        (&["eth0", "eth1"], &["eth1", "eth2"], true),
        (&["eth*"], &["wlan0"], true),
        (&["eth?"], &["eth*"], true),
        (&[], &["eth0"], true),
        (&[], &[], true),
    ];
    for (first, second, expected) in cases {
        assert_eq!(
            overlap(&on("first", first), &on("second", second)),
            expected,
            "{first:?} {second:?}"
        );
    }
}

#[test]
fn sources_and_state_do_not_separate_forwards() {
    let from = |name: &str, source: &str| {
        let matches = json!({ "ports": [{ "port": 514 }], "sources": [source] });
        forward(name, &matches, &json!({ "state": "Paused" }))
    };
    assert!(overlap(
        &from("first", "10.0.0.0/8"),
        &from("second", "192.0.2.0/24")
    ));
}

#[test]
fn ten_thousand_forwards_are_settled_quickly() {
    let mut template = listener("name", 1, &[]);
    let forwards: Vec<UdpForward> = (1..=10_000)
        .map(|port| {
            template.metadata.name = Some(format!("forward-{port}"));
            template.spec.r#match.ports[0].port = port;
            template.clone()
        })
        .collect();
    let start = std::time::Instant::now();
    let plan = plan(&forwards);
    println!("10,000 forwards without addresses: {:?}", start.elapsed());
    assert_eq!(plan.forwards.len(), 10_000);
}
