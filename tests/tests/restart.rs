//! Changes of the file and restarts of the agent under full traffic: nothing lost, nothing doubled, nothing
//! handled half by one version and half by another.

use std::ops::Range;

use udplb_tests::{
    agent::{Agent, forward},
    lab::{Lab, shapes},
    traffic::{Flow, Pace, Receiver, Report, Sent, Stream},
};

/// Datagrams on their way to the slowest receiver, at most.
const WINDOW: u64 = 100;

/// Versions of the file differ in the upstreams' ports, of which there are so many.
const VERSIONS: u16 = 8;

const FLOWS: usize = 4;

/// Version `number` of a forward: what it matches and where both destinations send to.
fn config(number: u16) -> String {
    let matched = if number.is_multiple_of(2) {
        "{ports: [{port: 514}]}"
    } else {
        "{ports: [{port: 514}, {port: 600, endPort: 699}], addresses: ['10.0.1.1', '2001:db8:1::/64']}"
    };
    let (one, two) = (6000 + number % VERSIONS, 7000 + number % VERSIONS);
    let moving = format!(
        "
  match: {matched}
  action: Clone
  destinations:
  - {{name: one, upstreams: [{{address: 10.0.2.2, port: {one}}}, {{address: '2001:db8:2::2', port: {one}}}]}}
  - {{name: two, upstreams: [{{address: 10.0.3.2, port: {two}}}, {{address: '2001:db8:3::2', port: {two}}}]}}
"
    );
    forward("moving", &moving) + &forward("steady", STEADY)
}

/// A forward that no version touches.
const STEADY: &str = "
  match: {ports: [{port: 515}]}
  action: Forward
  destinations:
  - {name: one, upstreams: [{address: 10.0.2.2, port: 5515}, {address: '2001:db8:2::2', port: 5515}]}
";

/// Traffic through both forwards and everybody who receives it.
struct Scene {
    // Dropped first: it has a last word in the lab.
    agent: Agent,
    lab: Lab,
    moving: Stream,
    steady: Stream,
    local: Receiver,
    /// Sockets in the order of versions, two families each.
    copies: [Receiver; 2],
    forwarded: Receiver,
}

struct Outcome {
    moving: Sent,
    copies: [Report; 2],
}

impl Scene {
    fn new(name: &str) -> Self {
        let lab = shapes::two_collectors(name);
        let agent = Agent::start(lab.host("node"), &config(0));
        let at = |host: &str, addresses: [&str; 2], ports: Range<u16>| {
            let place = |port: u16| addresses.map(|address| format!("{address}:{port}"));
            let places: Vec<String> = ports.flat_map(place).collect();
            let places: Vec<_> = places
                .iter()
                .map(|place| (lab.host(host), &place[..]))
                .collect();
            Receiver::start(&places)
        };
        let local = at("node", ["10.0.1.1", "[2001:db8:1::1]"], 514..515);
        let first = ["10.0.2.2", "[2001:db8:2::2]"];
        let copies = [
            at("collector1", first, 6000..6000 + VERSIONS),
            at(
                "collector2",
                ["10.0.3.2", "[2001:db8:3::2]"],
                7000..7000 + VERSIONS,
            ),
        ];
        let forwarded = at("collector1", first, 5515..5516);
        let flows = |port: u16| {
            let mut flows = Flow::many("10.0.1.2", &format!("10.0.1.1:{port}"), FLOWS / 2);
            flows.extend(Flow::many(
                "2001:db8:1::2",
                &format!("[2001:db8:1::1]:{port}"),
                FLOWS / 2,
            ));
            flows
        };
        let pace = Pace::Window(
            WINDOW,
            [&local, &copies[0], &copies[1]]
                .map(Receiver::progress)
                .to_vec(),
        );
        let moving = Stream::start(lab.host("sender"), &flows(514), pace);
        let pace = Pace::Window(WINDOW, vec![forwarded.progress()]);
        let steady = Stream::start(lab.host("sender"), &flows(515), pace);
        Self {
            agent,
            lab,
            moving,
            steady,
            local,
            copies,
            forwarded,
        }
    }

    /// Ends the traffic; nothing may be missing anywhere.
    fn finish(self) -> Outcome {
        let (moving, steady) = (self.moving.stop(), self.steady.stop());
        let local = self.local.finish(&moving);
        let copies = self.copies.map(|receiver| receiver.finish(&moving));
        let forwarded = self.forwarded.finish(&steady);
        println!(
            "local: {local}\none: {}\ntwo: {}\nsteady: {forwarded}",
            copies[0], copies[1]
        );
        for (who, report) in [
            ("the node", &local),
            ("one", &copies[0]),
            ("two", &copies[1]),
            ("steady", &forwarded),
        ] {
            report.assert_complete(who);
        }
        drop(self.agent);
        drop(self.lab);
        Outcome { moving, copies }
    }
}

