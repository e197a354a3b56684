//! The configuration of themes that are about the packet: one forward clones, one forwards, both to two places.

use udplb_tests::{
    agent::forward,
    packet::Udp,
    rows::{Family, Row, upstreams},
};

/// The ports of both forwards.
pub(crate) const CLONED: u16 = 514;
pub(crate) const FORWARDED: u16 = 515;

/// What the upstreams listen on.
const PORTS: [u16; 2] = [5514, 6514];

/// `one` shows the sender's address, `two` the node's.
pub(crate) fn config() -> String {
    [
        document("cloned", CLONED, "Clone"),
        document("forwarded", FORWARDED, "Forward"),
    ]
    .concat()
}

fn document(name: &str, port: u16, action: &str) -> String {
    let [first, second] =
        [1, 2].map(|number| upstreams(number, Some(PORTS[usize::from(number) - 1])));
    forward(
        name,
        &format!(
            "
  match: {{ports: [{{port: {port}}}]}}
  action: {action}
  destinations:
  - {{name: one, upstreams: {first}}}
  - {{name: two, sourceAddress: Rewrite, upstreams: {second}}}
"
        ),
    )
}

/// A row for each forward: `clone of WHAT` and `forward of WHAT`, with this datagram to the port of each. All that is
/// ours gives two copies; `dress` says how the frame comes.
pub(crate) fn sent(
    what: &str,
    catches: &'static str,
    datagram: &Udp,
    dress: impl Fn(Row) -> Row,
) -> [Row; 2] {
    [
        clone(what, catches, datagram, &dress),
        forwarded(what, catches, datagram, &dress),
    ]
}

/// The first of [`sent`].
pub(crate) fn clone(
    what: &str,
    catches: &'static str,
    datagram: &Udp,
    dress: impl Fn(Row) -> Row,
) -> Row {
    let row = dress(row("clone", what, catches, datagram, CLONED));
    copies(row, "cloned", datagram)
}

/// The second of [`sent`].
pub(crate) fn forwarded(
    what: &str,
    catches: &'static str,
    datagram: &Udp,
    dress: impl Fn(Row) -> Row,
) -> Row {
    let row = dress(row("forward", what, catches, datagram, FORWARDED));
    copies(row, "forwarded", datagram).consumed()
}

/// Two rows with a datagram of which neither forward sends anything, for that reason.
pub(crate) fn dropped(what: &str, catches: &'static str, datagram: &Udp, reason: &str) -> [Row; 2] {
    let drop = |row: Row, forward: &str| {
        row.matches(forward)
            .dropped(&format!("{forward}/one"), reason)
            .dropped(&format!("{forward}/two"), reason)
    };
    [
        drop(row("clone", what, catches, datagram, CLONED), "cloned"),
        drop(
            row("forward", what, catches, datagram, FORWARDED),
            "forwarded",
        )
        .consumed(),
    ]
}

/// Two rows with a datagram that neither forward takes; `dress` says how the frame comes, and what counts.
pub(crate) fn not_ours(
    what: &str,
    catches: &'static str,
    datagram: &Udp,
    dress: impl Fn(Row) -> Row,
) -> [Row; 2] {
    [("clone", CLONED), ("forward", FORWARDED)]
        .map(|(action, port)| dress(row(action, what, catches, datagram, port)))
}

fn row(action: &str, what: &str, catches: &'static str, datagram: &Udp, port: u16) -> Row {
    let mut datagram = datagram.clone();
    datagram.destination.set_port(port);
    let family = family(&datagram).name();
    Row::new(format!("{action} of {what}, {family}"), catches, &datagram)
}

fn copies(row: Row, forward: &str, datagram: &Udp) -> Row {
    let family = family(datagram);
    let [first, second] =
        [1, 2].map(|number| family.collector_at(number, PORTS[usize::from(number) - 1]));
    row.matches(forward)
        .copied(&format!("{forward}/one"), &first)
        .copied_from(
            &format!("{forward}/two"),
            &second,
            datagram.destination.ip(),
        )
}

fn family(datagram: &Udp) -> Family {
    if datagram.source.is_ipv4() {
        Family::V4
    } else {
        Family::V6
    }
}
