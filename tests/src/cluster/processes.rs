//! The processes of a cluster: started, written down by number, and ended from any later process. IO.

use std::{
    fs::{self, File},
    io::Write as _,
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    lab::Process,
    sys,
    wait::{Deadline, readable},
};

/// Far longer than the kernel takes to end a process.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts processes and writes down which.
#[derive(Clone, Debug)]
pub(super) struct Processes {
    list: PathBuf,
    /// Whether they outlive the process that starts them.
    kept: bool,
}

impl Processes {
    pub(super) fn new(folder: &Path, kept: bool) -> Self {
        Self {
            list: folder.join("processes"),
            kept,
        }
    }

    /// Starts one.
    pub(super) fn spawn(&self, log: &Path, command: &mut Command) -> Process {
        if self.kept {
            // An interrupt at the terminal is not for it.
            let _: &mut Command = command.process_group(0);
        } else {
            sys::end_with_parent(command);
        }
        let process = Process::spawn(log, command);
        let mut list = File::options()
            .create(true)
            .append(true)
            .open(&self.list)
            .unwrap();
        let started = started(process.id()).unwrap_or_default();
        writeln!(list, "{} {started}", process.id()).unwrap();
        process
    }
}

/// Ends what was started for the cluster in this folder, and the children of that.
pub(super) fn end_all(folder: &Path) {
    let text = fs::read_to_string(folder.join("processes")).unwrap_or_default();
    // The youngest first: nodes before the API server that they talk to.
    for line in text.lines().rev() {
        let Some((number, start)) = line.split_once(' ') else {
            continue;
        };
        // The number may be another process's by now.
        match number.parse() {
            Ok(number) if started(number).is_some_and(|now| now == start) => end(number),
            _ => {}
        }
    }
}

/// Ends a process and its children, and waits until the kernel has let them go. Where a child is the first of
/// its own kind, everything in there goes with it.
pub(super) fn end(process: u32) {
    let all: Vec<(u32, OwnedFd)> = children(process)
        .into_iter()
        .chain([process])
        .filter_map(|number| Some((number, sys::process_descriptor(number).ok()?)))
        .collect();
    for (number, _) in &all {
        let number = Pid::from_raw(i32::try_from(*number).unwrap());
        let _ended_already = kill(number, Signal::SIGKILL);
    }
    for (number, descriptor) in &all {
        assert!(
            readable(descriptor, Deadline::after(PATIENCE)),
            "process {number} does not end"
        );
    }
}

/// The processes that one has started and that still run.
pub(super) fn children(process: u32) -> Vec<u32> {
    let list = format!("/proc/{process}/task/{process}/children");
    let text = fs::read_to_string(list).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect()
}

/// When a process was started, in ticks since the machine was: with its number, it is one process only.
fn started(process: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in parentheses, may have spaces.
    let (_, fields) = text.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let dead = fields.next()? == "Z";
    // The 22nd of all, and this is the fourth.
    fields.nth(18).filter(|_| !dead).map(str::to_owned)
}
