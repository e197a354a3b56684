//! A program that is started with the same flags again and again. IO.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::lab::Process;

/// Far longer than the kernel takes to end a process.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names and values of flags.
pub(crate) type Flags = Vec<(&'static str, String)>;

/// Who starts processes.
pub(crate) type Spawn = Arc<dyn Fn(&Path, &mut Command) -> Process + Send + Sync>;

/// A program, running or not.
pub(crate) struct Program {
    folder: PathBuf,
    binary: PathBuf,
    flags: Flags,
    spawn: Spawn,
    running: Option<Process>,
}

impl Program {
    pub(super) fn new(folder: &Path, binary: PathBuf, flags: Flags, spawn: Spawn) -> Self {
        Self {
            folder: folder.to_owned(),
            binary,
            flags,
            spawn,
            running: None,
        }
    }

    /// Starts it where it does not run.
    pub(crate) fn start(&mut self) {
        if self.running.is_some() {
            return;
        }
        let flags = self.flags.iter();
        let flags = flags.map(|(name, value)| format!("--{name}={value}"));
        let mut command = Command::new(&self.binary);
        let _: &mut Command = command.args(flags).current_dir(&self.folder);
        let name = self.binary.file_name().unwrap().to_str().unwrap();
        let log = self.folder.join(format!("{name}.log"));
        self.running = Some((self.spawn)(&log, &mut command));
    }

    /// Ends it without a warning.
    pub(crate) fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.signal(Signal::SIGKILL);
            let _killed = running.wait(PATIENCE);
        }
    }

    /// Fails where it has ended by itself, with what it wrote.
    pub(crate) fn expect_running(&mut self) {
        let running = self.running.as_mut().expect("it was not started");
        if let Some(status) = running.ended() {
            panic!(
                "{} ended with {status}:\n{}",
                self.binary.display(),
                running.log()
            );
        }
    }

    /// What it wrote.
    pub(crate) fn log(&self) -> String {
        self.running.as_ref().map(Process::log).unwrap_or_default()
    }
}
