//! The lab that rows are played on, with everything that watches. IO.

use super::{
    row::{Arrival, Row, SOURCE, Wanted},
    theme::Theme,
};
use crate::{
    agent::Agent,
    capture::{Capture, Frame, LastLost},
    lab::{Lab, Mac},
    packet::{Ethernet, Packet, Udp, difference},
    scrape::{self, Metrics, growth},
    test_run::{TestRun, Verdict},
    traffic::{send, send_pending},
};

/// Where markers go, in the order in which they are sent, and the port of each; forwards must not take them.
const MARKERS: [(&str, &str, u16); 3] = [
    ("collector1", "10.0.2.2", 65_001),
    ("collector2", "10.0.3.2", 65_002),
    ("sender", "10.0.1.2", 65_003),
];

/// Number of the UDP protocol.
const UDP: u8 = 17;

/// How a row ended otherwise than it should.
pub(super) enum Failure {
    /// This is what differs.
    Red(String),
    /// A marker was lost, so that nothing more can be said.
    Lost(String),
}

pub(super) struct Stage {
    // Dropped first: it has a last word in the lab.
    agent: Agent,
    /// Where a row needs it.
    program: Option<TestRun>,
    hook: Capture,
    /// By marker.
    links: [Capture; 3],
    metrics: Metrics,
    lab: Lab,
}

impl Stage {
    pub(super) fn set(theme: &Theme) -> Self {
        let lab = (theme.lab)(theme.name);
        let node = lab.host("node");
        node.sysctl("ipv4/ip_forward", "1");
        // Markers to the sender ask nobody first: the agent keeps the neighbours of upstreams only.
        let (_, sender, _) = MARKERS[MARKERS.len() - 1];
        drop(node.ip(&format!(
            "neigh replace {sender} lladdr {} nud permanent dev {}",
            lab.host("sender").mac("eth0"),
            theme.interface
        )));
        // Rows may note in its maps what this kernel has no device for: nobody shall put that right.
        let mut agent = Agent::new(lab.host("node"), &["--keep", "--look-every", "3600"]);
        agent.write(&theme.config);
        agent.run();
        agent.settle_but(&theme.unreachable);
        (theme.prepare)(&agent, &lab);
        let hook = Capture::hook(lab.host("node"), theme.interface);
        let links = MARKERS.map(|(host, ..)| Capture::link(lab.host(host), "eth0"));
        Self {
            program: (theme.rows.iter())
                .any(|row| row.arrival == Arrival::Summed)
                .then(|| TestRun::of(lab.host("node"), theme.interface)),
            metrics: agent.metrics(),
            agent,
            hook,
            links,
            lab,
        }
    }

    /// Sends the row's frames and compares everything that comes of them.
    pub(super) fn play(&mut self, row: &Row) -> Result<(), Failure> {
        let (mut originals, mut copies) =
            (row.originals(), [1, 2].map(|number| row.copies(number)));
        let mut red = Vec::new();
        let host = self.lab.host(row.sender);
        match row.arrival {
            Arrival::Wire => send(host, "eth0", &row.frames()),
            Arrival::Pending { .. } => send_pending(host, "eth0", &row.frames()),
            Arrival::Summed => {
                red.extend(self.run_summed(row, &mut copies));
                originals.clear();
            }
        }
        self.send_markers();
        let (at_hook, at_links) = self.captured().map_err(|LastLost { place }| {
            Failure::Lost(format!("nothing got through to {place} any more"))
        })?;
        red.extend(compare("the original", &originals, &at_hook));
        let [collector1, collector2, sender] = &at_links;
        red.extend(compare("a copy to collector1", &copies[0], collector1));
        red.extend(compare("a copy to collector2", &copies[1], collector2));
        red.extend(compare("a copy to the sender", &[], sender));
        red.extend(self.compare_counts(row));
        if red.is_empty() {
            return Ok(());
        }
        Err(Failure::Red(red.join("\n")))
    }

