//! Taking over from an agent of another version, to a newer layout or back to an older one. **IO**
//!
//! ```text
//! maps of this version beside the old ones ─▶ filled ─▶ program swapped, hook after hook ─▶ old maps removed
//! ```
//!
//! The old program goes on with its maps until its hook is swapped, in one step: each packet meets the one or the other.
//! What both share, and what every version may rely on, says [`udplb_abi::layout`]. No hook is touched before the maps hold
//! the whole input; nothing that both share is given up before all hooks are swapped. So a start that fails half-way, or
//! is killed, leaves every hook with a program whose maps are whole, and the next start of either version goes on.

use thiserror::Error;
use udplb_abi::layout::Group;

use crate::{
    apply::{Kernel, Outcome},
    diff::Change,
    kernel::bpf::{self, MapOpError, PinDirectory, PinError},
    op::Op,
    tables::AttachmentState,
};

/// What is told while it lasts.
pub const NOTICE: &str = "the program of another version of udplb-agent is still in place on some interface, with what it \
                          was told last: this version has not been able to take over";

/// Why a takeover that is complete could not be ended.
#[derive(Debug, Error)]
#[expect(
    missing_docs,
    reason = "each variant hands on the error of the step that failed"
)]
pub enum TakeoverError {
    #[error(transparent)]
    Grace(#[from] MapOpError),
    #[error(transparent)]
    Pins(#[from] PinError),
}

/// Whether another version has left something.
pub fn is_due(pins: &PinDirectory) -> Result<bool, PinError> {
    Ok(!pins.others()?.is_empty())
}

/// Says what is known of another version at a start, and what of its work cannot be carried over.
pub fn tell(pins: &PinDirectory) -> Result<(), PinError> {
    tracing::info!(
        "another version's program is in place; it goes on until everything is ready to take over"
    );
    for group in pins.begun_anew()? {
        if let Some(loss) = loss(group) {
            tracing::warn!("{loss}: the other version has another layout for them");
        }
    }
    Ok(())
}

/// What begins anew with a group of maps, where somebody would miss it.
const fn loss(group: Group) -> Option<&'static str> {
    match group {
        Group::Totals => Some("counters of forwards, destinations and upstreams begin anew"),
        Group::Interfaces => Some("counters of interfaces begin anew"),
        Group::Fragments => Some(
            "datagrams of which only the first fragments have come are not put together by this version",
        ),
        Group::Identifications => Some("identifications of copied fragments begin anew"),
        Group::Records | Group::Tables | Group::Trace => None,
    }
}

/// Takes everything out of a change that a takeover must not do while something does not fit: hooks stay with the
/// program that has it all.
pub fn hold_back(change: &mut Change) {
    if !change.failures.is_empty() {
        change
            .ops
            .retain(|op| !touches_hooks(op) && !gives_up_shared(op));
        // What is waited for was for these.
        if change.ops.iter().all(|op| matches!(op, Op::Grace)) {
            change.ops.clear();
        }
    }
}

/// Whether an op has to wait for those that failed before it.
#[must_use]
pub const fn has_to_wait(op: &Op, outcome: &Outcome) -> bool {
    outcome.maps_failed && touches_hooks(op) || outcome.hooks_failed && gives_up_shared(op)
}

const fn touches_hooks(op: &Op) -> bool {
    matches!(op, Op::Attach { .. } | Op::Detach { .. })
}

/// Ops that take away what the program of the other version may still use.
const fn gives_up_shared(op: &Op) -> bool {
    matches!(
        op,
        Op::ReleaseNeighbour { .. }
            | Op::RetireUpstream { .. }
            | Op::RemoveRetired { .. }
            | Op::ClearForwardCounters { .. }
            | Op::ClearDestinationCounters { .. }
            | Op::ClearUpstreamCounters { .. }
    )
}

/// Removes what the other version left, once no hook runs its program. Tells whether that is done.
pub async fn finish(kernel: &mut Kernel) -> Result<bool, TakeoverError> {
    let mut attachments = kernel.tables.attachments.values();
    if !attachments.all(|state| *state == AttachmentState::Current) {
        return Ok(false);
    }
    // Its last runs have ended when its maps go.
    bpf::grace().await?;
    kernel.pins.remove_others()?;
    kernel.takes_over = false;
    Ok(true)
}
