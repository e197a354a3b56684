//! Fault points: an agent that dies or is refused something, at every operation of the kernel that it asks for, while
//! traffic goes through it. IO but for [`case`].
//!
//! The agent is `agent/examples/fault_points`. A clean run of each [`Step`] says which points it passes, and how often.
//! Then each is played: the agent dies there, and the product is started in its place; or it is refused what it asks
//! for, until it has said so. Afterwards the node is as the clean run left it, and no datagram is missing.

pub mod case;
mod folder;
mod node;
mod options;
mod play;
mod step;

use std::process::ExitCode;

pub use case::{Case, Fault, Step};
pub use folder::Faults;
use options::Options;
pub use play::Played;

/// Plays every point, or those that the arguments choose.
pub fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    let wanted = match Options::parse(arguments) {
        Options::Run(wanted) => wanted,
        Options::Help => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
    };
    let mut cases = record();
    cases.retain(|case| wanted.iter().all(|word| case.to_string().contains(word)));
    let played = play(&cases);
    println!(
        "\n{} of {} faults did no harm, {} points were not passed as often as before",
        played.count - played.red.len() - played.missed.len(),
        cases.len(),
        played.missed.len()
    );
    let never = case::never_played(&cases, &played.missed);
    for case in &never {
        println!("{case}: never passed again");
    }
    for (case, harm) in &played.red {
        println!("{case}: {harm}");
    }
    if played.red.is_empty() && never.is_empty() && !cases.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Every case there is, by a clean run.
pub fn record() -> Vec<Case> {
    let mut cases = Vec::new();
    for (step, passed) in play::record() {
        cases.extend(case::of_step(step, &passed));
    }
    cases
}

/// Plays cases and prints a line for each.
pub fn play(cases: &[Case]) -> Played {
    let mut all = Played::default();
    for alone in [false, true] {
        let mut rest: Vec<Case> = cases.to_vec();
        rest.retain(|case| case.step.is_alone() == alone);
        while !rest.is_empty() {
            let Played { count, missed, red } = play::batch(&rest, alone);
            rest.drain(..count);
            all.count += count;
            all.missed.extend(missed);
            all.red.extend(red);
        }
    }
    all
}
