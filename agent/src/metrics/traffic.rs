//! Everything that a scrape reads from the kernel. **IO**

use std::sync::Arc;

use prometheus::{
    core::{Collector, Desc},
    proto::MetricFamily,
};
use tokio::sync::RwLock;
use udplb_abi::{
    counters::{DropReason, UnmatchedReason},
    forward::TABLE_ENTRIES_PER_VALUE,
    map,
};

use super::family::{Family, Shape};
use crate::{
    apply::Kernel,
    kernel::{
        bpf::{Maps, ReadError},
        interfaces,
    },
    report::{self, Destination, Forward},
    tables::{Tables, capacity::Capacity, usage},
};

const FORWARD: &[&str] = &["namespace", "forward"];
const DESTINATION: &[&str] = &["namespace", "forward", "destination"];
const UPSTREAM: &[&str] = &["namespace", "forward", "destination", "upstream"];
const MAP: &[&str] = &["map"];

/// Label `upstream` of what was sent to upstreams that have left their destination.
const RETIRED: &str = "retired";

macro_rules! shapes {
    ($($shape:ident $name:literal $labels:expr, $help:literal;)+) => {
        $(static $shape: Shape = Shape { name: $name, help: $help, labels: $labels };)+
        static SHAPES: &[&Shape] = &[$(&$shape),+];
    };
}

shapes! {
    MATCHED_PACKETS "udplb_matched_packets_total" FORWARD, "Packets that a forward took.";
    MATCHED_BYTES "udplb_matched_bytes_total" FORWARD, "Bytes of IP packets that a forward took.";
    SENT_PACKETS "udplb_sent_packets_total" UPSTREAM,
        "Packets handed to the egress device; upstream \"retired\" stands for those that have left.";
    SENT_BYTES "udplb_sent_bytes_total" UPSTREAM,
        "Bytes of IP packets handed to the egress device.";
    SAMPLED_OUT "udplb_sampled_out_packets_total" DESTINATION, "Packets left out by sampling.";
    PASSED "udplb_passed_packets_total" DESTINATION,
        "Packets handed to the local stack because no destination was available.";
    DROPPED "udplb_dropped_packets_total" &["namespace", "forward", "destination", "reason"],
        "Packets that were not sent to a destination, by reason.";
    UNMATCHED "udplb_interface_unmatched_packets_total" &["interface", "reason"],
        "Packets that were let go although they might have been for a forward, by reason.";
    REACHABLE "udplb_upstream_reachable" UPSTREAM,
        "Whether the upstream's next hop is resolved.";
    MAP_ENTRIES "udplb_agent_map_entries" MAP, "Entries of a BPF map that are in use.";
    MAP_CAPACITY "udplb_agent_map_capacity" MAP, "Entries that a BPF map has room for.";
    TABLE_MEMORY "udplb_agent_table_memory_bytes" &[], "Bytes of balance tables that are in use.";
}

/// Reads the kernel when it is scraped.
pub(super) struct Traffic {
    kernel: Arc<RwLock<Kernel>>,
    descriptions: Vec<Desc>,
}

impl Traffic {
    pub(super) fn new(kernel: Arc<RwLock<Kernel>>) -> Result<Self, prometheus::Error> {
        let descriptions = SHAPES
            .iter()
            .map(|shape| shape.desc())
            .collect::<Result<_, _>>()?;
        Ok(Self {
            kernel,
            descriptions,
        })
    }
}

impl Collector for Traffic {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let kernel = self.kernel.blocking_read();
        collect(&kernel).unwrap_or_else(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "no counters for this scrape"
            );
            Vec::new()
        })
    }
}

fn collect(kernel: &Kernel) -> Result<Vec<MetricFamily>, ReadError> {
    let forwards = report::forwards(&kernel.tables, &kernel.maps)?;
    let mut families = of_forwards(&forwards);
    families.push(of_interfaces(&kernel.maps)?);
    families.extend(of_maps(&kernel.tables, &kernel.maps.capacity()?));
    Ok(families)
}

fn of_forwards(forwards: &[Forward]) -> Vec<MetricFamily> {
    let shapes = [&MATCHED_PACKETS, &MATCHED_BYTES];
    let [mut packets, mut bytes] = shapes.map(Family::new);
    let mut parts = Parts::default();
    for forward in forwards {
        let labels = [&forward.namespace[..], &forward.name];
        packets.push(&labels, forward.matched.packets);
        bytes.push(&labels, forward.matched.bytes);
        for destination in &forward.destinations {
            parts.push([labels[0], labels[1], &destination.name], destination);
        }
    }
    let mut families = vec![packets.finish(), bytes.finish()];
    families.extend(parts.0.map(Family::finish));
    families
}

/// The families that have a destination.
struct Parts([Family; 6]);

impl Default for Parts {
    fn default() -> Self {
        let shapes = [
            &SENT_PACKETS,
            &SENT_BYTES,
            &REACHABLE,
            &SAMPLED_OUT,
            &PASSED,
            &DROPPED,
        ];
        Self(shapes.map(Family::new))
    }
}

impl Parts {
    fn push(&mut self, [namespace, forward, name]: [&str; 3], destination: &Destination) {
        let [packets, bytes, reachable, sampled_out, passed, dropped] = &mut self.0;
        let labels = |last| [namespace, forward, name, last];
        for upstream in &destination.upstreams {
            let labels = labels(&upstream.label);
            packets.push(&labels, upstream.sent.packets);
            bytes.push(&labels, upstream.sent.bytes);
            reachable.push(&labels, upstream.is_reachable().into());
        }
        if let Some(retired) = destination.retired {
            packets.push(&labels(RETIRED), retired.packets);
            bytes.push(&labels(RETIRED), retired.bytes);
        }
        let own = [namespace, forward, name];
        sampled_out.push(&own, destination.counters.sampled_out);
        passed.push(&own, destination.counters.passed);
        for (reason, count) in DropReason::ALL
            .into_iter()
            .zip(destination.counters.dropped)
        {
            dropped.push(&labels(reason.label()), count);
        }
    }
}

fn of_interfaces(maps: &Maps) -> Result<MetricFamily, ReadError> {
    let names = interfaces::names().0;
    let mut family = Family::new(&UNMATCHED);
    for (interface, counters) in maps.interfaces()? {
        // Its counters go with the next pass.
        let Some(name) = names.get(&interface) else {
            continue;
        };
        for (reason, count) in UnmatchedReason::ALL.into_iter().zip(counters.unmatched) {
            family.push(&[name, reason.label()], count);
        }
    }
    Ok(family.finish())
}

fn of_maps(tables: &Tables, capacity: &Capacity) -> [MetricFamily; 3] {
    let [mut entries, mut sizes] = [&MAP_ENTRIES, &MAP_CAPACITY].map(Family::new);
    let mut memory = Family::new(&TABLE_MEMORY);
    for usage in usage::usage(tables, capacity) {
        entries.push(&[usage.map], usage.entries as u64);
        sizes.push(&[usage.map], usage.capacity.into());
        if usage.map == map::TABLES {
            let bytes = usage.entries as u64 * u64::from(TABLE_ENTRIES_PER_VALUE);
            memory.push(&[], bytes);
        }
    }
    [entries, sizes, memory].map(Family::finish)
}
