//! The file that the agent reads. Pure.

use crate::agent::forward;

/// System logs.
pub(super) const SYSLOG: u16 = 514;
/// Flow records.
pub(super) const NETFLOW: u16 = 2055;
/// Counters of applications.
pub(super) const STATSD: u16 = 8125;

/// What `added` stands for once the third upstream is there.
pub(super) const THIRD: &str = "10.0.3.2";

/// The file as it is at first.
pub(super) fn two_upstreams() -> String {
    file("")
}

/// The file with one upstream more for statsd.
pub(super) fn three_upstreams() -> String {
    file(&format!("\n    - {{address: {THIRD}, port: 9125}}"))
}

fn file(added: &str) -> String {
    let syslog = "
  match: {ports: [{port: 514}]}
  action: Clone                       # the node's own program keeps receiving
  destinations:                       # each gets a copy of every datagram
  - {name: siem, upstreams: [{address: 10.0.2.2, port: 5514}, {address: '2001:db8:2::2', port: 5514}]}
  - {name: archive, upstreams: [{address: 10.0.3.2, port: 6514}, {address: '2001:db8:3::2', port: 6514}]}
";
    let netflow = "
  match: {ports: [{port: 2055}]}
  action: Forward                     # the node's stack never sees it
  destinations:
  - name: pool                        # one of four collectors for each exporter's flow
    strategy: SourceIPPort
    upstreams:
    - {address: 10.0.2.2}
    - {address: 10.0.2.3}
    - {address: 10.0.3.2}
    - {address: 10.0.3.3}
";
    let statsd = format!(
        "
  match: {{ports: [{{port: 8125}}]}}
  action: Clone
  destinations:
  - name: metrics
    strategy: SourcePort
    upstreams:
    - {{address: 10.0.2.2, port: 9125}}
    - {{address: 10.0.2.3, port: 9125}}{added}
"
    );
    forward("syslog", syslog) + &forward("netflow", netflow) + &forward("statsd", &statsd)
}
