//! For tests: the tables of a host that runs these forwards. **pure**

use std::{net::IpAddr, path::Path};

use udplb_plan::{
    Answers,
    standalone::{Standalone, standalone},
};

use crate::{
    desired::{Desired, input::Input},
    diff::{Cache, diff},
    facts::{Facts, Keeper, Link, LinkKind, Neighbour, NeighbourState, Route, Vlan},
    source::file,
    tables::{Tables, capacity::Capacity},
    text::Names,
};

pub(crate) const ETH0: u32 = 2;
pub(crate) const ETH1: u32 = 3;
/// VLAN 7 of eth0.
pub(crate) const ETH0_7: u32 = 4;

/// Packets come in on eth0 at `192.0.2.10` and `2001:db8::10`. On eth1, `203.0.113.1` to `.9` and
/// `2001:db8:1::1` are neighbours that answer, `203.0.113.10` does not; 198.18.0.0/15 is behind 203.0.113.9, and no route
/// leads to 240.0.0.1.
pub(crate) fn host() -> Facts {
    let link = |name: &str, last, vlan| Link {
        name: name.to_owned(),
        kind: LinkKind::Ethernet,
        mac: [2, 0, 0, 0, 0, last],
        mtu: 1500,
        up: true,
        master: None,
        vlan,
    };
    let vlan = Vlan {
        parent: ETH0,
        protocol: 0x8100,
        id: 7,
    };
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let via = |gateway: Option<&str>| Route::Unicast {
        interface: ETH1,
        gateway: gateway.map(ip),
        mtu: None,
    };
    let neighbour = |state| Neighbour {
        state,
        keeper: Keeper::Ours,
    };
    let mut facts = Facts {
        links: [
            (ETH0, link("eth0", 0x10, None)),
            (ETH1, link("eth1", 0x11, None)),
            (ETH0_7, link("eth0.7", 0x10, Some(vlan))),
        ]
        .into(),
        addresses: [
            (ETH0, "192.0.2.10/24".parse().unwrap()),
            (ETH0, "2001:db8::10/64".parse().unwrap()),
        ]
        .into(),
        default_route_interfaces: [ETH0].into(),
        ..Facts::default()
    };
    for last in 1..=9_u8 {
        let address = ip(&format!("203.0.113.{last}"));
        let valid = NeighbourState::Valid([2, 0, 0, 1, 0, last]);
        let _ = facts.neighbours.insert((ETH1, address), neighbour(valid));
        let _ = facts.routes.insert(address, via(None));
    }
    let _ = facts.routes.insert(ip("203.0.113.10"), via(None));
    let silent = (ETH1, ip("203.0.113.10"));
    let _ = facts
        .neighbours
        .insert(silent, neighbour(NeighbourState::Failed));
    let answers = (ETH1, ip("2001:db8:1::1"));
    let valid = NeighbourState::Valid([2, 0, 0, 1, 6, 1]);
    let _ = facts.neighbours.insert(answers, neighbour(valid));
    let _ = facts.routes.insert(ip("2001:db8:1::1"), via(None));
    let _ = facts
        .routes
        .insert(ip("198.18.0.1"), via(Some("203.0.113.9")));
    let _ = facts.routes.insert(ip("240.0.0.1"), Route::None);
    facts
}

pub(crate) fn names() -> Names {
    let links = host().links.into_iter();
    Names(links.map(|(index, link)| (index, link.name)).collect())
}

/// The input that a file with these forwards is. Each is its name and the lines of its spec.
pub(crate) fn input(forwards: &[(&str, &str)]) -> Input {
    let documents = forwards.iter().map(|(name, spec)| {
        format!(
            "---\napiVersion: udplb.dev/v1alpha1\nkind: UdpForward\nmetadata: {{name: {name}}}\nspec:\n{spec}\n"
        )
    });
    let text: String = documents.collect();
    let parsed = file::parse(&text, Path::new("test.yaml"))
        .unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
    let Standalone {
        config, forwards, ..
    } = standalone(&parsed.forwards, "test", &Answers::default());
    Input::new(&config.spec.forwards, |reference| {
        let metadata = |one: &&udplb_api::ResolvedForward| {
            one.metadata.namespace.as_ref() == Some(&reference.namespace)
                && one.metadata.name.as_ref() == Some(&reference.name)
        };
        forwards.iter().find(metadata).map(|one| &one.spec)
    })
}

/// The tables of [`host`] with the forwards of a file. Each forward is its name and the lines of its spec.
pub(crate) fn tables(forwards: &[(&str, &str)]) -> Tables {
    let input = input(forwards);
    let desired = Desired::settle(&input, None, &host());
    let mut tables = Tables::empty();
    let mut cache = Cache::default();
    loop {
        let change = diff(&desired, &tables, &Capacity::default(), &mut cache);
        assert_eq!(change.failures, []);
        if change.ops.is_empty() {
            return tables;
        }
        for op in &change.ops {
            tables.apply(op);
        }
    }
}
