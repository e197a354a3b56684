//! The node under faults: its agent, what it was turned to, and what is in its kernel. IO.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::ExitStatusExt as _,
    process::{ExitStatus, Output},
    time::Duration,
};

use serde_json::Value;

use super::{Case, Fault, Faults, Step, step};
use crate::{
    agent::{ADDRESS, Agent},
    foreign,
    lab::Host,
    scrape,
    wait::{self, Deadline},
};

pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// What is not passed that long after the step has come to its end is not passed any more.
const AFTERWARDS: Duration = Duration::from_secs(2);
/// How long nothing may be passed until a step that is recorded counts as over.
pub(super) const OVER: Duration = Duration::from_millis(500);
/// The same for what comes before a fault, where it does not matter that much.
const QUIET: Duration = Duration::from_millis(100);
/// What the operations of the plan are refused with, in the agent's words.
const REASONS: [&str; 5] = [
    "Cannot allocate memory",
    "ENOMEM",
    "EOPNOTSUPP",
    "Operation not supported",
    "No buffer space available",
];

/// How a line starts behind which the process ends.
const LAST_WORD: &str = "udplb-agent: ";

/// How a case went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Went {
    /// As planned.
    Played,
    /// The point was not passed as often this time.
    NotPassed,
}

pub(super) struct Node<'a> {
    pub(super) agent: &'a mut Agent,
    pub(super) host: &'a Host,
    pub(super) faults: &'a Faults,
    /// The steps that are on their other side.
    pub(super) turned: BTreeSet<Step>,
}

