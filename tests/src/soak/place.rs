//! Where datagrams can come to: the node's own socket, and every upstream that a version may name. Pure.

use std::fmt;

/// Address families by which flows and upstreams are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const ALL: [Self; 2] = [Self::V4, Self::V6];
}

/// A host with upstreams, behind a link of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Site {
    /// Stands; every version of a forward names it.
    One,
    /// Stands; comes and goes in versions.
    Two,
    /// Its link does not stand: what is sent there may be lost.
    Loose,
}

impl Site {
    pub(super) const ALL: [Self; 3] = [Self::One, Self::Two, Self::Loose];

    /// The host.
    pub(super) const fn host(self) -> &'static str {
        match self {
            Self::One => "collector1",
            Self::Two => "collector2",
            Self::Loose => "collector3",
        }
    }

    /// The destination that leads there.
    pub(super) const fn destination(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Two => "two",
            Self::Loose => "loose",
        }
    }

    /// Whether its upstreams get everything that a version sends them.
    pub(super) fn stands(self) -> bool {
        self != Self::Loose
    }
}

/// Addresses that each site has in each family.
pub(super) const ADDRESSES: usize = 3;

/// Versions of a destination differ in their upstreams' ports, of which there are so many.
pub(super) const TAGS: usize = 4;

/// One of the places that a flow's datagrams can come to. A flow has one family, so a place names no family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The node's own socket.
    Local,
    /// An upstream.
    Upstream {
        site: Site,
        /// Below [`ADDRESSES`].
        address: usize,
        /// Below [`TAGS`].
        tag: usize,
    },
}

impl Place {
    /// Every place, in the order of their numbers.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let upstreams = Site::ALL.into_iter().flat_map(|site| {
            (0..ADDRESSES).flat_map(move |address| {
                (0..TAGS).map(move |tag| Self::Upstream { site, address, tag })
            })
        });
        [Self::Local].into_iter().chain(upstreams)
    }

    /// Its number; below 64, so that a set of places is one word.
    pub(super) const fn number(self) -> usize {
        match self {
            Self::Local => 0,
            Self::Upstream { site, address, tag } => {
                1 + (site as usize * ADDRESSES + address) * TAGS + tag
            }
        }
    }

    /// Where it is: the host and the address to bind to.
    pub(super) fn socket(self, family: Family, lane: &super::lane::Lane) -> (&'static str, String) {
        match self {
            Self::Local => ("node", lane.destination(family)),
            Self::Upstream { site, address, tag } => {
                let address = upstream_address(site, address, family);
                let port = lane.upstream_port(tag);
                let place = match family {
                    Family::V4 => format!("{address}:{port}"),
                    Family::V6 => format!("[{address}]:{port}"),
                };
                (site.host(), place)
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => formatter.write_str("the node"),
            Self::Upstream { site, address, tag } => {
                write!(formatter, "{}.{address}:{tag}", site.destination())
            }
        }
    }
}

/// The net of an address that no link of the node has: a route leads there, by one of two links.
const ROUTED: usize = 7;

/// An address of a site, as text. The last one of the first site is behind a route.
pub(super) fn upstream_address(site: Site, address: usize, family: Family) -> String {
    let is_routed = site == Site::One && address == ADDRESSES - 1;
    let net = if is_routed { ROUTED } else { site as usize + 2 };
    let host = address + 2;
    match family {
        Family::V4 => format!("10.0.{net}.{host}"),
        Family::V6 => format!("2001:db8:{net}::{host}"),
    }
}

/// A set of places.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Places(u64);

impl Places {
    pub(super) fn insert(&mut self, place: Place) -> bool {
        let bit = 1 << place.number();
        let is_new = self.0 & bit == 0;
        self.0 |= bit;
        is_new
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn count(self) -> u32 {
        self.0.count_ones()
    }

    pub(super) const fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl FromIterator<Place> for Places {
    fn from_iter<I: IntoIterator<Item = Place>>(places: I) -> Self {
        let mut all = Self::default();
        for place in places {
            let _: bool = all.insert(place);
        }
        all
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Place::all().filter(|place| self.0 & (1 << place.number()) != 0);
        formatter.debug_set().entries(named).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_a_bit_of_its_own() {
        let numbers: Vec<usize> = Place::all().map(Place::number).collect();
        assert!(numbers.iter().copied().eq(0..numbers.len()) && numbers.len() <= 64);
    }
}
