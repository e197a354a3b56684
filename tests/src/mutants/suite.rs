//! The packet suite, played against an agent with a given program. IO.

use std::{collections::BTreeMap, fmt, fs, path::Path, process::Command};

use super::{artifacts::Artifacts, scratch::folder};
use crate::rows::RED;
use crate::sources::root;

/// Themes wait for the kernel more than they compute.
const THREADS: &str = "8";

/// The agent's word for a program that the verifier does not take.
const REFUSED: &str = "the kernel refused the eBPF program";

/// How much of the suite is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// The one theme that must notice.
    Theme,
    /// All of it: every row that notices is shown.
    Whole,
}

/// What came of it.
pub(super) enum Played {
    Green,
    /// Every row that is red, by theme.
    Red(BTreeMap<String, Vec<String>>),
    /// No statement about rows: what happened instead.
    Useless(String),
}

pub(super) struct Suite {
    artifacts: Artifacts,
    depth: Depth,
}

impl Suite {
    pub(super) fn of(artifacts: Artifacts, depth: Depth) -> Self {
        Self { artifacts, depth }
    }

    /// Plays every row against an agent with this program.
    pub(super) fn play_whole(&self, program: &Path) -> Played {
        self.run(program, &[])
    }

    /// Plays the rows as deep as was asked for, with the theme that must notice.
    pub(super) fn play(&self, program: &Path, theme: &str) -> Played {
        match self.depth {
            Depth::Whole => self.play_whole(program),
            Depth::Theme => self.run(program, &["--exact", theme]),
        }
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> Played {
        let output = Command::new(&self.artifacts.tests)
            .args(["--test-threads", THREADS])
            .args(arguments)
            .current_dir(root().join("tests"))
            .env("UDPLB_AGENT", &self.artifacts.agent)
            .env("UDPLB_PROGRAM", program)
            .output()
            .expect("the packet suite does not run");
        let [out, error] =
            [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        let text = out + error;
        // With what differs at each row, for those who want to know more.
        fs::write(folder().join("last-run.txt"), &*text).unwrap();
        let mut red: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in text.lines().filter_map(|line| line.strip_prefix(RED)) {
            let (theme, row) = line.split_once(": ").unwrap_or((line, ""));
            red.entry(theme.to_owned())
                .or_default()
                .push(row.to_owned());
        }
        match (output.status.success(), red.is_empty()) {
            _ if text.contains(REFUSED) => Played::Useless(REFUSED.to_owned()),
            (true, _) => Played::Green,
            (false, false) => Played::Red(red),
            (false, true) => {
                Played::Useless(format!("no row is red, but the suite failed:\n{text}"))
            }
        }
    }
}

impl fmt::Display for Played {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        match self {
            Self::Green => formatter.write_str("no row is red"),
            Self::Useless(what) => formatter.write_str(what),
            Self::Red(themes) => {
                let count: usize = themes.values().map(Vec::len).sum();
                write!(formatter, "{count} rows are red")?;
                for (theme, rows) in themes {
                    let shown = rows[..rows.len().min(SHOWN)].join("; ");
                    write!(formatter, "\n  {theme}: {shown}")?;
                    if rows.len() > SHOWN {
                        write!(formatter, "; and {} more", rows.len() - SHOWN)?;
                    }
                }
                Ok(())
            }
        }
    }
}
