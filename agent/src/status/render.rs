//! `status` for people: a table for the interfaces, then one for each forward. **pure**

use std::{collections::BTreeMap, fmt};

use super::{Destination, Forward, NextHop, Status, UpstreamStatus};
use crate::text::{Table, list};

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["INTERFACE", "HOOK", "LET GO"]);
        for attachment in &self.attachments {
            table.push([
                attachment.interface.clone(),
                attachment.hook.to_owned(),
                counts(&attachment.unmatched),
            ]);
        }
        table.write(formatter, "")?;
        for forward in &self.forwards {
            writeln!(formatter)?;
            forward.fmt(formatter)?;
        }
        Ok(())
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            namespace,
            name,
            action,
            matched,
            ..
        } = self;
        let (packets, bytes) = (matched.packets, matched.bytes);
        writeln!(
            formatter,
            "{namespace}/{name}: {action}, matched {packets} packets, {bytes} bytes"
        )?;
        if self.listeners.is_empty() {
            writeln!(formatter, "  listens nowhere")?;
        } else {
            let listeners = || self.listeners.iter();
            writeln!(
                formatter,
                "  ports {} of {} on {}",
                list(listeners().flat_map(|one| one.ports.iter())),
                list(listeners().map(|one| &one.address)),
                list(listeners().map(|one| &one.interface)),
            )?;
        }
        let mut table = Table::new(["DESTINATION", "UPSTREAM", "NEXT HOP", "STATE", "SENT"]);
        for destination in &self.destinations {
            rows(destination, &mut table);
        }
        table.write(formatter, "  ")?;
        for destination in &self.destinations {
            let mut others = destination.dropped.clone();
            let _ = others.insert("sampled_out", destination.sampled_out);
            let _ = others.insert("passed", destination.passed);
            let text = counts(&others);
            if text != NOTHING {
                writeln!(formatter, "  {} did not send: {text}", destination.name)?;
            }
        }
        Ok(())
    }
}

fn rows(destination: &Destination, table: &mut Table<5>) {
    let name = &destination.name;
    for upstream in &destination.upstreams {
        table.push([
            name.clone(),
            upstream.upstream.clone(),
            upstream
                .next_hop
                .as_ref()
                .map_or_else(|| NOTHING.to_owned(), next_hop),
            state(upstream).to_owned(),
            upstream.sent.packets.to_string(),
        ]);
    }
    if let Some(retired) = destination.retired {
        let [nothing, state] = [NOTHING, "gone"].map(str::to_owned);
        let upstream = "earlier upstreams".to_owned();
        let sent = retired.packets.to_string();
        table.push([name.clone(), upstream, nothing, state, sent]);
    }
}

fn next_hop(next_hop: &NextHop) -> String {
    let NextHop {
        interface,
        neighbour,
        mac,
        ..
    } = next_hop;
    format!("{neighbour} ({mac}) on {interface}")
}

const fn state(upstream: &UpstreamStatus) -> &'static str {
    match &upstream.next_hop {
        None => "no route",
        Some(_) if upstream.reachable => "reachable",
        Some(_) => "unresolved",
    }
}

const NOTHING: &str = "-";

/// Counters that are not zero.
fn counts(counters: &BTreeMap<&'static str, u64>) -> String {
    let counted = counters.iter().filter(|(_, count)| **count > 0);
    let words: Vec<_> = counted
        .map(|(reason, count)| format!("{reason} {count}"))
        .collect();
    if words.is_empty() {
        NOTHING.to_owned()
    } else {
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Attachment, Listener, Traffic};
    use super::*;

    fn upstream(number: u64, next_hop: Option<NextHop>) -> UpstreamStatus {
        let (packets, bytes) = (number, number * 100);
        UpstreamStatus {
            upstream: format!("10.0.{number}.2:5514"),
            weight: 1,
            reachable: next_hop.as_ref().is_some_and(|hop| hop.state == "resolved"),
            next_hop,
            sent: Traffic { packets, bytes },
        }
    }

    fn hop(state: &'static str) -> NextHop {
        NextHop {
            interface: "eth1".into(),
            neighbour: "10.0.2.2".into(),
            mac: "02:00:00:00:00:01".into(),
            state,
            mtu: 1500,
        }
    }

    #[test]
    fn a_person_sees_what_runs() {
        let listener = |number: usize| Listener {
            interface: "eth0".into(),
            address: format!("10.0.1.{number}"),
            ports: vec!["514".into(), "600-699".into()],
        };
        let status = Status {
            attachments: vec![Attachment {
                interface: "eth0".into(),
                hook: "tcx",
                unmatched: [("fragment", 2), ("malformed", 0)].into(),
            }],
            forwards: vec![Forward {
                namespace: "default".into(),
                name: "syslog".into(),
                action: "Clone",
                listeners: (1..=10).map(listener).collect(),
                matched: Traffic {
                    packets: 60,
                    bytes: 6_000,
                },
                destinations: vec![Destination {
                    name: "siem".into(),
                    upstreams: vec![
                        upstream(2, Some(hop("resolved"))),
                        upstream(30, Some(hop("unresolved"))),
                        upstream(4, None),
                    ],
                    retired: Some(Traffic {
                        packets: 5,
                        bytes: 500,
                    }),
                    sampled_out: 12,
                    passed: 0,
                    dropped: [("no_route", 7), ("no_upstream", 0)].into(),
                }],
            }],
        };
        let expected = "\
INTERFACE  HOOK  LET GO
eth0       tcx   fragment 2

default/syslog: Clone, matched 60 packets, 6000 bytes
  ports 514, 600-699 of 10.0.1.1, 10.0.1.2, 10.0.1.3, 10.0.1.4, 10.0.1.5, 10.0.1.6, 10.0.1.7, 10.0.1.8 and 2 more on eth0
  DESTINATION  UPSTREAM           NEXT HOP                              STATE       SENT
  siem         10.0.2.2:5514      10.0.2.2 (02:00:00:00:00:01) on eth1  reachable   2
  siem         10.0.30.2:5514     10.0.2.2 (02:00:00:00:00:01) on eth1  unresolved  30
  siem         10.0.4.2:5514      -                                     no route    4
  siem         earlier upstreams  -                                     gone        5
  siem did not send: no_route 7, sampled_out 12
";
        assert_eq!(status.to_string(), expected);
    }
}