    /// By test-run a packet that is redirected stays here: its copy is looked at here, and not awaited.
    fn run_summed(&self, row: &Row, copies: &mut [Vec<Wanted>; 2]) -> Vec<String> {
        let frames = row.frames();
        assert_eq!(frames.len(), 1, "a row by test-run has one frame");
        let (verdict, wanted) = match (row.originals().pop(), row.last_copy()) {
            (Some(original), _) => (Verdict::Next, original.frame),
            (None, Some((collector, last))) => {
                drop(copies[usize::from(collector) - 1].pop());
                (Verdict::Redirect, last.frame)
            }
            (None, None) => (Verdict::Drop, frames[0].clone()),
        };
        let program = self.program.as_ref().expect("a row is by test-run");
        match program.run_summed(&frames).remove(0) {
            None => vec!["the checksum over all bytes is wrong afterwards".to_owned()],
            Some(outcome) if outcome.verdict != verdict => {
                vec![format!(
                    "the verdict is {:?}, not {verdict:?}",
                    outcome.verdict
                )]
            }
            Some(outcome) => frame_difference("the packet", &wanted, &outcome.frame)
                .into_iter()
                .collect(),
        }
    }

    fn send_markers(&self) {
        let link = Ethernet::new(SOURCE, Mac::of("node", "eth0"));
        let marker = |(_, address, port): (&str, &str, u16)| {
            Udp::new("10.0.1.77:7", &format!("{address}:{port}"), b"marker").frame(&link)
        };
        send(self.lab.host("sender"), "eth0", &MARKERS.map(marker));
    }

    /// What came before the markers: behind the hook, and at each link.
    fn captured(&mut self) -> Result<(Vec<Frame>, [Vec<Frame>; 3]), LastLost> {
        let last = MARKERS[MARKERS.len() - 1].2;
        let at_hook = self.hook.try_until(
            |packet| packet.source_mac == SOURCE && !is_marker(packet),
            |packet| packet.is_udp_to(last),
        )?;
        let mut at_links: [Vec<Frame>; 3] = Default::default();
        for ((capture, frames), (_, _, port)) in
            self.links.iter_mut().zip(&mut at_links).zip(MARKERS)
        {
            *frames = capture.try_until(is_copy, |packet| packet.is_udp_to(port))?;
        }
        Ok((at_hook, at_links))
    }

    fn compare_counts(&mut self, row: &Row) -> Vec<String> {
        let before = std::mem::replace(&mut self.metrics, self.agent.metrics());
        let grown = growth::grown(&before, &self.metrics);
        let identity = scrape::identity(&before, &self.metrics);
        match grown {
            Ok(grown) => growth::differences(row.counts(), &grown)
                .into_iter()
                .chain(identity.err())
                .collect(),
            Err(error) => vec![error],
        }
    }
}

fn is_marker(packet: &Packet) -> bool {
    MARKERS.iter().any(|(_, _, port)| packet.is_udp_to(*port))
}

/// Hosts send nothing over UDP but what rows make them.
fn is_copy(packet: &Packet) -> bool {
    packet.ip.as_ref().is_some_and(|ip| ip.protocol == UDP) && !is_marker(packet)
}

fn compare(what: &str, wanted: &[Wanted], found: &[Frame]) -> Vec<String> {
    if wanted.len() != found.len() {
        let frames: String = found
            .iter()
            .map(|frame| format!("\n  {}", frame.packet))
            .collect();
        return vec![format!(
            "{what}: {} came instead of {}:{frames}",
            found.len(),
            wanted.len()
        )];
    }
    let pairs = wanted.iter().zip(found);
    pairs
        .filter_map(|(wanted, found)| {
            frame_difference(what, &wanted.frame, &found.packet.frame).or_else(|| {
                (wanted.pending != found.checksum_pending).then(|| {
                    format!(
                        "{what}: checksum left to a device: {}",
                        found.checksum_pending
                    )
                })
            })
        })
        .collect()
}

fn frame_difference(what: &str, wanted: &[u8], found: &[u8]) -> Option<String> {
    if wanted == found {
        return None;
    }
    let [wanted_packet, found_packet] = [wanted, found].map(Packet::parse);
    let text = difference(wanted_packet.ip_packet(), found_packet.ip_packet());
    Some(format!(
        "{what}:\n{}  wanted {wanted:02x?}\n  found  {found:02x?}",
        text.unwrap_or_default()
    ))
}