/// The version that handled a datagram, by the socket that its copy came to.
fn version(report: &Report, flow: usize, number: usize) -> u16 {
    u16::from(report.places[flow][number].unwrap()) / 2
}

#[test]
fn two_hundred_reloads_lose_nothing_and_mix_nothing() {
    let scene = Scene::new("reload");
    // By version: how many datagrams had been sent before it was written, and when it was in force.
    let mut marks = vec![(0, 0)];
    for number in 1..=200 {
        let before = scene.moving.count();
        scene.agent.reload(&config(number));
        // One more may have gone out and not be counted yet.
        marks.push((before, scene.moving.count() + 1));
        scene.moving.pass(3 * WINDOW);
    }
    let outcome = scene.finish();
    let total = outcome.moving.total();
    let mut sure = 0;
    for index in 0..total {
        let (flow, number) = (
            usize::try_from(index).unwrap() % FLOWS,
            usize::try_from(index).unwrap() / FLOWS,
        );
        let versions = outcome
            .copies
            .each_ref()
            .map(|report| version(report, flow, number));
        assert_eq!(
            versions[0], versions[1],
            "datagram {index} was handled half by one version, half by another"
        );
        // The last version that was surely in force when this was sent, and the last that may have been in
        // force when it was handled: those sent before a change may still have been on their way.
        let earliest = marks
            .iter()
            .rposition(|(_, in_force)| *in_force <= index)
            .unwrap();
        let latest = marks
            .iter()
            .rposition(|(written, _)| *written < index + WINDOW + 1)
            .unwrap();
        let named =
            (earliest..=latest).any(|mark| u16::try_from(mark).unwrap() % VERSIONS == versions[0]);
        assert!(
            named,
            "datagram {index} went by version {}, not {earliest} to {latest}",
            versions[0]
        );
        sure += u64::from(earliest == latest);
    }
    println!("{total} datagrams, {sure} of them when only one version could be in force");
    // While a version is put in force, most of the traffic passes; some hundred datagrams a version are left.
    assert!(
        sure > 200 * WINDOW,
        "the versions followed each other too fast to tell them apart"
    );
}

#[test]
fn twenty_restarts_lose_nothing() {
    let mut scene = Scene::new("restart");
    for round in 0..20 {
        if round % 2 == 0 {
            scene.agent.stop();
        } else {
            scene.agent.kill();
        }
        scene.moving.pass(1000);
        scene.agent.run();
        scene.moving.pass(1000);
    }
    drop(scene.finish());
}

/// A change of the file while no agent runs takes effect with the next start, as cleanly as any other.
#[test]
fn a_change_between_two_runs_loses_nothing() {
    let mut scene = Scene::new("restart-changed");
    for number in 1..=10 {
        scene.agent.kill();
        scene.agent.write(&config(number));
        scene.moving.pass(500);
        scene.agent.run();
        scene.moving.pass(500);
    }
    let outcome = scene.finish();
    for flow in 0..FLOWS {
        for number in 0..outcome.copies[0].places[flow].len() {
            let versions = outcome
                .copies
                .each_ref()
                .map(|report| version(report, flow, number));
            assert_eq!(
                versions[0], versions[1],
                "a datagram was handled half by each version"
            );
        }
    }
}

/// A file that is wrong changes nothing; neither does one that is gone, even over a restart.
#[test]
fn without_a_good_file_the_last_good_one_counts() {
    let mut scene = Scene::new("restart-bad");
    let agent = &mut scene.agent;
    let before = agent.generation();
    for bad in [
        "]",
        "kind: Mystery\n",
        &config(1).replace("action: Clone", "action: Eat"),
    ] {
        agent.write(bad);
        scene.moving.pass(2000);
        assert_eq!(agent.generation(), before, "{bad}");
    }
    agent.remove_file();
    scene.moving.pass(2000);
    agent.kill();
    agent.run();
    scene.moving.pass(2000);
    agent.write(&config(2));
    let outcome = {
        let agent = &scene.agent;
        udplb_tests::wait::until(
            std::time::Duration::from_secs(20),
            "the good file to be read",
            || (agent.generation() > 1).then_some(()),
        );
        scene.moving.pass(2000);
        scene.finish()
    };
    for report in &outcome.copies {
        let last = report.places[0].last().unwrap().unwrap();
        assert_eq!(u16::from(last) / 2, 2, "the good file is not in force");
        assert!(
            report
                .shares()
                .keys()
                .all(|place| [0, 2].contains(&(place / 2))),
            "{:?}",
            report.shares()
        );
    }
}