impl Node<'_> {
    /// Ends the agent, if it runs, and has the next one have fault points, or not.
    pub(super) fn change_agent(&mut self, with_faults: bool) {
        if self.agent.runs() {
            self.agent.kill();
        }
        self.agent.set_faults(with_faults.then_some(self.faults));
    }

    /// Does a step with an agent that runs.
    pub(super) fn act(&mut self, step: Step) {
        match step {
            Step::Scrape => drop(scrape::get(self.host, ADDRESS, "/metrics")),
            _ => step::turn(
                self.host,
                |text| self.agent.write(text),
                step,
                &mut self.turned,
            ),
        }
    }

    /// Returns when nothing has been passed for a while.
    pub(super) fn be_quiet(&self, time: Duration) {
        let (mut before, mut quiet) = (self.faults.passed().len(), Deadline::after(time));
        while !quiet.passed() {
            std::thread::sleep(Duration::from_millis(10));
            let now = self.faults.passed().len();
            if now != before {
                (before, quiet) = (now, Deadline::after(time));
            }
        }
    }

    /// Everything of ours on the node that a user can see, but for what traffic changes.
    pub(super) fn inventory(&self) -> Option<String> {
        let metrics = scrape::try_scrape(self.host, ADDRESS).ok()?;
        let mut text = String::new();
        for (labels, value) in metrics.matching("udplb_agent_map_entries", &[]) {
            text += &format!("{}: {value}\n", labels["map"]);
        }
        for (labels, value) in metrics.matching("udplb_upstream_reachable", &[]) {
            text += &format!("reachable {}: {value}\n", labels["upstream"]);
        }
        let mut status = self.agent.status();
        keep_lasting(&mut status);
        text += &serde_json::to_string_pretty(&status).unwrap();
        Some(text + &self.remains())
    }

    /// What of ours is in the kernel, whoever put it there.
    pub(super) fn remains(&self) -> String {
        let mut pins: Vec<String> = Vec::new();
        let mut folders = vec![self.agent.pins().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                pins.push(entry.path().display().to_string());
                if entry.path().is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        pins.sort();
        // One that was the kernel's before, for all that we know, stays when it is given back.
        let neighbours = self
            .host
            .run("ip -d neigh show | grep -E 'managed|proto 209' | cut -d' ' -f1-3 | sort");
        let programs = foreign::attached(self.host, "eth0");
        format!("pins: {pins:#?}\nneighbours:\n{neighbours}programs on eth0: {programs}\n")
    }

    /// Waits until the node is like this.
    pub(super) fn becomes(&self, reference: &str) {
        let deadline = Deadline::after(PATIENCE);
        loop {
            let last = deadline.passed();
            let now = self.inventory().unwrap_or_default();
            if now == reference {
                return;
            }
            assert!(
                !last,
                "the node is not what it was in a clean run:\n{}",
                difference(reference, &now)
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Has the agent die in the middle of a step.
    pub(super) fn die(&mut self, case: &Case) -> Went {
        let plan = |node: &Self| node.faults.arm(Fault::Die, &case.point, case.skip);
        let ended = match case.step {
            Step::Cleanup => {
                self.change_agent(true);
                plan(self);
                Some(self.clean_up().status)
            }
            Step::First | Step::Start => {
                self.change_agent(true);
                plan(self);
                self.agent.launch();
                self.end_of_life()
            }
            step => {
                self.prepare();
                plan(self);
                self.act(step);
                self.end_of_life()
            }
        };
        let happened = self.faults.happened() > 0;
        self.faults.withdraw();
        let Some(status) = ended.filter(|_| happened) else {
            return Went::NotPassed;
        };
        assert_eq!(status.signal(), Some(libc::SIGKILL), "it did not die there");
        Went::Played
    }

    /// Has the agent be refused something in the middle of a step, until it has told so. `meanwhile` says that what ran
    /// before goes on.
    pub(super) fn fail(&mut self, case: &Case, meanwhile: impl Fn()) -> Went {
        let plan = |node: &Self| node.faults.arm(Fault::Fail, &case.point, case.skip);
        let log = |node: &Self| node.agent.log().len();
        let before = match case.step {
            Step::Cleanup => {
                self.change_agent(true);
                plan(self);
                let Output { status, stderr, .. } = self.clean_up();
                let happened = self.faults.happened() > 0;
                self.faults.withdraw();
                if !happened {
                    return Went::NotPassed;
                }
                let told = String::from_utf8_lossy(&stderr).into_owned();
                assert!(
                    !status.success() && complains(&told),
                    "cleanup told: {status}: {told}"
                );
                return Went::Played;
            }
            Step::First | Step::Start => {
                self.change_agent(true);
                plan(self);
                let before = log(self);
                self.agent.launch();
                before
            }
            step => {
                self.prepare();
                plan(self);
                let before = log(self);
                self.act(step);
                before
            }
        };
        let told = self.complaint(case, before);
        if self.faults.happened() == 0 {
            self.faults.withdraw();
            return Went::NotPassed;
        }
        meanwhile();
        self.faults.withdraw();
        let is_last_word = told.is_some_and(|line| line.starts_with(LAST_WORD));
        let ended = if is_last_word {
            Some(wait::until(PATIENCE, "its end", || self.agent.ended()))
        } else {
            self.agent.ended()
        };
        if let Some(status) = ended {
            assert!(!status.success(), "it ended well");
            self.agent.run();
        }
        Went::Played
    }

    /// An agent with fault points that has done what there was to do.
    pub(super) fn prepare(&mut self) {
        if !self.agent.runs() || !self.agent.has_faults() {
            self.change_agent(true);
            self.agent.run();
        }
        self.be_quiet(QUIET);
    }

    fn clean_up(&self) -> Output {
        self.agent.command("cleanup").output().unwrap()
    }

    /// How the agent ended, unless it has nothing more to do.
    fn end_of_life(&mut self) -> Option<ExitStatus> {
        let mut done: Option<Deadline> = None;
        let deadline = Deadline::after(PATIENCE);
        while !deadline.passed() {
            if let Some(status) = self.agent.ended() {
                return Some(status);
            }
            if done.is_some_and(Deadline::passed) {
                return None;
            }
            if done.is_none() && self.is_ready() {
                done = Some(Deadline::after(AFTERWARDS));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        None
    }

    /// The line in which the agent tells what it was refused. None: it was not refused anything, or need not tell.
    fn complaint(&mut self, case: &Case, before: usize) -> Option<String> {
        let mut done: Option<Deadline> = None;
        wait::until(PATIENCE, "the agent to tell", || {
            let log = self.agent.log();
            if let Some(told) = log[before..].lines().find(|line| complains(line)) {
                return Some(Some(told.to_owned()));
            }
            if done.is_none() && self.is_ready() {
                done = Some(Deadline::after(AFTERWARDS));
            }
            let is_over = done.is_some_and(Deadline::passed) || self.agent.has_ended();
            let need_not_tell = self.faults.happened() == 0 || case.is_answer();
            (is_over && need_not_tell).then_some(None)
        })
    }

    fn is_ready(&self) -> bool {
        let answer = scrape::get(self.host, ADDRESS, "/readyz");
        answer.is_ok_and(|answer| answer.status == 200)
    }
}

fn complains(text: &str) -> bool {
    let is_loud = |line: &str| {
        [" WARN ", "ERROR ", LAST_WORD]
            .iter()
            .any(|level| line.contains(level))
    };
    text.lines()
        .any(|line| is_loud(line) && REASONS.iter().any(|reason| line.contains(reason)))
}

/// Leaves out what traffic, time and another process change: numbers, and how fresh a neighbour entry is.
fn keep_lasting(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_number());
            fields.values_mut().for_each(keep_lasting);
        }
        Value::Array(items) => items.iter_mut().for_each(keep_lasting),
        Value::String(text) if ["STALE", "DELAY", "PROBE"].contains(&&text[..]) => {
            "REACHABLE".clone_into(text);
        }
        _ => {}
    }
}

fn difference(wanted: &str, found: &str) -> String {
    let only = |one: &str, other: &str, sign: char| -> String {
        let other: Vec<&str> = other.lines().collect();
        one.lines()
            .filter(|line| !other.contains(line))
            .map(|line| format!("{sign} {line}\n"))
            .collect()
    };
    only(wanted, found, '-') + &only(found, wanted, '+')
}
