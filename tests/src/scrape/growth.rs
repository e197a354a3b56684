//! The counters of packets that grew between two scrapes, each called by one line. Pure.

use std::collections::BTreeMap;

use super::{Labels, Metrics};

/// By counter, how much it grew.
pub type Counts = BTreeMap<String, u64>;

/// Every counter of packets, without what all their names share.
const COUNTERS: [&str; 8] = [
    "matched_packets",
    "matched_bytes",
    "sent_packets",
    "sent_bytes",
    "sampled_out_packets",
    "passed_packets",
    "dropped_packets",
    "interface_unmatched_packets",
];

/// Labels in the order in which they are written; the namespace is always the same.
const LABELS: [&str; 5] = ["interface", "forward", "destination", "upstream", "reason"];

/// How a counter with these label values, in the order of the labels, is called here.
pub fn name(counter: &str, values: &[&str]) -> String {
    assert!(
        COUNTERS.contains(&counter),
        "no counter is called {counter}"
    );
    format!("{counter} {}", values.join(" "))
}

/// What grew; everything that did not is left out. An error where a counter went back.
pub fn grown(before: &Metrics, after: &Metrics) -> Result<Counts, String> {
    let (before, mut after) = (all(before), all(after));
    for (name, count) in &before {
        let now = after.get(name).copied().unwrap_or(0);
        let growth = now.checked_sub(*count);
        let growth = growth.ok_or_else(|| format!("{name} went back from {count} to {now}"))?;
        let _: Option<u64> = after.insert(name.clone(), growth);
    }
    after.retain(|_, count| *count > 0);
    Ok(after)
}

fn all(metrics: &Metrics) -> Counts {
    let of = |counter: &'static str| (counter, format!("udplb_{counter}_total"));
    let names = COUNTERS.map(of);
    let counters = names.iter().flat_map(|(counter, full)| {
        let written = |(labels, count)| (name(counter, &values(labels)), count);
        metrics.counters(full).map(written)
    });
    counters.collect()
}

fn values(labels: &Labels) -> Vec<&str> {
    LABELS
        .iter()
        .filter_map(|label| labels.get(*label))
        .map(|value| &value[..])
        .collect()
}

/// What differs, one counter a line.
pub fn differences(wanted: &Counts, found: &Counts) -> Vec<String> {
    let count = |counts: &Counts, name: &str| counts.get(name).copied().unwrap_or(0);
    let mut names: Vec<&String> = wanted.keys().chain(found.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| (name, count(wanted, name), count(found, name)))
        .filter(|(_, wanted, found)| wanted != found)
        .map(|(name, wanted, found)| format!("{name}: {found} instead of {wanted}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape::parse;

    fn metrics(matched: u64, sent: u64) -> Metrics {
        let at = "namespace=\"default\",forward=\"f\"";
        parse(&format!(
            "udplb_matched_packets_total{{{at}}} {matched}\n\
             udplb_sent_packets_total{{{at},destination=\"d\",upstream=\"10.0.2.2:1\"}} {sent}\n\
             udplb_agent_generation 7\n"
        ))
        .unwrap()
    }

    #[test]
    fn tells_what_grew_and_nothing_else() {
        let found = grown(&metrics(3, 4), &metrics(3, 6)).unwrap();
        let sent = name("sent_packets", &["f", "d", "10.0.2.2:1"]);
        assert_eq!(found, Counts::from([(sent.clone(), 2)]));
        assert_eq!(
            grown(&Metrics::default(), &metrics(1, 0)).unwrap(),
            Counts::from([(name("matched_packets", &["f"]), 1)])
        );
        assert!(grown(&metrics(3, 4), &metrics(2, 4)).is_err());
        assert_eq!(
            differences(&Counts::from([(sent.clone(), 1)]), &found),
            [format!("{sent}: 2 instead of 1")]
        );
        assert_eq!(differences(&found, &found), [""; 0]);
    }
}
