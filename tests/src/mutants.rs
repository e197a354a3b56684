//! Seeded defects: each must turn a row red, or the rows would not notice it. IO but for [`table`] and [`edit`].
//!
//! A defect is an edit of the datapath's sources. It is made in a copy of them below `target/mutants`, the program is
//! built there as the agent's own build does it, and an agent with that program plays the packet suite.

mod artifacts;
mod edit;
mod options;
mod scratch;
mod suite;
pub mod table;

use std::process::ExitCode;

use artifacts::Artifacts;
pub use edit::apply;
use options::Options;
use scratch::Scratch;
use suite::{Played, Suite};
use table::Mutant;

/// Plays the suite for every defect, or those that the arguments name.
pub fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    let (chosen, depth) = match Options::parse(arguments) {
        Options::Run { mutants, depth } => (mutants, depth),
        Options::Help => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Options::Unknown(argument) => {
            eprintln!(
                "udplb-mutants: no such defect: {argument}\n\n{}",
                options::HELP
            );
            return ExitCode::from(2);
        }
    };
    let artifacts = Artifacts::build();
    let scratch = Scratch::copy(&artifacts.script);
    let suite = Suite::of(artifacts, depth);
    eprintln!("the program as it is …");
    let program = scratch
        .build()
        .expect("the program as it is does not build");
    match suite.play_whole(&program) {
        Played::Green => {}
        other => {
            eprintln!("the program as it is: {other}");
            return ExitCode::FAILURE;
        }
    }
    let missed: Vec<&str> = chosen
        .iter()
        .filter(|mutant| !is_caught(mutant, &scratch, &suite))
        .map(|mutant| mutant.name)
        .collect();
    println!(
        "\n{} of {} defects turn rows red",
        chosen.len() - missed.len(),
        chosen.len()
    );
    if missed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("nothing was seen of: {}", missed.join(", "));
    ExitCode::FAILURE
}

fn is_caught(mutant: &Mutant, scratch: &Scratch, suite: &Suite) -> bool {
    let played = match scratch.build_with(mutant) {
        Ok(program) => suite.play(&program, mutant.theme),
        Err(error) => Played::Useless(format!("does not build:\n{error}")),
    };
    println!("{}: {played}", mutant.name);
    matches!(played, Played::Red(themes) if themes.contains_key(mutant.theme))
}
