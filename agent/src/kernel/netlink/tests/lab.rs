//! Two hosts, `here` and `peer`, in private network namespaces with a cable between them.

use std::{
    fs::File,
    io::Write,
    net::IpAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use ipnet::IpNet;
use nix::sched::{CloneFlags, setns, unshare};

use crate::{
    facts::{Facts, InterfaceIndex, Neighbour},
    kernel::netlink::Network,
};

/// Longest time to wait for an event that must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// MAC addresses of the two ends of the cable.
pub(super) const HERE_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(super) const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// A network namespace; it goes when the last process and descriptor in it are gone.
#[derive(Clone, Copy)]
pub(super) enum Host {
    Here,
    Peer,
}

pub(super) struct Lab {
    here: File,
    peer: File,
}

/// Runs a test inside a new lab. `here` has v0 with 192.0.2.1/24 and `2001:db8::1/64`; the peer has v1
/// with the second address of each.
pub(super) fn run(test: impl AsyncFnOnce(&Lab) + Send + 'static) {
    let thread = std::thread::spawn(|| {
        let peer = new_namespace();
        let here = new_namespace();
        let lab = Lab { here, peer };
        for host in [Host::Here, Host::Peer] {
            // Addresses are usable at once, also those that the kernel makes itself.
            lab.sysctl(host, "ipv6/conf/default/accept_dad", "0");
            lab.ip(host, "link set lo up");
        }
        let peer_path = format!("/proc/{}/fd/{}", std::process::id(), fd(&lab.peer));
        lab.ip(
            Host::Here,
            &format!(
                "link add v0 address 02:00:00:00:00:01 type veth \
                 peer name v1 address 02:00:00:00:00:02 netns {peer_path}
                 address add 192.0.2.1/24 dev v0
                 address add 2001:db8::1/64 dev v0 nodad
                 link set v0 up"
            ),
        );
        lab.ip(
            Host::Peer,
            "address add 192.0.2.2/24 dev v1
             address add 2001:db8::2/64 dev v1 nodad
             link set v1 up",
        );
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test(&lab));
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

impl Lab {
    /// Runs lines of `ip` commands.
    pub(super) fn ip(&self, host: Host, lines: &str) {
        self.inside(host, || {
            let mut child = Command::new("ip")
                .args(["-batch", "-"])
                .stdin(Stdio::piped())
                .spawn()
                .expect("iproute2 is installed");
            child
                .stdin
                .take()
                .unwrap()
                .write_all(lines.as_bytes())
                .unwrap();
            assert!(child.wait().unwrap().success(), "ip: {lines}");
        });
    }

    /// Runs lines of `ip` commands again and again.
    pub(super) fn repeat(&self, host: Host, lines: &str) -> Repeated {
        let script = "while printf %s \"$LINES_OF_IP\" | ip -batch - ; do : ; done";
        self.inside(host, || {
            let mut command = Command::new("sh");
            let _command = command.args(["-c", script]).env("LINES_OF_IP", lines);
            Repeated(command.spawn().unwrap())
        })
    }

    /// What `ip` prints for some arguments.
    pub(super) fn show(&self, host: Host, arguments: &str) -> String {
        self.inside(host, || {
            let output = Command::new("ip")
                .args(arguments.split(' '))
                .output()
                .unwrap();
            assert!(output.status.success(), "ip {arguments}");
            String::from_utf8(output.stdout).unwrap()
        })
    }

    pub(super) fn sysctl(&self, host: Host, name: &str, value: &str) {
        self.inside(host, || {
            std::fs::write(format!("/proc/sys/net/{name}"), value).unwrap();
        });
    }

    /// Does something in another namespace, on a thread that ends with it.
    pub(super) fn inside<T: Send>(&self, host: Host, action: impl FnOnce() -> T + Send) -> T {
        let namespace = match host {
            Host::Here => &self.here,
            Host::Peer => &self.peer,
        };
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
                action()
            });
            thread.join().unwrap()
        })
    }
}

/// Commands that go on until this is dropped.
pub(super) struct Repeated(Child);

impl Drop for Repeated {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        let _status = self.0.wait().unwrap();
    }
}

/// Moves this thread to a new namespace.
fn new_namespace() -> File {
    unshare(CloneFlags::CLONE_NEWNET).expect("these tests need root");
    File::open("/proc/thread-self/ns/net").unwrap()
}

fn fd(file: &File) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(file)
}

/// Waits until the facts say something.
pub(super) async fn until<T>(network: &Network, what: impl Fn(&Facts) -> Option<T>) -> T {
    let mut changes = network.changes();
    let found = async {
        loop {
            if let Some(found) = what(&changes.borrow_and_update()) {
                return found;
            }
            changes.changed().await.unwrap();
        }
    };
    let Ok(found) = tokio::time::timeout(PATIENCE, found).await else {
        panic!(
            "the facts never came to be as expected: {:#?}",
            network.facts()
        );
    };
    found
}

pub(super) fn index(facts: &Facts, name: &str) -> Option<InterfaceIndex> {
    facts
        .links
        .iter()
        .find(|(_, link)| link.name == name)
        .map(|(index, _)| *index)
}

pub(super) fn neighbour(facts: &Facts, interface: &str, address: &str) -> Option<Neighbour> {
    facts
        .neighbours
        .get(&(index(facts, interface)?, ip(address)))
        .copied()
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}
