//! A pod's first process: stays until it is told to end.
#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::{fs, process::Command, thread};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Returns when a process waits, with no signal left to take.
fn until_it_waits(process: Pid) {
    let status = || fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let waits = |status: &str| {
        let value = |name| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap()
        };
        let pending = u64::from_str_radix(value("ShdPnd:").trim(), 16).unwrap();
        value("State:").trim().starts_with('S') && pending == 0
    };
    while !waits(&status()) {
        thread::yield_now();
    }
}

#[test]
fn it_ends_when_it_is_told_to_and_not_before() {
    let mut pause = Command::new(env!("CARGO_BIN_EXE_udplb-pause"))
        .spawn()
        .unwrap();
    let id = Pid::from_raw(pause.id().try_into().unwrap());
    until_it_waits(id);
    kill(id, Signal::SIGCHLD).unwrap();
    until_it_waits(id);
    assert!(pause.try_wait().unwrap().is_none());
    kill(id, Signal::SIGTERM).unwrap();
    assert!(pause.wait().unwrap().success());
}
