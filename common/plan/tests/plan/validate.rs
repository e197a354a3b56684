//! Objects that were stored before a rule existed.

use udplb_api::{
    UdpForward,
    udp_forward::{
        matching::PortRange,
        text::{ListenAddress, UpstreamAddress},
    },
};
use udplb_plan::{Seniority, validate};

use crate::common::{listener, plan, rejection, running};

fn said(change: impl FnOnce(&mut UdpForward)) -> String {
    let mut forward = listener("syslog", 514, &[]);
    change(&mut forward);
    validate::forward(&forward, Seniority::document(0))
        .unwrap_err()
        .to_string()
}

#[test]
fn what_later_steps_rely_on_is_checked_again() {
    assert_eq!(
        said(|forward| forward.spec.r#match.addresses =
            Some(vec![ListenAddress::from("192.0.2.300")])),
        "spec.match.addresses[0]: \"192.0.2.300\" is neither an address nor a prefix: write one such as 192.0.2.10 or 2001:db8::/64"
    );
    for text in ["192.0.2.1/24", "::ffff:192.0.2.1", "::ffff:192.0.2.0/120"] {
        let said =
            said(|forward| forward.spec.r#match.addresses = Some(vec![ListenAddress::from(text)]));
        assert!(said.contains("neither an address nor a prefix"), "{said}");
    }
    assert_eq!(
        said(|forward| forward.spec.r#match.ports = vec![PortRange {
            port: 5,
            end_port: Some(4)
        }]),
        "spec.match.ports[0]: write a port from 1 to 65535, and an endPort not below it"
    );
    assert_eq!(
        said(
            |forward| forward.spec.r#match.ports = vec![PortRange::single(5), PortRange::single(5)]
        ),
        "spec.match.ports[1]: an earlier entry holds the same port: name each port once"
    );
    assert_eq!(
        said(|forward| forward.spec.r#match.ports.clear()),
        "spec.match.ports: write at least one port"
    );
    assert_eq!(
        said(|forward| forward.spec.destinations.clear()),
        "spec.destinations: write 1 to 8 destinations"
    );
    assert_eq!(
        said(|forward| forward.spec.destinations[0].upstreams[0].weight = 0),
        "spec.destinations[0].upstreams[0].weight: write a weight from 1 to 256"
    );
    assert_eq!(
        said(|forward| forward.spec.destinations[0].upstreams[0].port = Some(0)),
        "spec.destinations[0].upstreams[0].port: write a port from 1 to 65535"
    );
    assert_eq!(
        said(
            |forward| forward.spec.destinations[0].upstreams[0].address =
                Some(UpstreamAddress::from("siem"))
        ),
        "spec.destinations[0].upstreams[0].address: \"siem\" is no address: for a name write hostname instead of address"
    );
    assert_eq!(
        said(|forward| forward.spec.destinations[0].upstreams[0].address = None),
        "spec.destinations[0].upstreams[0]: write exactly one of address, hostname and service"
    );
    assert_eq!(
        said(|forward| forward.metadata.name = Some("s".repeat(64))),
        "metadata.name: write a name of at most 63 characters"
    );
}

#[test]
fn an_invalid_forward_leaves_the_others_alone() {
    let mut broken = listener("broken", 514, &[]);
    broken.spec.r#match.ports.clear();
    let plan = plan(&[broken, listener("good", 514, &[])]);
    assert_eq!(running(&plan), ["good"]);
    assert_eq!(
        rejection(&plan, "broken").reason(),
        udplb_api::condition::Reason::InvalidSpec
    );
}
