//! The real `udplb-agent`, run on a host of a lab. IO.

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::{
    faults::Faults,
    lab::{BPFFS, Host, Process},
    product,
    scrape::{self, Metrics},
    sys, wait,
};

/// Where the agent under test serves HTTP; every host has a loopback of its own.
pub const ADDRESS: &str = "127.0.0.1:9465";

/// Longer than a start or a reload takes on a busy machine, with as many forwards as a file may hold.
const PATIENCE: Duration = Duration::from_secs(90);

/// One agent of a host, running or not. Its pins go with the lab.
///
/// When an agent that runs is dropped at the end of a test, the metrics identity must hold.
pub struct Agent {
    host: Host,
    config: PathBuf,
    pins: PathBuf,
    state: PathBuf,
    /// `run` or `node`.
    subcommand: &'static str,
    arguments: Vec<String>,
    process: Option<Process>,
    binary: PathBuf,
    final_identity: bool,
    /// Files of its own in the place of the machine's.
    files: BTreeMap<&'static str, PathBuf>,
    /// Where its fault points are steered, if it is the binary that has some.
    faults: Option<PathBuf>,
    /// Another program than its own, where the binary takes one.
    program: Option<PathBuf>,
}

impl Agent {
    /// An agent that does not run yet, with further arguments of `run`.
    pub fn new(host: &Host, arguments: &[&str]) -> Self {
        let name = |kind: &str| format!("{}-{}-{kind}", host.lab(), host.name());
        Self {
            host: host.clone(),
            config: host.folder().join(format!("{}.yaml", host.name())),
            pins: Path::new(BPFFS).join(name("pins")),
            state: host.folder().join(name("state")),
            subcommand: "run",
            arguments: arguments.iter().map(ToString::to_string).collect(),
            process: None,
            binary: binary(),
            final_identity: true,
            files: BTreeMap::new(),
            faults: None,
            program: None,
        }
    }

    /// From its next start on, and in every command, it is the binary with fault points, or without them the product.
    pub fn set_faults(&mut self, faults: Option<&Faults>) {
        self.faults = faults.map(|faults| faults.folder().to_owned());
    }

    /// Whether it is the binary with fault points.
    pub fn has_faults(&self) -> bool {
        self.faults.is_some()
    }

    /// Another program than its own from its next start on, where the binary takes one.
    pub fn load_program(&mut self, program: Option<PathBuf>) {
        self.program = program;
    }

    /// Further arguments from its next start on, in the place of those that it had.
    pub fn set_arguments(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(ToString::to_string).collect();
    }

