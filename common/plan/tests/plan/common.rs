//! Forwards to plan.

use serde_json::{Value, json};
use udplb_api::{Checker, UdpForward};
use udplb_plan::{Answers, Rejection, Standalone, Verdict, standalone};

/// A forward whose `spec.match`, and further fields of `spec`, are given.
pub(crate) fn forward(name: &str, matches: &Value, rest: &Value) -> UdpForward {
    let mut document = json!({
        "apiVersion": "udplb.dev/v1alpha1",
        "kind": "UdpForward",
        "metadata": { "name": name },
        "spec": {
            "match": matches,
            "action": "Clone",
            "destinations": [{ "name": "siem", "upstreams": [{ "address": "203.0.113.5" }] }],
        },
    });
    for (field, value) in rest.as_object().unwrap() {
        document["spec"][field] = value.clone();
    }
    thread_local!(static CHECKER: Checker = Checker::udp_forward());
    assert_eq!(CHECKER.with(|checker| checker.problems(&document)), []);
    serde_json::from_value(document).unwrap()
}

/// A forward that listens on one port of these addresses.
pub(crate) fn listener(name: &str, port: u16, addresses: &[&str]) -> UdpForward {
    let mut matches = json!({ "ports": [{ "port": port }] });
    if !addresses.is_empty() {
        matches["addresses"] = json!(addresses);
    }
    forward(name, &matches, &json!({}))
}

pub(crate) fn plan(forwards: &[UdpForward]) -> Standalone {
    standalone(forwards, "node-1", &Answers::default())
}

/// Names of the forwards that run.
pub(crate) fn running(plan: &Standalone) -> Vec<&str> {
    plan.config
        .spec
        .forwards
        .iter()
        .map(|reference| reference.name.as_str())
        .collect()
}

pub(crate) fn verdict<'a>(plan: &'a Standalone, name: &str) -> &'a Verdict {
    plan.verdicts
        .iter()
        .find(|verdict| verdict.key.name == name)
        .unwrap()
}

pub(crate) fn rejection<'a>(plan: &'a Standalone, name: &str) -> &'a Rejection {
    verdict(plan, name).accepted.as_ref().unwrap_err()
}
