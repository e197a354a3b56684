//! Rules that hold between fields, and of texts: each with what to write instead.

use serde_json::json;

use super::{full, minimal, said, with};

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn broken_rules_are_named_with_what_to_write_instead() {
    let upstream = "/spec/destinations/0/upstreams/0";
    let cases = [
        (
            with(minimal(), "/metadata/name", json!("Syslog")),
            "metadata.name: write lower-case letters, digits, '-' and '.', with a letter or digit at both ends",
        ),
        (
            with(minimal(), "/metadata/name", json!("s".repeat(64))),
            "metadata.name is too long: write at most 63 characters",
        ),
        (
            with(minimal(), "/spec/whenUnavailable", json!("Pass")),
            "spec: whenUnavailable is for action Forward: with Clone the original always goes on; leave it out",
        ),
        (
            with(
                minimal(),
                "/spec/match/addresses",
                json!(["192.0.2.10", "192.0.2.300"]),
            ),
            "spec.match.addresses[1]: write an address such as 192.0.2.10, or a prefix such as 2001:db8::/64",
        ),
        (
            with(minimal(), "/spec/match/addresses", json!(["192.0.2.10/24"])),
            "spec.match.addresses[0]: the address has bits set behind the prefix length: write the first address of the prefix, or the address without a length",
        ),
        (
            with(minimal(), "/spec/match/addresses", json!(["0.0.0.0"])),
            "spec.match.addresses[0]: no packet is sent to this address: leave addresses out to match every address of the node",
        ),
        (
            with(
                minimal(),
                "/spec/match/sources",
                json!(["::ffff:192.0.2.1"]),
            ),
            "spec.match.sources[0]: write an address such as 192.0.2.10, or a prefix such as 2001:db8::/64",
        ),
        (
            with(
                minimal(),
                "/spec/match/ports",
                json!([{ "port": 514, "endPort": 500 }]),
            ),
            "spec.match.ports[0]: endPort is below port: swap them",
        ),
        (
            with(
                minimal(),
                "/spec/match/ports",
                json!([{ "port": 514 }, { "port": 500, "endPort": 600 }]),
            ),
            "spec.match.ports: two entries hold the same port: name each port once",
        ),
        (
            with(
                minimal(),
                "/spec/match/ports",
                json!([{ "port": 514 }, { "port": 514 }]),
            ),
            "spec.match.ports: two entries hold the same port: name each port once",
        ),
        (
            with(minimal(), "/spec/interfaces", json!(["eth0", "eth[0-3]"])),
            "spec.interfaces[1]: write an interface name such as eth0, or a glob with * and ? such as eth*",
        ),
        (
            with(minimal(), "/spec/destinations/0/name", json!("SIEM")),
            "spec.destinations[0].name: write lower-case letters, digits and '-', with a letter or digit at both ends",
        ),
        (
            with(minimal(), upstream, json!({})),
            "spec.destinations[0].upstreams[0]: write exactly one of address, hostname and service",
        ),
        (
            with(
                minimal(),
                &format!("{upstream}/hostname"),
                json!("siem.example.com"),
            ),
            "spec.destinations[0].upstreams[0]: write exactly one of address, hostname and service",
        ),
        (
            with(
                minimal(),
                &format!("{upstream}/address"),
                json!("siem.example.com"),
            ),
            "spec.destinations[0].upstreams[0].address: write an IPv4 or IPv6 address; for a name use hostname instead of address",
        ),
        (
            with(
                minimal(),
                &format!("{upstream}/address"),
                json!("127.0.0.1"),
            ),
            "spec.destinations[0].upstreams[0].address: an upstream is one host that routing leads to: write no unspecified, loopback, multicast, broadcast or IPv6 link-local address",
        ),
        (
            with(minimal(), &format!("{upstream}/address"), json!("fe80::1")),
            "spec.destinations[0].upstreams[0].address: an upstream is one host that routing leads to: write no unspecified, loopback, multicast, broadcast or IPv6 link-local address",
        ),
        (
            with(minimal(), upstream, json!({ "hostname": "10.0.0.300" })),
            "spec.destinations[0].upstreams[0].hostname: write a DNS name such as siem.example.com; for an address use address instead of hostname",
        ),
        (
            with(full(), "/spec/destinations/0/upstreams/2/port", json!(514)),
            "spec.destinations[0].upstreams[2]: port is for address and hostname: for a service write service.port",
        ),
        (
            with(
                full(),
                "/spec/destinations/0/upstreams/2/service/name",
                json!("collector.telemetry"),
            ),
            "spec.destinations[0].upstreams[2].service.name: write the name of a Service of the same namespace, without a domain",
        ),
        (
            with(
                full(),
                "/spec/destinations/0/upstreams/2/service/port",
                json!("SYSLOG"),
            ),
            "spec.destinations[0].upstreams[2].service.port: write the name of a port of the Service, such as syslog, or its number",
        ),
        (
            with(
                full(),
                "/spec/destinations/1/sourceAddress",
                json!("Rewrite"),
            ),
            "spec.destinations[1]: destinationAddress Preserve changes the next hop only: leave sourceAddress out",
        ),
        (
            with(full(), "/spec/destinations/1/upstreams/0/port", json!(514)),
            "spec.destinations[1]: destinationAddress Preserve changes the next hop only: leave out the port of upstreams",
        ),
        (
            with(
                full(),
                "/spec/nodeSelector/matchExpressions/0/operator",
                json!("Exists"),
            ),
            "spec.nodeSelector.matchExpressions[0]: operators In and NotIn need values; leave values out for Exists and DoesNotExist",
        ),
    ];
    for (document, expected) in cases {
        assert_eq!(said(&document), [expected], "{document:#}");
    }
}
