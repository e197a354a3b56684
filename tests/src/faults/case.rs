//! What is played: a step, a point that it passes, and what happens there. Pure.

use std::{collections::BTreeMap, fmt};

/// Something that an agent does, from which a node comes out in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// It starts where nothing of it is.
    First,
    /// It starts where another has left everything.
    Start,
    /// The file changes: destinations, ports, addresses, sources. And back.
    File,
    /// An interface that it listens on goes. And comes back.
    Interface,
    /// The route to an upstream moves to another gateway. And back.
    Route,
    /// Somebody reads the metrics.
    Scrape,
    /// `cleanup`.
    Cleanup,
}

/// All steps, in the order of a clean run.
pub const STEPS: [Step; 7] = [
    Step::First,
    Step::Start,
    Step::File,
    Step::Interface,
    Step::Route,
    Step::Scrape,
    Step::Cleanup,
];

impl Step {
    /// Whether no traffic can go through it: there is no agent before it, or none after it.
    pub const fn is_alone(self) -> bool {
        matches!(self, Self::First | Self::Cleanup)
    }

    /// Whether it has another side, and goes back from there.
    pub const fn turns(self) -> bool {
        matches!(self, Self::File | Self::Interface | Self::Route)
    }
}

/// What happens at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The agent is killed, by itself, in front of the operation.
    Die,
    /// The operation is refused.
    Fail,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    /// While what is going on.
    pub step: Step,
    /// Of a step with two sides: on the way back.
    pub back: bool,
    /// What happens.
    pub fault: Fault,
    /// The point.
    pub point: String,
    /// How often it is passed before.
    pub skip: u32,
}

/// By these it is found out what the kernel knows. A refusal is an answer, whatever follows from it.
const QUESTIONS: [&str; 5] = [
    "create map ",
    "load program ",
    "load program aya_name_check",
    "load type information",
    "membarrier question",
];

/// The first of these of an agent that starts is such a question, too.
const PROBE: &str = "write neighbour";

impl Case {
    /// Whether nobody need be told of it.
    pub fn is_answer(&self) -> bool {
        let starts = matches!(self.step, Step::First | Step::Start);
        QUESTIONS.contains(&&self.point[..]) || starts && self.point == PROBE
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            step,
            back,
            fault,
            point,
            skip,
        } = self;
        let back = if *back { " back" } else { "" };
        let fault = match fault {
            Fault::Die => "dies before",
            Fault::Fail => "is refused",
        };
        write!(
            formatter,
            "{step:?}{back}: {fault} '{point}' number {}",
            skip + 1
        )
    }
}

/// The points of a step in the order in which one run passed them, by whether it was the way back.
pub type Passed = [Vec<String>; 2];

/// In how many datagrams the kernel tells what it has to tell is different each time.
const RECEIVE: &str = "receive from the kernel";

/// The cases of a step. It dies at each point whenever it is passed. What is refused stays so, so that the first time
/// is as good as any. Stores cannot be refused.
pub fn of_step(step: Step, passed: &Passed) -> Vec<Case> {
    let mut cases = Vec::new();
    for (back, points) in [false, true].into_iter().zip(passed) {
        let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
        for point in points {
            let skip = seen.entry(point).or_default();
            let case = |fault| Case {
                step,
                back,
                fault,
                point: point.clone(),
                skip: *skip,
            };
            if *skip == 0 || point != RECEIVE {
                cases.push(case(Fault::Die));
            }
            if *skip == 0 && !point.contains("stor") {
                cases.push(case(Fault::Fail));
            }
            *skip += 1;
        }
    }
    cases
}

/// Cases that were missed, and no other case of that point and fault was played instead.
pub fn never_played<'a>(cases: &[Case], missed: &'a [Case]) -> Vec<&'a Case> {
    let same = |one: &Case, other: &Case| one.point == other.point && one.fault == other.fault;
    let is_played = |lost: &Case| {
        let others = cases.iter().filter(|case| same(case, lost));
        others.count() > missed.iter().filter(|case| same(case, lost)).count()
    };
    missed.iter().filter(|lost| !is_played(lost)).collect()
}

/// The cases of each kind of operation and fault, whichever object it is about: those in the middle first.
pub fn by_kind(cases: &[Case]) -> Vec<Vec<Case>> {
    let kind = |case: &Case| {
        let is_word = |word: &&str| word.chars().all(|letter| letter.is_ascii_lowercase());
        let words = case.point.split(' ').filter(is_word);
        (words.collect::<String>(), case.fault)
    };
    let mut kinds: BTreeMap<_, Vec<Case>> = BTreeMap::new();
    for case in cases {
        kinds.entry(kind(case)).or_default().push(case.clone());
    }
    let from_the_middle = |mut of_kind: Vec<Case>| {
        let middle = of_kind.len() / 2;
        of_kind.rotate_left(middle);
        of_kind
    };
    kinds.into_values().map(from_the_middle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_died_at_each_time_and_refused_once() {
        let passed = ["pin A", "store to B", "pin A"].map(str::to_owned).to_vec();
        let cases = of_step(Step::First, &[passed, Vec::new()]);
        let text: Vec<String> = cases.iter().map(Case::to_string).collect();
        assert_eq!(
            text,
            [
                "First: dies before 'pin A' number 1",
                "First: is refused 'pin A' number 1",
                "First: dies before 'store to B' number 1",
                "First: dies before 'pin A' number 2",
            ]
        );
    }

    #[test]
    fn every_kind_has_its_cases() {
        let passed = ["pin A", "pin B", "pin C", "unpin A"].map(str::to_owned);
        let cases = of_step(Step::Start, &[Vec::new(), passed.to_vec()]);
        let kinds = by_kind(&cases);
        let text: Vec<String> = kinds.iter().map(|kind| kind[0].to_string()).collect();
        assert_eq!(
            text,
            [
                "Start back: dies before 'pin B' number 1",
                "Start back: is refused 'pin B' number 1",
                "Start back: dies before 'unpin A' number 1",
                "Start back: is refused 'unpin A' number 1",
            ]
        );
    }
}
