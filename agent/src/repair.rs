//! Finds what somebody else removed or changed in the kernel, so that the next pass puts it right. **IO**
//!
//! Neighbour entries tell by themselves, see [`crate::observed`]; nobody tells of hooks, pins and the content of maps.
//! They are looked at every few seconds (`--look-every`). Until then what stands goes on.

use std::{collections::BTreeSet, fmt, net::IpAddr, time::Duration};

use thiserror::Error;

use crate::{
    apply::Kernel,
    facts::{Facts, InterfaceIndex, Keeper},
    kernel::{
        bpf::{ReadError, RepinError, attachment::AttachError},
        interfaces,
    },
    reconcile::observe_hooks,
    tables::{AttachmentState, Tables},
};

/// Why not everything could be looked at.
#[derive(Debug, Error)]
#[expect(
    missing_docs,
    reason = "each variant hands on the error of the step that failed"
)]
pub enum LookError {
    #[error(transparent)]
    Hooks(#[from] AttachError),
    #[error(transparent)]
    Pins(#[from] RepinError),
    #[error(transparent)]
    Maps(#[from] ReadError),
}

/// When to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    /// So often, whatever it costs.
    Every(Duration),
    /// Every ten seconds; less often where looks would take more than a thousandth of the time.
    Cheaply,
}

impl Looks {
    /// How long to wait after a look that took so long.
    #[must_use]
    pub fn pause(self, took: Duration) -> Duration {
        const USUAL: Duration = Duration::from_secs(10);
        const SHARE: u32 = 1_000;
        match self {
            Self::Every(pause) => pause,
            Self::Cheaply => took.saturating_mul(SHARE).max(USUAL),
        }
    }
}

/// Neighbour entries by interface and address.
pub type Neighbours = BTreeSet<(InterfaceIndex, IpAddr)>;

/// What somebody else took away or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Damage {
    /// The content of a map.
    Map(&'static str),
    /// The pin of a map.
    Pin(&'static str),
    /// The program on an interface, or its link.
    Hook(InterfaceIndex),
    /// A neighbour entry.
    Neighbour(InterfaceIndex, IpAddr),
}

impl Damage {
    /// Every label.
    pub const LABELS: [&'static str; 4] = ["map", "pin", "hook", "neighbour"];

    /// The label of metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        let [map, pin, hook, neighbour] = Self::LABELS;
        match self {
            Self::Map(_) => map,
            Self::Pin(_) => pin,
            Self::Hook(_) => hook,
            Self::Neighbour(..) => neighbour,
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Map(map) => write!(formatter, "somebody changed the BPF map {map}"),
            Self::Pin(map) => write!(formatter, "somebody removed the pin of the BPF map {map}"),
            Self::Hook(interface) => write!(
                formatter,
                "somebody removed or replaced the program on interface {interface}"
            ),
            Self::Neighbour(interface, address) => write!(
                formatter,
                "the neighbour entry of {address} on interface {interface} was removed or changed"
            ),
        }
    }
}

/// Looks at all that nobody tells of. Pins are put right at once, the rest is for the next pass.
pub async fn look(kernel: &mut Kernel, facts: &Facts) -> Result<Vec<Damage>, LookError> {
    let pins = kernel.program.pin_again(&kernel.pins)?;
    let mut found: Vec<_> = pins.into_iter().map(Damage::Pin).collect();
    let read = kernel.maps.read(facts)?;
    let current = current(&kernel.tables);
    if let Some(map) = kernel.tables.difference(&read) {
        found.push(Damage::Map(map));
        kernel.tables = read;
    }
    observe_hooks(kernel).await?;
    // With an interface its hook goes, too, before anybody is told, and nobody did anything.
    let here = interfaces::names().0;
    let here = current
        .into_iter()
        .filter(|interface| here.contains_key(interface));
    let now = &kernel.tables.attachments;
    let lost = here.filter(|interface| now.get(interface) != Some(&AttachmentState::Current));
    found.extend(lost.map(Damage::Hook));
    Ok(found)
}

fn current(tables: &Tables) -> BTreeSet<InterfaceIndex> {
    let current = tables.attachments.iter();
    let current = current.filter(|(_, state)| **state == AttachmentState::Current);
    current.map(|(interface, _)| *interface).collect()
}

/// Neighbour entries of ours that the kernel keeps.
#[must_use]
pub fn kept_neighbours(facts: &Facts) -> Neighbours {
    let ours = facts.neighbours.iter();
    let ours = ours.filter(|(_, entry)| entry.keeper == Keeper::Ours);
    ours.map(|(key, _)| *key).collect()
}

/// Neighbour entries that the kernel kept and does not any more although we still want them, on interfaces that are up:
/// with others they go.
#[must_use]
pub fn lost_neighbours(
    before: &Neighbours,
    now: &Neighbours,
    wanted: &Tables,
    facts: &Facts,
) -> Vec<Damage> {
    let is_up = |interface| facts.links.get(interface).is_some_and(|link| link.up);
    let lost = before.difference(now);
    lost.filter(|key| wanted.neighbours.contains_key(*key) && is_up(&key.0))
        .map(|(interface, address)| Damage::Neighbour(*interface, *address))
        .collect()
}
