//! Destinations that have nowhere to send to: why, what becomes of the packet, and who else gets it.

use udplb_tests::{
    agent::forward,
    lab::{Lab, shapes},
    rows::{Family, Row, Theme, both},
};

/// What the upstreams of a destination are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upstreams {
    /// The collector.
    Good,
    /// None in the packet's family.
    OtherFamily,
    /// Nobody has that address.
    Silent,
    /// The node has no route there.
    Unrouted,
}

use Upstreams::{Good, OtherFamily, Silent, Unrouted};

/// What becomes of packets of a forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Clone,
    Forward,
    /// Forward, to the stack where no destination is available.
    Pass,
}

const PORT: u16 = 5000;
const ACTIONS: [(Action, &str); 3] = [
    (Action::Clone, "Clone"),
    (Action::Forward, "Forward\n  whenUnavailable: Drop"),
    (Action::Pass, "Forward\n  whenUnavailable: Pass"),
];
const DESTINATIONS: [&[Upstreams]; 8] = [
    &[OtherFamily],
    &[Silent],
    &[Unrouted],
    &[OtherFamily, Good],
    &[Good, Unrouted],
    &[Silent, Good],
    &[Good, Silent],
    &[OtherFamily, Unrouted],
];

/// Every combination has two ports, one for each family whose upstreams are those.
fn all() -> impl Iterator<Item = (u16, Family, Action, &'static str, &'static [Upstreams])> {
    let combinations = ACTIONS.iter().flat_map(|(action, text)| {
        DESTINATIONS.iter().flat_map(move |destinations| {
            [Family::V4, Family::V6].map(|family| (family, *action, *text, *destinations))
        })
    });
    (PORT..)
        .zip(combinations)
        .map(|(port, (family, action, text, destinations))| {
            (port, family, action, text, destinations)
        })
}

fn lab(name: &str) -> Lab {
    let lab = shapes::two_collectors(name);
    lab.host("node").ip_batch(
        "route add unreachable 203.0.113.0/24
         route add unreachable 2001:db8:dead::/48
        ",
    );
    lab
}

fn silent(family: Family) -> String {
    family.beside_collector(2, 99)
}

fn unrouted(family: Family) -> &'static str {
    family.choose("203.0.113.1", "2001:db8:dead::1")
}

/// The address of a destination's only upstream.
fn address(upstreams: Upstreams, family: Family) -> String {
    match upstreams {
        Good => family.collector(1),
        OtherFamily => family.choose(Family::V6, Family::V4).collector(1),
        Silent => silent(family),
        Unrouted => unrouted(family).to_owned(),
    }
}

fn config() -> String {
    let document = |(port, family, _, action, destinations): (
        u16,
        Family,
        Action,
        &str,
        &[Upstreams],
    )| {
        let destinations: String = (0..)
            .zip(destinations)
            .map(|(number, upstreams)| {
                format!(
                    "  - {{name: d{number}, upstreams: [{{address: '{}'}}]}}\n",
                    address(*upstreams, family)
                )
            })
            .collect();
        let spec = format!(
            "  match: {{ports: [{{port: {port}}}]}}\n  action: {action}\n  destinations:\n{destinations}"
        );
        forward(&format!("f{port}"), &spec)
    };
    let paused = "  state: Paused\n  match: {ports: [{port: 4999}]}\n  action: Forward\n  destinations:\n  - {name: d0, upstreams: [{address: 10.0.2.2}]}\n";
    all().map(document).collect::<String>() + &forward("paused", paused)
}

/// What must come of it, from the rules as they are written for users.
fn row((port, family, action, _, destinations): (u16, Family, Action, &str, &[Upstreams])) -> Row {
    let name = format!("{action:?} to {destinations:?}, {}", family.name());
    let catches = "a wrong reason, a packet lost or passed where others could send it";
    let row = Row::new(name, catches, &family.datagram(port)).matches(&format!("f{port}"));
    // The packet itself can wait for a neighbour; copies cannot.
    let can_send = |(number, upstreams): (usize, &Upstreams)| match upstreams {
        Good => true,
        Silent => action != Action::Clone && number + 1 == destinations.len(),
        OtherFamily | Unrouted => false,
    };
    let somebody_sends = (0..).zip(destinations).any(can_send);
    let passes = action == Action::Pass && !somebody_sends;
    let row = if action == Action::Clone || passes {
        row
    } else {
        row.consumed()
    };
    (0..)
        .zip(destinations)
        .fold(row, |row, (number, upstreams)| {
            let at = format!("f{port}/d{number}");
            let address = address(*upstreams, family);
            match upstreams {
                _ if passes => row.passed(&at),
                Good => row.copied(&at, &address),
                Silent if can_send((number, upstreams)) => row.handed_over(&at, &address),
                Silent => row.dropped(&at, "neighbour_unresolved"),
                OtherFamily => row.dropped(&at, "no_upstream"),
                Unrouted => row.dropped(&at, "no_route"),
            }
        })
}

fn paused() -> Vec<Row> {
    both(|family| {
        let name = format!("a forward that is paused, {}", family.name());
        vec![Row::new(
            name,
            "a paused forward that takes packets",
            &family.datagram(4999),
        )]
    })
}

pub(crate) fn theme() -> Theme {
    let rows = all().map(row).chain(paused()).collect();
    let unreachable =
        [Family::V4, Family::V6].map(|family| [silent(family), unrouted(family).to_owned()]);
    Theme {
        unreachable: unreachable.concat(),
        ..Theme::new("availability", lab, config(), rows)
    }
}
