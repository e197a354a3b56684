//! The command line. Pure.

use super::{
    suite::Depth,
    table::{self, Mutant},
};

/// What `--help` prints.
pub(super) const HELP: &str = "\
Seeds defects into the datapath and shows which rows of the packet suite notice.

usage: udplb-mutants [-w] [NAME]...

  NAME         only this defect
  -w, --whole  play all themes, to see every row that notices
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
        let (mut mutants, mut depth) = (Vec::new(), Depth::Theme);
        for argument in arguments {
            match &argument[..] {
                "-h" | "--help" => return Self::Help,
                "-w" | "--whole" => depth = Depth::Whole,
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
