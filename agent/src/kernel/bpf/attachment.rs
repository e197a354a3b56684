//! Attachments with their records, so that a crash at any point leaves nothing that nobody knows of. **IO**
//!
//! The record is written before the hook and removed after it.

use std::collections::BTreeSet;

use aya::programs::{SchedClassifier, loaded_programs};
use nix::errno::Errno;
use thiserror::Error;
use udplb_abi::{
    counters::InterfaceCounters,
    map,
    record::{Attachment, FILTER_HANDLE, FILTER_PRIORITY, HOOK_CLSACT, HOOK_TCX},
};

use super::{
    Hook, HookChoice, MapOpError, Maps, PinDirectory, PinError, Program, Records,
    hook::{self, HookError},
    ops::{absent, refused, removed, zeros},
    pins,
    program::LoadError,
    read::ReadError,
};
use crate::{
    facts::{InterfaceIndex, LinkKind},
    kernel::netlink::{self, qdisc},
};

const ANY: u64 = 0;

/// Why an interface could not be attached to, detached from, or looked at.
#[derive(Debug, Error)]
#[expect(
    missing_docs,
    reason = "each variant hands on the error of the step that failed"
)]
pub enum AttachError {
    #[error(transparent)]
    Hook(#[from] HookError),
    #[error(transparent)]
    Record(#[from] MapOpError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Qdisc(#[from] netlink::Error),
    #[error(transparent)]
    Pins(#[from] PinError),
    #[error(transparent)]
    Program(#[from] LoadError),
}

/// Where our program sits.
#[derive(Debug, Default)]
pub struct Hooks {
    /// Interfaces with a record.
    pub recorded: BTreeSet<InterfaceIndex>,
    /// Interfaces whose hook runs our present program.
    pub current: BTreeSet<InterfaceIndex>,
    /// Interfaces with a pinned link, to whatever program.
    pub pinned: BTreeSet<InterfaceIndex>,
}

/// Looks where our program sits.
pub async fn look(
    program: &mut Program,
    records: &Records,
    pins: &PinDirectory,
) -> Result<Hooks, AttachError> {
    let ours = program.ids()?;
    let mut hooks = Hooks {
        pinned: pinned(pins)?,
        ..Hooks::default()
    };
    for (interface, attachment) in records.attachments()? {
        let _new = hooks.recorded.insert(interface);
        let runs = match attachment.hook {
            HOOK_TCX => hook::runs_tcx(&ours, interface)?,
            _ => runs_clsact(&ours, interface).await?,
        };
        if runs {
            let _new = hooks.current.insert(interface);
        }
    }
    Ok(hooks)
}

/// Whether our filter is on the interface, with one of the programs.
async fn runs_clsact(ours: &[u32], interface: InterfaceIndex) -> Result<bool, netlink::Error> {
    match qdisc::ingress_program(interface, FILTER_PRIORITY, FILTER_HANDLE).await {
        Ok(found) => Ok(found.is_some_and(|id| ours.contains(&id))),
        // Without the interface, or without the qdisc, there is no list.
        Err(netlink::Error::List {
            source: Errno::ENODEV | Errno::ENOENT | Errno::EINVAL,
            ..
        }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Puts the program on an interface with frames of that kind, or replaces an older one in place.
pub async fn attach(
    program: &mut Program,
    maps: &mut Maps,
    pins: &PinDirectory,
    choice: HookChoice,
    (interface, kind): (InterfaceIndex, LinkKind),
) -> Result<(), AttachError> {
    let mut recorded = maps.records.attachment(interface)?;
    let hook = choose(choice, recorded);
    if recorded.is_some_and(|record| record.hook != number(hook)) {
        detach(&mut maps.records, pins, interface).await?;
        recorded = None;
    }
    maps.count_interface(interface, recorded.is_none())?;
    let records = &mut maps.records;
    let attached = match hook {
        Hook::Tcx => {
            records.record_attachment(interface, number(hook), false)?;
            hook::attach_tcx(program.of(kind)?, interface, &pins.link(interface))
                .map_err(AttachError::from)
        }
        Hook::Clsact => attach_clsact(program.of(kind)?, records, interface, recorded).await,
    };
    if attached.is_err() && recorded.is_none() {
        // Nothing is there that the record could stand for; the first error is the one to tell.
        let _detached = detach(records, pins, interface).await;
    }
    attached
}

async fn attach_clsact(
    program: &mut SchedClassifier,
    records: &mut Records,
    interface: InterfaceIndex,
    recorded: Option<Attachment>,
) -> Result<(), AttachError> {
    let is_there = qdisc::has_clsact(interface).await?;
    if is_there && recorded.is_none() {
        let taken = qdisc::ingress_program(interface, FILTER_PRIORITY, FILTER_HANDLE).await?;
        if taken.is_some() {
            return Err(HookError::Taken { interface }.into());
        }
    }
    let was_created = recorded.is_some_and(|record| record.created_qdisc != 0);
    records.record_attachment(interface, HOOK_CLSACT, !is_there || was_created)?;
    if !is_there && !hook::add_clsact(interface)? {
        // Somebody else was faster.
        records.record_attachment(interface, HOOK_CLSACT, false)?;
    }
    Ok(hook::attach_clsact(program, interface)?)
}

/// Takes the program off an interface, whichever version put it there; with it the clsact qdisc where that is ours and
/// empty.
pub async fn detach(
    records: &mut Records,
    pins: &PinDirectory,
    interface: InterfaceIndex,
) -> Result<(), AttachError> {
    take_off(pins, interface, records.attachment(interface)?).await?;
    Ok(records.forget_attachment(interface)?)
}

/// Takes down what a record stands for, and a pinned link with or without one.
async fn take_off(
    pins: &PinDirectory,
    interface: InterfaceIndex,
    record: Option<Attachment>,
) -> Result<(), AttachError> {
    hook::detach_tcx(interface, &pins.link(interface))?;
    if let Some(record) = record
        && record.hook == HOOK_CLSACT
        && is_ours(pins, interface).await?
    {
        hook::detach_clsact(interface)?;
        if record.created_qdisc != 0 {
            qdisc::remove_empty_clsact(interface).await?;
        }
    }
    Ok(())
}

/// Whether the filter in our place, if there is one, works with maps that are pinned here, of any version. Another agent's
/// does not: it came after somebody had removed ours. Only `CAP_SYS_ADMIN` may ask; without it, the filter counts as ours.
async fn is_ours(pins: &PinDirectory, interface: InterfaceIndex) -> Result<bool, AttachError> {
    if !qdisc::has_clsact(interface).await? {
        return Ok(true);
    }
    let program = qdisc::ingress_program(interface, FILTER_PRIORITY, FILTER_HANDLE).await?;
    let info = loaded_programs()
        .map_while(Result::ok)
        .find(|info| Some(info.id()) == program);
    let Some(Ok(Some(used))) = info.map(|info| info.map_ids()) else {
        return Ok(true);
    };
    let pinned = pins.map_ids()?;
    Ok(used.iter().any(|map| pinned.contains(map)))
}

/// An interface keeps the hook that it has unless another one was asked for.
fn choose(choice: HookChoice, recorded: Option<Attachment>) -> Hook {
    match (choice, recorded.map(|record| record.hook)) {
        (HookChoice::Auto, Some(HOOK_TCX)) => Hook::Tcx,
        (HookChoice::Auto, Some(HOOK_CLSACT)) => Hook::Clsact,
        _ => Hook::settle(choice),
    }
}

const fn number(hook: Hook) -> u8 {
    match hook {
        Hook::Tcx => HOOK_TCX,
        Hook::Clsact => HOOK_CLSACT,
    }
}

/// Interfaces with a pinned link.
pub fn pinned(pins: &PinDirectory) -> Result<BTreeSet<InterfaceIndex>, PinError> {
    let paths = pins::entries(&pins.links())?;
    Ok(paths
        .iter()
        .filter_map(|path| pins::interface(path))
        .collect())
}

impl Maps {
    /// Has the program count what it lets go on an interface, from zero on where that `is_new`.
    fn count_interface(
        &mut self,
        interface: InterfaceIndex,
        is_new: bool,
    ) -> Result<(), MapOpError> {
        let name = map::INTERFACE_COUNTERS;
        let counters = &mut self.interface_counters;
        if is_new || absent(name, counters.get(&interface, ANY))?.is_none() {
            let cleared = zeros::<InterfaceCounters>()
                .and_then(|zeros| counters.insert(&interface, zeros, ANY));
            refused(name, cleared)?;
        }
        Ok(())
    }

    /// Forgets what was counted on an interface.
    pub fn forget_interface(&mut self, interface: InterfaceIndex) -> Result<(), MapOpError> {
        let counters = &mut self.interface_counters;
        removed(map::INTERFACE_COUNTERS, counters.remove(&interface))
    }
}
