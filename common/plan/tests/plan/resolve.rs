//! What upstreams become.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use udplb_api::{
    ResolvedDestination,
    condition::Reason,
    udp_forward::destination::{ServicePort, ServiceReference},
};
use udplb_plan::{
    Answers, Seniority, conflict,
    resolve::{self, Resolution},
    validate,
};

use crate::common::forward;

fn resolve(destination: &Value, answers: &Answers) -> Resolution {
    let ports = json!({ "ports": [{ "port": 514 }] });
    let forward = forward("syslog", &ports, &json!({ "destinations": [destination] }));
    let valid = validate::forward(&forward, Seniority::document(0)).unwrap();
    let settled = conflict::settle(vec![valid], |_, _| true);
    resolve::forward(&settled.accepted[0], answers, 7)
}

fn upstreams(destination: &ResolvedDestination) -> Vec<(String, Option<u16>, u16)> {
    destination
        .upstreams
        .iter()
        .map(|upstream| (upstream.address.to_string(), upstream.port, upstream.weight))
        .collect()
}

#[test]
fn upstreams_are_sorted_and_each_is_there_once() {
    let resolution = resolve(
        &json!({ "name": "siem", "upstreams": [
            { "address": "2001:DB8::5", "port": 514 },
            { "address": "203.0.113.6", "weight": 2 },
            { "address": "203.0.113.5", "port": 5515 },
            { "address": "203.0.113.5", "port": 5514, "weight": 200 },
            { "address": "203.0.113.6", "weight": 3 },
            { "address": "203.0.113.5", "port": 5514, "weight": 200 },
        ]}),
        &Answers::default(),
    );
    let text = |text: &str| text.to_owned();
    assert_eq!(
        upstreams(&resolution.forward.spec.destinations[0]),
        [
            (text("203.0.113.5"), Some(5514), 256),
            (text("203.0.113.5"), Some(5515), 1),
            (text("203.0.113.6"), None, 5),
            (text("2001:db8::5"), Some(514), 1),
        ]
    );
    assert_eq!(resolution.notices, []);
    assert_eq!(resolution.forward.spec.revision, 7);
}

#[test]
fn names_and_services_give_an_upstream_for_each_answer() {
    let service = ServiceReference {
        name: "collector".to_owned(),
        port: Some(ServicePort::Name("syslog".to_owned())),
    };
    let address = |text: &str| text.parse().unwrap();
    let answers = Answers {
        hostnames: Some(BTreeMap::from([(
            "siem.example.com".to_owned(),
            vec![address("203.0.113.9"), address("2001:db8::9")],
        )])),
        services: Some(BTreeMap::from([(
            ("default".to_owned(), service),
            vec![(address("10.1.0.7"), 10_514)],
        )])),
    };
    let resolution = resolve(
        &json!({ "name": "siem", "upstreams": [
            { "hostname": "siem.example.com", "port": 5514, "weight": 3 },
            { "service": { "name": "collector", "port": "syslog" } },
            { "service": { "name": "other" } },
            { "hostname": "lost.example.com" },
        ]}),
        &answers,
    );
    let text = |text: &str| text.to_owned();
    assert_eq!(
        upstreams(&resolution.forward.spec.destinations[0]),
        [
            (text("10.1.0.7"), Some(10_514), 1),
            (text("203.0.113.9"), Some(5514), 3),
            (text("2001:db8::9"), Some(5514), 3),
        ]
    );
    let said: Vec<String> = resolution.notices.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "spec.destinations[0].upstreams[2]: service default/other has no endpoints",
            "spec.destinations[0].upstreams[3]: host name lost.example.com has no answer yet",
        ]
    );
    assert!(
        resolution
            .notices
            .iter()
            .all(|notice| notice.reason == Reason::NotResolved)
    );
}

#[test]
fn without_a_cluster_names_and_services_are_left_out_and_the_rest_runs() {
    let resolution = resolve(
        &json!({ "name": "siem", "upstreams": [
            { "address": "203.0.113.5" },
            { "hostname": "siem.example.com", "port": 5514 },
            { "service": { "name": "collector", "port": 514 } },
        ]}),
        &Answers::default(),
    );
    assert_eq!(
        upstreams(&resolution.forward.spec.destinations[0]),
        [("203.0.113.5".to_owned(), None, 1)]
    );
    let said: Vec<String> = resolution.notices.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "spec.destinations[0].upstreams[1]: host name siem.example.com is left out: this version does not resolve names, write an address",
            "spec.destinations[0].upstreams[2]: service collector is left out: there are no services without a cluster, write addresses",
        ]
    );
    assert!(
        resolution
            .notices
            .iter()
            .all(|notice| notice.reason == Reason::NotSupported)
    );
}

#[test]
fn upstreams_beyond_the_limit_are_left_out() {
    let many =
        (0..300_u32).map(|index| std::net::Ipv4Addr::from_bits(0x0a00_0000 + 300 - index).into());
    let answers = Answers {
        hostnames: Some(BTreeMap::from([(
            "many.example.com".to_owned(),
            many.collect(),
        )])),
        services: None,
    };
    let resolution = resolve(
        &json!({ "name": "siem", "upstreams": [{ "hostname": "many.example.com" }] }),
        &answers,
    );
    let found = upstreams(&resolution.forward.spec.destinations[0]);
    assert_eq!(found.len(), 256);
    assert_eq!(found[0].0, "10.0.0.1");
    assert_eq!(resolution.notices.len(), 1);
    assert_eq!(resolution.notices[0].reason, Reason::TooManyUpstreams);
    assert_eq!(
        resolution.notices[0].to_string(),
        "spec.destinations[0].upstreams: 300 upstreams are known, the first 256 by address are used: spread them over several destinations or forwards"
    );
}

#[test]
fn a_rate_limit_always_has_a_burst() {
    let burst = |limit: Value| {
        let destination = json!({ "name": "siem", "rateLimit": limit, "upstreams": [{ "address": "203.0.113.5" }] });
        resolve(&destination, &Answers::default())
            .forward
            .spec
            .destinations[0]
            .rate_limit
            .unwrap()
            .burst
    };
    assert_eq!(burst(json!({ "packetsPerSecond": 50_000 })), Some(5_000));
    assert_eq!(burst(json!({ "packetsPerSecond": 5 })), Some(1));
    assert_eq!(
        burst(json!({ "packetsPerSecond": 5, "burst": 70 })),
        Some(70)
    );
}
