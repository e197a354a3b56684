//! Random forwards, and packets that hit them, miss them by one thing, or have nothing to do with them. Pure.

use std::net::{IpAddr, SocketAddr};

use udplb_tests::{agent::forward, traffic::Numbers};

/// The port of a forward that sends to both collectors, for the last packet of a batch.
pub(crate) const SENTINEL: u16 = 9;

const ADDRESSES: [&str; 8] = [
    "10.0.1.1",
    "10.0.1.0/24",
    "10.0.9.1",
    "10.0.9.0/28",
    "10.0.1.255",
    "2001:db8:1::1",
    "2001:db8:1::/64",
    "2001:db8:9::/96",
];
const PORTS: [(u16, u16); 5] = [
    (514, 514),
    (515, 515),
    (600, 607),
    (2055, 2055),
    (6343, 6344),
];
const SOURCES: [&str; 4] = [
    "10.0.1.0/25",
    "198.51.100.0/24",
    "2001:db8:1::/64",
    "2001:db8:5::/48",
];
/// The node itself has two of them. The last three are never reached: two neighbours that do not exist, no route.
const UPSTREAMS: [&str; 12] = [
    "10.0.2.2",
    "10.0.2.3",
    "10.0.2.4",
    "10.0.3.2",
    "10.0.7.7",
    "10.0.4.1",
    "2001:db8:4::1",
    "2001:db8:2::2",
    "2001:db8:2::3",
    "10.0.2.99",
    "2001:db8:2::99",
    "172.31.0.1",
];
const STRATEGIES: [&str; 5] = [
    "SourceIP",
    "SourcePort",
    "SourceIPPort",
    "FiveTuple",
    "Random",
];

/// What of a forward matters for making packets.
#[derive(Clone, Debug)]
pub(crate) struct Forward {
    interfaces: Vec<&'static str>,
    addresses: Vec<&'static str>,
    ports: Vec<(u16, u16)>,
    sources: Vec<&'static str>,
    text: String,
}

/// A packet.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) interface: &'static str,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) vlan: Option<u16>,
    pub(crate) ttl: u8,
    /// Bytes behind the number in its data.
    pub(crate) padding: usize,
}

fn below(numbers: &mut Numbers, bound: usize) -> usize {
    usize::try_from(numbers.next() >> 33).unwrap() % bound
}

fn pick<T: Copy>(numbers: &mut Numbers, from: &[T]) -> T {
    from[below(numbers, from.len())]
}

/// True in so many of a hundred cases.
fn chance(numbers: &mut Numbers, percent: usize) -> bool {
    below(numbers, 100) < percent
}

/// Up to `most` different ones, at least `least`.
fn some<T: Copy + PartialEq>(
    numbers: &mut Numbers,
    from: &[T],
    least: usize,
    most: usize,
) -> Vec<T> {
    let count = least + below(numbers, most - least + 1);
    let mut chosen: Vec<T> = Vec::new();
    while chosen.len() < count {
        let one = pick(numbers, from);
        if !chosen.contains(&one) {
            chosen.push(one);
        }
    }
    chosen
}

/// The forward of the last packet.
pub(crate) fn idle() -> String {
    let spec = format!(
        "
  interfaces: [eth0]
  match: {{addresses: [10.0.1.1], ports: [{{port: {SENTINEL}}}]}}
  action: Clone
  destinations:
  - {{name: one, upstreams: [{{address: 10.0.2.2}}]}}
  - {{name: two, upstreams: [{{address: 10.0.3.2}}]}}
"
    );
    forward("sentinel", &spec)
}

pub(crate) fn config(forwards: &[Forward]) -> String {
    let texts = forwards.iter().map(|forward| forward.text.clone());
    [idle()].into_iter().chain(texts).collect()
}

pub(crate) fn forwards(numbers: &mut Numbers) -> Vec<Forward> {
    // Ports are shared now and then: the younger one of two that overlap does not run.
    (0..3 + below(numbers, 3))
        .map(|number| {
            let mut ports = vec![PORTS[number]];
            if chance(numbers, 25) {
                ports.push(pick(numbers, &PORTS));
                ports.dedup();
            }
            one(numbers, &format!("random{number}"), ports)
        })
        .collect()
}

fn one(numbers: &mut Numbers, name: &str, ports: Vec<(u16, u16)>) -> Forward {
    let interfaces = match below(numbers, 10) {
        0..=6 => vec!["eth0"],
        7 => vec!["eth3"],
        _ => vec!["eth0", "eth3"],
    };
    let addresses = some(numbers, &ADDRESSES, 1, 4);
    let sources = if chance(numbers, 50) {
        some(numbers, &SOURCES, 1, 3)
    } else {
        Vec::new()
    };
    let quoted = |all: &[&str]| {
        let all: Vec<_> = all.iter().map(|one| format!("'{one}'")).collect();
        all.join(", ")
    };
    let ranges: Vec<_> = ports
        .iter()
        .map(|(first, last)| format!("{{port: {first}, endPort: {last}}}"))
        .collect();
    let mut spec = format!("  interfaces: [{}]\n", quoted(&interfaces));
    if chance(numbers, 10) {
        spec += "  state: Paused\n";
    }
    spec += &format!(
        "  match:\n    addresses: [{}]\n    ports: [{}]\n",
        quoted(&addresses),
        ranges.join(", ")
    );
    if !sources.is_empty() {
        spec += &format!("    sources: [{}]\n", quoted(&sources));
    }
    if chance(numbers, 50) {
        spec += "  action: Clone\n";
    } else {
        let when = pick(numbers, &["Drop", "Pass"]);
        spec += &format!("  action: Forward\n  whenUnavailable: {when}\n");
    }
    spec += "  destinations:\n";
    for number in 0..=below(numbers, 2) {
        spec += &destination(numbers, number);
    }
    Forward {
        interfaces,
        addresses,
        ports,
        sources,
        text: forward(name, &spec),
    }
}

