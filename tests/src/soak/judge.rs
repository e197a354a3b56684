//! Whether what became of every datagram is what one legal version says. Pure.

use super::{
    lane::{Lane, family_of},
    ledger::{Kind, Ledger},
    report::Tally,
    timeline::Timeline,
};
use crate::traffic::Sent;

/// An event of a round, and how many datagrams each lane had sent when it began and ended.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) text: String,
    pub(super) began: Vec<u64>,
    pub(super) ended: Vec<u64>,
}

/// Faults that a round's report tells of one lane; the rest is counted.
const TOLD: usize = 5;

/// What is known of one lane when a round is over.
pub(super) struct Case<'a> {
    pub(super) lane: &'a Lane,
    pub(super) sent: &'a Sent,
    pub(super) ledger: &'a Ledger,
    pub(super) timeline: &'a Timeline,
    pub(super) events: &'a [Played],
}

/// Datagrams of one flow with the same fault, one after the other.
struct Fault {
    flow: usize,
    first: u64,
    last: u64,
    what: String,
}

impl Case<'_> {
    /// Judges every datagram.
    pub(super) fn judge(&self) -> Tally {
        let mut tally = Tally {
            datagrams: self.sent.total(),
            copies: self.ledger.copies,
            loose: self.ledger.loose,
            late: self.ledger.late,
            ..Tally::default()
        };
        let mut faults = Vec::new();
        for trouble in self.ledger.troubles() {
            *tally.of(trouble.kind) += 1;
            let what = match trouble.kind {
                Kind::Doubled => "came again",
                Kind::Misordered => "came after a later one",
                Kind::Strange => "was never sent like this, and came",
            };
            let what = format!("{what} to {:?}", trouble.place);
            note(&mut faults, trouble.flow, trouble.number, what);
        }
        for (flow, (_, count)) in self.sent.flows.iter().enumerate() {
            for number in 0..*count {
                if let Some(what) = self.judge_one(flow, number, &mut tally) {
                    note(&mut faults, flow, number, what);
                }
            }
        }
        tally.faults = faults.iter().map(|fault| self.tell(fault)).collect();
        tally
    }

    /// Counts a datagram, and says what is wrong with it.
    fn judge_one(&self, flow: usize, number: u64, tally: &mut Tally) -> Option<String> {
        let family = family_of(flow);
        let seen = self.ledger.places(flow, usize::try_from(number).unwrap());
        let legal = self.timeline.legal(self.index(flow, number));
        tally.sure += u64::from(legal.len() == 1);
        if legal.iter().any(|span| span.fate(family).is(seen)) {
            return None;
        }
        let is_part = legal.iter().any(|span| span.fate(family).is_part(seen));
        let what = if is_part {
            tally.lost += 1;
            "came only to"
        } else {
            tally.mixed += 1;
            "was handled as no version says: it came to"
        };
        let fates: Vec<String> = legal
            .iter()
            .map(|span| format!("version {}: {}", span.version, span.fate(family)))
            .collect();
        Some(format!("{what} {seen:?}; of {}", fates.join("; ")))
    }

    /// How many datagrams of the lane were sent before this one: its flows take turns.
    fn index(&self, flow: usize, number: u64) -> u64 {
        number * u64::try_from(self.sent.flows.len()).unwrap() + u64::try_from(flow).unwrap()
    }

    /// A fault in words, with the events near it.
    fn tell(&self, fault: &Fault) -> String {
        let Fault {
            flow,
            first,
            last,
            what,
        } = fault;
        let lane = self.lane.index;
        let [from, to] = [first, last].map(|number| self.index(*flow, *number));
        let before = self.events.iter().rposition(|one| one.ended[lane] <= from);
        let near = self.events[before.unwrap_or(0)..]
            .iter()
            .take_while(|one| one.began[lane] <= to + super::WINDOW)
            .map(|one| {
                let (began, ended) = (one.began[lane], one.ended[lane]);
                format!("\n    {began} … {ended}: {}", one.text)
            });
        let source = self.sent.flows[*flow].0;
        format!(
            "{}: each datagram {first} … {last} of flow {flow} from {source} {what}\n  events near, by the lane's \
             datagrams, of which these are {from} … {to}:{}",
            self.lane.name,
            near.collect::<String>()
        )
    }
}

/// Notes a fault with those that it continues, or as another one.
fn note(faults: &mut Vec<Fault>, flow: usize, number: u64, what: String) {
    let count = faults.len();
    match faults.last_mut() {
        Some(last) if last.flow == flow && last.last + 1 == number && last.what == what => {
            last.last = number;
        }
        _ if count >= TOLD => {}
        _ => faults.push(Fault {
            flow,
            first: number,
            last: number,
            what,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            lane::LANES,
            place::{Place, Site},
            version::{Action, Destination, Matched, Spec},
        },
        *,
    };
    use crate::traffic::{Sink as _, record::encode};

    const WINDOW: u64 = 2;

    /// The version with this tag.
    fn spec(tag: usize) -> Spec {
        let destination = |site| Destination {
            site,
            tag,
            upstreams: vec![(0, 1)],
            has_both_families: true,
            strategy: "SourceIP",
            rewrites_source: false,
            rate_limit: None,
        };
        Spec {
            matched: Matched::Port,
            action: Action::Forward,
            destinations: vec![destination(Site::One), destination(Site::Two)],
        }
    }

    /// What the judge says of 40 datagrams of one flow that met the first version, and from the 20th on the second,
    /// but for one that came to both places of `odd`.
    fn judged(number: u64, odd: [Option<usize>; 2]) -> Tally {
        let at = |site, tag| Place::Upstream {
            site,
            address: 0,
            tag,
        };
        let places: Vec<Place> = [0, 1]
            .into_iter()
            .flat_map(|tag| [at(Site::One, tag), at(Site::Two, tag)])
            .collect();
        let source = "10.0.1.2:1".parse().unwrap();
        let mut ledger = Ledger::new(0, 1, places);
        for one in 0..40 {
            let usual = Some(usize::from(one >= 20));
            let tags = if one == number { odd } else { [usual; 2] };
            for (site, tag) in tags.into_iter().enumerate() {
                if let Some(tag) = tag {
                    let socket = u8::try_from(tag * 2 + site).unwrap();
                    let _: bool = ledger.take(&encode(0, one), source, socket);
                }
            }
        }
        let mut timeline = Timeline::new(WINDOW, 1, &spec(0));
        timeline.write(2, &spec(1), 18);
        timeline.settle(25);
        let case = Case {
            lane: &LANES[0],
            sent: &Sent {
                flows: vec![(source, 40)],
            },
            ledger: &ledger,
            timeline: &timeline,
            events: &[],
        };
        case.judge()
    }

    #[test]
    fn each_datagram_meets_one_legal_version() {
        let clean = judged(40, [None; 2]);
        assert_eq!((clean.lost, clean.mixed, clean.faults.len()), (0, 0, 0));
        // While both are legal, either will do.
        assert_eq!(judged(19, [Some(1); 2]).mixed, 0);
        for (number, odd) in [
            (19, [Some(0), Some(1)]),
            (10, [Some(1); 2]),
            (30, [Some(0); 2]),
        ] {
            let tally = judged(number, odd);
            assert_eq!((tally.lost, tally.mixed), (0, 1), "{number} {odd:?}");
        }
        let tally = judged(10, [Some(0), None]);
        assert_eq!((tally.lost, tally.mixed), (1, 0));
        assert!(
            tally.faults[0].contains("each datagram 10 … 10 of flow 0"),
            "{}",
            tally.faults[0]
        );
    }
}
