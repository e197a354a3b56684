//! What files are taken for, and what is said about bad ones, word for word.

use std::{fmt::Write, path::Path};

use udplb_api::{
    UdpForward,
    udp_forward::{
        Action,
        destination::{AddressHandling, Strategy},
    },
};
use udplb_plan::{Answers, standalone};

use super::{LoadError, load, parse, parse::too_many};

const MINIMAL: &str = "\
apiVersion: udplb.dev/v1alpha1
kind: UdpForward
metadata:
  name: syslog
spec:
  match:
    ports:
    - port: 514
  action: Clone
  destinations:
  - name: siem
    upstreams:
    - address: 203.0.113.5
";

fn good(text: &str) -> Vec<UdpForward> {
    parse(text, Path::new("config.yaml")).unwrap().forwards
}

fn said(text: &str) -> Vec<String> {
    let problems = parse(text, Path::new("config.yaml")).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn documents_become_forwards_in_their_order() {
    let second = MINIMAL.replace("name: syslog", "name: flows\n  namespace: telemetry");
    let text = format!("# comment\n---\n{second}---\n\n---\n{MINIMAL}...\n");
    let forwards = good(&text);
    let names: Vec<_> = forwards
        .iter()
        .map(|forward| {
            (
                forward.metadata.namespace.as_deref(),
                forward.metadata.name.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            (Some("default"), Some("flows")),
            (Some("default"), Some("syslog"))
        ]
    );
    assert_eq!(forwards[1].spec.action, Action::Clone);
    assert_eq!(forwards[1].spec.match_ports(), [(514, 514)]);
}

trait MatchPorts {
    fn match_ports(&self) -> Vec<(u16, u16)>;
}

impl MatchPorts for udplb_api::UdpForwardSpec {
    fn match_ports(&self) -> Vec<(u16, u16)> {
        self.r#match
            .ports
            .iter()
            .map(|range| (range.first(), range.last()))
            .collect()
    }
}

#[test]
fn anchors_and_flow_style_are_read() {
    let text = MINIMAL.replace(
        "    upstreams:\n    - address: 203.0.113.5\n",
        "    upstreams: &targets [{address: 203.0.113.5, port: 5514}, {address: '2001:db8::5'}]\n  - {name: lab, upstreams: *targets}\n",
    );
    let spec = &good(&text)[0].spec;
    assert_eq!(spec.destinations[0].upstreams.len(), 2);
    assert_eq!(
        spec.destinations[0].upstreams,
        spec.destinations[1].upstreams
    );
}

#[test]
fn mistakes_are_named_with_their_place() {
    let cases = [
        (
            MINIMAL.replace("  action:", "  interface: [eth0]\n  action:"),
            "config.yaml:9:3: spec.interface: is no field here: did you mean interfaces?",
        ),
        (
            MINIMAL.replace("port: 514", "port: 65536"),
            "config.yaml:8:7: spec.match.ports[0].port: 65536 is out of range: write a number from 1 to 65535",
        ),
        (
            MINIMAL.replace("port: 514", "port: \"514\""),
            "config.yaml:8:7: spec.match.ports[0].port: is a text: write a number, without quotes",
        ),
        (
            MINIMAL.replace("  action: Clone\n", ""),
            "config.yaml:5:1: spec.action: is missing: write Clone or Forward",
        ),
        (
            MINIMAL.replace("action: Clone", "action: Mirror"),
            "config.yaml:9:3: spec.action: \"Mirror\" is no value here: write Clone or Forward",
        ),
        (
            MINIMAL.replace("203.0.113.5", "siem.example.com"),
            "config.yaml:13:7: spec.destinations[0].upstreams[0].address: write an IPv4 or IPv6 address; for a name use hostname instead of address",
        ),
        (
            MINIMAL.replace("- address: 203.0.113.5", "- port: 514"),
            "config.yaml:13:7: spec.destinations[0].upstreams[0]: write exactly one of address, hostname and service",
        ),
        (
            MINIMAL.replace("kind: UdpForward", "kind: Service"),
            "config.yaml:2:1: kind: \"Service\" is no value here: write UdpForward",
        ),
        (
            format!("{MINIMAL}---\n{MINIMAL}"),
            "config.yaml:18:3: metadata.name: syslog is there already, in line 4: write another one",
        ),
        (
            String::new(),
            "config.yaml:1:1: the file is empty: write an UdpForward; to stop handling packets set its state to Paused",
        ),
        (
            "# only a comment\n".to_owned(),
            "config.yaml:1:1: the file is empty: write an UdpForward; to stop handling packets set its state to Paused",
        ),
        (
            "hello".to_owned(),
            "config.yaml:1:1: is a text: write fields, one a line, as name: value",
        ),
        (
            format!("{MINIMAL}---\n- key: {{}}\n"),
            "config.yaml:15:1: is a list: the older format is one list alone in its file; write an UdpForward",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(said(&text), [expected], "{text}");
    }
}

#[test]
fn text_that_is_no_yaml_is_named_with_its_place() {
    for (text, place) in [
        (
            MINIMAL.replace("  action: Clone", "\taction: Clone"),
            "config.yaml:9:1: ",
        ),
        (
            MINIMAL.replace("action: Clone", "action: Clone\n  action: Forward"),
            "config.yaml:10:3: ",
        ),
        (
            MINIMAL.replace("- port: 514", "- {port: 514"),
            "config.yaml:",
        ),
        (format!("a: &a [*a]{}", "[".repeat(100_000)), "config.yaml:"),
    ] {
        let said = said(&text);
        assert_eq!(said.len(), 1);
        assert!(
            said[0].starts_with(place) && !said[0].contains('\n'),
            "{said:?}"
        );
    }
}

#[test]
fn all_mistakes_of_all_documents_are_named_in_their_order() {
    let first = MINIMAL.replace("action: Clone", "action: clone");
    let second = MINIMAL
        .replace("name: syslog", "name: Flows")
        .replace("203.0.113.5", "203.0.113.5:5514");
    assert_eq!(
        said(&format!("{first}---\n{second}")),
        [
            "config.yaml:9:3: spec.action: \"clone\" is no value here: did you mean Clone?",
            "config.yaml:18:3: metadata.name: write lower-case letters, digits, '-' and '.', with a letter or digit at both ends",
            "config.yaml:27:7: spec.destinations[0].upstreams[0].address: write an IPv4 or IPv6 address; for a name use hostname instead of address",
        ]
    );
}

const ANCESTOR: &str = "\
- key:
    address: 192.0.2.10
    port: 514
  options:
    tc_action: block
    strategy: src-ip
  upstream:
  - address: 203.0.113.5
    port: 5514
  - address: 203.0.113.6
    port: 5514
- key: {address: '2001:DB8::10', port: 2055}
  upstream:
  - {address: siem.example.com, port: 2055}
";

#[test]
fn the_ancestors_format_is_read_with_its_defaults() {
    let forwards = good(ANCESTOR);
    let names: Vec<_> = forwards
        .iter()
        .filter_map(|forward| forward.metadata.name.as_deref())
        .collect();
    assert_eq!(names, ["192.0.2.10-514", "2001-db8--10-2055"]);

    let block = &forwards[0].spec;
    assert_eq!(block.action, Action::Forward);
    assert_eq!(
        block.r#match.addresses.as_ref().unwrap()[0].as_str(),
        "192.0.2.10"
    );
    assert_eq!(block.match_ports(), [(514, 514)]);
    assert_eq!(block.interfaces, None);
    let destination = &block.destinations[0];
    assert_eq!(destination.strategy, Strategy::SourceIp);
    assert_eq!(destination.source_address, AddressHandling::Rewrite);
    assert_eq!(destination.destination_address, AddressHandling::Rewrite);
    let upstreams: Vec<_> = destination
        .upstreams
        .iter()
        .map(|upstream| {
            (
                upstream.address.as_ref().unwrap().as_str(),
                upstream.port,
                upstream.weight,
            )
        })
        .collect();
    assert_eq!(
        upstreams,
        [
            ("203.0.113.5", Some(5514), 1),
            ("203.0.113.6", Some(5514), 1)
        ]
    );

    let defaults = &forwards[1].spec;
    assert_eq!(defaults.action, Action::Clone);
    assert_eq!(defaults.destinations[0].strategy, Strategy::SourcePort);
    assert_eq!(
        defaults.destinations[0].source_address,
        AddressHandling::Rewrite
    );
    let upstream = &defaults.destinations[0].upstreams[0];
    assert_eq!(
        upstream.hostname.as_ref().unwrap().as_str(),
        "siem.example.com"
    );
    assert_eq!(upstream.address, None);
}

#[test]
fn an_empty_list_is_no_forwards() {
    assert_eq!(good("[]\n"), []);
}

#[test]
fn forwards_of_the_ancestors_format_can_be_planned() {
    let plan = standalone(&good(ANCESTOR), "node", &Answers::default());
    assert_eq!(plan.forwards.len(), 2);
    assert!(plan.verdicts.iter().all(|verdict| verdict.accepted.is_ok()));
    assert_eq!(plan.forwards[0].spec.destinations[0].upstreams.len(), 2);
    assert_eq!(plan.forwards[1].spec.destinations[0].upstreams, []);
    assert_eq!(
        plan.verdicts[1].notices[0].to_string(),
        "spec.destinations[0].upstreams[0]: host name siem.example.com has no answer yet"
    );
}

#[test]
fn mistakes_in_the_ancestors_format_are_named_with_their_place() {
    let cases = [
        (
            ANCESTOR.replace("tc_action: block", "tc_action: drop"),
            "config.yaml:5:5: [0].options.tc_action: \"drop\" is no value here: write pass or block",
        ),
        (
            ANCESTOR.replace("strategy: src-ip", "stratgy: src-ip"),
            "config.yaml:6:5: [0].options.stratgy: is no field here: did you mean strategy?",
        ),
        (
            ANCESTOR.replace("address: 192.0.2.10\n", "address: 192.0.2.300\n"),
            "config.yaml:2:5: [0].key.address: write the address that packets are sent to, such as 192.0.2.10",
        ),
        (
            ANCESTOR.replace("203.0.113.6", "203.0.113.600"),
            "config.yaml:10:5: [0].upstream[1].address: write the address of one host that routing leads to, or a host name",
        ),
        (
            ANCESTOR.replace(
                "  upstream:\n  - {address: siem.example.com, port: 2055}\n",
                "",
            ),
            "config.yaml:12:3: [1].upstream: is missing: write a list of at least one item",
        ),
        (
            ANCESTOR.replace(
                "{address: '2001:DB8::10', port: 2055}",
                "{address: 192.0.2.10, port: 514}",
            ),
            "config.yaml:12:3: [1].key: 192.0.2.10-514 is there already, in line 1: write another one",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(said(&text), [expected], "{text}");
    }
}

#[test]
fn a_file_holds_ten_thousand_forwards() {
    let expected = "config.yaml:1:1: the file has 10001 forwards: write at most 10000";
    assert_eq!(said(&"- {}\n".repeat(10_001)), [expected]);
    assert_eq!(said(&"---\n{}\n".repeat(10_001)), [expected]);
    assert_eq!(too_many(10_000), None);

    let mut text = String::new();
    for index in 0..500_u32 {
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0001 + index);
        writeln!(text, "- key: {{address: {address}, port: 514}}").unwrap();
        writeln!(text, "  upstream: [{{address: 203.0.113.5, port: 514}}]").unwrap();
    }
    assert_eq!(good(&text).len(), 500);
}

#[test]
fn a_file_is_loaded_or_the_reason_named() {
    let folder = std::env::temp_dir().join(format!("udplb-source-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("config.yaml");

    let missing = load(&path).unwrap_err();
    assert!(matches!(&missing, LoadError::Missing { .. }), "{missing}");
    assert_eq!(
        missing.to_string(),
        format!(
            "there is no file {}: write one, or name another with -c",
            path.display()
        )
    );

    std::fs::write(&path, MINIMAL).unwrap();
    assert_eq!(load(&path).unwrap().forwards, good(MINIMAL));

    std::fs::write(&path, "[1]").unwrap();
    assert_eq!(
        load(&path).unwrap_err().to_string(),
        format!(
            "{}:1:2: [0]: is a number: write fields, one a line, as name: value",
            path.display()
        )
    );
    std::fs::remove_dir_all(&folder).unwrap();
}
