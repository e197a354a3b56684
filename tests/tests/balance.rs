//! Balance on the wire: as even as promised, and steady.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use udplb_tests::{
    agent::{Agent, forward},
    capture::Capture,
    lab::{Lab, shapes},
    packet::{Ethernet, Udp},
    traffic::{Numbers, send},
};

const STRATEGIES: [&str; 5] = [
    "SourceIP",
    "SourcePort",
    "SourceIPPort",
    "FiveTuple",
    "Random",
];

/// The last bytes of the upstreams' addresses.
const ALL: [u8; 16] = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17];

/// The port of the first strategy's upstreams; the others follow.
const FIRST_PORT: u16 = 1001;

/// Critical value of chi-square with 15 degrees of freedom at p = 0.001.
const CHI_SQUARE: f64 = 37.70;

/// Forwards port 514 to one destination for each strategy, all with the upstreams 10.0.2.X.
fn config(upstreams: &[u8]) -> String {
    let mut spec =
        "  match: {ports: [{port: 514}]}\n  action: Forward\n  destinations:\n".to_owned();
    for (port, strategy) in (FIRST_PORT..).zip(STRATEGIES) {
        spec += &format!(
            "  - name: {}\n    strategy: {strategy}\n    upstreams:\n",
            strategy.to_lowercase()
        );
        for number in upstreams {
            spec += &format!("    - {{address: 10.0.2.{number}, port: {port}}}\n");
        }
    }
    forward("balance", &spec)
}

struct Scene {
    // Dropped first: it has a last word in the lab.
    agent: Agent,
    lab: Lab,
    copies: Capture,
}

/// By strategy: the upstream of each flow, by the last byte of its address.
type Choices = [Vec<u8>; 5];

impl Scene {
    fn new(name: &str, config: &str) -> Self {
        let lab = shapes::on_switch(name, 16);
        let agent = Agent::start(lab.host("node"), config);
        let copies = Capture::link(lab.host("collector1"), "eth0");
        Self { agent, lab, copies }
    }

    /// Sends one datagram of each flow and returns where they went.
    fn choices(&mut self, flows: &[SocketAddr]) -> Choices {
        let ethernet = Ethernet::new(
            self.lab.host("sender").mac("eth0"),
            self.lab.host("node").mac("eth0"),
        );
        let frame = |(number, source): (u32, &SocketAddr)| {
            Udp {
                source: *source,
                ..Udp::new("10.0.1.2:1", "10.0.1.1:514", &number.to_be_bytes())
            }
            .frame(&ethernet)
        };
        let frames: Vec<Vec<u8>> = (0..).zip(flows).map(frame).collect();
        send(self.lab.host("sender"), "eth0", &frames);
        let ports = FIRST_PORT..FIRST_PORT + 5;
        let count = flows.len() * STRATEGIES.len();
        let copies = self.copies.expect(count, |packet| {
            ports.clone().any(|port| packet.is_udp_to(port))
        });
        let mut choices: Choices = std::array::from_fn(|_| vec![0; flows.len()]);
        for copy in copies {
            let destination = copy.packet.destination();
            let IpAddr::V4(address) = destination.ip() else {
                panic!("{destination}")
            };
            let flow = u32::from_be_bytes(copy.packet.payload().try_into().unwrap());
            let choice = &mut choices[usize::from(destination.port() - FIRST_PORT)]
                [usize::try_from(flow).unwrap()];
            assert_eq!(*choice, 0, "two copies of flow {flow} to {destination}");
            *choice = address.octets()[3];
        }
        choices
    }
}

fn random_flows(count: usize, seed: u64) -> Vec<SocketAddr> {
    let mut numbers = Numbers::new(seed);
    let mut flow = || {
        let number = numbers.next();
        let address = Ipv4Addr::from(0x0a80_0000 | u32::try_from(number >> 41).unwrap());
        let port = 1024 | u16::try_from(number & 0xffff).unwrap();
        SocketAddr::new(address.into(), port)
    };
    (0..count).map(|_| flow()).collect()
}

fn shares(choices: &[u8]) -> BTreeMap<u8, u32> {
    choices.iter().fold(BTreeMap::new(), |mut shares, choice| {
        *shares.entry(*choice).or_default() += 1;
        shares
    })
}

/// The largest share over the mean of 16.
fn peak(choices: &[u8]) -> f64 {
    let shares = shares(choices);
    assert_eq!(shares.len(), 16, "{shares:?}");
    f64::from(*shares.values().max().unwrap()) * 16.0
        / f64::from(u32::try_from(choices.len()).unwrap())
}

fn chi_square(choices: &[u8]) -> f64 {
    let shares = shares(choices);
    let mean = f64::from(u32::try_from(choices.len()).unwrap()) / 16.0;
    ALL.iter()
        .map(|number| (f64::from(shares.get(number).copied().unwrap_or(0)) - mean).powi(2) / mean)
        .sum()
}

