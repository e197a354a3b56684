//! Where each datagram of a lane came to. Pure.

use std::net::SocketAddr;

use super::place::{Place, Places};
use crate::traffic::{Sink, record::decode};

/// Everything that came of one lane in one round.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Number of the lane's first flow.
    first: u32,
    /// The place of each of the receiver's sockets.
    sockets: Vec<Place>,
    /// By flow and number.
    seen: Vec<Vec<Places>>,
    /// By flow and place: one more than the highest number.
    next: Vec<[u64; 64]>,
    troubles: Vec<Trouble>,
    /// Datagrams of earlier rounds, which had waited on the way to an upstream that does not stand.
    pub(super) late: u64,
    /// Datagrams at upstreams.
    pub(super) copies: u64,
    /// Those of them at upstreams that do not stand.
    pub(super) loose: u64,
}

/// Something that must not happen, whatever version is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    /// Index of the flow.
    pub(super) flow: usize,
    pub(super) number: u64,
    pub(super) place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// It came to the same place again.
    Doubled,
    /// It came to a place after a later one of its flow.
    Misordered,
    /// It is damaged, or of no flow of this lane.
    Strange,
}

impl Ledger {
    /// A ledger of flows from `first` on, for a receiver with these sockets.
    pub(super) fn new(first: u32, flows: usize, sockets: Vec<Place>) -> Self {
        Self {
            first,
            sockets,
            seen: vec![Vec::new(); flows],
            next: vec![[0; 64]; flows],
            troubles: Vec::new(),
            late: 0,
            copies: 0,
            loose: 0,
        }
    }

    /// Where a datagram came to.
    pub(super) fn places(&self, flow: usize, number: usize) -> Places {
        self.seen[flow].get(number).copied().unwrap_or_default()
    }

    /// What must not have happened, in the order in which it came.
    pub(super) fn troubles(&self) -> &[Trouble] {
        &self.troubles
    }

    fn stray(&mut self, flow: u32, number: u64, place: Place) {
        let is_loose = matches!(place, Place::Upstream { site, .. } if !site.stands());
        if is_loose && flow < self.first {
            self.late += 1;
        } else {
            self.troubles.push(Trouble {
                kind: Kind::Strange,
                flow: 0,
                number,
                place,
            });
        }
    }
}

impl Sink for Ledger {
    fn take(&mut self, data: &[u8], _: SocketAddr, socket: u8) -> bool {
        let place = self.sockets[usize::from(socket)];
        let (flow, number) = decode(data).unwrap_or((u32::MAX, 0));
        let index = flow.checked_sub(self.first).map(|index| index as usize);
        let Some(index) = index.filter(|index| *index < self.seen.len()) else {
            self.stray(flow, number, place);
            return false;
        };
        let mut trouble = |kind| {
            self.troubles.push(Trouble {
                kind,
                flow: index,
                number,
                place,
            });
        };
        let position = usize::try_from(number).unwrap();
        let seen = &mut self.seen[index];
        if seen.len() <= position {
            seen.resize(position + 1, Places::default());
        }
        let is_new = seen[position].is_empty();
        if !seen[position].insert(place) {
            trouble(Kind::Doubled);
            return false;
        }
        let next = &mut self.next[index][place.number()];
        if number < *next {
            trouble(Kind::Misordered);
        }
        *next = (number + 1).max(*next);
        if let Place::Upstream { site, .. } = place {
            self.copies += 1;
            self.loose += u64::from(!site.stands());
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::{super::place::Site, *};
    use crate::traffic::record::encode;

    const UPSTREAM: Place = Place::Upstream {
        site: Site::One,
        address: 0,
        tag: 0,
    };
    const LOOSE: Place = Place::Upstream {
        site: Site::Loose,
        address: 0,
        tag: 0,
    };

    fn ledger() -> Ledger {
        Ledger::new(8, 2, vec![Place::Local, UPSTREAM, LOOSE])
    }

    fn take(ledger: &mut Ledger, flow: u32, number: u64, socket: u8) -> bool {
        ledger.take(&encode(flow, number), "10.0.0.1:1".parse().unwrap(), socket)
    }

    #[test]
    fn a_datagram_is_new_once() {
        let mut ledger = ledger();
        assert!(take(&mut ledger, 9, 0, 0));
        assert!(!take(&mut ledger, 9, 0, 1));
        assert_eq!(
            ledger.places(1, 0),
            [Place::Local, UPSTREAM].into_iter().collect()
        );
        assert_eq!((ledger.troubles(), ledger.copies), (&[][..], 1));
    }

    #[test]
    fn troubles_are_told_apart() {
        let mut ledger = ledger();
        for (flow, number, socket) in [
            (8, 1, 0),
            (8, 1, 0),
            (8, 0, 0),
            (8, 0, 1),
            (7, 0, 2),
            (7, 0, 1),
        ] {
            let _: bool = take(&mut ledger, flow, number, socket);
        }
        let kinds: Vec<Kind> = ledger.troubles().iter().map(|one| one.kind).collect();
        assert_eq!(kinds, [Kind::Doubled, Kind::Misordered, Kind::Strange]);
        assert_eq!(ledger.late, 1);
    }
}