fn destination(numbers: &mut Numbers, number: usize) -> String {
    let mut text = format!(
        "  - name: to{number}\n    strategy: {}\n",
        pick(numbers, &STRATEGIES)
    );
    let preserved = chance(numbers, 15);
    if preserved {
        text += "    destinationAddress: Preserve\n";
    } else if chance(numbers, 50) {
        text += "    sourceAddress: Rewrite\n";
    }
    match below(numbers, 10) {
        0 | 1 => text += "    sampling: {oneIn: 2, per: Flow}\n",
        2 => text += "    sampling: {oneIn: 2, per: Packet}\n",
        _ => {}
    }
    if chance(numbers, 15) {
        // Never spent here.
        text += "    rateLimit: {packetsPerSecond: 100000, burst: 100000}\n";
    }
    text += "    upstreams:\n";
    // Mostly reachable ones, but sometimes none at all.
    let (from, most) = if chance(numbers, 25) {
        (&UPSTREAMS[9..], 2)
    } else {
        (&UPSTREAMS[..], 5)
    };
    for address in some(numbers, from, 1, most) {
        text += &format!(
            "    - {{address: '{address}', weight: {}",
            1 + below(numbers, 3)
        );
        if !preserved && chance(numbers, 60) {
            text += &format!(", port: {}", 1000 + below(numbers, 3));
        }
        text += "}\n";
    }
    text
}

/// An address in a prefix.
fn within(numbers: &mut Numbers, prefix: &str) -> IpAddr {
    let (address, _) = prefix.split_once('/').unwrap_or((prefix, ""));
    let address: IpAddr = address.parse().unwrap();
    let more = if prefix.contains('/') {
        1 + u8::try_from(below(numbers, 14)).unwrap()
    } else {
        0
    };
    match address {
        IpAddr::V4(v4) => (u32::from(v4) + u32::from(more)).to_be_bytes().into(),
        IpAddr::V6(v6) => (u128::from(v6) + u128::from(more)).to_be_bytes().into(),
    }
}

pub(crate) fn case(numbers: &mut Numbers, forwards: &[Forward]) -> Case {
    let forward = &forwards[below(numbers, forwards.len())];
    let address = pick(numbers, &forward.addresses);
    let destination = within(numbers, address);
    let (first, last) = pick(numbers, &forward.ports);
    let port = first + u16::try_from(below(numbers, usize::from(last - first) + 1)).unwrap();
    let family = |text: &&&str| text.contains(':') == destination.is_ipv6();
    let sources: Vec<&str> = forward.sources.iter().filter(family).copied().collect();
    let source = if sources.is_empty() {
        let all: Vec<&str> = SOURCES.iter().filter(family).copied().collect();
        pick(numbers, &all)
    } else {
        pick(numbers, &sources)
    };
    let source_port = u16::try_from(1024 + below(numbers, 60_000)).unwrap();
    let mut case = Case {
        interface: pick(numbers, &forward.interfaces),
        source: SocketAddr::new(within(numbers, source), source_port),
        destination: SocketAddr::new(destination, port),
        vlan: None,
        ttl: pick(numbers, &[64, 64, 255, 2]),
        padding: below(numbers, 100),
    };
    if chance(numbers, 50) {
        spoil(numbers, &mut case);
    }
    case
}

/// Changes one thing.
fn spoil(numbers: &mut Numbers, case: &mut Case) {
    let v6 = case.destination.is_ipv6();
    let address = |v4: &str, v6_text: &str| if v6 { v6_text } else { v4 }.parse().unwrap();
    match below(numbers, 13) {
        0 => {
            case.interface = if case.interface == "eth0" {
                "eth3"
            } else {
                "eth0"
            }
        }
        1 => case.destination.set_port(case.destination.port() + 20),
        2 => case.destination.set_port(41_000),
        3 | 4 => case
            .destination
            .set_ip(address("10.0.8.1", "2001:db8:8::1")),
        5 | 6 => case
            .source
            .set_ip(address("203.0.113.66", "2001:db8:66::1")),
        7 => case.ttl = 1,
        8 => case.padding = 1_600,
        9 => case.vlan = Some(7),
        10 if v6 => case.destination.set_ip("2001:db8:1::1".parse().unwrap()),
        _ => {
            // Where a prefix of the forward covers it, only its kind keeps it from being a hit.
            case.destination.set_ip("10.0.1.255".parse().unwrap());
            case.source.set_ip("10.0.1.5".parse().unwrap());
        }
    }
}