#[test]
fn random_flows_are_spread_evenly_and_stay_where_they_are() {
    let mut scene = Scene::new("balance", &config(&ALL));
    let flows = random_flows(10_000, 1);
    let choices = scene.choices(&flows);
    for (strategy, choices) in STRATEGIES.iter().zip(&choices) {
        let peak = peak(choices);
        println!("{strategy}: max/mean {peak:.3}");
        assert!(peak <= 1.15, "{strategy}: {:?}", shares(choices));
    }
    // Again, and after a new process has built the tables anew.
    let again = scene.choices(&flows);
    scene.agent.kill();
    scene.agent.cleanup();
    scene.agent.run();
    let anew = scene.choices(&flows);
    for (number, strategy) in STRATEGIES[..4].iter().enumerate() {
        assert!(choices[number] == again[number], "{strategy}: flows moved");
        assert!(
            choices[number] == anew[number],
            "{strategy}: flows moved with the restart"
        );
    }
    assert_ne!(choices[4], again[4], "Random is not");
}

#[test]
fn a_hundred_thousand_flows_are_within_a_twentieth() {
    let mut scene = Scene::new("balance-many", &config(&ALL));
    let mut choices: Choices = Default::default();
    for part in 0..10 {
        let flows = random_flows(10_000, 100 + part);
        for (all, some) in choices.iter_mut().zip(scene.choices(&flows)) {
            all.extend(some);
        }
    }
    for (strategy, choices) in STRATEGIES.iter().zip(&choices) {
        let peak = peak(choices);
        println!("{strategy}: max/mean {peak:.3}");
        assert!(peak <= 1.05, "{strategy}: {:?}", shares(choices));
    }
}

#[test]
fn patterned_flows_are_spread_no_worse() {
    let mut scene = Scene::new("balance-patterns", &config(&ALL));
    let ports: Vec<SocketAddr> = (0..10_000)
        .map(|number| SocketAddr::new(Ipv4Addr::new(10, 0, 1, 2).into(), 20_000 + number))
        .collect();
    let addresses: Vec<SocketAddr> = (0..10_000)
        .map(|number| SocketAddr::new(Ipv4Addr::from((10 << 24) + number * 256 + 2).into(), 5353))
        .collect();
    // Which strategies' keys vary.
    for (pattern, flows, varies) in [
        ("ports", &ports, [1, 2, 3]),
        ("addresses", &addresses, [0, 2, 3]),
    ] {
        let choices = scene.choices(flows);
        for number in varies {
            let value = chi_square(&choices[number]);
            println!("{pattern}, {}: chi-square {value:.1}", STRATEGIES[number]);
            assert!(
                value < CHI_SQUARE,
                "{pattern}, {}: {:?}",
                STRATEGIES[number],
                shares(&choices[number])
            );
        }
    }
}

#[test]
fn removing_one_of_sixteen_moves_few_others() {
    let mut scene = Scene::new("balance-removal", &config(&ALL));
    let flows = random_flows(20_000, 2);
    let before = scene.choices(&flows);
    let rest: Vec<u8> = ALL.into_iter().filter(|number| *number != 9).collect();
    scene.agent.reload(&config(&rest));
    let after = scene.choices(&flows);
    for (number, strategy) in STRATEGIES[..4].iter().enumerate() {
        let stayed = before[number]
            .iter()
            .zip(&after[number])
            .filter(|(before, _)| **before != 9);
        let (moved, all) = stayed.fold((0, 0), |(moved, all), (before, after)| {
            (moved + u32::from(before != after), all + 1)
        });
        let part = f64::from(moved) / f64::from(all);
        println!("{strategy}: {:.2} % of the other flows moved", part * 100.0);
        // SourcePort has only some 60,000 keys, of which these are a sample like any other.
        assert!(part <= 0.01, "{strategy}: {moved} of {all} moved");
        assert!(!after[number].contains(&9));
    }
}

#[test]
fn weights_are_kept() {
    let spec = "
  match: {ports: [{port: 514}]}
  action: Forward
  destinations:
  - name: weighted
    strategy: FiveTuple
    upstreams:
    - {address: 10.0.2.2, port: 1001, weight: 1}
    - {address: 10.0.2.3, port: 1001, weight: 3}
    - {address: 10.0.2.4, port: 1001, weight: 6}
";
    let lab = shapes::on_switch("balance-weights", 3);
    let _agent = Agent::start(lab.host("node"), &forward("weighted", spec));
    let mut copies = Capture::link(lab.host("collector1"), "eth0");
    let ethernet = Ethernet::new(lab.host("sender").mac("eth0"), lab.host("node").mac("eth0"));
    let frame = |source: &SocketAddr| {
        Udp {
            source: *source,
            ..Udp::new("10.0.1.2:1", "10.0.1.1:514", b"weight")
        }
        .frame(&ethernet)
    };
    send(
        lab.host("sender"),
        "eth0",
        &random_flows(10_000, 3)
            .iter()
            .map(frame)
            .collect::<Vec<_>>(),
    );
    let copies = copies.expect(10_000, |packet| packet.is_udp_to(1001));
    let mut shares = BTreeMap::new();
    for copy in copies {
        *shares
            .entry(copy.packet.destination().ip().to_string())
            .or_insert(0_u32) += 1;
    }
    for (address, weight) in [("10.0.2.2", 1), ("10.0.2.3", 3), ("10.0.2.4", 6)] {
        // Four standard deviations of a fair draw.
        let mean = f64::from(weight) * 1000.0;
        let slack = 4.0 * (mean * (1.0 - mean / 10_000.0)).sqrt();
        assert!(
            (f64::from(shares[address]) - mean).abs() < slack,
            "{shares:?}"
        );
    }
}
