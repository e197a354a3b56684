//! `explain` against the wire: for random packets over random configurations, what it says must happen, and
//! nothing else.

#[path = "explain/generate.rs"]
mod generate;
#[path = "explain/judge.rs"]
mod judge;

use std::{cell::Cell, net::IpAddr};

use udplb_agent::{
    explain::{Explanation, Host, Question, explain},
    facts::Facts,
    kernel::{bpf::Maps, interfaces},
    tables::Tables,
};
use udplb_tests::{
    agent::Agent,
    capture::{Capture, Frame},
    lab::{Lab, Mac},
    packet::{Ethernet, Tag, Udp},
    traffic::{Numbers, send},
};

use generate::{Case, SENTINEL};
use judge::Score;

const CONFIGURATIONS: u64 = 25;
const PACKETS: usize = 40;

/// Of these, the command itself is asked as well.
const ASKED: usize = 2;

/// `sender` reaches the node on eth0 and eth3; both take longer packets than the
/// collectors' links. There is
/// no default route, so that some upstreams have none.
const DRAWING: &str = "
    sender eth0 10.0.1.2/24 2001:db8:1::2/64 -- node       eth0 10.0.1.1/24 2001:db8:1::1/64
    sender eth3 10.0.4.2/24 2001:db8:4::2/64 -- node       eth3 10.0.4.1/24 2001:db8:4::1/64
    node   eth1 10.0.2.1/24 2001:db8:2::1/64 -- collector1 eth0 10.0.2.2/24 2001:db8:2::2/64
    node   eth2 10.0.3.1/24 2001:db8:3::1/64 -- collector2 eth0 10.0.3.2/24 2001:db8:3::2/64
    collector1: address add 10.0.2.3/24 dev eth0
    collector1: address add 10.0.2.4/24 dev eth0
    collector1: address add 2001:db8:2::3/64 dev eth0 nodad
    collector2: address add 10.0.7.7/32 dev lo
    node: route add 10.0.7.0/24 via 10.0.3.2
    sender: link set eth0 mtu 4000
    sender: link set eth3 mtu 4000
    node: link set eth0 mtu 4000
    node: link set eth3 mtu 4000
";

