//! The command line. Pure.

use super::table::{self, Mutant};

/// What `--help` prints.
pub(super) const HELP: &str = "\
Seeds defects into the datapath and shows which rows of the packet suite notice.

usage: udplb-mutants [NAME]...

  NAME        only this defect
  -h, --help  this
";

/// What was asked for.
pub(super) enum Options {
    Run(Vec<&'static Mutant>),
    Help,
    Unknown(String),
}

impl Options {
    pub(super) fn parse(arguments: impl Iterator<Item = String>) -> Self {
        let mut chosen = Vec::new();
        for argument in arguments {
            match &argument[..] {
                "-h" | "--help" => return Self::Help,
                name => match table::all().find(|mutant| mutant.name == name) {
                    Some(mutant) => chosen.push(mutant),
                    None => return Self::Unknown(argument),
                },
            }
        }
        if chosen.is_empty() {
            chosen.extend(table::all());
        }
        Self::Run(chosen)
    }
}
