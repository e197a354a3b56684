//! One version of the file after another, each a change of a different kind. Pure.

use super::super::{
    lane::LANES,
    place::{ADDRESSES, Site, TAGS},
    version::{Action, Destination, Matched, Other, Spec, Version},
};
use crate::traffic::Numbers;

const STRATEGIES: [&str; 5] = [
    "SourceIP",
    "SourcePort",
    "SourceIPPort",
    "FiveTuple",
    "Random",
];

/// Forwards beside those under test, at most.
const OTHERS: usize = 6;

/// The last version, from which the next comes.
pub(super) struct Versions {
    last: Version,
}

impl Versions {
    pub(super) fn new() -> Self {
        let spec = |action| Spec {
            matched: Matched::Port,
            action,
            destinations: vec![plain(Site::One), plain(Site::Two)],
        };
        let last = Version {
            number: 0,
            specs: vec![
                spec(Action::Clone),
                spec(Action::Forward),
                spec(Action::Clone),
            ],
            others: Vec::new(),
            is_reversed: false,
        };
        debug_assert_eq!(last.specs.len(), LANES.len());
        Self { last }
    }

    pub(super) const fn last(&self) -> &Version {
        &self.last
    }

    /// Another version: one or more things are different.
    pub(super) fn next(&mut self, random: &mut Numbers) -> Version {
        let version = &mut self.last;
        version.number += 1;
        let moving: Vec<usize> = LANES
            .iter()
            .filter(|lane| !lane.is_steady)
            .map(|lane| lane.index)
            .collect();
        let lane = moving[random.below(moving.len())];
        match random.below(8) {
            0 | 1 => {
                for lane in moving {
                    version.specs[lane] = spec(random);
                }
            }
            2 => version.specs[lane] = spec(random),
            3 => version.specs[lane].matched = matched(random),
            4 => {
                for destination in &mut version.specs[lane].destinations {
                    destination.tag = random.below(TAGS);
                }
            }
            5 => {
                let destinations = &mut version.specs[lane].destinations;
                let place = random.below(destinations.len());
                let site = destinations[place].site;
                destinations[place] = destination(site, random);
            }
            6 => version.others = others(random),
            _ => version.is_reversed = !version.is_reversed,
        }
        version.clone()
    }
}

fn plain(site: Site) -> Destination {
    Destination {
        site,
        tag: 0,
        upstreams: vec![(0, 1)],
        has_both_families: true,
        strategy: STRATEGIES[0],
        rewrites_source: false,
        rate_limit: None,
    }
}

fn spec(random: &mut Numbers) -> Spec {
    let mut sites = vec![Site::One];
    sites.extend(
        [Site::Two, Site::Loose]
            .into_iter()
            .filter(|_| random.below(3) > 0),
    );
    let turn = random.below(sites.len());
    sites.rotate_left(turn);
    Spec {
        matched: matched(random),
        action: if random.below(2) == 0 {
            Action::Clone
        } else {
            Action::Forward
        },
        destinations: sites
            .into_iter()
            .map(|site| destination(site, random))
            .collect(),
    }
}

/// Mostly one that takes the traffic.
fn matched(random: &mut Numbers) -> Matched {
    let some = if random.below(4) == 0 {
        &Matched::ALL[..]
    } else {
        &Matched::ALL[..5]
    };
    some[random.below(some.len())]
}

fn destination(site: Site, random: &mut Numbers) -> Destination {
    let mut upstreams: Vec<(usize, u16)> = (0..ADDRESSES)
        .map(|address| (address, 1 + u16::from(random.byte()) % 4))
        .collect();
    upstreams.retain(|_| random.below(2) == 0);
    if upstreams.is_empty() {
        upstreams.push((random.below(ADDRESSES), 1));
    }
    Destination {
        tag: random.below(TAGS),
        upstreams,
        has_both_families: site == Site::One || random.below(4) > 0,
        strategy: STRATEGIES[random.below(STRATEGIES.len())],
        rewrites_source: random.below(2) == 0,
        rate_limit: (random.below(4) == 0).then(|| 500_000_000 + u32::from(random.byte())),
        site,
    }
}

fn others(random: &mut Numbers) -> Vec<Other> {
    let count = random.below(OTHERS + 1);
    (0..count)
        .map(|_| Other {
            number: u16::from(random.byte()),
            has_addresses: random.below(2) == 0,
            destinations: (0..=random.below(2))
                .map(|_| {
                    let port = 9000 + u16::from(random.byte());
                    (0..=random.below(ADDRESSES))
                        .map(|address| (address, port))
                        .collect()
                })
                .collect(),
        })
        .map(|other| (other.number, other))
        .collect::<std::collections::BTreeMap<_, _>>()
        .into_values()
        .collect()
}
