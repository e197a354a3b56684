//! What we know of the kernel's network, kept up by events. Part of **IO**, opens nothing itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;

use super::decode::Event;
use crate::facts::{Facts, InterfaceIndex, Keeper, Link, Neighbour, NeighbourState, Route};

/// Links, addresses, neighbours; and routes, which the watcher asks for.
#[derive(Debug, Default)]
pub(super) struct Cache {
    links: BTreeMap<InterfaceIndex, Link>,
    addresses: BTreeSet<(InterfaceIndex, IpNet)>,
    neighbours: BTreeMap<(InterfaceIndex, IpAddr), Neighbour>,
    /// Interfaces that hold a default route.
    pub(super) default_routes: BTreeSet<InterfaceIndex>,
    /// Answers for the wanted addresses.
    pub(super) routes: BTreeMap<IpAddr, Route>,
}

/// What events made out of date.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stale {
    /// The facts differ from those before.
    pub(super) facts: bool,
    /// Default routes must be listed again.
    pub(super) default_routes: bool,
    /// The routes of all addresses must be asked for again.
    pub(super) all_routes: bool,
    /// The routes of addresses in these prefixes must be asked for again.
    pub(super) prefixes: BTreeSet<IpNet>,
}

impl Stale {
    /// Everything that is not told by events alone.
    pub(super) fn everything() -> Self {
        Self {
            facts: true,
            default_routes: true,
            all_routes: true,
            prefixes: BTreeSet::new(),
        }
    }

    /// Which of the wanted addresses must be asked for.
    pub(super) fn addresses(&self, wanted: &BTreeSet<IpAddr>, cache: &Cache) -> BTreeSet<IpAddr> {
        if self.all_routes {
            return wanted.clone();
        }
        let new = wanted
            .iter()
            .filter(|address| !cache.routes.contains_key(*address));
        let concerned = self
            .prefixes
            .iter()
            .flat_map(|prefix| wanted.range(prefix.network()..=prefix.broadcast()));
        new.chain(concerned).copied().collect()
    }
}

impl Cache {
    pub(super) fn apply(&mut self, event: Event, stale: &mut Stale) {
        match event {
            Event::Link(index, link) => {
                stale.all_routes = true;
                // The kernel drops IPv4 routes of a link that goes down without a word.
                stale.default_routes |= !link.up;
                let before = self.links.insert(index, link);
                stale.facts |= before.as_ref() != self.links.get(&index);
            }
            Event::LinkGone(index) => {
                *stale = Stale::everything();
                let _link = self.links.remove(&index);
                self.addresses.retain(|(interface, _)| *interface != index);
                self.neighbours
                    .retain(|(interface, _), _| *interface != index);
            }
            Event::Address(index, address) => {
                stale.all_routes = true;
                stale.facts |= self.addresses.insert((index, address));
            }
            Event::AddressGone(index, address) => {
                // Routes that prefer it as their source go with it, without a word.
                *stale = Stale::everything();
                let _was_there = self.addresses.remove(&(index, address));
            }
            Event::Neighbour(key, neighbour) => {
                let before = self.neighbours.get(&key).copied();
                let neighbour = sticky(before, neighbour);
                stale.facts |= before != Some(neighbour);
                let _before = self.neighbours.insert(key, neighbour);
            }
            Event::NeighbourGone(key) => {
                stale.facts |= self.neighbours.remove(&key).is_some();
            }
            Event::Route(prefix) => {
                stale.default_routes |= prefix.prefix_len() == 0;
                let _new = stale.prefixes.insert(prefix);
            }
            Event::Routing => {
                stale.default_routes = true;
                stale.all_routes = true;
            }
        }
    }

    /// Takes over from a cache that lost events: who had failed and is being asked again, has failed.
    pub(super) fn keep_failures(&mut self, old: &Self) {
        for (key, neighbour) in &mut self.neighbours {
            *neighbour = sticky(old.neighbours.get(key).copied(), *neighbour);
        }
    }

