//! What a version of the file says: as text, and as what may become of a datagram. Pure.

use std::fmt;

use super::{
    lane::{LANES, Lane},
    place::{ADDRESSES, Family, Place, Places, Site, upstream_address},
};
use crate::agent::forward;

/// A whole file.
#[derive(Clone, Debug)]
pub(super) struct Version {
    /// Rises; its name is in the file, so that the agent's metrics tell when it is in force.
    pub(super) number: u64,
    /// One for each of [`LANES`].
    pub(super) specs: Vec<Spec>,
    /// Forwards without traffic, that take and free slots beside those under test.
    pub(super) others: Vec<Other>,
    /// Whether the documents stand in the file the last first.
    pub(super) is_reversed: bool,
}

/// What a version says about a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) matched: Matched,
    pub(super) action: Action,
    /// In the order of the file; [`Site::One`] is always among them and has both families.
    pub(super) destinations: Vec<Destination>,
}

/// What a forward listens to, and whether the lane's traffic is among it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matched {
    Port,
    MorePorts,
    Addresses,
    Prefixes,
    Sources,
    /// Everything below leaves the traffic to the node.
    OtherPorts,
    OtherAddresses,
    OtherSources,
    Paused,
}

impl Matched {
    pub(super) const ALL: [Self; 9] = [
        Self::Port,
        Self::MorePorts,
        Self::Addresses,
        Self::Prefixes,
        Self::Sources,
        Self::OtherPorts,
        Self::OtherAddresses,
        Self::OtherSources,
        Self::Paused,
    ];

    fn takes_the_traffic(self) -> bool {
        !matches!(
            self,
            Self::OtherPorts | Self::OtherAddresses | Self::OtherSources | Self::Paused
        )
    }

