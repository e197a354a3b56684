//! Carries out ops: one match over [`Op`], and the only caller of what changes the kernel. **IO**
//!
//! A change of the maps that fails ends the changes of the maps in this pass: what follows may rely on
//! it, and stopping at any op leaves everything in force, as a crash does. What concerns the host —
//! attachments, neighbours — goes on, each object for itself.

use std::{net::IpAddr, time::Instant};

use thiserror::Error;

use crate::{
    facts::{InterfaceIndex, LinkKind},
    kernel::{
        bpf::{
            self, HookChoice, MapOpError, Maps, PinDirectory, Program, attachment,
            attachment::AttachError,
        },
        neighbours::{self, NeighbourError},
        netlink::Network,
    },
    op::Op,
    retry::Retries,
    tables::Tables,
    takeover,
};

/// What an op is about, and what is tried again when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// The maps as a whole.
    Maps,
    /// An interface's attachment.
    Attachment(InterfaceIndex),
    /// A neighbour entry.
    Neighbour(InterfaceIndex, IpAddr),
}

impl Object {
    /// What an op is about.
    #[must_use]
    pub const fn of(op: &Op) -> Self {
        match *op {
            Op::Attach { interface } | Op::Detach { interface } => Self::Attachment(interface),
            Op::ManageNeighbour { interface, address }
            | Op::ReleaseNeighbour { interface, address } => Self::Neighbour(interface, address),
            _ => Self::Maps,
        }
    }
}

/// Why an op failed.
#[derive(Debug, Error)]
#[expect(
    missing_docs,
    reason = "each variant hands on the error of one part of the kernel"
)]
pub enum OpError {
    #[error(transparent)]
    Map(#[from] MapOpError),
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    Neighbour(#[from] NeighbourError),
}

/// What became of a pass's ops.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many were carried out.
    pub done: usize,
    /// How many were left for later: after a failure, or because their time has not come.
    pub postponed: usize,
    /// What failed, and whether for the first time.
    pub failures: Vec<(bool, Object, OpError)>,
    /// Whether the maps are not what the pass wanted.
    pub maps_failed: bool,
    /// Whether some hook is not what the pass wanted.
    pub hooks_failed: bool,
}

impl Outcome {
    fn missed(&mut self, object: Object) {
        match object {
            Object::Maps => self.maps_failed = true,
            Object::Attachment(_) => self.hooks_failed = true,
            Object::Neighbour(..) => {}
        }
    }
}

/// Everything of the kernel's that a pass changes, and its mirror.
#[derive(Debug)]
pub struct Kernel {
    /// The maps.
    pub maps: Maps,
    /// The loaded program.
    pub program: Program,
    /// Where both are pinned.
    pub pins: PinDirectory,
    /// How to attach.
    pub hook: HookChoice,
    /// What all of it holds now.
    pub tables: Tables,
    /// Programs of another version may still be on some hook, see [`crate::takeover`].
    pub takes_over: bool,
}

impl Kernel {
    /// Carries out a pass.
    pub async fn apply(
        &mut self,
        ops: &[Op],
        network: &Network,
        retries: &mut Retries<Object>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        for op in ops {
            let object = Object::of(op);
            let is_blocked = outcome.maps_failed && (object == Object::Maps || removes(op))
                || self.takes_over && takeover::has_to_wait(op, &outcome);
            if is_blocked || !retries.is_due(&object, Instant::now()) {
                outcome.postponed += 1;
                outcome.missed(object);
                continue;
            }
            match self.one(op, network).await {
                Ok(()) => {
                    tracing::debug!("{op}");
                    self.tables.apply(op);
                    outcome.done += 1;
                    if object != Object::Maps {
                        retries.succeeded(&object);
                    }
                }
                Err(error) => {
                    outcome.missed(object);
                    let is_first = retries.failed(object, Instant::now());
                    outcome.failures.push((is_first, object, error));
                }
            }
        }
        if !outcome.maps_failed {
            retries.succeeded(&Object::Maps);
        }
        outcome
    }

    async fn one(&mut self, op: &Op, network: &Network) -> Result<(), OpError> {
        match op {
            Op::WriteName { .. }
            | Op::WriteSource { .. }
            | Op::WriteTable { .. }
            | Op::WriteNextHop { .. }
            | Op::WriteRateLimit { .. }
            | Op::WriteUpstream { .. }
            | Op::WriteForward { .. }
            | Op::WriteListener { .. }
            | Op::SetListener { .. }
            | Op::SetNextHop { .. }
            | Op::SetForward { .. }
            | Op::SetPort { .. }
            | Op::RemoveListener { .. }
            | Op::SetVlan { .. }
            | Op::RemoveVlan { .. }
            | Op::RemoveSource { .. }
            | Op::RetireUpstream { .. }
            | Op::RemoveRetired { .. }
            | Op::ClearForwardCounters { .. }
            | Op::ClearDestinationCounters { .. }
            | Op::ClearUpstreamCounters { .. }
            | Op::RemoveName { .. } => self.maps.apply(op)?,
            Op::Grace => bpf::grace().await?,
            &Op::Attach { interface } => {
                let (program, maps, pins) = (&mut self.program, &mut self.maps, &self.pins);
                let link = network.facts().links.get(&interface).map(|link| link.kind);
                let place = (interface, link.unwrap_or(LinkKind::Ethernet));
                attachment::attach(program, maps, pins, self.hook, place).await?;
            }
            &Op::Detach { interface } => {
                attachment::detach(&mut self.maps.records, &self.pins, interface).await?;
                self.maps.forget_interface(interface)?;
            }
            &Op::ManageNeighbour { interface, address } => {
                neighbours::manage(&mut self.maps.records, network, interface, address).await?;
            }
            &Op::ReleaseNeighbour { interface, address } => {
                neighbours::release(&mut self.maps.records, interface, address).await?;
            }
        }
        Ok(())
    }
}

/// Ops that take away what the versions before the change may still need.
const fn removes(op: &Op) -> bool {
    matches!(op, Op::Detach { .. } | Op::ReleaseNeighbour { .. })
}
