//! What a person and what a machine sees of one host.

use std::convert::Infallible;

use udplb_abi::{
    counters::{DestinationCounters, Traffic as Counted},
    record::{FILTER_HANDLE, FILTER_PRIORITY, HOOK_CLSACT},
};

use super::*;
use crate::{
    fixture::{self, ETH0, ETH1},
    kernel::netlink::qdisc::Filter,
    report::Counters,
    shape,
};

const FORWARDS: [(&str, &str); 2] = [
    (
        "syslog",
        "
  interfaces: [eth0]
  match: {addresses: [192.0.2.10, 192.0.2.128/25], ports: [{port: 514}, {port: 600, endPort: 699}]}
  action: Clone
  destinations:
  - name: siem
    upstreams:
    - {address: 203.0.113.1, port: 5514}
    - {address: 203.0.113.2, weight: 2}
    - {address: 203.0.113.10}
    - {address: 198.18.0.1}
    - {address: 240.0.0.1}
",
    ),
    (
        "flows",
        "
  interfaces: [eth0, eth1]
  match: {addresses: ['2001:db8::10', 192.0.2.11], ports: [{port: 2055}]}
  action: Forward
  destinations:
  - {name: one, sourceAddress: Rewrite, upstreams: [{address: '2001:db8:1::1'}, {address: 203.0.113.3}]}
  - {name: two, upstreams: [{address: 203.0.113.3}]}
",
    ),
];

/// Everything has happened a few times.
struct Some3;

impl Counters for Some3 {
    type Error = Infallible;

    fn forward(&self, _: u32) -> Result<Counted, Infallible> {
        Ok(Counted {
            packets: 60,
            bytes: 6_000,
        })
    }

    fn destination(&self, _: u32) -> Result<DestinationCounters, Infallible> {
        let mut counters = DestinationCounters {
            sampled_out: 12,
            ..DestinationCounters::default()
        };
        counters.dropped[DropReason::NoRoute as usize] = 7;
        Ok(counters)
    }

    fn upstream(&self, _: u32) -> Result<Counted, Infallible> {
        Ok(Counted {
            packets: 3,
            bytes: 300,
        })
    }

    fn retired(&self, _: u64) -> Result<Counted, Infallible> {
        Ok(Counted {
            packets: 5,
            bytes: 500,
        })
    }
}

fn entry(state: &'static str, confirmed: u32, updated: u32) -> Entry {
    Entry {
        state,
        confirmed,
        updated,
    }
}

fn host() -> Host {
    let tcx = |program, name: &str, ours| Found::Tcx {
        program,
        name: name.to_owned(),
        ours,
    };
    let clsact = |kind: &str, priority, handle, ours| Found::Clsact {
        filter: Filter {
            kind: kind.to_owned(),
            priority,
            handle,
            program: None,
            name: None,
        },
        ours,
    };
    let record = |hook| record::Attachment {
        hook,
        created_qdisc: 0,
        padding: [0; 6],
    };
    let on_eth0 = vec![
        tcx(12, "cil_from_netdev", false),
        tcx(15, "udplb_ethernet", true),
        clsact("u32", 65_000, 0x8000_0000, false),
        clsact("u32", 65_000, 0x8000_0800, false),
    ];
    let on_eth1 = vec![clsact("bpf", FILTER_PRIORITY, FILTER_HANDLE, true)];
    let address = |last: u8| IpAddr::from([203, 0, 113, last]);
    Host {
        names: fixture::names(),
        unmatched: [(ETH0, InterfaceCounters { unmatched: [0, 2] })].into(),
        hooks: [
            (ETH0, (record(HOOK_TCX), on_eth0)),
            (ETH1, (record(HOOK_CLSACT), on_eth1)),
        ]
        .into(),
        neighbours: [
            ((ETH1, address(1)), entry("REACHABLE", 3, 3)),
            ((ETH1, address(2)), entry("PERMANENT", 0, 0)),
            ((ETH1, address(9)), entry("STALE", 7_300, 60)),
            ((ETH1, address(10)), entry("FAILED", 99_999, 130)),
        ]
        .into(),
        rp_filters: [(ETH0, 1), (ETH1, 2)].into(),
    }
}

fn status() -> Status {
    let mut tables = fixture::tables(&FORWARDS);
    let siem = tables
        .names
        .iter()
        .find(|(_, name)| name.ends_with("/siem"));
    let (&siem, _) = siem.unwrap();
    let _new = tables.retired.insert(siem);
    let forwards = report::forwards(&tables, &Some3).unwrap();
    Status::new(&tables, forwards, &host())
}

#[test]
fn a_person_sees_what_runs() {
    let expected = "\
INTERFACE  HOOK    RP_FILTER  LET GO
eth0       tcx     strict     orphan_fragment 2
eth1       clsact  loose      -
  eth0: on the hook, in this order: tcx cil_from_netdev program 12, udplb,
        clsact u32 pref 65000

default/flows: Forward, matched 60 packets, 6000 bytes
  ports 2055 of 192.0.2.11, 2001:db8::10 on eth0, eth1
  one: SourceIP
    UPSTREAM       NEXT HOP  NEIGHBOUR  SENT
    203.0.113.3    eth1      resolved   3
    2001:db8:1::1  eth1      resolved   3
    did not send: no_route 7, sampled_out 12
  two: SourceIP
    UPSTREAM     NEXT HOP  NEIGHBOUR  SENT
    203.0.113.3  eth1      resolved   3
    did not send: no_route 7, sampled_out 12
    kept sources: receivers on eth1 share the senders' link, a strict rp_filter
    there should pass them

default/syslog: Clone, matched 60 packets, 6000 bytes
  ports 514, 600-699 of 192.0.2.10, 192.0.2.128/25 on eth0
  siem: SourceIP, IPv4 table of 16381 slots with skew 1.000
    UPSTREAM           NEXT HOP          NEIGHBOUR          SENT
    198.18.0.1         eth1 203.0.113.9  STALE 2h           3
    203.0.113.1:5514   eth1              REACHABLE 3s       3
    203.0.113.2        eth1              PERMANENT          3
    203.0.113.10       eth1              FAILED 2m, unused  3
    240.0.0.1          -                 no route           3
    earlier upstreams  -                 gone               5
    did not send: no_route 7, sampled_out 12
    kept sources: receivers on eth1 with a strict rp_filter drop them unless
    they route the senders back over that link; loose (2) passes
    kept sources: router 203.0.113.9 on eth1 drops them if it filters reverse
    paths strictly and does not route the senders to this host
";
    let text = status().to_string();
    assert_eq!(text, expected);
    assert!(text.lines().all(|line| line.chars().count() <= text::WIDTH));
}

#[test]
fn a_program_that_somebody_took_off_is_missed() {
    let mut status = status();
    status.attachments[1].attached = false;
    status.attachments[1].on_hook.clear();
    assert!(
        status.to_string().contains(
            "  eth1: our program is not on the hook any more: a running agent puts it back\n"
        ),
        "{status}"
    );
}

#[test]
fn only_kept_sources_have_a_reverse_path() {
    let status = status();
    let verdicts = |forward: usize, destination: usize| {
        let paths = &status.forwards[forward].destinations[destination].reverse_path;
        paths.iter().map(|path| path.verdict).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(0, 0), []);
    assert_eq!(verdicts(0, 1), [Verdict::SameLink]);
    assert_eq!(verdicts(1, 0), [Verdict::OtherLink, Verdict::Router]);
}

#[test]
fn the_json_is_as_documented() {
    shape::assert_documented("status", &[serde_json::to_value(status()).unwrap()]);
}
