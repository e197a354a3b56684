//! Upgrades that fail half-way or are killed: what ran before goes on, and nothing is left of the attempt.

use std::{fs, time::Duration};

use udplb_tests::{
    agent::{self, ADDRESS, Agent},
    lab::shapes,
    other_version::{endless_program, other_version},
    scene::{Scene, config},
    scrape, wait,
};

use crate::upgrade::{folders, of_version};

const PATIENCE: Duration = Duration::from_secs(90);

/// The scene's agent stops, and its next start is one of the other version.
fn stop_for_the_other(scene: &mut Scene) {
    scene.agent.stop();
    scene.agent.use_binary(&other_version().binary);
}

/// The product again, which must find nothing of what was tried.
fn back(scene: &mut Scene) {
    scene.agent.use_binary(&agent::binary());
    scene.agent.set_arguments(&["--keep"]);
    scene.agent.load_program(None);
    scene.agent.run();
    assert_eq!(folders(scene.agent.pins()), of_version(1));
    scene.moving.pass(1000);
}

#[test]
fn a_refused_program_changes_nothing() {
    let program = endless_program();
    let mut scene = Scene::new("upgrade-refused", &config(0));
    let before = scene.agent.metrics();
    stop_for_the_other(&mut scene);
    let path = scene.lab.host("node").folder().join("endless.o");
    fs::write(&path, program).unwrap();
    scene.agent.load_program(Some(path));
    scene.agent.launch();
    let status = scene.agent.wait_for_end();
    assert!(!status.success(), "{status}");
    let log = scene.agent.log();
    assert!(
        log.contains("failed to take over; the program of another version goes on as it was: the kernel refused"),
        "{log}"
    );
    assert_eq!(folders(scene.agent.pins()), of_version(1));
    scene.moving.pass(1000);
    back(&mut scene);
    crate::upgrade::assert_counted_on(&before, &scene.agent.metrics());
    drop(scene.finish());
}

#[test]
fn what_does_not_fit_takes_nothing_over() {
    let other = other_version();
    drop(other);
    let mut scene = Scene::new("upgrade-full", &config(0));
    stop_for_the_other(&mut scene);
    // Room for one forward, of two.
    scene
        .agent
        .set_arguments(&["--keep", "--max-forwards", "1"]);
    scene.agent.launch();
    wait::until(
        PATIENCE,
        "the agent to say that it cannot take over",
        || {
            scene
                .agent
                .log()
                .contains("this version has not been able to take over")
                .then_some(())
        },
    );
    let answer = scrape::get(scene.lab.host("node"), ADDRESS, "/readyz").unwrap();
    assert_eq!(answer.status, 503);
    scene.moving.pass(1000);
    scene.agent.stop();
    back(&mut scene);
    drop(scene.finish());
}

/// Killed when its maps are made, when they are being filled, when the first hook is swapped, and soon after; the next
/// start is one of either version.
#[test]
fn a_killed_upgrade_is_gone_on_with_or_taken_back() {
    let versions = [agent::binary(), other_version().binary];
    let mut scene = Scene::new("upgrade-killed", &config(0));
    for round in 0..6 {
        // From the version that is in place to the other one.
        let new = (round / 3 + 1) % 2;
        scene.agent.kill();
        scene.agent.use_binary(&versions[new]);
        let told = |agent: &Agent| {
            agent
                .log()
                .matches("another version's program is in place")
                .count()
        };
        let before = told(&scene.agent);
        scene.agent.launch();
        let maps = scene.agent.pins().join(format!("tables-{}", new + 1));
        let old = scene.agent.pins().join(format!("tables-{}", 2 - new));
        wait::until(PATIENCE, "the moment to kill it", || {
            let has_come = match round % 3 {
                0 => maps.join("PORTS").exists(),
                1 => told(&scene.agent) > before,
                _ => !old.exists(),
            };
            has_come.then_some(())
        });
        scene.agent.kill();
        scene.moving.pass(500);
        let next = (round / 2 + new) % 2;
        scene.agent.use_binary(&versions[next]);
        scene.agent.run();
        let tables = u32::try_from(next).unwrap() + 1;
        assert_eq!(
            folders(scene.agent.pins()),
            of_version(tables),
            "round {round}"
        );
        scene.moving.pass(500);
        scene.agent.kill();
        scene.agent.use_binary(&versions[(round + 1) / 3 % 2]);
        scene.agent.run();
    }
    drop(scene.finish());
}

/// What commands say while another version is in place, and that its work is taken down as one's own.
#[test]
fn commands_know_another_version() {
    let lab = shapes::two_collectors("upgrade-commands");
    let mut agent = Agent::new(lab.host("node"), &["--keep"]);
    agent.write(&config(0));
    agent.use_binary(&other_version().binary);
    agent.run();
    agent.stop();
    agent.use_binary(&agent::binary());
    let path = agent.pins().display().to_string();
    // Its lines are as wide as a terminal.
    let check = agent.ask("check", &[]);
    let check = check.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        check.contains(&format!(
            "{path} is in use by another version of udplb-agent; `run` takes over without a gap"
        )),
        "{check}"
    );
    for command in ["status", "top"] {
        let output = agent.command(command).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert_eq!(
            said,
            format!(
                "udplb-agent: {path} is in use by another version of udplb-agent (fragments-1-2, tables-2): ask that version, or start this one, which takes over without a gap\n"
            ),
            "{command}"
        );
    }
    agent.cleanup();
    assert!(!agent.pins().exists());
    assert_eq!(udplb_tests::foreign::attached(lab.host("node"), "eth0"), 0);
}
