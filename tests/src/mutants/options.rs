//! The command line. Pure.

use super::{
    suite::Depth,
    table::{self, Mutant},
};

/// What `--help` prints.
pub(super) const HELP: &str = "\
Seeds defects into the datapath and shows which rows of the packet suite notice.

usage: udplb-mutants [-q] [NAME]...

  NAME         only this defect
  -q, --quick  play the one theme that must notice, not all
  -h, --help   this
";

/// What was asked for.
pub(super) enum Options {
    Run {
        mutants: Vec<&'static Mutant>,
        depth: Depth,
    },
    Help,
    Unknown(String),
}

impl Options {
    pub(super) fn parse(arguments: impl Iterator<Item = String>) -> Self {
        let (mut mutants, mut depth) = (Vec::new(), Depth::Whole);
        for argument in arguments {
            match &argument[..] {
                "-h" | "--help" => return Self::Help,
                "-q" | "--quick" => depth = Depth::Quick,
                name => match table::all().find(|mutant| mutant.name == name) {
                    Some(mutant) => mutants.push(mutant),
                    None => return Self::Unknown(argument),
                },
            }
        }
        if mutants.is_empty() {
            mutants.extend(table::all());
        }
        Self::Run { mutants, depth }
    }
}
