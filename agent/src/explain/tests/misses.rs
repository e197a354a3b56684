//! Packets that no forward takes, and what they missed. **pure**

use super::*;

#[test]
fn the_nearest_miss_is_named() {
    let sender = "198.51.100.7:4000";
    for (interface, source, destination, kind, text) in [
        (
            ETH0,
            "192.0.2.9:4000",
            "192.0.2.10:514",
            Kind::Source,
            "port 514 of 192.0.2.10 on eth0 is forward default/syslog's, but source 192.0.2.9 is outside \
             198.51.100.0/24",
        ),
        (
            ETH0,
            sender,
            "192.0.2.10:515",
            Kind::Port,
            "forward default/syslog listens on port 514 of 192.0.2.10 on eth0, not on port 515",
        ),
        (
            ETH0,
            sender,
            "192.0.2.10:612",
            Kind::Port,
            "forward default/syslog listens on ports 600-610 of 192.0.2.10 on eth0, not on port 612",
        ),
        (
            ETH0,
            sender,
            "192.0.2.11:514",
            Kind::Address,
            "forward default/syslog listens on port 514 of 192.0.2.10 on eth0, not of 192.0.2.11",
        ),
        (
            ETH0,
            sender,
            "192.0.2.11:515",
            Kind::Nobody,
            "nobody listens on port 515; the nearest: forward default/syslog listens on port 514 of \
             192.0.2.10 on eth0",
        ),
        (
            ETH0,
            "192.0.2.9:4000",
            "192.0.2.11:514",
            Kind::Nobody,
            "nobody listens on port 514 of 192.0.2.11 on eth0; the nearest: forward default/syslog listens \
             on port 514 of 192.0.2.10 on eth0",
        ),
    ] {
        let expected = Miss {
            kind,
            text: text.to_owned(),
        };
        assert_eq!(
            miss(interface, source, destination),
            [expected],
            "{destination}"
        );
    }
}

#[test]
fn an_interface_without_our_program_is_named_first() {
    let not_attached = "udplb is not attached to eth1; it is attached to eth0";
    let elsewhere = "forward default/syslog listens on port 514 of 192.0.2.10 on eth0, not on eth1";
    let explanation = ask(
        &[("syslog", SYSLOG)],
        &question(ETH1, "198.51.100.7:1", "192.0.2.10:514"),
    );
    assert_eq!(
        misses(&explanation),
        [
            (Kind::NotAttached, not_attached),
            (Kind::Interface, elsewhere)
        ]
    );

    // Somebody took it off, and no agent runs to put it back.
    let tables = fixture::tables(&[("syslog", SYSLOG)]);
    let mut host = host(&tables);
    host.attached.clear();
    let hit = question(ETH0, "198.51.100.7:1", "192.0.2.10:514");
    let explanation = explain(&tables, &host, &hit);
    assert_eq!(
        misses(&explanation),
        [(
            Kind::NotAttached,
            "udplb was attached to eth0, but its program is not on the hook any more: a running agent puts it \
             back"
        )]
    );
    let nowhere = explain(&Tables::empty(), &host, &hit);
    assert_eq!(
        misses(&nowhere),
        [
            (
                Kind::NotAttached,
                "udplb is not attached to eth0, nor to any other interface"
            ),
            (Kind::Nobody, "no forward listens anywhere")
        ]
    );
}

#[test]
fn what_listens_nowhere_is_named() {
    let paused = SYSLOG.replacen('\n', "\n  state: Paused\n", 1);
    let explanation = ask(
        &[("syslog", &paused)],
        &question(ETH0, "198.51.100.7:1", "192.0.2.10:514"),
    );
    let [.., (kind, text)] = misses(&explanation)[..] else {
        panic!("{explanation:?}")
    };
    assert_eq!(kind, Kind::ListensNowhere);
    assert_eq!(
        text,
        "forward default/syslog listens nowhere: it is paused, its interfaces are missing, or older \
         forwards have its listeners; the agent's log says which"
    );
}

#[test]
fn a_vlan_device_takes_its_frames() {
    let mut tagged = question(ETH0, "198.51.100.7:1", "192.0.2.10:514");
    tagged.vlan = Some(7);
    let explanation = ask(&[("syslog", SYSLOG)], &tagged);
    assert_eq!(
        misses(&explanation),
        [(
            Kind::VlanDevice,
            "frames of VLAN 7 on eth0 belong to VLAN device eth0.7: ask with --interface eth0.7 and without \
             --vlan"
        )]
    );
    // Nobody has taken this one.
    tagged.vlan = Some(8);
    assert_eq!(ask(&[("syslog", SYSLOG)], &tagged).verdict, Verdict::Clone);
    tagged.interface = ETH0_7;
    let kinds = |explanation: &Explanation| explanation.misses[0].kind;
    assert_eq!(
        kinds(&ask(&[("syslog", SYSLOG)], &tagged)),
        Kind::NotAttached
    );
}

#[test]
fn groups_are_taken_only_where_they_are_named() {
    let any = SYSLOG
        .replace("'192.0.2.10'", "'0.0.0.0/0'")
        .replace("    sources: ['198.51.100.0/24', '2001:db8:5::/48']\n", "");
    for (address, kind) in [
        ("192.0.2.255", "broadcast"),
        ("255.255.255.255", "broadcast"),
        ("239.1.2.3", "multicast"),
    ] {
        let explanation = ask(
            &[("syslog", &any)],
            &question(ETH0, "192.0.2.9:1", &format!("{address}:514")),
        );
        let text = format!(
            "forward default/syslog listens on 0.0.0.0/0, but {address} is a {kind} address: those are taken \
             only where match.addresses names them"
        );
        assert_eq!(misses(&explanation), [(Kind::GroupNotNamed, &text[..])]);
    }
}
