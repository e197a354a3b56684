//! Holds the namespaces of a pod until it is told to end, as a pod's first process. **IO**
//!
//! It collects the processes that lost their parents: in a pod that shares its processes, this is their init.
#![forbid(unsafe_code)]

use nix::{
    sys::{
        signal::{SigSet, Signal},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

fn main() -> anyhow::Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD] {
        signals.add(signal);
    }
    signals.thread_block()?;
    while signals.wait()? == Signal::SIGCHLD {
        collect();
    }
    Ok(())
}

/// Every child that has ended; several ends may be one signal.
fn collect() {
    let any = Pid::from_raw(-1);
    while let Ok(status) = waitpid(any, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            return;
        }
    }
}
