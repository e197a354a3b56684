//! Texts that are no YAML, or no forwards.

use super::{GOOD, check, with};

const CLOSE: &str = "a bracket or brace in front of this place is not closed: close it";
const QUOTE: &str = "'*', '&' and '!' mean something to YAML: put the text in quotes";
const INDENT: &str = "this line is not indented like its neighbours: start the fields of one group in the same column";
const DEEP: &str = "too deeply nested, or too many references to anchors: write it plainly";

#[test]
fn what_is_no_yaml_is_named_by_its_place() {
    let at = |place: &str, message: &str| format!("f.yaml:{place}: {message}");
    // Every level names the one before ten times.
    let bomb = (b'b'..b'k').fold(
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned(),
        |text, letter| {
            let (this, last) = (char::from(letter), char::from(letter - 1));
            let ten = vec![format!("*{last}"); 10].join(",");
            format!("{text}{this}: &{this} [{ten}]\n")
        },
    );
    let cases = [
        (
            with("  action: Clone", "\taction: Clone"),
            at("11:1", "a tab: write spaces, YAML does not indent by tabs"),
        ),
        (with("[eth0]", "[eth0"), at("7:8", CLOSE)),
        (
            with("name: syslog", "name: \"syslog"),
            at(
                "4:9",
                "a quote is opened here and not closed: write the same one behind the text",
            ),
        ),
        (with("  match:", "   match:"), at("7:4", INDENT)),
        (
            with("      port: 5514", "       port: 5514"),
            at("16:12", INDENT),
        ),
        (
            with("action: Clone", "action Clone"),
            at("11:3", "a field without a colon: write it as name: value"),
        ),
        (
            with("action: Clone", "action: Clone\n  action: Forward"),
            at("12:3", "action is written twice: keep one of them"),
        ),
        (with("[eth0]", "[*]"), at("6:16", QUOTE)),
        (with("[eth0]", "*eth"), at("6:15", QUOTE)),
        (bomb, at("6:29", DEEP)),
        (format!("a: {}", "[".repeat(5000)), at("1:259", DEEP)),
        (
            "\0\0\0\0".to_owned(),
            at(
                "1:1",
                "zero bytes: the file was not written to its end, write it again",
            ),
        ),
    ];
    let cases: Vec<(String, [&str; 1])> = cases
        .iter()
        .map(|(text, expected)| (text.clone(), [expected.as_str()]))
        .collect();
    let cases: Vec<(String, &[&str])> = cases
        .iter()
        .map(|(text, expected)| (text.clone(), &expected[..]))
        .collect();
    check(&cases);
}

#[test]
fn what_is_no_forward_is_named() {
    let list: String = GOOD
        .lines()
        .enumerate()
        .map(|(index, line)| format!("{}{line}\n", if index == 0 { "- " } else { "  " }))
        .collect();
    check(&[
        (
            String::new(),
            &[
                "f.yaml:1:1: the file is empty: write an UdpForward; to stop handling packets set its state to Paused",
            ],
        ),
        (
            "hello".to_owned(),
            &["f.yaml:1:1: is a text: write fields, one a line, as name: value"],
        ),
        (
            list,
            &[
                "f.yaml:1:1: a list of documents: write each UdpForward as a document of its own, with a line --- between two",
            ],
        ),
        (
            format!("{GOOD}---\n- key: {{}}\n"),
            &[
                "f.yaml:18:1: is a list: the older format is one list alone in its file; write an UdpForward",
            ],
        ),
        (
            with("kind: UdpForward\n", ""),
            &["f.yaml:1:1: kind: is missing: write UdpForward"],
        ),
        (
            with("UdpForward", "UDPForward"),
            &["f.yaml:2:1: kind: \"UDPForward\" is no value here: did you mean UdpForward?"],
        ),
        (
            with("v1alpha1", "v1"),
            &[
                "f.yaml:1:1: apiVersion: \"udplb.dev/v1\" is no value here: write udplb.dev/v1alpha1",
            ],
        ),
        // Cut in the middle, as an interrupted copy leaves it.
        (
            GOOD[..150].to_owned(),
            &[
                "f.yaml:5:1: spec.action: is missing: write Clone or Forward",
                "f.yaml:5:1: spec.destinations: is missing: write a list of at least one item",
                "f.yaml:9:5: spec.match.ports: is empty: write a list of at least one item",
            ],
        ),
        (
            "- {}\n".repeat(10_001),
            &["f.yaml:1:1: the file has 10001 forwards: write at most 10000"],
        ),
    ]);
}
