//! Rows that share a lab and a configuration. IO.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{
    row::Row,
    stage::{Failure, Stage},
};
use crate::{agent::Agent, lab::Lab};

/// What a line about a row that failed begins with, for programs that read it.
pub const RED: &str = "red row: ";

/// Rows on one stage.
#[derive(Debug)]
pub struct Theme {
    /// Its name, also that of its lab.
    pub name: &'static str,
    /// Builds the lab: hosts `sender`, `node`, `collector1`, `collector2`, with the addresses of
    /// [`crate::lab::shapes::two_collectors`].
    pub lab: fn(&str) -> Lab,
    /// What the agent on the node is given.
    pub config: String,
    /// Runs when the agent is ready.
    pub prepare: fn(&Agent, &Lab),
    /// The upstreams that nobody answers for, as metrics call them.
    pub unreachable: Vec<String>,
    /// The node's interface at which the frames meet the program.
    pub interface: &'static str,
    /// The cases.
    pub rows: Vec<Row>,
}

impl Theme {
    /// Rows that use `eth0` of the node.
    pub fn new(name: &'static str, lab: fn(&str) -> Lab, config: String, rows: Vec<Row>) -> Self {
        Self {
            name,
            lab,
            config,
            prepare: |_, _| {},
            unreachable: Vec::new(),
            interface: "eth0",
            rows,
        }
    }

    /// Plays every row and fails with all that are red.
    pub fn play(&self) {
        self.check();
        let mut stage = Stage::set(self);
        let mut red = String::new();
        for row in &self.rows {
            let name = format!("{}: {}", self.name, row.name());
            match stage.play(row) {
                Ok(()) => {}
                Err(Failure::Red(what)) => {
                    writeln!(red, "{RED}{name}\n  catches {}\n{what}", row.catches()).unwrap();
                }
                Err(Failure::Lost(what)) => {
                    writeln!(
                        red,
                        "{RED}{name}\n  {what}; the rows behind it were not played"
                    )
                    .unwrap();
                    break;
                }
            }
        }
        assert!(red.is_empty(), "\n{red}");
        println!("{}: {} rows", self.name, self.rows.len());
    }

    /// Fails where two rows have one name, or a row does not say what it is for.
    fn check(&self) {
        let mut names = BTreeSet::new();
        for row in &self.rows {
            assert!(
                names.insert(row.name()),
                "two rows are called {}",
                row.name()
            );
            assert!(!row.catches().is_empty(), "{} catches nothing", row.name());
        }
    }
}