    /// The facts, with the neighbours that are of interest.
    pub(super) fn facts(&self) -> Facts {
        let next_hops: BTreeSet<_> = self
            .routes
            .iter()
            .filter_map(|(address, route)| match route {
                Route::Unicast {
                    interface, gateway, ..
                } => Some((*interface, gateway.unwrap_or(*address))),
                Route::Local | Route::None => None,
            })
            .collect();
        let of_interest = |key, neighbour: &Neighbour| {
            neighbour.keeper == Keeper::Ours || next_hops.contains(key)
        };
        Facts {
            links: self.links.clone(),
            addresses: self.addresses.clone(),
            default_route_interfaces: self.default_routes.clone(),
            routes: self.routes.clone(),
            neighbours: self
                .neighbours
                .iter()
                .filter(|(key, neighbour)| of_interest(*key, neighbour))
                .map(|(key, neighbour)| (*key, *neighbour))
                .collect(),
        }
    }
}

/// A neighbour that failed stays failed while the kernel asks again.
fn sticky(before: Option<Neighbour>, mut now: Neighbour) -> Neighbour {
    let failed = before.is_some_and(|before| before.state == NeighbourState::Failed);
    if failed && now.state == NeighbourState::Resolving {
        now.state = NeighbourState::Failed;
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: (InterfaceIndex, IpAddr) = (3, IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn entry(state: NeighbourState) -> Neighbour {
        Neighbour {
            state,
            keeper: Keeper::Ours,
        }
    }

    /// Applies states one after the other, and returns what the facts say after each.
    fn seen(cache: &mut Cache, states: &[NeighbourState]) -> Vec<NeighbourState> {
        let apply = |state: &NeighbourState| {
            cache.apply(Event::Neighbour(KEY, entry(*state)), &mut Stale::default());
            cache.facts().neighbours[&KEY].state
        };
        states.iter().map(apply).collect()
    }

    #[test]
    fn failure_lasts_until_an_answer() {
        use NeighbourState::{Failed, Resolving, Valid};
        let mut cache = Cache::default();
        let states = [
            Resolving,
            Failed,
            Resolving,
            Failed,
            Valid([1; 6]),
            Resolving,
        ];
        let expected = [Resolving, Failed, Failed, Failed, Valid([1; 6]), Resolving];
        assert_eq!(seen(&mut cache, &states), expected);

        let _failed = seen(&mut cache, &[Failed]);
        let mut relisted = Cache::default();
        let _resolving = seen(&mut relisted, &[Resolving]);
        relisted.keep_failures(&cache);
        assert_eq!(relisted.facts().neighbours[&KEY].state, Failed);

        relisted.apply(Event::NeighbourGone(KEY), &mut Stale::default());
        assert_eq!(seen(&mut relisted, &[Resolving]), [Resolving]);
    }

    /// The kernel announces every probe; only what changes the facts counts.
    #[test]
    fn repeated_events_are_no_news() {
        let mut cache = Cache::default();
        let event = Event::Neighbour(KEY, entry(NeighbourState::Valid([1; 6])));
        let mut first = Stale::default();
        cache.apply(event.clone(), &mut first);
        assert!(first.facts);
        let mut second = Stale::default();
        cache.apply(event, &mut second);
        assert_eq!(second, Stale::default());
    }

    #[test]
    fn a_route_concerns_the_addresses_in_its_prefix() {
        let [inside, outside, new] =
            ["10.0.0.1", "10.1.0.1", "10.2.0.1"].map(|address| address.parse::<IpAddr>().unwrap());
        let mut cache = Cache::default();
        cache
            .routes
            .extend([(inside, Route::None), (outside, Route::None)]);
        let mut stale = Stale::default();
        cache.apply(Event::Route("10.0.0.0/16".parse().unwrap()), &mut stale);
        let wanted = BTreeSet::from([inside, outside, new]);
        assert_eq!(
            stale.addresses(&wanted, &cache),
            BTreeSet::from([inside, new])
        );
        assert!(!stale.default_routes);

        cache.apply(Event::Route("0.0.0.0/0".parse().unwrap()), &mut stale);
        assert_eq!(stale.addresses(&wanted, &cache), wanted);
        assert!(stale.default_routes);
    }
}
