//! What comes of what is told, in whatever order.

use kube::core::{DeserializeGuard, DynamicObject};
use serde_json::{Value, json};
use udplb_api::ResolvedForward;

use super::*;
use crate::source::cluster::stored;

const NODE: &str = "node-a";

fn config(version: u64, references: &[(&str, &str)]) -> Event<(String, Config)> {
    let forwards: Vec<Value> = references
        .iter()
        .map(|(name, uid)| json!({ "namespace": "default", "name": name, "uid": uid }))
        .collect();
    odd_config(version, &json!({ "forwards": forwards }))
}

fn odd_config(version: u64, spec: &Value) -> Event<(String, Config)> {
    let object = json!({
        "apiVersion": "udplb.dev/v1alpha1", "kind": "NodeForwardConfig",
        "metadata": { "name": NODE, "uid": "n", "generation": version,
                      "resourceVersion": version.to_string() },
        "spec": spec,
    });
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    Event::Apply(stored::config(object))
}

/// A forward that goes to this port of its upstream; the port is its revision, too.
fn forward(version: u64, name: &str, uid: &str, port: i64) -> Event<(ForwardKey, Forward)> {
    odd_forward(version, name, uid, port, "Clone")
}

fn odd_forward(
    version: u64,
    name: &str,
    uid: &str,
    port: i64,
    action: &str,
) -> Event<(ForwardKey, Forward)> {
    let object = json!({
        "apiVersion": "udplb.dev/v1alpha1", "kind": "ResolvedForward",
        "metadata": {
            "name": name, "namespace": "default", "resourceVersion": version.to_string(),
            "ownerReferences": [
                { "apiVersion": "v1", "kind": "Node", "name": "x", "uid": "not-the-controller" },
                { "apiVersion": "v1", "kind": "UdpForward", "name": name, "uid": uid, "controller": true },
            ],
        },
        "spec": {
            "revision": port, "action": action, "whenUnavailable": "Drop", "state": "Active",
            "match": { "ports": [{ "port": 514 }] },
            "destinations": [{
                "name": "siem", "strategy": "SourceIP", "sourceAddress": "Preserve",
                "destinationAddress": "Rewrite",
                "upstreams": [{ "address": "192.0.2.9", "port": port, "weight": 1 }],
            }],
        },
    });
    let object: DeserializeGuard<ResolvedForward> = serde_json::from_value(object).unwrap();
    Event::Apply(stored::forward(object))
}

/// Nothing there, and told so.
fn listed(kept: Option<Kept>) -> Seen {
    let mut seen = Seen::new(NODE, kept);
    for event in [Change::Config(Event::Init), Change::Config(Event::InitDone)] {
        let _new = seen.take(event);
    }
    assert!(seen.settle().is_none(), "one of two lists is complete");
    for event in [
        Change::Forward(Event::Init),
        Change::Forward(Event::InitDone),
    ] {
        let _new = seen.take(event);
    }
    seen
}

/// What runs, as `name port`, and why others wait.
fn settled(seen: &mut Seen) -> (Vec<String>, Vec<Wait>) {
    let Settled {
        input,
        told,
        notices,
    } = seen.settle().unwrap();
    let runs = input.forwards.iter().map(|spec| {
        let port = spec.destinations[0].upstreams[0].port.unwrap();
        format!("{} {port}", spec.name.strip_prefix("default/").unwrap())
    });
    let told = told.map(|told| told.forwards).unwrap_or_default();
    let waits: Vec<_> = told
        .into_iter()
        .filter_map(|it| it.revision.err())
        .collect();
    assert_eq!(notices.len(), waits.len(), "{notices:?}");
    (runs.collect(), waits)
}

#[test]
fn a_node_without_a_configuration_runs_nothing() {
    let mut seen = listed(None);
    assert!(
        !seen.take(Change::Forward(forward(1, "a", "1", 5000))),
        "another's"
    );
    assert_eq!(settled(&mut seen), (Vec::new(), Vec::new()));
    assert!(seen.settle().unwrap().told.is_none());
}

