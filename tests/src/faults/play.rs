//! Plays cases in labs, and records what there is to be played. IO.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    Case, Fault, Faults, Step,
    case::{Passed, STEPS},
    node::{Node, OVER, PATIENCE, Went},
    step,
};
use crate::{
    agent::Agent,
    scene::{Scene, WINDOW},
    wait,
};

/// Cases that one stream of datagrams goes through.
const BATCH: usize = 50;
/// Datagrams a second of each stream. A fault that does harm does so until the next agent has started.
const RATE: u32 = 2000;
/// How often a point is tried that is not passed as often each time.
const TRIES: usize = 2;

/// What came of cases.
#[derive(Debug, Default)]
pub struct Played {
    /// How many cases had their turn.
    pub count: usize,
    /// Those whose point was not passed as often as in the recorded run.
    pub missed: Vec<Case>,
    /// Those that did harm, and what it was.
    pub red: Vec<(Case, String)>,
}

/// The points of every step, by a run without faults.
pub(super) fn record() -> BTreeMap<Step, Passed> {
    let lab = step::lab("faults-record");
    let mut agent = Agent::new(lab.host("node"), &["--keep"]);
    agent.without_final_identity();
    agent.write(&step::config(false));
    let faults = Faults::new(&lab.folder().join("faults"));
    let mut node = Node {
        agent: &mut agent,
        host: lab.host("node"),
        faults: &faults,
        turned: BTreeSet::new(),
    };
    let mut recorded = BTreeMap::new();
    for step in STEPS {
        let mut passed = Passed::default();
        for points in passed.iter_mut().take(if step.turns() { 2 } else { 1 }) {
            if matches!(step, Step::First | Step::Start | Step::Cleanup) {
                node.change_agent(true);
            }
            let before = faults.passed().len();
            match step {
                Step::First | Step::Start => node.agent.run(),
                Step::Cleanup => node.agent.cleanup(),
                _ => node.act(step),
            }
            node.be_quiet(OVER);
            *points = faults.passed().split_off(before);
        }
        drop(recorded.insert(step, passed));
    }
    recorded
}

/// Plays the first cases, as many as one lab takes, or up to the first that does harm.
pub(super) fn batch(cases: &[Case], alone: bool) -> Played {
    let cases = &cases[..cases.len().min(BATCH)];
    let mut played = Played::default();
    let play = || {
        if alone {
            play_alone(cases, &mut played);
        } else {
            play_under_traffic(cases, &mut played);
        }
    };
    let Err(harm) = catch_unwind(AssertUnwindSafe(play)) else {
        return played;
    };
    let words = harm.downcast_ref::<String>().cloned();
    let words = words.or_else(|| harm.downcast_ref().map(|text: &&str| (*text).to_owned()));
    // Where all were played, something is amiss with the traffic, and any may have done it.
    let culprit = cases[played.count.min(cases.len() - 1)].clone();
    println!("{culprit}: HARM");
    played.count = (played.count + 1).min(cases.len());
    played.red.push((culprit, words.unwrap_or_default()));
    played
}

fn play_under_traffic(cases: &[Case], played: &mut Played) {
    let lab = step::lab("faults");
    let faults = Faults::new(&lab.folder().join("faults"));
    let agent = Agent::start(lab.host("node"), &step::config(false));
    let mut scene = Scene::gently(lab, agent, RATE);
    scene.agent.without_final_identity();
    let host = scene.lab.host("node").clone();
    let mut turned = BTreeSet::new();
    let references = references(&mut scene, &host, &faults);
    for case in cases {
        let Scene {
            agent,
            moving,
            steady,
            ..
        } = &mut scene;
        let mut node = Node {
            agent,
            host: &host,
            faults: &faults,
            turned: std::mem::take(&mut turned),
        };
        let mut went = Went::NotPassed;
        for _ in 0..TRIES {
            // To the side that the case starts from, and all others home.
            for step in STEPS.into_iter().filter(|step| step.turns()) {
                if node.turned.contains(&step) != (case.back && step == case.step) {
                    node.act(step);
                }
            }
            if !node.agent.runs() {
                node.change_agent(false);
                node.agent.run();
            }
            node.becomes(&references[&node.turned]);
            went = match case.fault {
                Fault::Die => node.die(case),
                Fault::Fail => node.fail(case, || {
                    moving.pass(2 * WINDOW);
                    steady.pass(2 * WINDOW);
                }),
            };
            if went == Went::Played {
                break;
            }
        }
        if case.fault == Fault::Die {
            node.change_agent(false);
            node.agent.run();
        }
        node.becomes(&references[&node.turned]);
        turned = node.turned;
        tell(case, went, played);
    }
    scene.finish().assert_unmixed();
}

/// What the node is like on each side of each step, without faults.
fn references(
    scene: &mut Scene,
    host: &crate::lab::Host,
    faults: &Faults,
) -> BTreeMap<BTreeSet<Step>, String> {
    let mut node = Node {
        agent: &mut scene.agent,
        host,
        faults,
        turned: BTreeSet::new(),
    };
    // Twice, so that what changes leave behind on purpose is there: totals of upstreams that are gone.
    let mut found = BTreeMap::new();
    node.prepare();
    for _ in 0..2 {
        for step in STEPS.into_iter().filter(|step| step.turns()) {
            for _side in 0..2 {
                node.act(step);
                node.be_quiet(OVER);
                node.agent.settle();
                let inventory = node.inventory().expect("the agent does not answer");
                drop(found.insert(node.turned.clone(), inventory));
            }
        }
    }
    found
}

fn play_alone(cases: &[Case], played: &mut Played) {
    let lab = step::lab("faults-alone");
    let faults = Faults::new(&lab.folder().join("faults"));
    let mut agent = Agent::new(lab.host("node"), &["--keep"]);
    agent.without_final_identity();
    agent.write(&step::config(false));
    let mut node = Node {
        agent: &mut agent,
        host: lab.host("node"),
        faults: &faults,
        turned: BTreeSet::new(),
    };
    let nothing = node.remains();
    node.prepare();
    node.agent.settle();
    let reference = node.inventory().expect("the agent does not answer");
    for case in cases {
        let mut went = Went::NotPassed;
        for _ in 0..TRIES {
            node.change_agent(false);
            if case.step == Step::First {
                node.agent.cleanup();
            } else {
                node.agent.run();
                node.becomes(&reference);
            }
            went = match case.fault {
                Fault::Die => node.die(case),
                Fault::Fail => node.fail(case, || {}),
            };
            if went == Went::Played {
                break;
            }
        }
        if case.step == Step::First {
            if case.fault == Fault::Die {
                node.change_agent(false);
                node.agent.run();
            }
            node.becomes(&reference);
        }
        node.change_agent(false);
        node.agent.cleanup();
        // The kernel takes a program off some time after its link's pin is gone.
        let is_nothing = || (node.remains() == nothing).then_some(());
        wait::until(PATIENCE, "nothing to be left over", is_nothing);
        tell(case, went, played);
    }
}

fn tell(case: &Case, went: Went, played: &mut Played) {
    match went {
        Went::Played => println!("{case}: no harm"),
        Went::NotPassed => {
            println!("{case}: not passed this time");
            played.missed.push(case.clone());
        }
    }
    played.count += 1;
}