struct Scene {
    // Dropped first: it has a last word in the lab.
    agent: Agent,
    lab: Lab,
    maps: Maps,
    host: Host,
    captures: [(&'static str, Capture); 3],
}

impl Scene {
    fn new(config: &str) -> Self {
        let lab = Lab::new("explain", DRAWING);
        let node = lab.host("node");
        // Small maps, which are read for each configuration.
        let size = ["--keep", "--max-forwards", "64", "--table-memory", "8"];
        let mut agent = Agent::new(node, &size);
        agent.without_final_identity();
        agent.write(config);
        agent.run();
        let maps = Maps::open(agent.pins()).unwrap();
        let host = node.enter(|| Host {
            names: interfaces::names(),
            ..Host::default()
        });
        let captures = [
            ("eth1", Capture::link(lab.host("collector1"), "eth0")),
            ("eth2", Capture::link(lab.host("collector2"), "eth0")),
            ("stack", Capture::stack(node)),
        ];
        Self {
            agent,
            lab,
            maps,
            host,
            captures,
        }
    }

    fn tables(&self) -> Tables {
        let mut tables = self.maps.read(&Facts::default()).unwrap();
        // The program moves them with every packet.
        for limit in tables.rate_limits.values_mut() {
            limit.arrival = 0;
        }
        tables
    }

    fn question(&self, case: &Case) -> Question {
        let names = &self.host.names.0;
        let (&interface, _) = names
            .iter()
            .find(|(_, name)| **name == case.interface)
            .unwrap();
        Question {
            interface,
            source: case.source.ip(),
            source_port: Some(case.source.port()),
            destination: case.destination,
            vlan: case.vlan,
            length: Some(u32::try_from(datagram(case, 0).packet().len()).unwrap()),
            ttl: case.ttl,
        }
    }

    fn explain(&self, tables: &Tables, case: &Case) -> Explanation {
        let node = self.lab.host("node");
        let host = Host {
            names: self.host.names.clone(),
            attached: tables.attachments.keys().copied().collect(),
            broadcasts: node.enter(|| interfaces::broadcasts(case.interface)),
        };
        explain(tables, &host, &self.question(case))
    }

    /// The same from the command.
    fn ask(&self, case: &Case) -> serde_json::Value {
        let question = self.question(case);
        let numbers = [question.length.unwrap().to_string(), case.ttl.to_string()];
        let [source, destination] = [case.source, case.destination].map(|one| one.to_string());
        let vlan = case.vlan.map(|vlan| vlan.to_string());
        let mut arguments = vec!["--interface", case.interface, "--source", &source];
        arguments.extend(["--destination", &destination, "--length", &numbers[0]]);
        arguments.extend(["--ttl", &numbers[1], "--output", "json"]);
        arguments.extend(vlan.iter().flat_map(|vlan| ["--vlan", vlan]));
        serde_json::from_str(&self.agent.ask("explain", &arguments)).unwrap()
    }

    /// Sends every packet, and returns what came of each at the three places.
    fn send(&mut self, cases: &[Case]) -> Vec<Vec<(&'static str, Frame)>> {
        let sender = self.lab.host("sender");
        for (number, case) in (0..).zip(cases) {
            send(sender, case.interface, &[self.frame(case, number)]);
        }
        let last = Case {
            interface: "eth0",
            source: "10.0.1.2:9".parse().unwrap(),
            destination: format!("10.0.1.1:{SENTINEL}").parse().unwrap(),
            vlan: None,
            ttl: 64,
            padding: 0,
        };
        let number = u32::try_from(cases.len()).unwrap();
        send(sender, "eth0", &[self.frame(&last, number)]);
        let mut found = vec![Vec::new(); cases.len()];
        for (place, capture) in &mut self.captures {
            let is_last = |packet: &udplb_tests::packet::Packet| {
                packet.is_udp_to(SENTINEL) && number_of(packet) == Some(number)
            };
            for frame in capture.until(|packet| number_of(packet).is_some(), is_last) {
                let number = number_of(&frame.packet).unwrap();
                found[usize::try_from(number).unwrap()].push((*place, frame));
            }
        }
        found
    }

    fn frame(&self, case: &Case, number: u32) -> Vec<u8> {
        let (sender, node) = (self.lab.host("sender"), self.lab.host("node"));
        let destination = match case.destination.ip() {
            // The subnet's broadcast address, on the subnet's own link.
            IpAddr::V4(v4) if v4.octets() == [10, 0, 1, 255] && case.interface == "eth0" => {
                Mac::BROADCAST
            }
            _ => node.mac(case.interface),
        };
        let tags: Vec<_> = case.vlan.map(Tag::vlan).into_iter().collect();
        let ethernet = Ethernet::new(sender.mac(case.interface), destination).tagged(&tags);
        datagram(case, number).frame(&ethernet)
    }
}

fn datagram(case: &Case, number: u32) -> Udp {
    let payload = [
        &number.to_be_bytes()[..],
        b"explain",
        &vec![0; case.padding],
    ]
    .concat();
    Udp {
        source: case.source,
        destination: case.destination,
        ttl: case.ttl,
        ..Udp::new("10.0.1.2:1", "10.0.1.1:1", &payload)
    }
}

fn number_of(packet: &udplb_tests::packet::Packet) -> Option<u32> {
    let (number, rest) = packet.payload().split_first_chunk()?;
    rest.starts_with(b"explain")
        .then(|| u32::from_be_bytes(*number))
}

#[test]
fn agrees_with_the_wire_for_a_thousand_random_packets() {
    let seed = std::env::var("UDPLB_SEED").map_or(20_261_122, |seed| seed.parse().unwrap());
    println!("UDPLB_SEED={seed}");
    let mut numbers = Numbers::new(seed);
    let mut scene = Scene::new(&generate::idle());
    let score = Score::default();
    let repeats = Cell::new(0);
    for round in 0..CONFIGURATIONS {
        let forwards = generate::forwards(&mut numbers);
        let config = generate::config(&forwards);
        scene.agent.reload(&config);
        let cases: Vec<Case> = (0..PACKETS)
            .map(|_| generate::case(&mut numbers, &forwards))
            .collect();
        // A neighbour may fail or answer in between: then what was read is out of date.
        let (explanations, found) = loop {
            let tables = scene.tables();
            let explanations: Vec<_> = cases
                .iter()
                .map(|case| scene.explain(&tables, case))
                .collect();
            let asked: Vec<_> = cases[..ASKED].iter().map(|case| scene.ask(case)).collect();
            let found = scene.send(&cases);
            if scene.tables() == tables {
                for (asked, explanation) in asked.iter().zip(&explanations) {
                    assert_eq!(*asked, serde_json::to_value(explanation).unwrap());
                }
                break (explanations, found);
            }
            repeats.set(repeats.get() + 1);
            assert!(repeats.get() < 100, "the tables never rest");
        };
        for ((case, explanation), found) in cases.iter().zip(&explanations).zip(&found) {
            if let Err(difference) = score.judge(case, explanation, found) {
                panic!(
                    "UDPLB_SEED={seed}, round {round}: {difference}\n{case:?}\n{explanation}\n{config}"
                );
            }
        }
    }
    println!("{} batches repeated; {score:#?}", repeats.get());
    score.check();
}
