//! The lab of a soak: the node, its agent, and the traffic of each lane. IO.

use std::{path::PathBuf, time::Duration};

use super::{
    WINDOW,
    judge::{Case, Played},
    lane::{LANES, Lane},
    ledger::Ledger,
    place::{ADDRESSES, Family, Place, Site, upstream_address},
    report::Tally,
    timeline::Timeline,
    version::Version,
};
use crate::{
    agent::Agent,
    lab::Lab,
    traffic::{Course, Pace, Receiver, Stream},
};

/// How long nothing may arrive before a window is given up. The judge counts on the window: a reader that has to wait
/// for a processor is no loss.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(20);

/// What stays from round to round.
pub(super) struct Scene {
    // Dropped first: it has a last word in the lab.
    pub(super) agent: Agent,
    pub(super) lab: Lab,
    /// Builds of the agent, for upgrades and downgrades.
    pub(super) builds: Vec<PathBuf>,
    /// Number of the next round's first flow.
    first: u32,
}

impl Scene {
    /// A node whose agent has this version in force.
    pub(super) fn new(version: &Version, builds: Vec<PathBuf>) -> Self {
        let lab = lab();
        let mut agent = Agent::new(lab.host("node"), &["--keep"]);
        // Destinations come and go, and their counters with them.
        agent.without_final_identity();
        agent.use_binary(&builds[0]);
        agent.write(&version.yaml());
        agent.run();
        agent.settle();
        Self {
            agent,
            lab,
            builds,
            first: 0,
        }
    }

    /// Starts the traffic of a round.
    pub(super) fn traffic(&mut self) -> Vec<Running> {
        let start = |lane: &'static Lane| {
            let running = Running::start(&self.lab, lane, self.first);
            self.first += u32::try_from(lane.flows().len()).unwrap();
            running
        };
        LANES.iter().map(start).collect()
    }
}

/// A sender, the node, two collectors that stand and one whose link does not, each on a link of its own.
///
/// ```text
/// sender eth0 ── eth0 node eth1 ── eth0 collector1     10.0.2.2, .3, 10.0.7.4
///                          eth2 ── eth0 collector2     10.0.3.2, .3, .4
///                          eth3 ── eth0 collector3     10.0.4.2, .3, .4
///                          eth4 ── eth1 collector1     10.0.5.2
/// ```
///
/// `10.0.7.4` is the last address of the first collector: it has it by whichever of its links the route there leads to.
fn lab() -> Lab {
    let lab = Lab::new(
        "soak",
        "
        sender eth0 10.0.1.2/24 2001:db8:1::2/64 -- node       eth0 10.0.1.1/24 2001:db8:1::1/64
        node   eth1 10.0.2.1/24 2001:db8:2::1/64 -- collector1 eth0
        node   eth2 10.0.3.1/24 2001:db8:3::1/64 -- collector2 eth0
        node   eth3 10.0.4.1/24 2001:db8:4::1/64 -- collector3 eth0
        node   eth4 10.0.5.1/24 2001:db8:5::1/64 -- collector1 eth1 10.0.5.2/24 2001:db8:5::2/64
        sender:     route add default via 10.0.1.1
        sender:     route add default via 2001:db8:1::1
        node:       route add default via 10.0.1.2
        node:       route add default via 2001:db8:1::2
        node:       link add churn type veth peer name churned
        node:       link set churned up
        node:       link set churn up
        # With the last address of a device the kernel removes its routes.
        node:       address add 172.31.255.1/32 dev churn
        ",
    );
    // Addresses outlive a link that goes down.
    for host in ["node", Site::Loose.host()] {
        lab.host(host)
            .sysctl("ipv6/conf/all/keep_addr_on_down", "1");
    }
    for site in Site::ALL {
        lab.host(site.host()).ip_batch(&addresses(site));
    }
    lab.host("node").ip_batch(&route_by(2));
    lab
}

/// Commands that lead to the routed address by a gateway in this net.
pub(super) fn route_by(net: usize) -> String {
    let routes = Family::ALL.map(|family| {
        let address = upstream_address(Site::One, ADDRESSES - 1, family);
        let gateway = match family {
            Family::V4 => format!("10.0.{net}.2"),
            Family::V6 => format!("2001:db8:{net}::2"),
        };
        format!("route replace {address} via {gateway}\n")
    });
    routes.concat()
}

/// Commands that give a site's host its addresses and a way back.
pub(super) fn addresses(site: Site) -> String {
    let mut batch = String::new();
    for address in 0..ADDRESSES {
        let [v4, v6] = Family::ALL.map(|family| upstream_address(site, address, family));
        batch +=
            &format!("address replace {v4}/24 dev eth0\naddress replace {v6}/64 dev eth0 nodad\n");
    }
    let net = site as usize + 2;
    batch
        + &format!(
            "route replace default via 10.0.{net}.1\nroute replace default via 2001:db8:{net}::1\n"
        )
}

/// One lane's traffic.
pub(super) struct Running {
    lane: &'static Lane,
    stream: Stream,
    receiver: Receiver<Ledger>,
}

impl Running {
    fn start(lab: &Lab, lane: &'static Lane, first: u32) -> Self {
        let (places, sockets): (Vec<Place>, Vec<_>) = Place::all()
            .flat_map(|place| Family::ALL.map(|family| (place, place.socket(family, lane))))
            .unzip();
        let sockets: Vec<_> = sockets
            .iter()
            .map(|(host, address)| (lab.host(host), &address[..]))
            .collect();
        let flows = lane.flows();
        let ledger = Ledger::new(first, flows.len(), places);
        let receiver = Receiver::start_into(&sockets, ledger);
        let pace = Pace::Window(WINDOW, vec![receiver.progress()]);
        let cpus = std::thread::available_parallelism().unwrap().get();
        let course = Course {
            first,
            cpu: Some(lane.index % cpus),
            lost_after: [GIVEN_UP_AFTER; 2],
        };
        let stream = Stream::start_on(lab.host("sender"), &flows, pace, course);
        Self {
            lane,
            stream,
            receiver,
        }
    }

    /// Datagrams sent so far.
    pub(super) fn count(&self) -> u64 {
        self.stream.count()
    }

    /// Returns when so many more have been sent.
    pub(super) fn pass(&self, more: u64) {
        self.stream.pass(more);
    }

    /// Ends the traffic, waits for what is on its way, and judges all of it.
    pub(super) fn judge(self, timeline: &Timeline, events: &[Played]) -> Tally {
        let sent = self.stream.stop();
        let ledger = self.receiver.end(&sent);
        let case = Case {
            lane: self.lane,
            sent: &sent,
            ledger: &ledger,
            timeline,
            events,
        };
        case.judge()
    }
}
