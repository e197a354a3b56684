//! Mistakes in the older format.

use super::check;

const GOOD: &str = "\
- key:
    address: 192.0.2.10
    port: 514
  options:
    tc_action: pass
    strategy: src-ip
  upstream:
  - address: 203.0.113.5
    port: 5514
";

fn with(good: &str, changed: &str) -> String {
    assert!(GOOD.contains(good), "{good}");
    GOOD.replacen(good, changed, 1)
}

#[test]
fn mistakes_in_the_older_format_are_named() {
    check(&[
        (
            with("tc_action: pass", "tc_action: Clone"),
            &["f.yaml:5:5: [0].options.tc_action: \"Clone\" is no value here: write pass or block"],
        ),
        (
            with("src-ip", "source-ip"),
            &[
                "f.yaml:6:5: [0].options.strategy: \"source-ip\" is no value here: write src-ip or src-port",
            ],
        ),
        (
            with("upstream:", "upstreams:"),
            &[
                "f.yaml:1:3: [0].upstream: is missing: write a list of at least one item",
                "f.yaml:7:3: [0].upstreams: is no field here: did you mean upstream?",
            ],
        ),
        (
            with("port: 514\n", "port: 0\n"),
            &["f.yaml:3:5: [0].key.port: 0 is out of range: write a number from 1 to 65535"],
        ),
        (
            with("192.0.2.10", "eth0"),
            &[
                "f.yaml:2:5: [0].key.address: write the address that packets are sent to, such as 192.0.2.10",
            ],
        ),
        (
            with("203.0.113.5", "203.0.113.500"),
            &[
                "f.yaml:8:5: [0].upstream[0].address: write the address of one host that routing leads to, or a host name",
            ],
        ),
        (
            format!("{GOOD}{GOOD}"),
            &[
                "f.yaml:10:3: [1].key: 192.0.2.10-514 is there already, in line 1: write another one",
            ],
        ),
        (
            with("  - address: 203.0.113.5\n    port: 5514\n", "    []\n"),
            &["f.yaml:7:3: [0].upstream: is an empty list: write at least one item"],
        ),
    ]);
}
