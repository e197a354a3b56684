//! The command line. Pure.

/// What `--help` prints.
pub(super) const HELP: &str = "\
Has the agent die, or be refused what it asks for, at every operation of the kernel, under traffic.

usage: udplb-faults [WORD]...

  WORD        only faults whose line has this in it, such as 'File: dies' or 'store to PORTS'
  -h, --help  this
";

/// What was asked for.
pub(super) enum Options {
    /// The faults whose line has all these words in it.
    Run(Vec<String>),
    Help,
}

impl Options {
    pub(super) fn parse(arguments: impl Iterator<Item = String>) -> Self {
        let words: Vec<String> = arguments.collect();
        if words.iter().any(|word| word == "-h" || word == "--help") {
            return Self::Help;
        }
        Self::Run(words)
    }
}
