//! Names and services behind which copies would come back.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use udplb_api::{UdpForward, condition::Reason};
use udplb_plan::{Answers, HostAnswer, Resolution, cluster, leave_out, resolve};

use crate::cycles::{nodes, on, sends};

/// The upstreams that are left of each forward, and what is said of the others, given what names stand for.
fn left(
    forwards: &[UdpForward],
    names: &[(&str, &[&str])],
) -> BTreeMap<String, (Vec<String>, Vec<String>)> {
    let nodes = nodes();
    let plan = cluster(forwards, &nodes, 10);
    assert_eq!(plan.rejected, BTreeMap::new());
    let answer = |(name, addresses): &(&str, &[&str])| {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let answer = HostAnswer {
            addresses,
            ..HostAnswer::default()
        };
        ((*name).to_owned(), answer)
    };
    let answers = Answers {
        hostnames: names.iter().map(answer).collect(),
        services: None,
    };
    let resolved = |(key, placed): (&udplb_plan::ForwardKey, &udplb_plan::Placed)| {
        (key.clone(), resolve::forward(&placed.forward, &answers, 0))
    };
    let mut resolutions: BTreeMap<_, Resolution> = plan.accepted.iter().map(resolved).collect();
    leave_out(&plan.accepted, || nodes.clone(), &mut resolutions);
    resolutions
        .into_iter()
        .map(|(key, Resolution { forward, notices })| {
            let upstreams = forward
                .spec
                .destinations
                .iter()
                .flat_map(|it| &it.upstreams);
            let upstreams = upstreams.map(|it| it.address.to_string()).collect();
            let told = notices.iter().map(|notice| {
                assert_eq!(notice.reason, Reason::ForwardingLoop);
                notice.to_string()
            });
            (key.name, (upstreams, told.collect()))
        })
        .collect()
}

fn to_name(name: &str, second: usize, hostname: &str, rest: &Value) -> UdpForward {
    let mut rest = rest.clone();
    rest["destinations"] = json!([{ "name": "out", "upstreams": [{ "hostname": hostname }] }]);
    sends(name, second, &[], &rest)
}

/// A daemon on every node, asked for by one name: on the forward's own port, each node would hand packets on to the
/// next.
#[test]
fn what_runs_on_the_forwards_own_nodes_is_left_out() {
    let every = [to_name("f", 0, "daemon.example.com", &json!({}))];
    let found = left(
        &every,
        &[("daemon.example.com", &["192.0.2.2", "192.0.2.9"])],
    );
    let told = "spec.destinations[0].upstreams: 192.0.2.2 is left out, copies for it come back to this forward: have it listen on another port";
    assert_eq!(
        found["f"],
        (vec!["192.0.2.9".to_owned()], vec![told.to_owned()])
    );
}

#[test]
fn the_youngest_leaves_out_what_closes_the_circle() {
    let up = |second| to_name("up", second, "hub.example.com", &on("edge"));
    let down = |second| to_name("down", second, "edge.example.com", &on("core"));
    let names: [(&str, &[&str]); 2] = [
        ("hub.example.com", &["192.0.2.2"]),
        ("edge.example.com", &["192.0.2.1", "198.51.100.1"]),
    ];
    let found = left(&[up(0), down(1)], &names);
    assert_eq!(found["up"], (vec!["192.0.2.2".to_owned()], vec![]));
    let told = "spec.destinations[0].upstreams: 192.0.2.1 is left out, copies for it come back to this forward by way of default/up: have it listen on another port";
    assert_eq!(
        found["down"],
        (vec!["198.51.100.1".to_owned()], vec![told.to_owned()])
    );
    // The other way round in time, the other one.
    let found = left(&[up(1), down(0)], &names);
    assert_eq!(found["up"].0, [""; 0]);
    assert_eq!(found["down"].0, ["192.0.2.1", "198.51.100.1"]);
    // An address that was written counts as well, whoever is older.
    let written = sends("up", 1, &["192.0.2.2"], &on("edge"));
    let found = left(&[written, down(0)], &names);
    assert_eq!(found["up"].0, ["192.0.2.2"]);
    assert_eq!(found["down"].0, ["198.51.100.1"]);
}
