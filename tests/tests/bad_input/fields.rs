//! Fields of a forward that do not hold what they should.

use super::{GOOD, check, with};

#[test]
fn unknown_fields_are_named_with_the_nearest_known_one() {
    check(&[
        (
            with("  interfaces:", "  interface:"),
            &["f.yaml:6:3: spec.interface: is no field here: did you mean interfaces?"],
        ),
        (
            with("      port: 5514", "      prot: 5514"),
            &[
                "f.yaml:16:7: spec.destinations[0].upstreams[0].prot: is no field here: did you mean port?",
            ],
        ),
        (
            with("  action: Clone", "  action: Clone\n  colour: red"),
            &[
                "f.yaml:12:3: spec.colour: is no field here: write one of action, destinations, interfaces, match, nodeSelector, state, whenUnavailable",
            ],
        ),
    ]);
}

#[test]
fn values_of_a_wrong_type_are_named_with_the_right_one() {
    check(&[
        (
            with("port: 514\n", "port: \"514\"\n"),
            &["f.yaml:10:7: spec.match.ports[0].port: is a text: write a number, without quotes"],
        ),
        (
            with("- port: 514\n", "- 514\n"),
            &["f.yaml:10:7: spec.match.ports[0]: is a number: write port: 514"],
        ),
        (
            with("ports:\n    - port: 514\n", "ports: 514\n"),
            &["f.yaml:9:5: spec.match.ports: is a number: write a list, each item after a '-'"],
        ),
        (
            with("[eth0]", "eth0"),
            &["f.yaml:6:3: spec.interfaces: is a text: write a list, each item after a '-'"],
        ),
        (
            with("name: syslog", "name: 5"),
            &["f.yaml:4:3: metadata.name: is a number: write a text, in quotes"],
        ),
        (
            with("action: Clone", "action: [Clone]"),
            &["f.yaml:11:3: spec.action: is a list: write Clone or Forward"],
        ),
        (
            with("action: Clone", "action:"),
            &["f.yaml:11:3: spec.action: is empty: write Clone or Forward"],
        ),
        (
            with("action: Clone", "action: Mirror"),
            &["f.yaml:11:3: spec.action: \"Mirror\" is no value here: write Clone or Forward"],
        ),
        (
            with("port: 514\n", "port: 514.5\n"),
            &["f.yaml:10:7: spec.match.ports[0].port: 514.5 is no whole number: write one"],
        ),
    ]);
}

#[test]
fn ports_are_named_with_their_bounds() {
    check(&[
        (
            with("port: 514\n", "port: 0\n"),
            &[
                "f.yaml:10:7: spec.match.ports[0].port: 0 is out of range: write a number from 1 to 65535",
            ],
        ),
        (
            with("port: 514\n", "port: 65536\n"),
            &[
                "f.yaml:10:7: spec.match.ports[0].port: 65536 is out of range: write a number from 1 to 65535",
            ],
        ),
        (
            with("port: 5514", "port: 0"),
            &[
                "f.yaml:16:7: spec.destinations[0].upstreams[0].port: 0 is out of range: write a number from 1 to 65535",
            ],
        ),
        (
            with("port: 514\n", "port: 514\n      endPort: 500\n"),
            &["f.yaml:10:7: spec.match.ports[0]: endPort is below port: swap them"],
        ),
        (
            with(
                "- port: 514\n",
                "- port: 514\n    - port: 500\n      endPort: 520\n",
            ),
            &["f.yaml:9:5: spec.match.ports: two entries hold the same port: name each port once"],
        ),
    ]);
}

const DESTINATIONS: &str = "  destinations:
  - name: siem
    upstreams:
    - address: 203.0.113.5
      port: 5514
";

#[test]
fn what_is_missing_is_named() {
    check(&[
        (
            with(DESTINATIONS, "  destinations: []\n"),
            &["f.yaml:12:3: spec.destinations: is an empty list: write at least one item"],
        ),
        (
            with(DESTINATIONS, ""),
            &["f.yaml:5:1: spec.destinations: is missing: write a list of at least one item"],
        ),
        (
            with("    - address: 203.0.113.5\n      port: 5514\n", ""),
            &[
                "f.yaml:14:5: spec.destinations[0].upstreams: is empty: write a list of at least one item",
            ],
        ),
        (
            with("ports:\n    - port: 514\n", "ports: []\n"),
            &["f.yaml:9:5: spec.match.ports: is an empty list: write at least one item"],
        ),
        (
            with("[192.0.2.10]", "[]"),
            &[
                "f.yaml:8:5: spec.match.addresses: is an empty list: write at least one item, or leave the field out",
            ],
        ),
        (
            with("- address: 203.0.113.5\n      port", "- port"),
            &[
                "f.yaml:15:7: spec.destinations[0].upstreams[0]: write exactly one of address, hostname and service",
            ],
        ),
    ]);
}

/// `count` items, each made from its number.
fn items(count: u32, item: impl Fn(u32) -> String) -> String {
    (1..=count).map(item).collect()
}

