//! The metrics identity: every packet that matched is accounted for at every destination. Pure.

use std::collections::BTreeSet;

use super::Metrics;

/// What can become of a packet at a destination.
const OUTCOMES: [&str; 4] = [
    "udplb_sent_packets_total",
    "udplb_dropped_packets_total",
    "udplb_sampled_out_packets_total",
    "udplb_passed_packets_total",
];

/// For each destination: matched = sent + dropped + sampled out + passed, between two scrapes. An empty
/// `before` stands for the start of the forwards.
pub fn identity(before: &Metrics, after: &Metrics) -> Result<(), String> {
    let grown = |name: &str, labels: &[(&str, &str)]| {
        let (before, after) = (before.count(name, labels), after.count(name, labels));
        after
            .checked_sub(before)
            .ok_or_else(|| format!("{name} {labels:?} went back from {before} to {after}"))
    };
    for (labels, _) in after.matching("udplb_matched_packets_total", &[]) {
        let forward = [
            ("namespace", &labels["namespace"][..]),
            ("forward", &labels["forward"][..]),
        ];
        let matched = grown("udplb_matched_packets_total", &forward)?;
        let destinations: BTreeSet<&str> = OUTCOMES
            .iter()
            .flat_map(|name| after.matching(name, &forward))
            .map(|(labels, _)| &labels["destination"][..])
            .collect();
        if destinations.is_empty() {
            return Err(format!(
                "{forward:?} matched {matched} and has no destination"
            ));
        }
        for destination in destinations {
            let at = [forward[0], forward[1], ("destination", destination)];
            let parts = OUTCOMES
                .iter()
                .map(|name| grown(name, &at))
                .collect::<Result<Vec<u64>, _>>()?;
            if parts.iter().sum::<u64>() != matched {
                return Err(format!(
                    "{at:?}: {matched} matched, but {} sent, {} dropped, {} sampled out, {} passed",
                    parts[0], parts[1], parts[2], parts[3]
                ));
            }
        }
    }
    Ok(())
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
