//! What the offline check says about documents, word for word.
#![cfg(test)]

#[path = "check/rules.rs"]
mod rules;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};
use udplb_api::{Checker, NodeForwardConfig, ResolvedForward, UdpForward, crd};

/// Every field of the API once.
fn full() -> Value {
    serde_json::from_str(include_str!("objects/full.json")).unwrap()
}

fn minimal() -> Value {
    json!({
        "apiVersion": "udplb.dev/v1alpha1",
        "kind": "UdpForward",
        "metadata": { "name": "syslog" },
        "spec": {
            "match": { "ports": [{ "port": 514 }] },
            "action": "Clone",
            "destinations": [{ "name": "siem", "upstreams": [{ "address": "203.0.113.5" }] }],
        },
    })
}

fn at<'a>(document: &'a mut Value, pointer: &str) -> (&'a mut Value, String) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    (document.pointer_mut(parent).unwrap(), name.to_owned())
}

fn with(mut document: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = at(&mut document, pointer);
    match parent {
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        other => other[name] = value,
    }
    document
}

fn without(mut document: Value, pointer: &str) -> Value {
    let (parent, name) = at(&mut document, pointer);
    assert!(parent.as_object_mut().unwrap().remove(&name).is_some());
    document
}

fn said(document: &Value) -> Vec<String> {
    thread_local!(static CHECKER: Checker = Checker::udp_forward());
    CHECKER.with(|checker| {
        checker
            .problems(document)
            .iter()
            .map(ToString::to_string)
            .collect()
    })
}

#[test]
fn good_documents_pass_and_read_back_the_same() {
    for document in [full(), minimal()] {
        assert_eq!(said(&document), Vec::<String>::new());
        let forward: UdpForward = serde_json::from_value(document.clone()).unwrap();
        let again = serde_json::to_value(&forward).unwrap();
        assert_eq!(said(&again), Vec::<String>::new());
        let twice: UdpForward = serde_json::from_value(again).unwrap();
        assert_eq!(forward, twice);
    }
}

