//! One host of a lab: commands, processes and closures run inside its namespace. IO.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use super::{Mac, Process, namespace};

/// A host: a network namespace with a name. Clones name the same host.
#[derive(Clone, Debug)]
pub struct Host {
    name: String,
    namespace: String,
    lab: String,
    folder: PathBuf,
}

impl Host {
    pub(crate) fn new(name: &str, namespace: &str, lab: &str, folder: &Path) -> Self {
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            lab: lab.to_owned(),
            folder: folder.to_owned(),
        }
    }

    /// Its name in the drawing.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of its namespace, as `ip netns` and `nsenter` know it.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What every object of its lab is named with.
    pub fn lab(&self) -> &str {
        &self.lab
    }

    /// Folder for files of its lab.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The address that an interface was drawn with.
    pub fn mac(&self, interface: &str) -> Mac {
        Mac::of(&self.name, interface)
    }

    /// Runs a closure inside. Sockets and files that it opens stay inside wherever they are used.
    pub fn enter<R: Send>(&self, body: impl FnOnce() -> R + Send) -> R {
        namespace::enter(&self.namespace, body)
    }

    /// Runs `ip` with these arguments and returns what it prints.
    pub fn ip(&self, arguments: &str) -> String {
        self.run(&format!("ip {arguments}"))
    }

    /// Runs a shell command that must succeed, and returns what it prints.
    pub fn run(&self, command: &str) -> String {
        self.try_run(command)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs a shell command; the error is its standard error.
    pub fn try_run(&self, command: &str) -> Result<String, String> {
        let output = self
            .command("sh")
            .args(["-c", command])
            .output()
            .expect("cannot run sh");
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            let error = String::from_utf8_lossy(&output.stderr);
            Err(format!(
                "{}: {command}: {}: {}",
                self.name,
                output.status,
                error.trim()
            ))
        }
    }

    /// A command that runs inside and dies with the thread that starts it.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        crate::sys::run_inside(&mut command, namespace::open(&self.namespace));
        command
    }

    /// A command that runs inside and outlives who starts it.
    pub(crate) fn lasting(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        crate::sys::enter(&mut command, namespace::open(&self.namespace));
        command
    }

    /// A command in which a system call fails, as under a seccomp profile.
    pub fn command_without(
        &self,
        program: impl AsRef<std::ffi::OsStr>,
        call: libc::c_long,
        errno: nix::errno::Errno,
    ) -> Command {
        let mut command = self.command(program);
        crate::sys::forbid(&mut command, call, errno as i32);
        command
    }

    /// Starts a process whose output goes to a file of the lab, called after `name`.
    pub fn spawn(&self, name: &str, command: &mut Command) -> Process {
        Process::spawn(
            &self.folder.join(format!("{}-{name}.log", self.name)),
            command,
        )
    }

    /// The kernel's number of an interface.
    pub fn index(&self, interface: &str) -> u32 {
        self.enter(|| nix::net::if_::if_nametoindex(interface))
            .unwrap_or_else(|error| panic!("{}: interface {interface}: {error}", self.name))
    }

    /// Whether the device computes checksums (on: packets travel with the checksum left to fill in) or the
    /// stack does before it hands packets over (off).
    pub fn set_transmit_checksum(&self, interface: &str, on: bool) {
        let setting = if on { "on" } else { "off" };
        drop(self.run(&format!("ethtool -K {interface} tx {setting}")));
    }

    /// Opens a TCP connection to an address of another host; fails unless it gets there.
    pub fn reach(&self, other: &Self, address: &str) {
        let address = SocketAddr::new(address.parse().unwrap(), 7);
        let listener = other.enter(|| TcpListener::bind(address));
        let _listener =
            listener.unwrap_or_else(|error| panic!("{}: {address}: {error}", other.name));
        let connect = || TcpStream::connect_timeout(&address, Duration::from_secs(5)).map(drop);
        self.enter(connect)
            .unwrap_or_else(|error| panic!("{} to {}: {address}: {error}", self.name, other.name));
    }

    /// Sets a value below `/proc/sys/net`.
    pub fn sysctl(&self, path: &str, value: &str) {
        self.enter(|| std::fs::write(Path::new("/proc/sys/net").join(path), value))
            .unwrap_or_else(|error| panic!("{}: {path} = {value}: {error}", self.name));
    }

    /// Runs several commands of `ip`, one a line.
    pub fn ip_batch(&self, batch: &str) {
        ip_batch(&["-n", &self.namespace], batch);
    }
}

/// Runs several commands of `ip` in one process.
pub(crate) fn ip_batch(options: &[&str], batch: &str) {
    let mut ip = Command::new("ip")
        .args(options)
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cannot run ip (package iproute2)");
    // An `ip` that ends at a wrong command takes no more of them; what it says about that comes first.
    let written = ip.stdin.take().unwrap().write_all(batch.as_bytes());
    let output = ip.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "ip {options:?}: {}\n{batch}",
        String::from_utf8_lossy(&output.stderr)
    );
    written.unwrap();
}
