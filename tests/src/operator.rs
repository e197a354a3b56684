//! The real `udplb-operator`, run beside an API server. IO.

use std::{path::Path, process::Command, time::Duration};

use nix::sys::signal::Signal;

use crate::{lab::Process, product::binary};

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
        let mut command = Command::new(binary("udplb-operator", "UDPLB_OPERATOR"));
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

impl Drop for Operator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- operator ---\n{}", self.log());
        }
    }
}
