//! Puts the program on interfaces: a TCX link (kernel 6.6), or a filter on a clsact qdisc. **IO**
//!
//! Either way other programs on the hook stay, and keep seeing the packets that are not ours.

use std::{fs, io, path::Path};

use aya::pin::PinError as LinkPinError;
use aya::programs::{
    LinkOrder, NetworkInterface, ProgramError, SchedClassifier, TcAttach, TcAttachType,
    links::{FdLink, LinkError, PinnedLink},
    tc::{NlOptions, SchedClassifierLink, TcError, TcHandle, qdisc_add_clsact},
};
use thiserror::Error;
use udplb_abi::record::{FILTER_HANDLE, FILTER_PRIORITY};

use super::query;

/// Every network namespace has it.
pub(super) const LOOPBACK: u32 = 1;

/// Which hook to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum HookChoice {
    /// TCX where the kernel has it, otherwise clsact.
    #[default]
    Auto,
    /// A TCX link: needs kernel 6.6.
    Tcx,
    /// A filter on the clsact qdisc.
    Clsact,
}

/// A hook, settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A TCX link.
    Tcx,
    /// A filter on the clsact qdisc.
    Clsact,
}

/// Why the program could not be put on an interface, or taken off it.
#[derive(Debug, Error)]
pub enum HookError {
    /// The kernel refused a TCX link.
    #[error("failed to attach to interface {interface} by a TCX link")]
    Tcx {
        /// Index of the interface.
        interface: u32,
        /// Why.
        #[source]
        source: Box<ProgramError>,
    },
    /// The link could not be pinned.
    #[error("failed to pin the TCX link of interface {interface}")]
    Pin {
        /// Index of the interface.
        interface: u32,
        /// Why.
        #[source]
        source: LinkPinError,
    },
    /// A pinned link could not be opened or removed.
    #[error("failed to open the pinned TCX link of interface {interface}")]
    Link {
        /// Index of the interface.
        interface: u32,
        /// Why.
        #[source]
        source: LinkError,
    },
    /// The kernel did not tell what is on a hook.
    #[error("failed to ask which programs are on the TCX hook of interface {interface}")]
    Query {
        /// Index of the interface.
        interface: u32,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A pin could not be removed.
    #[error("failed to remove the pinned TCX link of interface {interface}")]
    Unpin {
        /// Index of the interface.
        interface: u32,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The clsact qdisc could not be created.
    #[error("failed to create the clsact qdisc of interface {interface}")]
    Qdisc {
        /// Index of the interface.
        interface: u32,
        /// Why.
        #[source]
        source: TcError,
    },
    /// The kernel refused the filter.
    #[error("failed to set the clsact filter of interface {interface}")]
    Filter {
        /// Index of the interface.
        interface: u32,
        /// Why.
        #[source]
        source: Box<ProgramError>,
    },
    /// Somebody's filter has our priority and handle, and we have no record of it.
    #[error(
        "interface {interface} already has a clsact filter with priority {FILTER_PRIORITY} and \
         handle {FILTER_HANDLE:#x}, perhaps of a udplb-agent with another --pin-dir; remove it first"
    )]
    Taken {
        /// Index of the interface.
        interface: u32,
    },
}

impl HookError {
    fn tcx(interface: u32) -> impl Fn(ProgramError) -> Self {
        move |source| Self::Tcx {
            interface,
            source: Box::new(source),
        }
    }

    fn filter(interface: u32) -> impl Fn(ProgramError) -> Self {
        move |source| Self::Filter {
            interface,
            source: Box::new(source),
        }
    }
}

impl Hook {
    /// Settles a choice.
    #[must_use]
    pub fn settle(choice: HookChoice) -> Self {
        match choice {
            HookChoice::Tcx => Self::Tcx,
            HookChoice::Clsact => Self::Clsact,
            HookChoice::Auto => {
                if has_tcx() {
                    Self::Tcx
                } else {
                    Self::Clsact
                }
            }
        }
    }
}

/// Whether the kernel knows TCX: it is asked about the loopback interface. One that fails to answer for another reason
/// does know it.
pub(crate) fn has_tcx() -> bool {
    match query::tcx_ingress(LOOPBACK) {
        Ok(_) => true,
        Err(error) => error.raw_os_error() != Some(libc::EINVAL),
    }
}

/// Attaches by a TCX link, or replaces the program of the pinned one in place.
pub(super) fn attach_tcx(
    program: &mut SchedClassifier,
    interface: u32,
    pin: &Path,
) -> Result<(), HookError> {
    if let Some(link) = pinned(interface, pin)? {
        let link = FdLink::from(link)
            .try_into()
            .map_err(|source| HookError::Link { interface, source })?;
        match program.attach_to_link(link) {
            Ok(id) => return keep(program, interface, id).map(drop),
            Err(error) if is_dead(&error) => unpin(interface, pin)?,
            Err(error) => return Err(HookError::tcx(interface)(error)),
        }
    }
    let id = program
        .attach(
            NetworkInterface::Index(interface),
            TcAttach::Tcx {
                attach_type: TcAttachType::Ingress,
                order: LinkOrder::default(),
            },
        )
        .map_err(HookError::tcx(interface))?;
    let _pinned = keep(program, interface, id)?
        .pin(pin)
        .map_err(|source| HookError::Pin { interface, source })?;
    Ok(())
}

