//! What upstreams become.

use std::{collections::BTreeMap, net::IpAddr};

use serde_json::{Value, json};
use udplb_api::{
    ResolvedDestination,
    condition::Reason,
    udp_forward::destination::{ServicePort, ServiceReference},
};
use udplb_plan::{
    Answers, HostAnswer, Seniority, conflict,
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

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A name whose last question was answered.
fn answered(name: &str, addresses: Vec<IpAddr>) -> (String, HostAnswer) {
    let answer = HostAnswer {
        addresses,
        answered: Some("2026-11-22T22:40:05Z".to_owned()),
        failure: None,
    };
    (name.to_owned(), answer)
}

fn said(resolution: &Resolution) -> Vec<String> {
    let notices = resolution.notices.iter();
    notices.map(ToString::to_string).collect()
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
    let answers = Answers {
        hostnames: BTreeMap::from([answered(
            "siem.example.com",
            vec![address("203.0.113.9"), address("2001:db8::9")],
        )]),
        services: Some(BTreeMap::from([(
            ("default".to_owned(), service),
            Ok(vec![(address("10.1.0.7"), 10_514)]),
        )])),
    };
    let resolution = resolve(
        &json!({ "name": "siem", "upstreams": [
            { "hostname": "SIEM.example.com", "port": 5514, "weight": 3 },
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
    assert_eq!(
        said(&resolution),
        [
            "spec.destinations[0].upstreams[2]: service default/other is not known yet",
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
fn without_a_cluster_services_are_left_out_and_the_rest_runs() {
    let resolution = resolve(
        &json!({ "name": "siem", "upstreams": [
            { "address": "203.0.113.5" },
            { "service": { "name": "collector", "port": 514 } },
        ]}),
        &Answers::default(),
    );
    assert_eq!(
        upstreams(&resolution.forward.spec.destinations[0]),
        [("203.0.113.5".to_owned(), None, 1)]
    );
    assert_eq!(
        said(&resolution),
        [
            "spec.destinations[0].upstreams[1]: service collector is left out: there are no services without a cluster, write addresses or host names",
        ]
    );
    assert_eq!(resolution.notices[0].reason, Reason::NotSupported);
}

/// A name that cannot be resolved says why; its last good answer stays, and so does everything else.
#[test]
fn a_name_that_fails_keeps_its_answer_and_says_why() {
    let failed = |name: &str, addresses: Vec<IpAddr>| {
        let (name, mut answer) = answered(name, addresses);
        if answer.addresses.is_empty() {
            answer.answered = None;
        }
        answer.failure = Some("name server 192.0.2.53 failed (SERVFAIL)".to_owned());
        (name, answer)
    };
    let answers = Answers {
        hostnames: BTreeMap::from([
            failed("kept.example.com", vec![address("203.0.113.9")]),
            failed("lost.example.com", vec![]),
        ]),
        services: None,
    };
    let resolution = resolve(
        &json!({ "name": "siem", "upstreams": [
            { "hostname": "kept.example.com" },
            { "hostname": "lost.example.com" },
        ]}),
        &answers,
    );
    assert_eq!(
        upstreams(&resolution.forward.spec.destinations[0]),
        [("203.0.113.9".to_owned(), None, 1)]
    );
    assert_eq!(
        said(&resolution),
        [
            "spec.destinations[0].upstreams[0]: host name kept.example.com keeps its last good answer, of 2026-11-22T22:40:05Z: name server 192.0.2.53 failed (SERVFAIL)",
            "spec.destinations[0].upstreams[1]: host name lost.example.com has no answer: name server 192.0.2.53 failed (SERVFAIL)",
        ]
    );
}

/// Blocking name servers answer with such addresses.
#[test]
fn an_address_that_no_route_leads_to_is_left_out() {
    let unusable = [
        "::1",
        "127.0.0.1",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "fe80::1",
        "::ffff:192.0.2.1",
    ];
    for text in unusable {
        let answers = Answers {
            hostnames: BTreeMap::from([answered(
                "siem.example.com",
                vec![address(text), address("203.0.113.9")],
            )]),
            services: None,
        };
        let resolution = resolve(
            &json!({ "name": "siem", "upstreams": [{ "hostname": "siem.example.com" }] }),
            &answers,
        );
        assert_eq!(
            upstreams(&resolution.forward.spec.destinations[0]),
            [("203.0.113.9".to_owned(), None, 1)]
        );
        assert_eq!(
            said(&resolution),
            [format!(
                "spec.destinations[0].upstreams[0]: host name siem.example.com stands for {text}, which no route leads to: such an answer is left out"
            )]
        );
    }
}

#[test]
fn upstreams_beyond_the_limit_are_left_out() {
    let many =
        (0..300_u32).map(|index| std::net::Ipv4Addr::from_bits(0x0a00_0000 + 300 - index).into());
    let answers = Answers {
        hostnames: BTreeMap::from([answered("many.example.com", many.collect())]),
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
