//! Who sits on the ingress hook of an interface, us and everybody else, in their order. **IO**

use std::{collections::BTreeMap, path::Path};

use aya::programs::{
    NetworkInterface, SchedClassifier, TcAttachType,
    links::{FdLink, PinnedLink},
};
use udplb_abi::record::{Attachment, FILTER_HANDLE, FILTER_PRIORITY, HOOK_CLSACT, HOOK_TCX};

use super::{pins, query};
use crate::{facts::InterfaceIndex, kernel::netlink::qdisc};

/// A program or filter on a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occupant {
    /// A TCX program. Those come before all filters.
    Tcx {
        /// Its number.
        program: u32,
        /// Its name.
        name: String,
        /// Whether it is ours.
        ours: bool,
    },
    /// A filter of the clsact qdisc.
    Clsact {
        /// The filter.
        filter: qdisc::Filter,
        /// Whether it is ours.
        ours: bool,
    },
}

impl Occupant {
    /// Whether it is our program, by the record that our program has there.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        match self {
            Self::Tcx { ours, .. } | Self::Clsact { ours, .. } => *ours,
        }
    }
}

/// Everything on an interface's hook. What cannot be had is left out: an older kernel has no TCX, and an
/// interface that is gone has nothing.
pub async fn of(
    pin_directory: &Path,
    interface: InterfaceIndex,
    record: Option<Attachment>,
) -> Vec<Occupant> {
    let is = |hook| record.is_some_and(|record| record.hook == hook);
    let own = our_program(pin_directory, interface).filter(|_| is(HOOK_TCX));
    let programs = query::tcx_ingress(interface).unwrap_or_default();
    let names = names(interface);
    let programs = programs.into_iter().map(|program| Occupant::Tcx {
        program,
        name: names.get(&program).cloned().unwrap_or_default(),
        ours: own == Some(program),
    });
    let mut occupants: Vec<_> = programs.collect();
    let filters = qdisc::ingress_filters(interface).await.unwrap_or_default();
    occupants.extend(filters.into_iter().map(|filter| {
        let ours =
            is(HOOK_CLSACT) && filter.priority == FILTER_PRIORITY && filter.handle == FILTER_HANDLE;
        Occupant::Clsact { filter, ours }
    }));
    occupants
}

/// Names of the TCX programs, which only `CAP_SYS_ADMIN` may ask for.
fn names(interface: InterfaceIndex) -> BTreeMap<u32, String> {
    let found =
        SchedClassifier::query_tcx(NetworkInterface::Index(interface), TcAttachType::Ingress);
    let programs = found.map(|(_, programs)| programs).unwrap_or_default();
    let named = programs.iter().map(|program| {
        let name = program.name_as_str().unwrap_or_default();
        (program.id(), name.to_owned())
    });
    named.collect()
}

/// The program of the link that we have pinned for an interface.
fn our_program(pin_directory: &Path, interface: InterfaceIndex) -> Option<u32> {
    let link = PinnedLink::from_pin(pins::link_of(pin_directory, interface)).ok()?;
    let info = FdLink::from(link).info().ok()?;
    Some(info.program_id())
}
