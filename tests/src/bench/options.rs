//! The command line. Pure.

/// What `--help` prints.
pub(super) const HELP: &str = "\
Measures the datapath of the udplb-agent that was built last (or that UDPLB_AGENT names). Needs root.

Usage: udplb-bench [--json]

  --json      print one JSON document in place of the tables
  -h, --help  print this

Two measurements, in less than a minute:
- Nanoseconds a packet: the attached program, run on one frame over and over (BPF_PROG_TEST_RUN). The fastest of
  many batches, less an empty program.
- Packets a second on one CPU: frames appear on a node's veth and leave by another one, beside programs of four
  instructions that only redirect or clone. In turn, round by round; the median, and the ratio within each round.

Progress goes to standard error.
";

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Options {
    /// A measurement.
    Run(Output),
    /// The text above.
    Help,
    /// Something else.
    Unknown(String),
}

/// For whom the numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// People.
    Table,
    /// Scripts.
    Json,
}

impl Options {
    pub(super) fn parse(arguments: impl Iterator<Item = String>) -> Self {
        let mut output = Output::Table;
        for argument in arguments {
            match &argument[..] {
                "--json" => output = Output::Json,
                "-h" | "--help" => return Self::Help,
                _ => return Self::Unknown(argument),
            }
        }
        Self::Run(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_it_does_not_know() {
        let parse = |line: &str| Options::parse(line.split_whitespace().map(str::to_owned));
        assert_eq!(parse(""), Options::Run(Output::Table));
        assert_eq!(parse("--json"), Options::Run(Output::Json));
        assert_eq!(parse("--json -h"), Options::Help);
        assert_eq!(
            parse("--json --fast"),
            Options::Unknown("--fast".to_owned())
        );
    }
}
