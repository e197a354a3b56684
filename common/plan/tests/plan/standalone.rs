//! The plan of one host, down to its bytes.

use proptest::prelude::*;
use serde_json::{Value, json};
use udplb_api::{Checker, NodeForwardConfig, ResolvedForward, UdpForward};

use crate::common::{forward, listener, plan, running, verdict};

/// One forward with every list filled, in two spellings.
fn spellings() -> [UdpForward; 2] {
    let destinations = |upstreams: Value| {
        json!([
            {
                "name": "siem", "strategy": "FiveTuple", "sourceAddress": "Rewrite",
                "sampling": { "oneIn": 10, "per": "Flow" },
                "rateLimit": { "packetsPerSecond": 1000 },
                "upstreams": upstreams,
            },
            { "name": "mirror", "destinationAddress": "Preserve", "upstreams": [{ "address": "203.0.113.7" }] },
        ])
    };
    [
        forward(
            "syslog",
            &json!({
                "addresses": ["192.0.2.10", "2001:db8::/64"],
                "ports": [{ "port": 514 }, { "port": 10000, "endPort": 10099 }],
                "sources": ["198.51.100.0/24", "10.0.0.1"],
            }),
            &json!({
                "interfaces": ["eth0", "bond0"],
                "destinations": destinations(json!([{ "address": "203.0.113.5", "port": 5514 }, { "address": "203.0.113.4" }])),
            }),
        ),
        forward(
            "syslog",
            &json!({
                "addresses": ["2001:DB8:0::/64", "192.0.2.10/32", "192.0.2.10"],
                "ports": [{ "port": 10000, "endPort": 10099 }, { "port": 514, "endPort": 514 }],
                "sources": ["10.0.0.1/32", "198.51.100.0/24"],
            }),
            &json!({
                "state": "Active",
                "interfaces": ["bond0", "eth0"],
                "destinations": destinations(json!([{ "address": "203.0.113.4", "weight": 1 }, { "address": "203.0.113.5", "port": 5514 }])),
            }),
        ),
    ]
}

#[test]
fn a_forward_is_settled_completely() {
    let plan = plan(&spellings()[..1]);
    let destination = |name: &str, source: &str, target: &str, upstreams: Value| json!({ "name": name, "strategy": "SourceIP", "sourceAddress": source, "destinationAddress": target, "upstreams": upstreams });
    let mut siem = destination(
        "siem",
        "Rewrite",
        "Rewrite",
        json!([
            { "address": "203.0.113.4", "weight": 1 }, { "address": "203.0.113.5", "port": 5514, "weight": 1 },
        ]),
    );
    siem["strategy"] = json!("FiveTuple");
    siem["sampling"] = json!({ "oneIn": 10, "per": "Flow" });
    siem["rateLimit"] = json!({ "packetsPerSecond": 1000, "burst": 100 });
    let mirror = destination(
        "mirror",
        "Preserve",
        "Preserve",
        json!([{ "address": "203.0.113.7", "weight": 1 }]),
    );
    assert_eq!(
        serde_json::to_value(&plan.forwards[0]).unwrap(),
        json!({
            "apiVersion": "udplb.dev/v1alpha1",
            "kind": "ResolvedForward",
            "metadata": { "name": "syslog", "namespace": "default" },
            "spec": {
                "revision": 1, "action": "Clone", "whenUnavailable": "Drop", "state": "Active",
                "interfaces": ["bond0", "eth0"],
                "match": {
                    "addresses": ["192.0.2.10/32", "2001:db8::/64"],
                    "ports": [{ "port": 514 }, { "port": 10000, "endPort": 10099 }],
                    "sources": ["10.0.0.1/32", "198.51.100.0/24"],
                },
                "destinations": [siem, mirror],
            },
        })
    );
    assert_eq!(
        serde_json::to_value(&plan.config).unwrap(),
        json!({
            "apiVersion": "udplb.dev/v1alpha1",
            "kind": "NodeForwardConfig",
            "metadata": { "name": "node-1" },
            "spec": { "forwards": [{ "namespace": "default", "name": "syslog", "uid": "file" }] },
        })
    );
}