#[test]
fn documents_that_were_read_from_a_cluster_pass() {
    let mut document = minimal();
    document["metadata"]["creationTimestamp"] = Value::Null;
    document["metadata"]["managedFields"] = json!([{ "manager": "kubectl" }]);
    document["status"] = json!({ "conditions": [], "desiredNodes": 3 });
    assert_eq!(said(&document), Vec::<String>::new());
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn mistakes_are_named_with_what_to_write_instead() {
    let upstream = "/spec/destinations/0/upstreams/0";
    let cases = [
        (
            json!([]),
            "is a list: write fields, one a line, as name: value",
        ),
        (
            without(minimal(), "/apiVersion"),
            "apiVersion: is missing: write udplb.dev/v1alpha1",
        ),
        (
            with(minimal(), "/apiVersion", json!("udplb.dev/v1")),
            "apiVersion: \"udplb.dev/v1\" is no value here: write udplb.dev/v1alpha1",
        ),
        (
            with(minimal(), "/kind", json!("UDPForward")),
            "kind: \"UDPForward\" is no value here: did you mean UdpForward?",
        ),
        (
            with(minimal(), "/specs", json!({})),
            "specs: is no field here: did you mean spec?",
        ),
        (
            without(minimal(), "/metadata/name"),
            "metadata.name: is missing: write a value",
        ),
        (
            with(minimal(), "/metadata/nmae", json!("x")),
            "metadata.nmae: is no field here: did you mean name?",
        ),
        (
            with(minimal(), "/metadata/labels", json!({ "a.b/c": 1 })),
            "metadata.labels.a.b/c: is a number: write a text, in quotes",
        ),
        (
            without(minimal(), "/spec/action"),
            "spec.action: is missing: write Clone or Forward",
        ),
        (
            with(minimal(), "/spec/action", json!("clone")),
            "spec.action: \"clone\" is no value here: did you mean Clone?",
        ),
        (
            with(minimal(), "/spec/action", json!("Mirror")),
            "spec.action: \"Mirror\" is no value here: write Clone or Forward",
        ),
        (
            with(minimal(), "/spec/state", Value::Null),
            "spec.state: is empty: write Active or Paused, or leave the field out",
        ),
        (
            with(minimal(), "/spec/match/port", json!(514)),
            "spec.match.port: is no field here: did you mean ports?",
        ),
        (
            with(minimal(), "/spec/match/ports", json!(514)),
            "spec.match.ports: is a number: write a list, each item after a '-'",
        ),
        (
            with(minimal(), "/spec/match/ports/0", json!(514)),
            "spec.match.ports[0]: is a number: write port: 514",
        ),
        (
            with(minimal(), "/spec/match/ports/0/port", json!("514")),
            "spec.match.ports[0].port: is a text: write a number, without quotes",
        ),
        (
            with(minimal(), "/spec/match/ports/0/port", json!(0)),
            "spec.match.ports[0].port: 0 is out of range: write a number from 1 to 65535",
        ),
        (
            with(minimal(), "/spec/match/ports/0/port", json!(65_536)),
            "spec.match.ports[0].port: 65536 is out of range: write a number from 1 to 65535",
        ),
        (
            with(minimal(), "/spec/match/ports/0/port", json!(51.4)),
            "spec.match.ports[0].port: 51.4 is no whole number: write one",
        ),
        (
            with(minimal(), "/spec/match/ports", json!([])),
            "spec.match.ports: is an empty list: write at least one item",
        ),
        (
            with(minimal(), "/spec/interfaces", Value::from(vec!["eth0"; 17])),
            "spec.interfaces: has 17 items: write at most 16",
        ),
        (
            with(minimal(), "/spec/destinations/0/colour", json!(1)),
            "spec.destinations[0].colour: is no field here: write one of destinationAddress, name, rateLimit, sampling, sourceAddress, strategy, upstreams",
        ),
        (
            with(full(), "/spec/destinations/1/name", json!("siem")),
            "spec.destinations[1].name: \"siem\" is used by an earlier item: write another one",
        ),
        (
            with(minimal(), &format!("{upstream}/weight"), json!(257)),
            "spec.destinations[0].upstreams[0].weight: 257 is out of range: write a number from 1 to 256",
        ),
        (
            with(
                full(),
                "/spec/destinations/0/upstreams/2/service/port",
                json!(0),
            ),
            "spec.destinations[0].upstreams[2].service.port: 0 is out of range: write a number from 1 to 65535",
        ),
    ];
    for (document, expected) in cases {
        assert_eq!(said(&document), [expected], "{document:#}");
    }
}

#[test]
fn several_mistakes_are_all_named() {
    let mut document = with(minimal(), "/spec/state", json!("On"));
    document["spec"]["match"]["ports"] = json!([{}, { "port": -1 }]);
    assert_eq!(
        said(&document),
        [
            "spec.match.ports[0].port: is missing: write a number",
            "spec.match.ports[1].port: -1 is out of range: write a number from 1 to 65535",
            "spec.state: \"On\" is no value here: write Active or Paused",
        ]
    );
}

#[test]
fn spellings_of_addresses_are_those_of_the_server() {
    let accepted =
        |text: &str| said(&with(minimal(), "/spec/match/addresses", json!([text]))).is_empty();
    for good in [
        "192.0.2.1",
        "2001:DB8::1",
        "::1",
        "10.0.0.0/8",
        "::/0",
        "192.0.2.1/32",
        "255.255.255.255",
    ] {
        assert!(accepted(good), "{good}");
    }
    for bad in [
        "192.0.2.01",
        "192.0.2",
        "192.0.2.1 ",
        "fe80::1%eth0",
        "::ffff:192.0.2.1",
        "::ffff:0:0/96",
        "10.0.0.0/08",
        "10.0.0.0/33",
        "10.0.0.0/",
        "/8",
        "::",
        "1",
        "0xa000001",
        "2001:db8::/129",
        "*",
        "eth0",
    ] {
        assert!(!accepted(bad), "{bad}");
    }
}

#[test]
fn what_the_planner_writes_is_checked_too() {
    let resolved = json!({
        "apiVersion": "udplb.dev/v1alpha1",
        "kind": "ResolvedForward",
        "metadata": { "name": "syslog", "namespace": "default" },
        "spec": {
            "revision": 7, "action": "Clone", "whenUnavailable": "Drop", "state": "Active",
            "match": { "addresses": ["192.0.2.10/32"], "ports": [{ "port": 514 }], "sources": ["10.0.0.0/8"] },
            "destinations": [{
                "name": "siem", "strategy": "SourceIP", "sourceAddress": "Preserve", "destinationAddress": "Rewrite",
                "upstreams": [{ "address": "203.0.113.5", "port": 5514, "weight": 1 }],
            }],
        },
    });
    let checker = Checker::of::<ResolvedForward>();
    assert_eq!(checker.problems(&resolved), []);
    let typed: ResolvedForward = serde_json::from_value(resolved.clone()).unwrap();
    assert_eq!(serde_json::to_value(typed).unwrap(), resolved);
    let wrong = with(resolved, "/spec/match/addresses/0", json!("192.0.2.10"));
    assert_eq!(
        checker
            .problems(&wrong)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["spec.match.addresses[0]: write a prefix such as 192.0.2.0/24"]
    );

    let node = json!({
        "apiVersion": "udplb.dev/v1alpha1",
        "kind": "NodeForwardConfig",
        "metadata": { "name": "node-1" },
        "spec": { "forwards": [{ "namespace": "default", "name": "syslog", "uid": "file" }] },
    });
    assert_eq!(Checker::of::<NodeForwardConfig>().problems(&node), []);
}

#[test]
fn the_definitions_are_what_a_client_can_send() {
    for definition in crd::all() {
        let typed: CustomResourceDefinition = serde_json::from_value(definition.clone()).unwrap();
        let mut again = serde_json::to_value(typed).unwrap();
        // The type holds bounds as floating-point numbers.
        whole_numbers(&mut again);
        assert_eq!(again, definition);
    }
}

fn whole_numbers(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Number(number) => {
            *value = json!(
                format!("{:.0}", number.as_f64().unwrap())
                    .parse::<i64>()
                    .unwrap()
            );
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
