//! Changes of the file and restarts of the agent under full traffic: nothing lost, nothing doubled, nothing
//! handled half by one version and half by another.

#[path = "restart/halfway.rs"]
mod halfway;
#[path = "restart/upgrade.rs"]
mod upgrade;

use udplb_tests::scene::{FLOWS, Scene, VERSIONS, WINDOW, config, version};

#[test]
fn two_hundred_reloads_lose_nothing_and_mix_nothing() {
    let scene = Scene::new("reload", &config(0));
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
    let mut scene = Scene::new("restart", &config(0));
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
    let mut scene = Scene::new("restart-changed", &config(0));
    for number in 1..=10 {
        scene.agent.kill();
        scene.agent.write(&config(number));
        scene.moving.pass(500);
        scene.agent.run();
        scene.moving.pass(500);
    }
    scene.finish().assert_unmixed();
}

/// A file that is wrong changes nothing; neither does one that is gone, even over a restart.
#[test]
fn without_a_good_file_the_last_good_one_counts() {
    let mut scene = Scene::new("restart-bad", &config(0));
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