/// Takes a link out of the program's hands, which would detach it when this process ends.
fn keep(
    program: &mut SchedClassifier,
    interface: u32,
    id: aya::programs::tc::SchedClassifierLinkId,
) -> Result<FdLink, HookError> {
    let link = program.take_link(id).map_err(HookError::tcx(interface))?;
    link.try_into()
        .map_err(|source| HookError::Link { interface, source })
}

/// Detaches a TCX link by removing its pin, which holds the last reference.
pub(super) fn detach_tcx(interface: u32, pin: &Path) -> Result<(), HookError> {
    let Some(link) = pinned(interface, pin)? else {
        return Ok(());
    };
    drop(link);
    unpin(interface, pin)
}

fn pinned(interface: u32, pin: &Path) -> Result<Option<PinnedLink>, HookError> {
    if !pin.exists() {
        return Ok(None);
    }
    PinnedLink::from_pin(pin)
        .map(Some)
        .map_err(|source| HookError::Link { interface, source })
}

fn unpin(interface: u32, pin: &Path) -> Result<(), HookError> {
    fs::remove_file(pin).map_err(|source| HookError::Unpin { interface, source })
}

/// Whether one of the programs runs on the interface's TCX hook.
pub(super) fn runs_tcx(ours: &[u32], interface: u32) -> Result<bool, HookError> {
    match query::tcx_ingress(interface) {
        Ok(programs) => Ok(programs.iter().any(|program| ours.contains(program))),
        // Without the interface, or without TCX, nothing runs there.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::EINVAL)) => {
            Ok(false)
        }
        Err(source) => Err(HookError::Query { interface, source }),
    }
}

/// Makes sure that the interface has a clsact qdisc; tells whether it was missing.
pub(super) fn add_clsact(interface: u32) -> Result<bool, HookError> {
    match qdisc_add_clsact(NetworkInterface::Index(interface)) {
        Ok(()) => Ok(true),
        Err(error) if exists(&error) => Ok(false),
        Err(source) => Err(HookError::Qdisc { interface, source }),
    }
}

/// Sets our filter, or replaces the program of the one that we set earlier.
pub(super) fn attach_clsact(
    program: &mut SchedClassifier,
    interface: u32,
) -> Result<(), HookError> {
    let failed = HookError::filter(interface);
    let created = program.attach(
        NetworkInterface::Index(interface),
        TcAttach::Netlink {
            parent: TcAttachType::Ingress.into(),
            options: NlOptions {
                priority: FILTER_PRIORITY,
                handle: TcHandle::from(FILTER_HANDLE),
                classid: None,
            },
        },
    );
    let id = match created {
        Err(ProgramError::TcError(error)) if exists(&error) => program
            .attach_to_link(filter(interface).map_err(|error| failed(error.into()))?)
            .map_err(&failed)?,
        created => created.map_err(&failed)?,
    };
    // Dropping the link would remove the filter.
    std::mem::forget(program.take_link(id).map_err(&failed)?);
    Ok(())
}

/// Removes our filter. The qdisc stays.
pub(super) fn detach_clsact(interface: u32) -> Result<(), HookError> {
    let removed = filter(interface)
        .map_err(ProgramError::from)
        .and_then(aya::programs::links::Link::detach);
    match removed {
        Ok(()) => Ok(()),
        // With the interface or the qdisc, the filter went, too.
        Err(ProgramError::NetlinkError(error))
            if matches!(
                error.raw_os_error(),
                Some(libc::ENOENT | libc::ENODEV | libc::EINVAL)
            ) =>
        {
            Ok(())
        }
        Err(error) => Err(HookError::filter(interface)(error)),
    }
}

fn filter(interface: u32) -> Result<SchedClassifierLink, io::Error> {
    SchedClassifierLink::attached(
        NetworkInterface::Index(interface),
        TcAttachType::Ingress.into(),
        FILTER_PRIORITY,
        TcHandle::from(FILTER_HANDLE),
        None,
    )
}

/// The interface that the link was on is gone; its number may have come back.
fn is_dead(error: &ProgramError) -> bool {
    let ProgramError::SyscallError(error) = error else {
        return false;
    };
    error.io_error.raw_os_error() == Some(libc::ENOLINK)
}

fn exists(error: &TcError) -> bool {
    match error {
        TcError::NetlinkError(error) => error.raw_os_error() == Some(libc::EEXIST),
        TcError::AlreadyAttached => true,
        _ => false,
    }
}
