//! Planning for a node: seniority by creation, limits.

use serde_json::json;
use udplb_api::{UdpForward, condition::Reason};
use udplb_plan::{
    ForwardKey, Seniority,
    conflict::{self, Settled},
    node, validate,
};

use crate::common::listener;

pub(crate) fn created(mut forward: UdpForward, at: &str) -> UdpForward {
    forward.metadata.creation_timestamp = serde_json::from_value(json!(at)).unwrap();
    forward.metadata.uid = Some(format!(
        "uid-of-{}",
        forward.metadata.name.as_deref().unwrap()
    ));
    forward
}

fn settle(forwards: &[UdpForward]) -> Settled {
    let valid = forwards
        .iter()
        .map(|forward| validate::forward(forward, Seniority::created(forward)).unwrap())
        .collect();
    conflict::settle(valid, |_, _| true)
}

fn names(settled: &Settled) -> Vec<&str> {
    settled
        .accepted
        .iter()
        .map(|accepted| accepted.forward().key().name.as_str())
        .collect()
}

#[test]
fn the_older_object_stays_then_the_first_by_name() {
    let old = created(listener("z", 514, &[]), "2026-01-01T00:00:00Z");
    let young = created(listener("a", 514, &[]), "2026-01-01T00:00:01Z");
    assert_eq!(names(&settle(&[young.clone(), old.clone()])), ["z"]);
    assert_eq!(names(&settle(&[old.clone(), young])), ["z"]);
    let twin = created(listener("y", 514, &[]), "2026-01-01T00:00:00Z");
    assert_eq!(names(&settle(&[old, twin])), ["y"]);
}

#[test]
fn forwards_that_share_no_node_do_not_conflict() {
    let forwards = [listener("first", 514, &[]), listener("second", 514, &[])];
    let valid = || {
        forwards
            .iter()
            .map(|forward| validate::forward(forward, Seniority::document(0)).unwrap())
    };
    assert_eq!(
        conflict::settle(valid().collect(), |_, _| true)
            .accepted
            .len(),
        1
    );
    assert_eq!(
        conflict::settle(valid().collect(), |_, _| false)
            .accepted
            .len(),
        2
    );
}

#[test]
fn a_node_takes_the_oldest_up_to_its_limit() {
    let forwards: Vec<UdpForward> = [
        "2026-01-03T00:00:00Z",
        "2026-01-01T00:00:00Z",
        "2026-01-02T00:00:00Z",
    ]
    .into_iter()
    .zip(0_u16..)
    .map(|(at, index)| created(listener(&format!("f{index}"), 514 + index, &[]), at))
    .collect();
    let settled = settle(&forwards);
    let plan = node::plan("node-1", &settled.accepted, 2);
    assert_eq!(plan.config.metadata.name.as_deref(), Some("node-1"));
    let references: Vec<_> = plan
        .config
        .spec
        .forwards
        .iter()
        .map(|item| (item.name.as_str(), item.uid.as_str()))
        .collect();
    assert_eq!(references, [("f1", "uid-of-f1"), ("f2", "uid-of-f2")]);
    let key = ForwardKey {
        namespace: "default".to_owned(),
        name: "f0".to_owned(),
    };
    assert_eq!(plan.rejected[&key].reason(), Reason::NodeFull);
    assert_eq!(
        plan.rejected[&key].to_string(),
        "node node-1 has 2 older forwards, which is the limit: delete some, or choose fewer nodes with nodeSelector"
    );
}
