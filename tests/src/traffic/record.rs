//! What a numbered datagram looks like, and what is known of those that came. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
};

use super::{Sent, Sink};

const MAGIC: [u8; 4] = *b"seq\n";
const HEADER: usize = 16;
const FILL: u8 = 0xa5;

/// Bytes of a numbered datagram's data.
pub const LENGTH: usize = 64;

/// The data of the datagram with this number.
pub fn encode(flow: u32, number: u64) -> [u8; LENGTH] {
    let mut data = [FILL; LENGTH];
    data[..4].copy_from_slice(&MAGIC);
    data[4..8].copy_from_slice(&flow.to_be_bytes());
    data[8..HEADER].copy_from_slice(&number.to_be_bytes());
    data
}

/// Flow and number, if the data is whole.
pub fn decode(data: &[u8]) -> Option<(u32, u64)> {
    let data: &[u8; LENGTH] = data.try_into().ok()?;
    let (header, fill) = data.split_first_chunk::<HEADER>()?;
    let (magic, rest) = header.split_first_chunk::<4>()?;
    let (flow, number) = rest.split_first_chunk::<4>()?;
    let whole = *magic == MAGIC && fill.iter().all(|byte| *byte == FILL);
    whole.then(|| {
        (
            u32::from_be_bytes(*flow),
            u64::from_be_bytes(number.try_into().unwrap()),
        )
    })
}

/// Everything that a receiver saw.
#[derive(Debug, Default)]
pub struct Record {
    flows: BTreeMap<u32, Arrivals>,
    /// Datagrams that are not numbered ones, or damaged.
    strange: u64,
}

/// What came of one flow.
#[derive(Debug, Default)]
struct Arrivals {
    /// Where each number came first.
    places: Vec<Option<u8>>,
    distinct: u64,
    duplicated: u64,
    misordered: u64,
    /// The highest number at each socket: between sockets there is no order to see.
    highest: BTreeMap<u8, u64>,
    sources: BTreeSet<SocketAddr>,
}

impl Sink for Record {
    fn take(&mut self, data: &[u8], source: SocketAddr, place: u8) -> bool {
        let Some((flow, number)) = decode(data) else {
            self.strange += 1;
            return false;
        };
        self.flows
            .entry(flow)
            .or_default()
            .add(number, source, place)
    }
}

impl Record {
    /// Compares with what was sent.
    pub fn report(&self, sent: &Sent) -> Report {
        let mut report = Report {
            strange: self.strange,
            ..Report::default()
        };
        let nothing = Arrivals::default();
        for (flow, (source, count)) in (0..).zip(&sent.flows) {
            let arrivals = self.flows.get(&flow).unwrap_or(&nothing);
            let missing = |number: &u64| arrivals.place(*number).is_none();
            let lost = u64::try_from((0..*count).filter(missing).count()).unwrap();
            let first = (0..*count).find(missing);
            report.examples.extend(first.map(|first| {
                format!("{lost} of {count} of flow {flow} from {source}, first {first}")
            }));
            report.sent += count;
            report.lost += lost;
            report.received += arrivals.distinct;
            report.duplicated += arrivals.duplicated;
            report.misordered += arrivals.misordered;
            report.strange += u64::from(arrivals.next() > *count);
            report.sources.push((*source, arrivals.sources.clone()));
            report.places.push(arrivals.places.clone());
        }
        report.examples.truncate(5);
        report
    }
}

impl Arrivals {
    fn add(&mut self, number: u64, source: SocketAddr, place: u8) -> bool {
        self.sources.insert(source);
        let position = usize::try_from(number).unwrap();
        if self.places.len() <= position {
            self.places.resize(position + 1, None);
        }
        if self.places[position].is_some() {
            self.duplicated += 1;
            return false;
        }
        self.places[position] = Some(place);
        self.distinct += 1;
        let highest = self.highest.entry(place).or_default();
        self.misordered += u64::from(number < *highest);
        *highest = number.max(*highest);
        true
    }

    /// One more than the highest number.
    fn next(&self) -> u64 {
        self.places.len().try_into().unwrap()
    }