#[test]
fn limits_are_named() {
    let list = |count, item: &dyn Fn(u32) -> String| {
        let items = items(count, |number| format!("{}, ", item(number)));
        format!("[{}]", items.trim_end_matches(", "))
    };
    let ports = items(33, |port| format!("    - port: {port}\n"));
    let destination = DESTINATIONS.strip_prefix("  destinations:\n").unwrap();
    let destinations = items(9, |number| {
        destination.replace("siem", &format!("d{number}"))
    });
    let upstreams = items(65, |number| format!("    - address: 203.0.113.{number}\n"));
    check(&[
        (
            with("[eth0]", &list(17, &|number| format!("eth{number}"))),
            &["f.yaml:6:3: spec.interfaces: has 17 items: write at most 16"],
        ),
        (
            with(
                "[192.0.2.10]",
                &list(65, &|number| format!("192.0.2.{number}")),
            ),
            &["f.yaml:8:5: spec.match.addresses: has 65 items: write at most 64"],
        ),
        (
            with("    - port: 514\n", &ports),
            &["f.yaml:9:5: spec.match.ports: has 33 items: write at most 32"],
        ),
        (
            with(
                "    ports:",
                &format!(
                    "    sources: {}\n    ports:",
                    list(65, &|number| format!("192.0.2.{number}"))
                ),
            ),
            &["f.yaml:9:5: spec.match.sources: has 65 items: write at most 64"],
        ),
        (
            with(destination, &destinations),
            &["f.yaml:12:3: spec.destinations: has 9 items: write at most 8"],
        ),
        (
            with("    - address: 203.0.113.5\n      port: 5514\n", &upstreams),
            &["f.yaml:14:5: spec.destinations[0].upstreams: has 65 items: write at most 64"],
        ),
        (
            with("syslog", &"a".repeat(64)),
            &["f.yaml:1:1: metadata.name is too long: write at most 63 characters"],
        ),
        (
            with("      port: 5514", "      port: 5514\n      weight: 0"),
            &[
                "f.yaml:17:7: spec.destinations[0].upstreams[0].weight: 0 is out of range: write a number from 1 to 256",
            ],
        ),
        (
            with("      port: 5514", "      port: 5514\n      weight: 257"),
            &[
                "f.yaml:17:7: spec.destinations[0].upstreams[0].weight: 257 is out of range: write a number from 1 to 256",
            ],
        ),
        (
            with(
                "- name: siem\n",
                "- name: siem\n    sampling: {oneIn: 0, per: Flow}\n",
            ),
            &[
                "f.yaml:14:16: spec.destinations[0].sampling.oneIn: 0 is out of range: write a number from 1 to 1000000000",
            ],
        ),
    ]);
}

#[test]
fn addresses_are_named_with_what_to_write() {
    const UPSTREAM: &str = "an upstream is one host that routing leads to: write no unspecified, loopback, multicast, broadcast or IPv6 link-local address";
    let upstream = format!("f.yaml:15:7: spec.destinations[0].upstreams[0].address: {UPSTREAM}");
    check(&[
        (
            with("192.0.2.10", "192.0.2.300"),
            &[
                "f.yaml:8:17: spec.match.addresses[0]: write an address such as 192.0.2.10, or a prefix such as 2001:db8::/64",
            ],
        ),
        (
            with("192.0.2.10", "192.0.2.10/24"),
            &[
                "f.yaml:8:17: spec.match.addresses[0]: the address has bits set behind the prefix length: write the first address of the prefix, or the address without a length",
            ],
        ),
        (
            with("192.0.2.10", "0.0.0.0"),
            &[
                "f.yaml:8:17: spec.match.addresses[0]: no packet is sent to this address: leave addresses out to match every address of the node",
            ],
        ),
        (with("203.0.113.5", "127.0.0.1"), &[&upstream]),
        (with("203.0.113.5", "239.1.1.1"), &[&upstream]),
        (
            with("203.0.113.5", "203.0.113.5:5514"),
            &[
                "f.yaml:15:7: spec.destinations[0].upstreams[0].address: write an IPv4 or IPv6 address; for a name use hostname instead of address",
            ],
        ),
        (
            with("address: 203.0.113.5", "hostname: 203.0.113.5"),
            &[
                "f.yaml:15:7: spec.destinations[0].upstreams[0].hostname: write a DNS name such as siem.example.com; for an address use address instead of hostname",
            ],
        ),
        (
            with("eth0", "\"eth 0\""),
            &[
                "f.yaml:6:16: spec.interfaces[0]: write an interface name such as eth0, or a glob with * and ? such as eth*",
            ],
        ),
    ]);
}

#[test]
fn what_contradicts_itself_is_named() {
    let other = GOOD.replace("syslog", "other");
    let everywhere = other
        .replace("    addresses: [192.0.2.10]\n", "")
        .replace("- port: 514\n", "- port: 500\n      endPort: 600\n");
    let conflict = "f.yaml:21: forward default/other does not run: default/syslog in line 4 is older and listens on port 514 of 192.0.2.10 too: change the ports, addresses or interfaces of one of them";
    check(&[
        (format!("{GOOD}---\n{other}"), &[conflict]),
        (format!("{GOOD}---\n{everywhere}"), &[conflict]),
        (
            format!("{GOOD}---\n{GOOD}"),
            &["f.yaml:21:3: metadata.name: syslog is there already, in line 4: write another one"],
        ),
        (
            with(
                "  - name: siem\n",
                "  - {name: siem, upstreams: [{address: 203.0.113.6}]}\n  - name: siem\n",
            ),
            &[
                "f.yaml:14:5: spec.destinations[1].name: \"siem\" is used by an earlier item: write another one",
            ],
        ),
        (
            with(
                "  action: Clone",
                "  action: Clone\n  whenUnavailable: Pass",
            ),
            &[
                "f.yaml:5:1: spec: whenUnavailable is for action Forward: with Clone the original always goes on; leave it out",
            ],
        ),
        (
            with(
                "  - name: siem\n",
                "  - name: siem\n    destinationAddress: Preserve\n",
            ),
            &[
                "f.yaml:13:5: spec.destinations[0]: destinationAddress Preserve changes the next hop only: leave out the port of upstreams",
            ],
        ),
    ]);
}
