//! A file's forwards and the answers of their host names become the agent's input. **pure**

use std::collections::{BTreeMap, BTreeSet};

use udplb_api::{NodeForwardConfig, ResolvedForward, UdpForward};
use udplb_plan::{Answers, ForwardKey, HostAnswer, Standalone, Verdict, standalone};
use udplb_process::dns;

use super::{
    file::{Lines, Parsed},
    last_good::Names,
};
use crate::desired::input::Input;

/// A forward's own node, in the plan of a file.
const NODE: &str = "localhost";

/// What a file says, as far as its names are known.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What to run.
    pub input: Input,
    /// What of it does not run.
    pub notices: Vec<String>,
    /// The names to ask for.
    pub hostnames: BTreeSet<String>,
}

/// Plans the forwards of a file, and says what of them does not run.
#[must_use]
pub fn plan(file: &Parsed, answers: &dns::Answers) -> Planned {
    let Standalone {
        config,
        forwards,
        verdicts,
        hostnames,
    } = on_this_host(&file.forwards, answers);
    let refusals = refusals(&verdicts, &file.lines);
    let mut notices: Vec<String> = refusals
        .into_iter()
        .map(|Refusal { key, line, reason }| match line {
            Some(line) => format!("forward {key} in line {line} does not run: {reason}"),
            None => format!("forward {key} does not run: {reason}"),
        })
        .collect();
    notices.extend(notes(&verdicts));
    Planned {
        input: input(&config, &forwards),
        notices,
        hostnames,
    }
}

/// The plan as such.
#[must_use]
pub fn on_this_host(forwards: &[UdpForward], answers: &dns::Answers) -> Standalone {
    standalone(forwards, NODE, &in_words(answers))
}

/// A forward that does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which one.
    pub key: ForwardKey,
    /// Where it is in its file.
    pub line: Option<u64>,
    /// Why, and what to change.
    pub reason: String,
}

/// The forwards that do not run.
#[must_use]
pub fn refusals(verdicts: &[Verdict], lines: &Lines) -> Vec<Refusal> {
    let line = |key: &ForwardKey| lines.get(&key.name).copied();
    let refusal = |Verdict { key, accepted, .. }: &Verdict| {
        Some(Refusal {
            key: key.clone(),
            line: line(key),
            reason: accepted.as_ref().err()?.with_line(line),
        })
    };
    verdicts.iter().filter_map(refusal).collect()
}

/// What of the forwards that run is not as written. The same is said once, in however many places it holds:
/// a name may be in all of them.
#[must_use]
pub fn notes(verdicts: &[Verdict]) -> Vec<String> {
    let mut said: BTreeMap<&str, (String, usize)> = BTreeMap::new();
    for Verdict { key, notices, .. } in verdicts {
        for notice in notices {
            let place = format!("forward {key}: {}", notice.path);
            let _place = said
                .entry(&notice.message)
                .and_modify(|(_, others)| *others += 1)
                .or_insert((place, 0));
        }
    }
    let in_words = said.into_iter().map(|(message, place)| match place {
        (first, 0) => format!("{first}: {message}"),
        (first, 1) => format!("{first} and 1 more place: {message}"),
        (first, others) => format!("{first} and {others} more places: {message}"),
    });
    in_words.collect()
}

fn in_words(answers: &dns::Answers) -> Answers {
    let answer = |answer: &dns::Answer| HostAnswer {
        addresses: answer.addresses.clone(),
        answered: answer.answered_text(),
        failure: answer.failure.as_ref().map(ToString::to_string),
    };
    Answers {
        hostnames: answers
            .iter()
            .map(|(name, found)| (name.clone(), answer(found)))
            .collect(),
        services: None,
    }
}

const fn in_seconds(time: dns::Time) -> u64 {
    time.as_secs()
}