    fn place(&self, number: u64) -> Option<u8> {
        *self.places.get(usize::try_from(number).unwrap())?
    }
}

/// What was sent, beside what came.
#[derive(Debug, Default)]
pub struct Report {
    /// Datagrams sent.
    pub sent: u64,
    /// Different datagrams received.
    pub received: u64,
    /// Datagrams that never came.
    pub lost: u64,
    /// Datagrams that came again.
    pub duplicated: u64,
    /// Datagrams that came to a socket after a later one of their flow.
    pub misordered: u64,
    /// Datagrams that nobody sent.
    pub strange: u64,
    /// The first missing ones.
    pub examples: Vec<String>,
    /// By flow: its source, and the sources that its datagrams showed.
    pub sources: Vec<(SocketAddr, BTreeSet<SocketAddr>)>,
    /// By flow and number: which of the receiver's sockets the datagram came to.
    pub places: Vec<Vec<Option<u8>>>,
}

impl Report {
    /// Nothing lost, doubled, out of order or strange.
    pub fn is_complete(&self) -> bool {
        self.sent > 0 && self.lost + self.duplicated + self.misordered + self.strange == 0
    }

    /// Fails unless [`Self::is_complete`].
    pub fn assert_complete(&self, who: &str) {
        assert!(self.is_complete(), "{who}: {self}");
    }

    /// How many datagrams came to each of the receiver's sockets.
    pub fn shares(&self) -> BTreeMap<u8, u64> {
        let mut shares = BTreeMap::new();
        for place in self.places.iter().flatten().flatten() {
            *shares.entry(*place).or_default() += 1;
        }
        shares
    }

    /// Whether each flow came to one socket only.
    pub fn flows_stayed(&self) -> bool {
        let first = |flow: &[Option<u8>]| flow.iter().flatten().next().copied();
        self.places.iter().all(|flow| {
            flow.iter()
                .flatten()
                .all(|place| Some(*place) == first(flow))
        })
    }

    /// Whether every datagram showed the source that it was sent from.
    pub fn sources_are_true(&self) -> bool {
        self.sources
            .iter()
            .all(|(source, seen)| seen.iter().eq([source]))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sent,
            received,
            lost,
            duplicated,
            misordered,
            strange,
            ..
        } = self;
        write!(
            formatter,
            "{received} of {sent} received, {lost} lost, {duplicated} duplicated, {misordered} out of order, {strange} strange"
        )?;
        if self.examples.is_empty() {
            Ok(())
        } else {
            write!(formatter, "; missing: {}", self.examples.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(numbers: &[u64], sent: u64) -> Report {
        let source = "10.0.0.1:1".parse().unwrap();
        let mut record = Record::default();
        for number in numbers {
            let _: bool = record.take(&encode(0, *number), source, 0);
        }
        record.report(&Sent {
            flows: vec![(source, sent)],
        })
    }

    #[test]
    fn all_in_order_is_complete() {
        let numbers: Vec<u64> = (0..200).collect();
        assert!(report(&numbers, 200).is_complete());
        assert!(report(&numbers, 200).sources_are_true());
    }

    #[test]
    fn each_fault_is_told_apart() {
        let lost = report(&[0, 2], 3);
        assert_eq!((lost.lost, lost.duplicated, lost.misordered), (1, 0, 0));
        let doubled = report(&[0, 1, 1], 2);
        assert_eq!(
            (doubled.lost, doubled.duplicated, doubled.misordered),
            (0, 1, 0)
        );
        let misordered = report(&[1, 0], 2);
        assert_eq!(
            (
                misordered.lost,
                misordered.duplicated,
                misordered.misordered
            ),
            (0, 0, 1)
        );
        assert_eq!(report(&[0, 1], 1).strange, 1);
        assert_eq!(report(&[], 5).lost, 5);
        assert!(!report(&[], 0).is_complete(), "nothing sent proves nothing");
    }

    #[test]
    fn damaged_data_is_strange() {
        let mut data = encode(0, 0);
        data[LENGTH - 1] ^= 1;
        assert_eq!(decode(&data), None);
        assert_eq!(decode(&data[1..]), None);
    }
}
