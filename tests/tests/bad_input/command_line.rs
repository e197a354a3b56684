//! Command lines that cannot be carried out.

use std::process::Command;

use udplb_tests::agent;

/// What is said about a command line, without the hint at `--help` that follows everywhere.
fn said(arguments: &[&str]) -> String {
    let output = Command::new(agent::binary())
        .args(arguments)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    let error = String::from_utf8(output.stderr).unwrap();
    let hint = "\n\nFor more information, try '--help'.\n";
    error
        .strip_suffix(hint)
        .unwrap_or_else(|| panic!("{error}"))
        .to_owned()
}

#[test]
fn wrong_command_lines_are_named_with_the_right_ones() {
    let usage = "\n\nUsage: udplb-agent [OPTIONS]\n       udplb-agent <COMMAND>";
    for (arguments, expected) in [
        (
            &["statsu"][..],
            format!("error: unrecognized subcommand 'statsu'\n\n  tip: a similar subcommand exists: 'status'{usage}"),
        ),
        (
            &["run", "--interfce", "eth0"],
            "error: unexpected argument '--interfce' found\n\n  tip: a similar argument exists: '--interface'\n\nUsage: udplb-agent run --interface <NAME>".to_owned(),
        ),
        (
            &["run", "-i", "eth 0"],
            "error: invalid value 'eth 0' for '--interface <NAME>': write an interface name such as eth0, or a glob such as eth*".to_owned(),
        ),
        (
            &["-i", "eth0:1"],
            "error: invalid value 'eth0:1' for '--interface <NAME>': write an interface name such as eth0, or a glob such as eth*".to_owned(),
        ),
        (
            &["run", "-i", "a-name-of-more-than-fifteen-bytes"],
            "error: invalid value 'a-name-of-more-than-fifteen-bytes' for '--interface <NAME>': an interface name has at most 15 characters: write one such as eth0, or a glob such as eth*".to_owned(),
        ),
        (
            &["run", "--http-address", "localhost"],
            "error: invalid value 'localhost' for '--http-address <ADDRESS>': write an address and a port, such as 127.0.0.1:9465 or [::1]:9465".to_owned(),
        ),
        (
            &["run", "--http-address", "9465"],
            "error: invalid value '9465' for '--http-address <ADDRESS>': write an address and a port, such as 127.0.0.1:9465 or [::1]:9465".to_owned(),
        ),
        (
            &["run", "--hook", "xdp"],
            "error: invalid value 'xdp' for '--hook <HOOK>'\n  [possible values: auto, tcx, clsact]".to_owned(),
        ),
        (
            &["run", "--max-forwards", "0"],
            "error: invalid value '0' for '--max-forwards <N>': 0 is not in 1..=65536".to_owned(),
        ),
        (
            &["-d", "status"],
            "error: the subcommand 'status' cannot be used with '--debug'\n\nUsage: udplb-agent [OPTIONS]\n       udplb-agent <COMMAND>".to_owned(),
        ),
    ] {
        assert_eq!(said(arguments), expected, "{arguments:?}");
    }
}