    fn yaml(self, lane: &Lane) -> String {
        let (port, spare) = (lane.port(), lane.spare_ports());
        let more = format!("{{port: {spare}, endPort: {}}}", spare + 9);
        let one = format!("{{port: {port}}}");
        match self {
            Self::Port | Self::Paused => format!("ports: [{one}]"),
            Self::MorePorts => format!("ports: [{one}, {more}]"),
            Self::Addresses => {
                format!("ports: [{one}], addresses: ['10.0.1.1', '2001:db8:1::1']")
            }
            Self::Prefixes => {
                format!("ports: [{one}, {more}], addresses: ['10.0.1.0/24', '2001:db8:1::/64']")
            }
            Self::Sources => format!("ports: [{one}], sources: ['10.0.1.0/24', '2001:db8:1::/64']"),
            Self::OtherPorts => format!("ports: [{more}]"),
            Self::OtherAddresses => {
                format!("ports: [{one}], addresses: ['192.0.2.1', '2001:db8:99::/64']")
            }
            Self::OtherSources => format!("ports: [{one}], sources: ['198.51.100.0/24']"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Clone,
    Forward,
}

/// The set of upstreams that a destination sends to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) site: Site,
    pub(super) tag: usize,
    /// Addresses of the site, and their weights.
    pub(super) upstreams: Vec<(usize, u16)>,
    /// Whether it has upstreams in both families, or in IPv4 only.
    pub(super) has_both_families: bool,
    pub(super) strategy: &'static str,
    pub(super) rewrites_source: bool,
    /// A limit that the traffic never reaches, packets a second.
    pub(super) rate_limit: Option<u32>,
}

impl Destination {
    fn yaml(&self, lane: &Lane) -> String {
        let port = lane.upstream_port(self.tag);
        let families = &Family::ALL[..=usize::from(self.has_both_families)];
        let upstreams: Vec<String> = families
            .iter()
            .flat_map(|family| self.upstreams.iter().map(move |one| (family, one)))
            .map(|(family, (address, weight))| {
                let address = upstream_address(self.site, *address, *family);
                format!("{{address: '{address}', port: {port}, weight: {weight}}}")
            })
            .collect();
        let source = if self.rewrites_source {
            "Rewrite"
        } else {
            "Preserve"
        };
        let limit = self.rate_limit.map_or_else(String::new, |rate| {
            format!(", rateLimit: {{packetsPerSecond: {rate}, burst: {rate}}}")
        });
        format!(
            "  - {{name: {}, strategy: {}, sourceAddress: {source}{limit}, upstreams: [{}]}}\n",
            self.site.destination(),
            self.strategy,
            upstreams.join(", ")
        )
    }

    /// The upstreams of a family.
    fn places(&self, family: Family) -> Places {
        if family == Family::V6 && !self.has_both_families {
            return Places::default();
        }
        let place = |&(address, _): &(usize, u16)| Place::Upstream {
            site: self.site,
            address,
            tag: self.tag,
        };
        self.upstreams.iter().map(place).collect()
    }
}

impl Spec {
    fn yaml(&self, lane: &Lane) -> String {
        let state = if self.matched == Matched::Paused {
            "Paused"
        } else {
            "Active"
        };
        let destinations: String = self.destinations.iter().map(|one| one.yaml(lane)).collect();
        let spec = format!(
            "  state: {state}\n  match: {{{}}}\n  action: {:?}\n  destinations:\n{destinations}",
            self.matched.yaml(lane),
            self.action
        );
        forward(lane.name, &spec)
    }

    /// What becomes of a datagram of this family that this version handles.
    pub(super) fn fate(&self, family: Family) -> Fate {
        if !self.matched.takes_the_traffic() {
            return Fate {
                always: Place::all().take(1).collect(),
                ..Fate::default()
            };
        }
        let mut fate = Fate::default();
        if self.action == Action::Clone {
            let _: bool = fate.always.insert(Place::Local);
        }
        for destination in &self.destinations {
            let places = destination.places(family);
            if places.is_empty() {
                continue;
            }
            if destination.site.stands() {
                fate.one_of.push(places);
            } else {
                fate.at_most_one_of.push(places);
            }
        }
        fate
    }
}

/// Which places a datagram comes to, once each.
#[derive(Clone, Debug, Default)]
pub(super) struct Fate {
    /// All of these.
    always: Places,
    /// One of each set.
    one_of: Vec<Places>,
    /// One of each set, or none.
    at_most_one_of: Vec<Places>,
}

impl Fate {
    /// Whether a datagram that came to these places met this fate.
    pub(super) fn is(&self, seen: Places) -> bool {
        self.is_part(seen)
            && seen.both(self.always) == self.always
            && self.one_of.iter().all(|set| seen.both(*set).count() == 1)
    }

    /// Whether it did but for places that it has not come to.
    pub(super) fn is_part(&self, seen: Places) -> bool {
        let sets = || self.one_of.iter().chain(&self.at_most_one_of);
        let rest = sets().fold(seen.without(self.always), |rest, set| rest.without(*set));
        rest.is_empty() && sets().all(|set| seen.both(*set).count() <= 1)
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.always)?;
        for set in &self.one_of {
            write!(formatter, " and one of {set:?}")?;
        }
        for set in &self.at_most_one_of {
            write!(formatter, " and perhaps one of {set:?}")?;
        }
        Ok(())
    }
}

/// A forward that nobody sends to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) number: u16,
    pub(super) has_addresses: bool,
    /// For each destination, its upstreams: address and port of [`Site::One`].
    pub(super) destinations: Vec<Vec<(usize, u16)>>,
}

impl Other {
    fn yaml(&self) -> String {
        let matched = if self.has_addresses {
            ", addresses: ['10.0.1.1', '10.0.1.0/24']"
        } else {
            ""
        };
        let destinations: String = self
            .destinations
            .iter()
            .enumerate()
            .map(|(index, upstreams)| {
                let upstreams: Vec<String> = upstreams
                    .iter()
                    .map(|(address, port)| {
                        let address = upstream_address(Site::One, *address, Family::V4);
                        format!("{{address: '{address}', port: {port}}}")
                    })
                    .collect();
                format!(
                    "  - {{name: d{index}, upstreams: [{}]}}\n",
                    upstreams.join(", ")
                )
            })
            .collect();
        let port = 1000 + self.number;
        let spec = format!(
            "  match: {{ports: [{{port: {port}}}]{matched}}}\n  action: Clone\n  destinations:\n{destinations}"
        );
        forward(&format!("other-{}", self.number), &spec)
    }
}

