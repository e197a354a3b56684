//! The demonstration: an exporter, a node and two collectors, with the product's own binary in between. IO.

pub mod cluster;
mod config;
mod report;
mod steps;

use std::process::ExitCode;

use crate::{
    agent::Agent,
    lab::{Lab, shapes},
};
use report::Report;

const DRAWING: &str = "
  exporter ──▶ node ──┬──▶ collector1   10.0.2.2, 10.0.2.3, 2001:db8:2::2
  10.0.1.2     │      └──▶ collector2   10.0.3.2, 10.0.3.3, 2001:db8:3::2
               └─ a program of its own, on port 514

  Four hosts: network namespaces, joined by veth pairs. Real frames, real sockets, the real udplb-agent.";

/// What the steps share.
struct Stage {
    lab: Lab,
    agent: Agent,
    report: Report,
}

/// Runs every step; the exit code tells whether all checks passed.
pub fn run() -> ExitCode {
    let report = Report::new();
    report.title("udplb: UDP cloned, balanced and forwarded before the network stack sees it");
    println!("{DRAWING}\n");
    let lab = shapes::two_collectors("demo");
    for (collector, address) in [("collector1", "10.0.2.3/24"), ("collector2", "10.0.3.3/24")] {
        drop(
            lab.host(collector)
                .ip(&format!("address add {address} dev eth0")),
        );
    }
    let mut agent = Agent::new(lab.host("node"), &["--keep"]);
    agent.write(&config::two_upstreams());
    report.step("Start the agent on the node, with this file");
    report.quote(&config::two_upstreams());
    let start = std::time::Instant::now();
    agent.run();
    report.say(&format!(
        "ready after {:.2} s",
        start.elapsed().as_secs_f64()
    ));

    let mut stage = Stage { lab, agent, report };
    steps::clone(&mut stage);
    steps::balance(&mut stage);
    steps::forward(&mut stage);
    steps::reload(&mut stage);
    steps::restart(&mut stage);
    steps::observe(&mut stage);
    steps::clean_up(&mut stage);
    let Stage { lab, agent, report } = stage;
    drop((agent, lab));
    report.conclude()
}
