//! A real name server (Knot) on a host of a lab, whose zone a test changes and whose questions it counts. IO.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::sys::signal::Signal;

use crate::{
    lab::{Host, Process},
    wait,
};

/// The zone that it serves.
pub const ZONE: &str = "lab";
/// A zone that it should serve and cannot load: every name in it is answered with SERVFAIL.
pub const BROKEN_ZONE: &str = "broken";

const PATIENCE: Duration = Duration::from_secs(20);

/// A name server that runs.
pub struct NameServer {
    host: Host,
    folder: PathBuf,
    process: Process,
}

impl NameServer {
    /// Starts one on every address of the host, with these lines in its zone besides what a zone must have.
    pub fn start(host: &Host, zone: &str) -> Self {
        let folder = host.folder().join(format!("{}-knot", host.name()));
        fs::create_dir_all(&folder).unwrap();
        let zone = format!(
            "$ORIGIN {ZONE}.\n@ 5 SOA ns admin 1 60 60 3600 5\n@ 5 NS ns\nns 5 A 192.0.2.53\n{zone}\n"
        );
        fs::write(folder.join(format!("{ZONE}.zone")), zone).unwrap();
        fs::write(folder.join("knot.conf"), configuration(&folder)).unwrap();
        let mut command = host.command("knotd");
        let process = host.spawn("knotd", command.arg("-c").arg(folder.join("knot.conf")));
        let server = Self {
            host: host.clone(),
            folder,
            process,
        };
        wait::until(PATIENCE, "the name server to load its zone", || {
            server.try_control(&format!("zone-read {ZONE}")).ok()
        });
        server
    }

    /// Changes the zone in one step, as lines of `knotc` without the zone's name:
    /// `unset siem`, `set siem 5 A 10.0.0.1`.
    pub fn change(&self, lines: &[&str]) {
        for line in ["begin"].iter().chain(lines).chain(&["commit"]) {
            let (operation, rest) = line.split_once(' ').unwrap_or((line, ""));
            drop(self.control(&format!("zone-{operation} {ZONE} {rest}")));
        }
    }

    /// How many questions of this type came (`A`, `AAAA`, `CNAME`).
    pub fn questions(&self, kind: &str) -> u64 {
        self.statistic(&format!("mod-stats.query-type[{kind}]"))
    }

    /// How many questions came by this transport (`udp4`, `tcp4`).
    pub fn by_transport(&self, transport: &str) -> u64 {
        self.statistic(&format!("mod-stats.request-protocol[{transport}]"))
    }

    /// From now on no question is answered.
    pub fn fall_silent(&self) {
        self.process.signal(Signal::SIGSTOP);
    }

    /// Ends the silence, and answers what came meanwhile.
    pub fn answer_again(&self) {
        self.process.signal(Signal::SIGCONT);
    }

    fn statistic(&self, name: &str) -> u64 {
        let statistics = self.control("stats mod-stats");
        let value = statistics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
        value.map_or(0, |value| value.parse().unwrap())
    }

    fn control(&self, command: &str) -> String {
        self.try_control(command)
            .unwrap_or_else(|error| panic!("{error}\n{}", self.process.log()))
    }

    fn try_control(&self, command: &str) -> Result<String, String> {
        let socket = self.folder.join("control");
        self.host
            .try_run(&format!("knotc -s {} {command}", socket.display()))
    }
}

fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "
server:
    rundir: {folder}
    user: root:root
    listen: [0.0.0.0@53, \"::@53\"]
    udp-workers: 1
    tcp-workers: 2
    background-workers: 1
control:
    listen: {folder}/control
database:
    storage: {folder}/database
log:
  - target: stderr
    any: info
mod-stats:
  - id: all
    request-protocol: on
    query-type: on
template:
  - id: default
    storage: {folder}
    global-module: mod-stats/all
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: {ZONE}
    file: {ZONE}.zone
  - domain: {BROKEN_ZONE}
    file: missing.zone
"
    )
}
