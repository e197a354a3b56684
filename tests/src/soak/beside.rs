//! What goes on beside the events of a round. IO.

use std::{
    io::Write as _,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{JoinHandle, sleep},
    time::Duration,
};

use super::{place::Site, plan::Beside, scene::addresses};
use crate::lab::{Host, Lab};

/// Between two changes of the link that flaps: ten times a second it is down and up again.
const HALF_A_FLAP: Duration = Duration::from_millis(50);

/// Between two groups of [`GROUP`] changes of addresses and routes: a thousand a second.
const CHURN_PAUSE: Duration = Duration::from_millis(20);
const GROUP: u32 = 20;

/// Something that goes on until this is dropped. Then the link is as it was.
pub(super) struct Disturbance {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Both ends of the link that does not stand.
struct Link {
    node: Host,
    collector: Host,
}

impl Disturbance {
    pub(super) fn start(lab: &Lab, beside: Beside) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let link = Link {
            node: lab.host("node").clone(),
            collector: lab.host(Site::Loose.host()).clone(),
        };
        let thread = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let goes_on = || !stop.load(Ordering::Relaxed);
                match beside {
                    Beside::Flapping => link.flap(goes_on),
                    Beside::Renaming => link.rename(goes_on),
                    Beside::Recreation => link.recreate(goes_on),
                    Beside::Churn => churn(&link.node, goes_on),
                }
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Disturbance {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        let went_well = matches!(ended, Some(Ok(())));
        assert!(
            went_well || std::thread::panicking(),
            "a disturbance ended before its time"
        );
    }
}

impl Link {
    fn flap(&self, goes_on: impl Fn() -> bool) {
        let [mut node, mut collector] = [&self.node, &self.collector].map(Ip::start);
        for turn in 0_u32.. {
            // By turns the link is taken down at this end, and loses its carrier.
            let (end, interface) = if turn.is_multiple_of(2) {
                (&mut node, "eth3")
            } else {
                (&mut collector, "eth0")
            };
            for state in ["down", "up"] {
                end.say(&format!("link set {interface} {state}\n"));
                sleep(HALF_A_FLAP);
            }
            if !goes_on() {
                break;
            }
        }
        [node, collector].into_iter().for_each(Ip::end);
        self.address();
    }

    fn rename(&self, goes_on: impl Fn() -> bool) {
        let to = |from: &str, to: &str| {
            let batch =
                format!("link set {from} down\nlink set {from} name {to}\nlink set {to} up\n");
            self.node.ip_batch(&batch);
        };
        while goes_on() {
            to("eth3", "other0");
            sleep(HALF_A_FLAP);
            to("other0", "eth3");
            sleep(HALF_A_FLAP);
        }
        self.address();
    }

    fn recreate(&self, goes_on: impl Fn() -> bool) {
        while goes_on() {
            let (mac, peer) = (self.node.mac("eth3"), self.collector.mac("eth0"));
            let namespace = self.collector.namespace();
            self.node.ip_batch(&format!(
                "link del eth3\nlink add eth3 address {mac} type veth peer name eth0 address {peer} netns {namespace}\n"
            ));
            self.address();
            sleep(HALF_A_FLAP);
        }
    }

    /// Both ends are up and have their addresses.
    fn address(&self) {
        self.collector
            .ip_batch(&format!("link set eth0 up\n{}", addresses(Site::Loose)));
        self.node.ip_batch(
            "link set eth3 up\naddress replace 10.0.4.1/24 dev eth3\naddress replace 2001:db8:4::1/64 dev eth3 nodad\n",
        );
    }
}

fn churn(node: &Host, goes_on: impl Fn() -> bool) {
    let mut ip = Ip::start(node);
    for turn in 0_u32.. {
        let verb = if turn.is_multiple_of(2) { "add" } else { "del" };
        let changes = (0..GROUP / 2).map(|number| {
            let low = turn / 2 % 25 * 10 + number;
            format!(
                "address {verb} 172.31.0.{low}/32 dev churn\nroute {verb} 198.19.{low}.0/24 dev churn\n"
            )
        });
        ip.say(&changes.collect::<String>());
        sleep(CHURN_PAUSE);
        if verb == "del" && !goes_on() {
            break;
        }
    }
    ip.end();
}

/// An `ip` that takes commands while it runs, so that each costs no process.
struct Ip(Child);

impl Ip {
    fn start(host: &Host) -> Self {
        // Some commands come too early for the kernel; the next ones count.
        let mut command = host.command("ip");
        let _: &mut Command = command.args(["-force", "-batch", "-"]);
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("cannot run ip (package iproute2)"))
    }

    fn say(&mut self, commands: &str) {
        let input = self.0.stdin.as_mut().unwrap();
        input.write_all(commands.as_bytes()).unwrap();
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        let _: ExitStatus = self.0.wait().unwrap();
    }
}
