//! The metrics identity: every packet that matched is accounted for at every destination. Pure.

use std::collections::BTreeMap;

use super::{Labels, Metrics};

const MATCHED: &str = "udplb_matched_packets_total";

/// What can become of a packet at a destination.
const OUTCOMES: [&str; 4] = [
    "udplb_sent_packets_total",
    "udplb_dropped_packets_total",
    "udplb_sampled_out_packets_total",
    "udplb_passed_packets_total",
];

/// Namespace and name.
type Forward = [String; 2];

/// By destination, what became of its packets, in the order of [`OUTCOMES`].
type Destinations = BTreeMap<String, [u64; OUTCOMES.len()]>;

/// For each destination: matched = sent + dropped + sampled out + passed, between two scrapes. An empty
/// `before` stands for the start of the forwards.
pub fn identity(before: &Metrics, after: &Metrics) -> Result<(), String> {
    let before = totals(before);
    for (forward, (matched, destinations)) in totals(after) {
        let nothing = (0, Destinations::new());
        let (matched_before, destinations_before) = before.get(&forward).unwrap_or(&nothing);
        let matched = growth(
            &format!("{MATCHED} of {forward:?}"),
            *matched_before,
            matched,
        )?;
        if destinations.is_empty() {
            return Err(format!(
                "{forward:?} matched {matched} and has no destination"
            ));
        }
        for (destination, now) in destinations {
            let at = format!("{forward:?}, {destination}");
            let then = destinations_before.get(&destination).copied();
            let mut parts = now;
            for ((part, then), name) in parts.iter_mut().zip(then.unwrap_or_default()).zip(OUTCOMES)
            {
                *part = growth(&format!("{name} of {at}"), then, *part)?;
            }
            if parts.iter().sum::<u64>() != matched {
                return Err(format!(
                    "{at}: {matched} matched, but {} sent, {} dropped, {} sampled out, {} passed",
                    parts[0], parts[1], parts[2], parts[3]
                ));
            }
        }
    }
    Ok(())
}

/// What each forward has matched, and its destinations.
fn totals(metrics: &Metrics) -> BTreeMap<Forward, (u64, Destinations)> {
    let forward = |labels: &Labels| ["namespace", "forward"].map(|label| labels[label].clone());
    let matched = metrics.counters(MATCHED);
    let mut totals: BTreeMap<Forward, (u64, Destinations)> = matched
        .map(|(labels, count)| (forward(labels), (count, Destinations::new())))
        .collect();
    for (number, name) in OUTCOMES.into_iter().enumerate() {
        for (labels, count) in metrics.counters(name) {
            if let Some((_, destinations)) = totals.get_mut(&forward(labels)) {
                let destination = destinations.entry(labels["destination"].clone());
                destination.or_default()[number] += count;
            }
        }
    }
    totals
}

fn growth(what: &str, before: u64, after: u64) -> Result<u64, String> {
    after
        .checked_sub(before)
        .ok_or_else(|| format!("{what} went back from {before} to {after}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape::parse;

    fn metrics(matched: u64, sent: [u64; 2], dropped: u64) -> Metrics {
        let at = "namespace=\"default\",forward=\"syslog\"";
        parse(&format!(
            "udplb_matched_packets_total{{{at}}} {matched}\n\
             udplb_sent_packets_total{{{at},destination=\"a\",upstream=\"1\"}} {}\n\
             udplb_sent_packets_total{{{at},destination=\"a\",upstream=\"2\"}} {}\n\
             udplb_dropped_packets_total{{{at},destination=\"a\",reason=\"no_route\"}} {dropped}\n",
            sent[0], sent[1]
        ))
        .unwrap()
    }

    #[test]
    fn holds_when_all_are_accounted_for() {
        identity(&Metrics::default(), &metrics(10, [4, 5], 1)).unwrap();
        identity(&metrics(7, [4, 2], 0), &metrics(10, [4, 5], 1)).unwrap_err();
        identity(&metrics(7, [4, 3], 0), &metrics(10, [4, 5], 1)).unwrap();
    }

    #[test]
    fn names_what_does_not_add_up() {
        let error = identity(&Metrics::default(), &metrics(10, [4, 5], 0)).unwrap_err();
        assert!(error.contains("10 matched, but 9 sent"), "{error}");
        assert!(
            identity(&metrics(10, [4, 5], 1), &metrics(9, [4, 5], 0))
                .unwrap_err()
                .contains("went back")
        );
    }
}