#[test]
fn what_waits_stays_as_it_was() {
    let mut seen = listed(None);
    let _new = seen.take(Change::Config(config(1, &[("a", "1"), ("b", "2")])));
    assert_eq!(
        settled(&mut seen),
        (vec![], vec![Wait::Unseen, Wait::Unseen])
    );
    let _new = seen.take(Change::Forward(forward(2, "b", "2", 5002)));
    assert_eq!(
        settled(&mut seen),
        (vec!["b 5002".to_owned()], vec![Wait::Unseen])
    );
    let _new = seen.take(Change::Forward(forward(3, "a", "1", 5001)));
    let both = vec!["a 5001".to_owned(), "b 5002".to_owned()];
    assert_eq!(settled(&mut seen), (both.clone(), vec![]));
    assert!(
        !seen.take(Change::Forward(forward(3, "a", "1", 5001))),
        "no news"
    );

    // Deleted before the reference is, made anew by another owner, unreadable.
    let Event::Apply(gone) = forward(4, "a", "1", 5001) else {
        unreachable!()
    };
    let _new = seen.take(Change::Forward(Event::Delete(gone)));
    let _new = seen.take(Change::Forward(forward(5, "b", "3", 6000)));
    let waits = vec![Wait::Unseen, Wait::OtherOwner];
    assert_eq!(settled(&mut seen), (both.clone(), waits));
    let _new = seen.take(Change::Forward(odd_forward(6, "b", "2", 6000, "Teleport")));
    let (runs, waits) = settled(&mut seen);
    assert_eq!(runs, both);
    assert!(
        matches!(&waits[1], Wait::Unreadable(why) if why.contains("Teleport")),
        "{waits:?}"
    );

    // The reference names the new owner: its object is there.
    let _new = seen.take(Change::Forward(forward(7, "b", "3", 6001)));
    let _new = seen.take(Change::Config(config(8, &[("b", "3")])));
    assert_eq!(settled(&mut seen), (vec!["b 6001".to_owned()], vec![]));
    // What was let go of is not remembered.
    let _new = seen.take(Change::Config(config(9, &[("a", "1")])));
    assert_eq!(settled(&mut seen), (vec![], vec![Wait::Unseen]));
}

#[test]
fn a_configuration_that_cannot_be_read_changes_nothing() {
    let mut seen = listed(None);
    let _new = seen.take(Change::Config(config(1, &[("a", "1")])));
    let _new = seen.take(Change::Forward(forward(2, "a", "1", 5001)));
    assert_eq!(settled(&mut seen).0, ["a 5001"]);
    let _new = seen.take(Change::Config(odd_config(3, &json!({ "forwards": "all" }))));
    let _new = seen.take(Change::Forward(forward(4, "a", "1", 5004)));
    let Settled { input, told, .. } = seen.settle().unwrap();
    assert_eq!(input.forwards.len(), 1);
    let told = told.unwrap();
    assert_eq!((told.generation, told.is_readable), (1, false));
    assert_eq!(told.forwards[0].revision, Ok(5004));
}

#[test]
fn what_was_kept_goes_on_until_all_is_told_and_where_it_waits() {
    let mut seen = listed(None);
    let _new = seen.take(Change::Config(config(1, &[("a", "1"), ("b", "2")])));
    let _new = seen.take(Change::Forward(forward(2, "a", "1", 5001)));
    let _new = seen.take(Change::Forward(forward(3, "b", "2", 5002)));
    let _both = settled(&mut seen);
    let text = serde_json::to_string(seen.kept()).unwrap();
    let kept: Kept = serde_json::from_str(&text).unwrap();
    assert_eq!(&kept, seen.kept());
    assert_eq!(kept.input(), seen.settle().unwrap().input);

    let mut seen = listed(Some(kept));
    let _new = seen.take(Change::Config(config(4, &[("b", "2")])));
    assert_eq!(
        settled(&mut seen),
        (vec!["b 5002".to_owned()], vec![Wait::Unseen])
    );
}