impl Version {
    /// The forward whose counters show that this version is in force.
    pub(super) fn marker(&self) -> String {
        format!("version-{}", self.number)
    }

    /// The file.
    pub(super) fn yaml(&self) -> String {
        let marker = "  state: Paused\n  match: {ports: [{port: 9}]}\n  action: Clone\n  destinations:\n  - {name: one, upstreams: [{address: 10.0.2.2}]}\n";
        let lanes = LANES.iter().zip(&self.specs);
        let mut documents: Vec<String> = lanes.map(|(lane, spec)| spec.yaml(lane)).collect();
        documents.extend(self.others.iter().map(Other::yaml));
        documents.push(forward(&self.marker(), marker));
        documents.push(forward("warm", &warm()));
        if self.is_reversed {
            documents.reverse();
        }
        documents.concat()
    }
}

/// A forward that names every upstream that stands, and the other gateway, so that each is reachable before a version sends there.
fn warm() -> String {
    let standing = Site::ALL.into_iter().filter(|site| site.stands());
    let upstreams: Vec<String> = standing
        .flat_map(|site| (0..ADDRESSES).map(move |address| (site, address)))
        .flat_map(|(site, address)| {
            Family::ALL.map(|family| upstream_address(site, address, family))
        })
        .chain(["10.0.5.2", "2001:db8:5::2"].map(str::to_owned))
        .map(|address| format!("{{address: '{address}'}}"))
        .collect();
    format!(
        "  match: {{ports: [{{port: 8}}]}}\n  action: Clone\n  destinations:\n  - {{name: all, upstreams: [{}]}}",
        upstreams.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(all: &[Place]) -> Places {
        all.iter().copied().collect()
    }

    const fn at(site: Site, address: usize, tag: usize) -> Place {
        Place::Upstream { site, address, tag }
    }

    fn destination(site: Site) -> Destination {
        Destination {
            site,
            tag: 1,
            upstreams: vec![(0, 1), (2, 1)],
            has_both_families: site == Site::One,
            strategy: "SourceIP",
            rewrites_source: false,
            rate_limit: None,
        }
    }

    #[test]
    fn a_fate_is_met_whole() {
        let spec = Spec {
            matched: Matched::Port,
            action: Action::Clone,
            destinations: Site::ALL.map(destination).to_vec(),
        };
        let fate = spec.fate(Family::V4);
        let [one, two, loose] = Site::ALL.map(|site| at(site, 2, 1));
        assert!(fate.is(places(&[Place::Local, one, two, loose])));
        assert!(fate.is(places(&[Place::Local, one, two])));
        for wrong in [
            vec![Place::Local, one],
            vec![one, two],
            vec![Place::Local, one, two, at(Site::Two, 0, 1)],
            vec![Place::Local, one, two, at(Site::Loose, 1, 1)],
            vec![Place::Local, one, at(Site::Two, 2, 0)],
        ] {
            assert!(!fate.is(places(&wrong)), "{wrong:?}");
        }
        assert!(fate.is_part(places(&[one])) && !fate.is_part(places(&[at(Site::One, 0, 0)])));
        assert!(spec.fate(Family::V6).is(places(&[Place::Local, one])));
    }

    #[test]
    fn what_is_not_matched_is_the_nodes() {
        let spec = Spec {
            matched: Matched::Paused,
            action: Action::Forward,
            destinations: vec![destination(Site::One)],
        };
        assert!(spec.fate(Family::V4).is(places(&[Place::Local])));
        assert!(!spec.fate(Family::V4).is(Places::default()));
    }
}
