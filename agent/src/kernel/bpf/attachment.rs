//! Attachments with their records, so that a crash at any point leaves nothing that nobody knows of. **IO**
//!
//! The record is written before the hook and removed after it.

use std::collections::BTreeSet;

use aya::programs::{ProgramError, SchedClassifier};
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
    #[error("failed to ask for the identity of a program")]
    Identity(#[source] Box<ProgramError>),
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
    maps: &Maps,
    pins: &PinDirectory,
) -> Result<Hooks, AttachError> {
    let ours = program.ids()?;
    let mut hooks = Hooks {
        pinned: pinned(pins)?,
        ..Hooks::default()
    };
    for (interface, attachment) in maps.attachments()? {
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
    let mut recorded = maps.attachment(interface)?;
    let hook = choose(choice, recorded);
    if recorded.is_some_and(|record| record.hook != number(hook)) {
        detach(maps, pins, interface).await?;
        recorded = None;
    }
    if recorded.is_none() {
        maps.clear_interface(interface)?;
    }
    let attached = match hook {
        Hook::Tcx => {
            maps.record_attachment(interface, number(hook), false)?;
            hook::attach_tcx(program.of(kind)?, interface, &pins.link(interface))
                .map_err(AttachError::from)
        }
        Hook::Clsact => attach_clsact(program.of(kind)?, maps, interface, recorded).await,
    };
    if attached.is_err() && recorded.is_none() {
        // Nothing is there that the record could stand for; the first error is the one to tell.
        let _detached = detach(maps, pins, interface).await;
    }
    attached
}

async fn attach_clsact(
    program: &mut SchedClassifier,
    maps: &mut Maps,
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
    maps.record_attachment(interface, HOOK_CLSACT, !is_there || was_created)?;
    if !is_there && !hook::add_clsact(interface)? {
        // Somebody else was faster.
        maps.record_attachment(interface, HOOK_CLSACT, false)?;
    }
    Ok(hook::attach_clsact(program, interface)?)
}

/// Takes the program off an interface; with it the clsact qdisc where that is ours and empty.
pub async fn detach(
    maps: &mut Maps,
    pins: &PinDirectory,
    interface: InterfaceIndex,
) -> Result<(), AttachError> {
    take_off(pins, interface, maps.attachment(interface)?).await?;
    removed(
        map::INTERFACE_COUNTERS,
        maps.interface_counters.remove(&interface),
    )?;
    removed(map::ATTACHMENTS, maps.attachments.remove(&interface))?;
    Ok(())
}

/// Takes the program of another version off an interface. Tells whether what is there is that version's: its filter is
/// the one that works with its maps.
pub async fn detach_other(
    records: &Records,
    pins: &PinDirectory,
    interface: InterfaceIndex,
    record: Attachment,
) -> Result<bool, AttachError> {
    if record.hook == HOOK_CLSACT {
        if !qdisc::has_clsact(interface).await? {
            return Ok(true);
        }
        let program = qdisc::ingress_program(interface, FILTER_PRIORITY, FILTER_HANDLE).await?;
        if let Some(program) = program
            && !records
                .are_used_by(program)
                .map_err(|error| AttachError::Identity(error.into()))?
        {
            return Ok(false);
        }
    }
    take_off(pins, interface, Some(record)).await?;
    Ok(true)
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
    {
        hook::detach_clsact(interface)?;
        if record.created_qdisc != 0 {
            qdisc::remove_empty_clsact(interface).await?;
        }
    }
    Ok(())
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
    /// The record of an interface.
    fn attachment(&self, interface: InterfaceIndex) -> Result<Option<Attachment>, MapOpError> {
        absent(map::ATTACHMENTS, self.attachments.get(&interface, ANY))
    }

    fn record_attachment(
        &mut self,
        interface: InterfaceIndex,
        hook: u8,
        created_qdisc: bool,
    ) -> Result<(), MapOpError> {
        let record = Attachment {
            hook,
            created_qdisc: created_qdisc.into(),
            padding: [0; 6],
        };
        refused(
            map::ATTACHMENTS,
            self.attachments.insert(&interface, &record, ANY),
        )
    }

    fn clear_interface(&mut self, interface: InterfaceIndex) -> Result<(), MapOpError> {
        let cleared = zeros::<InterfaceCounters>()
            .and_then(|zeros| self.interface_counters.insert(&interface, zeros, ANY));
        refused(map::INTERFACE_COUNTERS, cleared)
    }
}
