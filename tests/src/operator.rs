//! The real `udplb-operator`, run beside an API server. IO.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::{
    lab::{Host, Process},
    product::binary,
    sys,
};

/// The namespace of its Lease and of the agents' pods.
pub const NAMESPACE: &str = "udplb-system";

/// Longer than it takes to end on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running operator; killed when dropped.
#[derive(Debug)]
pub struct Operator {
    process: Process,
}

impl Operator {
    /// Starts one under the name of a pod, with further arguments of `run`.
    pub fn start(kubeconfig: &Path, pod: &str, arguments: &[&str]) -> Self {
        let command = Command::new(program());
        Self::spawn(command, kubeconfig, pod, arguments)
    }

    /// The same on a host of a lab, with a resolv.conf of its own.
    pub fn start_on(host: &Host, kubeconfig: &Path, pod: &str, resolv_conf: &Path) -> Self {
        let mut command = host.command(program());
        sys::bind_file(&mut command, resolv_conf, Path::new("/etc/resolv.conf"));
        Self::spawn(command, kubeconfig, pod, &[])
    }

    fn spawn(mut command: Command, kubeconfig: &Path, pod: &str, arguments: &[&str]) -> Self {
        let _: &mut Command = command
            .args(["run", "--debug", "--http-address", "127.0.0.1:0"])
            .args(["--pod-namespace", NAMESPACE, "--pod-name", pod])
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(arguments);
        let log = kubeconfig.with_file_name(format!("{pod}.log"));
        Self {
            process: Process::spawn(&log, &mut command),
        }
    }

    /// What it wrote to its log.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Has it end as Kubernetes does, and waits for that.
    pub fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.process.wait(PATIENCE);
        assert!(status.success(), "{status}:\n{}", self.log());
    }
}

/// The program.
pub fn program() -> PathBuf {
    binary("udplb-operator", "UDPLB_OPERATOR")
}

impl Drop for Operator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- operator ---\n{}", self.log());
        }
    }
}