#[test]
fn what_is_planned_passes_the_schemas() {
    let plan = plan(&[listener("every", 53, &[]), spellings()[0].clone()]);
    let resolved = Checker::of::<ResolvedForward>();
    for forward in &plan.forwards {
        assert_eq!(
            resolved.problems(&serde_json::to_value(forward).unwrap()),
            []
        );
    }
    let config = serde_json::to_value(&plan.config).unwrap();
    assert_eq!(Checker::of::<NodeForwardConfig>().problems(&config), []);
}

#[test]
fn two_spellings_of_one_forward_give_the_same_bytes() {
    let [first, second] =
        spellings().map(|forward| serde_json::to_string(&plan(&[forward]).forwards).unwrap());
    assert_eq!(first, second);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_documents_that_do_not_conflict_is_no_difference(
        order in Just((0..20_u16).collect::<Vec<u16>>()).prop_shuffle(),
    ) {
        let template = listener("name", 500, &["192.0.2.10"]);
        let named = |index: u16| {
            let mut forward = template.clone();
            forward.metadata.name = Some(format!("forward-{index}"));
            forward.spec.r#match.ports[0].port += index;
            forward
        };
        let bytes = |order: &[u16]| {
            let plan = plan(&order.iter().map(|&index| named(index)).collect::<Vec<_>>());
            assert_eq!(plan.verdicts.len(), 20);
            serde_json::to_vec(&(&plan.config, &plan.forwards)).unwrap()
        };
        prop_assert_eq!(bytes(&order), bytes(&(0..20).collect::<Vec<_>>()));
    }
}

#[test]
fn a_node_selector_is_answered_by_a_notice_and_the_forward_runs() {
    let ports = json!({ "ports": [{ "port": 514 }] });
    let selecting = forward(
        "edge",
        &ports,
        &json!({ "nodeSelector": { "matchLabels": { "role": "edge" } } }),
    );
    let plan = plan(&[selecting]);
    assert_eq!(running(&plan), ["edge"]);
    assert_eq!(
        verdict(&plan, "edge").notices[0].to_string(),
        "spec.nodeSelector: a file is for the host that reads it: the forward runs here, leave nodeSelector out"
    );
}

/// Each name once, in one spelling, and not those of forwards that run nowhere.
#[test]
fn the_names_to_ask_for_are_those_of_the_forwards_that_run() {
    let named = |name: &str, port: u16, hostname: &str| {
        forward(
            name,
            &json!({ "ports": [{ "port": port }] }),
            &json!({ "destinations": [{ "name": "siem", "upstreams": [{ "hostname": hostname }] }] }),
        )
    };
    let plan = plan(&[
        named("one", 1, "siem.example.com"),
        named("two", 2, "SIEM.Example.com"),
        named("absolute", 3, "siem.example.com."),
        named("conflict", 1, "other.example.com"),
    ]);
    assert_eq!(running(&plan).len(), 3);
    assert_eq!(
        plan.hostnames.into_iter().collect::<Vec<_>>(),
        ["siem.example.com", "siem.example.com."]
    );
    assert_eq!(
        plan.verdicts[0].notices[0].to_string(),
        "spec.destinations[0].upstreams[0]: host name siem.example.com. has no answer yet"
    );
}

#[test]
fn forwards_beyond_the_limit_of_a_file_are_told_so() {
    let mut template = listener("name", 514, &["10.0.0.1"]);
    let forwards: Vec<UdpForward> = (0..10_001_u32)
        .map(|index| {
            template.metadata.name = Some(format!("forward-{index:05}"));
            let address = std::net::Ipv4Addr::from_bits(0x0a00_0001 + index).to_string();
            template.spec.r#match.addresses.as_mut().unwrap()[0].0 = address;
            template.clone()
        })
        .collect();
    let plan = plan(&forwards);
    assert_eq!(plan.forwards.len(), 10_000);
    assert_eq!(running(&plan).len(), 10_000);
    let last = verdict(&plan, "forward-10000")
        .accepted
        .as_ref()
        .unwrap_err();
    assert_eq!(last.reason(), udplb_api::condition::Reason::NodeFull);
}