/// What of the answers is worth keeping for a start without name servers.
#[must_use]
pub fn known(answers: &dns::Answers) -> Names {
    let good = answers
        .iter()
        .filter(|(_, answer)| !answer.addresses.is_empty());
    good.map(|(name, answer)| {
        let known = dns::Known {
            addresses: answer.addresses.clone(),
            answered: answer.answered.map_or(0, in_seconds),
        };
        (name.clone(), known)
    })
    .collect()
}

/// The agent's input from a plan.
#[must_use]
pub fn input(config: &NodeForwardConfig, forwards: &[ResolvedForward]) -> Input {
    let by_name: BTreeMap<_, _> = forwards
        .iter()
        .map(|forward| {
            let metadata = &forward.metadata;
            let key = (metadata.namespace.as_deref(), metadata.name.as_deref());
            (key, &forward.spec)
        })
        .collect();
    Input::new(&config.spec.forwards, |reference| {
        let key = (Some(&reference.namespace[..]), Some(&reference.name[..]));
        by_name.get(&key).copied()
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use udplb_process::dns::{Answer, Cause, Failure};

    use super::*;
    use crate::source::file::parse;

    fn forwards(count: u16) -> Parsed {
        let entry = |number: u16| {
            format!(
                "- {{key: {{address: 10.0.0.1, port: {}}}, upstream: [{{address: siem.lab, port: 514}}]}}\n",
                1000 + number
            )
        };
        let text: String = (0..count).map(entry).collect();
        parse(&text, Path::new("config.yaml")).unwrap()
    }

    fn answers(addresses: &[&str], failure: Option<Failure>) -> dns::Answers {
        let answer = Answer {
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            answered: (!addresses.is_empty()).then(|| dns::Time::from_millis(1_795_387_205_678)),
            failure,
        };
        BTreeMap::from([("siem.lab".to_owned(), answer)])
    }

    fn silence() -> Failure {
        let timeout = Cause::Timeout { seconds: 5 };
        Failure::Unanswered(vec![("10.0.0.53".parse().unwrap(), timeout)])
    }

    #[test]
    fn one_name_of_many_forwards_is_asked_and_told_about_once() {
        let forwards = forwards(300);
        let planned = plan(&forwards, &dns::Answers::new());
        assert_eq!(planned.hostnames.len(), 1);
        assert_eq!(
            planned.notices,
            [
                "forward default/10.0.0.1-1000: spec.destinations[0].upstreams[0] and 299 more places: host name siem.lab has no answer yet"
            ]
        );
        let planned = plan(&forwards, &answers(&["10.0.0.5"], Some(silence())));
        assert_eq!(
            planned.notices,
            [
                "forward default/10.0.0.1-1000: spec.destinations[0].upstreams[0] and 299 more places: host name siem.lab keeps its last good answer, of 2026-11-22T22:40:05Z: name server 10.0.0.53 does not answer within 5 s"
            ]
        );
        let input = planned.input;
        assert_eq!(input.forwards.len(), 300);
        assert_eq!(input.upstream_addresses().len(), 1);
    }

    /// A failure changes what is said and not what runs.
    #[test]
    fn the_input_is_equal_where_the_addresses_are() {
        let forwards = forwards(2);
        let good = plan(&forwards, &answers(&["10.0.0.5"], None));
        let failed = plan(&forwards, &answers(&["10.0.0.5"], Some(silence())));
        assert_eq!(good.input, failed.input);
        assert_eq!(good.notices, [""; 0]);
        assert_eq!(failed.notices.len(), 1);
        let other = plan(&forwards, &answers(&["10.0.0.6"], None));
        assert_ne!(good.input, other.input);
    }

    #[test]
    fn only_good_answers_are_kept() {
        assert_eq!(known(&answers(&[], Some(silence()))), Names::new());
        let kept = known(&answers(&["10.0.0.5"], Some(silence())));
        assert_eq!(kept["siem.lab"].answered, 1_795_387_205);
    }
}
