//! A running `udplb-agent trace`. IO.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    agent::Agent,
    lab::{Host, Process},
    wait,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A tracer that writes JSON; killed when dropped.
pub struct Tracer {
    process: Process,
    /// What earlier tracers of the host have written, bytes.
    before: usize,
}

impl Tracer {
    /// Starts one on an agent's pins, with further arguments, and returns when it traces.
    pub fn start(host: &Host, agent: &Agent, arguments: &[&str]) -> Self {
        let mut command = agent.command("trace");
        let _: &mut _ = command.args(["--output", "json"]).args(arguments);
        let log = host.folder().join(format!("{}-trace.log", host.name()));
        let before = std::fs::read_to_string(log).unwrap_or_default().len();
        let process = host.spawn("trace", &mut command);
        let mut tracer = Self { process, before };
        wait::until(PATIENCE, "the tracer to begin", || {
            assert!(tracer.process.ended().is_none(), "{}", tracer.written());
            tracer.written().contains("tracing;").then_some(())
        });
        tracer
    }

    fn written(&self) -> String {
        self.process.log().split_off(self.before)
    }

    /// Whole lines so far.
    pub fn lines(&self) -> Vec<Value> {
        let text = self.written();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        text[..whole]
            .lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Asks it to end and returns every line: what has happened by then, it tells.
    pub fn finish(mut self) -> Vec<Value> {
        self.process.signal(Signal::SIGINT);
        assert!(self.process.wait(PATIENCE).success(), "{}", self.written());
        self.lines()
    }

    /// Ends it without a warning.
    pub fn kill(mut self) {
        self.process.signal(Signal::SIGKILL);
        let _killed = self.process.wait(PATIENCE);
    }
}
