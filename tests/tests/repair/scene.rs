//! A node under damage or storms, and traffic through a forward that nobody touches.

use udplb_tests::{
    agent::Agent,
    lab::{Host, Lab, shapes},
    traffic::{Flow, Pace, Receiver, Stream},
};

/// Datagrams a second of the forward that nobody touches.
const RATE: u32 = 1000;
/// Some of them.
pub(crate) const SOME: u64 = 100;

/// A node with that traffic.
pub(crate) struct Scene {
    // Dropped first: it has a last word in the lab.
    pub(crate) agent: Agent,
    pub(crate) lab: Lab,
    pub(crate) steady: Stream,
    forwarded: Receiver,
}

impl Scene {
    /// An agent that looks for damage often, with further arguments. Of its configuration, a forward hands port 515 of the
    /// node to an upstream on a host.
    pub(crate) fn new(
        name: &str,
        arguments: &[&str],
        config: &str,
        upstream: (&str, &str),
    ) -> Self {
        let lab = shapes::two_collectors(name);
        let often = ["--keep", "--look-every", "3"];
        let mut agent = Agent::new(lab.host("node"), &[&often, arguments].concat());
        agent.write(config);
        agent.run();
        agent.settle();
        let forwarded = Receiver::start(&[(lab.host(upstream.0), upstream.1)]);
        let flows = Flow::many("10.0.1.2", "10.0.1.1:515", 2);
        let steady = Stream::start(lab.host("sender"), &flows, Pace::PerSecond(RATE));
        steady.pass(SOME);
        Self {
            agent,
            lab,
            steady,
            forwarded,
        }
    }

    pub(crate) fn node(&self) -> &Host {
        self.lab.host("node")
    }

    /// Ends the traffic, of which nothing was lost. The agent is to be dropped before the lab.
    pub(crate) fn stop(self) -> (Lab, Agent) {
        let sent = self.steady.stop();
        let report = self.forwarded.finish(&sent);
        println!("steady: {report}");
        report.assert_complete("steady");
        (self.lab, self.agent)
    }

    /// Nothing of what nobody touched was lost.
    pub(crate) fn finish(self) {
        let (lab, agent) = self.stop();
        drop(agent);
        drop(lab);
    }
}