    /// Waits until its process ends by itself.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the agent does not run");
        process.wait(PATIENCE)
    }

    /// A pin directory of its own, beside that of another agent of the host.
    pub fn pin_below(&mut self, name: &str) {
        self.pins
            .set_file_name(format!("{}-{}-{name}", self.host.lab(), self.host.name()));
    }

    /// The agent of a node of a cluster that does not run yet.
    pub fn of_node(host: &Host, node: &str, kubeconfig: &Path) -> Self {
        let kubeconfig = kubeconfig.to_str().unwrap();
        let mut agent = Self::new(host, &["--node-name", node, "--kubeconfig", kubeconfig]);
        agent.subcommand = "node";
        agent
    }

    /// Starts an agent with this configuration that keeps its kernel state when it stops, and returns when it can
    /// reach every upstream: before, copies are dropped and counted.
    pub fn start(host: &Host, config: &str) -> Self {
        let mut agent = Self::new(host, &["--keep"]);
        agent.write(config);
        agent.run();
        agent.settle();
        agent
    }

    /// Another build, from its next start on and in every command.
    pub fn use_binary(&mut self, path: &Path) {
        path.clone_into(&mut self.binary);
    }

    /// Whom it asks for host names: from its next start on, and in every command, it has a resolv.conf of its
    /// own. One that it has already changes at once.
    pub fn set_resolv_conf(&mut self, text: &str) {
        self.set_file("/etc/resolv.conf", text);
    }

    /// The same for its hosts file.
    pub fn set_hosts(&mut self, text: &str) {
        self.set_file("/etc/hosts", text);
    }

    fn set_file(&mut self, place: &'static str, text: &str) {
        let name = place.rsplit('/').next().unwrap();
        let own = self
            .host
            .folder()
            .join(format!("{}-{name}", self.host.name()));
        // Written in place: what is bound is the file itself.
        fs::write(&own, text).unwrap();
        drop(self.files.insert(place, own));
    }

    /// Starts the process and returns when it is ready: what the file says is in force.
    pub fn run(&mut self) {
        self.launch();
        self.ready();
    }

    /// Starts the process without waiting for it.
    pub fn launch(&mut self) {
        assert!(self.process.is_none(), "the agent runs already");
        let mut command = self.command(self.subcommand);
        if self.subcommand == "run" {
            let _: &mut Command = command.arg("-c").arg(&self.config);
        }
        let _: &mut Command = command
            .args(["--http-address", ADDRESS])
            .arg("--state-dir")
            .arg(&self.state)
            .args(&self.arguments);
        if let Some(program) = &self.program {
            let _: &mut Command = command.env("UDPLB_PROGRAM", program);
        }
        self.process = Some(self.host.spawn("agent", &mut command));
    }

    /// Waits until `/readyz` says yes.
    pub fn ready(&mut self) {
        let (host, process) = (
            self.host.clone(),
            self.process.as_mut().expect("the agent does not run"),
        );
        wait::until(PATIENCE, "the agent to be ready", || {
            if let Some(status) = process.ended() {
                panic!("the agent ended with {status}:\n{}", process.log());
            }
            scrape::get(&host, ADDRESS, "/readyz")
                .ok()
                .filter(|answer| answer.status == 200)
        });
    }

    /// Returns when every upstream is reachable.
    pub fn settle(&self) {
        self.settle_but(&[]);
    }

    /// Returns when every upstream is reachable, but for those that nobody answers for.
    pub fn settle_but(&self, unreachable: &[String]) {
        let _reached = self.until("every upstream to be reachable", |metrics| {
            metrics
                .matching("udplb_upstream_reachable", &[])
                .all(|(labels, value)| value > 0.5 || unreachable.contains(&labels["upstream"]))
        });
    }

    /// Returns when its metrics are as wanted. One scrape that is not answered in time is asked again: a scrape waits
    /// for a change in progress, which waits for every CPU, and those of the machine may have other work.
    pub fn until(&self, what: &str, wanted: impl Fn(&Metrics) -> bool) -> Metrics {
        wait::until(PATIENCE, what, || {
            let metrics = match scrape::try_scrape(&self.host, ADDRESS) {
                Ok(metrics) => metrics,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) => panic!("{what}: {error}:\n{}", self.log()),
            };
            wanted(&metrics).then_some(metrics)
        })
    }

    /// Replaces the file, in one step.
    pub fn write(&self, config: &str) {
        let new = self.config.with_extension("new");
        fs::write(&new, config).unwrap();
        fs::rename(&new, &self.config).unwrap();
    }

    /// Takes the file away.
    pub fn remove_file(&self) {
        fs::remove_file(&self.config).unwrap();
    }

    /// Replaces the file and returns when the agent has put it in force.
    pub fn reload(&self, config: &str) {
        let before = self.generation();
        self.write(config);
        let _reloaded = self.until("the agent to reload", |metrics| {
            generation(metrics) > before
        });
    }

    /// How many versions of the input this process has put in force.
    pub fn generation(&self) -> u64 {
        generation(&self.metrics())
    }

    /// Scrapes it.
    pub fn metrics(&self) -> Metrics {
        self.until("a scrape", |_| true)
    }

    /// Sends its process a signal that it survives.
    pub fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().expect("the agent does not run");
        process.signal(signal);
    }

    /// Ends it by a signal and returns how it ended.
    pub fn end(&mut self, signal: Signal) -> ExitStatus {
        let mut process = self.process.take().expect("the agent does not run");
        process.signal(signal);
        process.wait(PATIENCE)
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let ended = self.process.as_mut()?.ended();
        if ended.is_some() {
            self.process = None;
        }
        ended
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        let process = self.process.as_mut();
        process.is_none_or(|process| process.ended().is_some())
    }

    /// Whether it was started and has not been ended.
    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("the agent does not run").id()
    }

    /// Where it reads its forwards.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Asks it to stop; fails unless it ends well.
    pub fn stop(&mut self) {
        let status = self.end(Signal::SIGTERM);
        assert!(
            status.success(),
            "the agent ended with {status}:\n{}",
            self.log()
        );
    }

    /// Ends it without a warning.
    pub fn kill(&mut self) {
        let _: ExitStatus = self.end(Signal::SIGKILL);
    }

    /// Fails unless every packet that matched since `before` is accounted for.
    pub fn check_identity(&self, before: &Metrics) {
        scrape::identity(before, &self.metrics()).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Leaves out the check of the metrics identity when this is dropped: destinations came or went.
    pub fn without_final_identity(&mut self) {
        self.final_identity = false;
    }

    /// Runs a subcommand that must succeed and returns what it prints.
    pub fn ask(&self, subcommand: &str, arguments: &[&str]) -> String {
        let output = self.command(subcommand).args(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{subcommand} {arguments:?}: {}: {error}",
            output.status
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// `status --output json`.
    pub fn status(&self) -> serde_json::Value {
        let text = self.ask("status", &["--output", "json"]);
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("status is not JSON: {error}: {text}"))
    }

    /// Takes down what it left in the kernel.
    pub fn cleanup(&self) {
        drop(self.ask("cleanup", &[]));
    }

    /// Everything that it has written, over all its runs.
    pub fn log(&self) -> String {
        fs::read_to_string(
            self.host
                .folder()
                .join(format!("{}-agent.log", self.host.name())),
        )
        .unwrap_or_default()
    }

    /// Where its pins are.
    pub fn pins(&self) -> &Path {
        &self.pins
    }

    /// A subcommand on the same pins, not started yet.
    pub fn command(&self, subcommand: &str) -> Command {
        let mut command = match &self.faults {
            None => self.host.command(&self.binary),
            Some(folder) => {
                let mut command = self.host.command(Faults::binary());
                let _: &mut Command = command.env(Faults::VARIABLE, folder);
                command
            }
        };
        for (place, own) in &self.files {
            sys::bind_file(&mut command, own, Path::new(place));
        }
        let _: &mut Command = command.arg(subcommand).arg("--pin-dir").arg(&self.pins);
        command
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("last lines of the agent on {}:", self.host.name());
            for line in &lines[lines.len().saturating_sub(40)..] {
                eprintln!("  {line}");
            }
        } else if self.process.is_some() && self.final_identity {
            self.check_identity(&Metrics::default());
        }
    }
}

fn generation(metrics: &Metrics) -> u64 {
    metrics.count("udplb_agent_generation", &[])
}

/// A `UdpForward` document with this name and these lines of its spec, indented as they are.
pub fn forward(name: &str, spec: &str) -> String {
    let spec = spec.trim_matches('\n');
    format!(
        "---\napiVersion: udplb.dev/v1alpha1\nkind: UdpForward\nmetadata: {{name: {name}}}\nspec:\n{spec}\n"
    )
}

/// The binary under test: what `UDPLB_AGENT` names, or the last one built.
pub fn binary() -> PathBuf {
    product::binary("udplb-agent", "UDPLB_AGENT")
}
