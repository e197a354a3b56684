//! Faults in the agent's operations of the kernel do no harm: one of each kind here, all of them in `make faults`.
#![cfg(test)]

use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use udplb_tests::{
    agent::{self, Agent, forward},
    faults::{self, Case, Fault, Faults, case},
    lab::shapes,
    scene::{Scene, WINDOW, config},
    traffic::Numbers,
    wait,
};

#[test]
fn a_fault_of_each_kind_does_no_harm() {
    let mut kinds = case::by_kind(&faults::record());
    while !kinds.is_empty() {
        let mut first: Vec<Case> = kinds.iter().map(|kind| kind[0].clone()).collect();
        first.sort();
        let played = faults::play(&first);
        assert!(played.red.is_empty(), "{:#?}", played.red);
        // Another takes the place of one whose point was not passed this time.
        kinds.retain(|kind| played.missed.contains(&kind[0]));
        for kind in &mut kinds {
            let missed = kind.remove(0);
            assert!(!kind.is_empty(), "{missed}: no other of its kind");
        }
    }
}

/// Lives that end before they have come far, each with another version to put in force; some after they have.
#[test]
fn two_hundred_kills_at_random_moments_lose_nothing() {
    const LIVES: u16 = 200;
    let lab = shapes::two_collectors("faults-kills");
    let agent = Agent::start(lab.host("node"), &config(0));
    // Lives shall be short, and not wait for the CPU.
    let mut scene = Scene::gently(lab, agent, 5000);
    scene.agent.without_final_identity();
    let entries = |agent: &Agent| -> Vec<(String, String)> {
        let metrics = agent.metrics();
        let maps = metrics.matching("udplb_agent_map_entries", &[]);
        maps.map(|(labels, value)| (labels["map"].clone(), value.to_string()))
            .collect()
    };
    scene.agent.reload(&config(1));
    scene.agent.reload(&config(0));
    let before = entries(&scene.agent);
    scene.agent.kill();
    let start = Instant::now();
    scene.agent.run();
    let whole_life = start.elapsed();
    scene.agent.kill();
    let mut numbers = Numbers::new(200);
    for life in 1..=LIVES {
        if life % 8 == 0 {
            scene.agent.run();
        }
        scene.agent.write(&config(life));
        if life % 8 != 0 {
            scene.agent.launch();
        }
        let moment = u32::try_from(numbers.below(1000)).unwrap();
        std::thread::sleep(whole_life * moment / 1000);
        scene.agent.kill();
    }
    scene.agent.write(&config(0));
    scene.agent.run();
    scene.agent.settle();
    scene.moving.pass(2 * WINDOW);
    assert_eq!(entries(&scene.agent), before, "something is left over");
    scene.finish().assert_unmixed();
}

/// A forward for which there is no room is told of and does not run; it runs once there is.
#[test]
fn a_full_table_refuses_the_new_forward_and_leaves_the_others() {
    let more = |name: &str, port: u16| {
        let spec = format!(
            "
  match: {{ports: [{{port: {port}}}]}}
  action: Forward
  destinations:
  - {{name: one, upstreams: [{{address: 10.0.2.2, port: 9999}}]}}
"
        );
        forward(name, &spec)
    };
    let (third, unlucky) = (more("third", 600), more("unlucky", 601));
    let lab = shapes::two_collectors("faults-full");
    // Numbers 1 to 3 of 0 to 3: two of them for the versions that a change has at once.
    let mut agent = Agent::new(lab.host("node"), &["--keep", "--max-forwards", "2"]);
    agent.write(&config(0));
    agent.run();
    agent.settle();
    let mut scene = Scene::around(lab, agent);
    scene.agent.without_final_identity();
    let running = |agent: &Agent| -> Vec<String> {
        let status = agent.status();
        let forwards = status["forwards"].as_array().unwrap();
        let mut names: Vec<_> = forwards
            .iter()
            .map(|forward| forward["name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    scene.agent.reload(&(config(0) + &third + &unlucky));
    scene.moving.pass(2 * WINDOW);
    scene.steady.pass(2 * WINDOW);
    assert_eq!(running(&scene.agent), ["moving", "steady", "third"]);
    let log = scene.agent.log();
    let told = log.lines().filter(|line| line.contains(" WARN "));
    let told: Vec<&str> = told.filter(|line| line.contains("unlucky")).collect();
    assert!(
        matches!(told[..], [line] if line.contains("FORWARD") && line.contains("--max-forwards")),
        "{told:#?}\n{log}"
    );
    scene.agent.reload(&(config(0) + &unlucky));
    wait::until(Duration::from_secs(60), "the refused forward", || {
        (running(&scene.agent) == ["moving", "steady", "unlucky"]).then_some(())
    });
    assert!(
        scene
            .agent
            .log()
            .contains("no longer: forward default/unlucky does not fit")
    );
    scene.moving.pass(2 * WINDOW);
    scene.finish().assert_unmixed();
}

/// Out of memory for a map that an earlier version did not have: the agent says so and ends, and what that version
/// left goes on.
#[test]
fn without_memory_for_a_map_what_runs_goes_on() {
    let mut scene = Scene::new("faults-memory", &config(0));
    scene.agent.without_final_identity();
    let faults = Faults::new(&scene.lab.folder().join("faults"));
    scene.agent.kill();
    let pins = fs::read_dir(scene.agent.pins()).unwrap();
    let maps = pins
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("FRAGMENTS").exists())
        .expect("no pins of maps");
    fs::remove_file(maps.join("FRAGMENTS")).unwrap();
    scene.agent.set_faults(Some(&faults));
    faults.arm(Fault::Fail, "create map FRAGMENTS", 0);
    scene.agent.launch();
    let ended = wait::until(Duration::from_secs(60), "the agent to end", || {
        scene.agent.ended()
    });
    assert!(!ended.success());
    let log = scene.agent.log();
    let last = log.lines().last().unwrap_or_default();
    assert!(
        last.contains("failed to create or adopt the BPF maps in ")
            && last.contains("Cannot allocate memory"),
        "{last}"
    );
    scene.moving.pass(2 * WINDOW);
    scene.steady.pass(2 * WINDOW);
    scene.agent.set_faults(None);
    scene.agent.run();
    scene.agent.reload(&config(1));
    scene.moving.pass(2 * WINDOW);
    scene.finish().assert_unmixed();
}

#[test]
fn what_ships_has_no_fault_points() {
    let has_points = |binary: PathBuf| {
        let mut grep = Command::new("grep");
        let _: &mut Command = grep.args(["-q", Faults::VARIABLE]).arg(binary);
        grep.status().unwrap().success()
    };
    assert!(has_points(Faults::binary()));
    assert!(!has_points(agent::binary()));
}
