//! What a host must offer before an agent runs on it. **IO**
//!
//! ```text
//! the kernel, /proc ─ probe ─▶ Probes ─ judge (pure) ─▶ findings: `check` shows them all,
//!                                                        `run` stops at the first that failed
//! ```
//!
//! Nothing is changed: what a probe makes, an unpinned map or a program that is attached nowhere, is gone
//! when it returns. Features are tried, not derived from the kernel's version, which distributions patch.

pub mod finding;
pub mod folder;
pub mod judge;
pub mod privilege;

use std::{fs, io};

use nix::sys::utsname::uname;
use thiserror::Error;

use crate::kernel::{
    bpf::{HookChoice, probe},
    netlink,
};
use finding::Finding;
use judge::{Features, Probes};
use privilege::{Capabilities, Capability};

/// Why an agent does not start here.
#[derive(Debug, Error)]
pub enum PreflightError {
    /// The host lacks something.
    #[error("{message}{}", more(*others))]
    Failed {
        /// What, and what to do.
        message: String,
        /// How many other findings failed.
        others: usize,
    },
    /// A command needs a capability.
    #[error(
        "`udplb-agent {command}` needs {capability}, which {what}: run it as root (sudo), or give it that capability"
    )]
    Needs {
        /// The command.
        command: &'static str,
        /// What it lacks.
        capability: Capability,
        /// What the capability does.
        what: &'static str,
    },
    /// The process cannot look at itself.
    #[error("failed to read this process's capabilities")]
    Capabilities(#[source] io::Error),
}

fn more(others: usize) -> String {
    match others {
        0 => String::new(),
        count => format!(" ({count} more: see `udplb-agent check`)"),
    }
}

/// Fails with the first capability of `needed` that this process lacks.
pub fn need(command: &'static str, needed: &[Capability]) -> Result<(), PreflightError> {
    let held = Capabilities::effective().map_err(PreflightError::Capabilities)?;
    match held.missing(needed).first() {
        None => Ok(()),
        Some(&capability) => Err(PreflightError::Needs {
            command,
            capability,
            what: capability.purpose(),
        }),
    }
}

/// Fails where an agent could not run, in the words of `check`.
pub async fn require(hook: HookChoice) -> Result<(), PreflightError> {
    let findings = judge::findings(&probe(hook).await?, hook);
    let mut failed = findings.iter().filter_map(Finding::failure);
    match failed.next() {
        None => Ok(()),
        Some(message) => Err(PreflightError::Failed {
            message: message.to_owned(),
            others: failed.count(),
        }),
    }
}

/// Tries everything that the kernel must offer.
pub async fn probe(hook: HookChoice) -> Result<Probes, PreflightError> {
    let capabilities = Capabilities::effective().map_err(PreflightError::Capabilities)?;
    let bpf = probe::syscall();
    Ok(Probes {
        release: release(),
        capabilities,
        restricted_by: restriction(),
        features: if bpf.is_ok() && capabilities.missing(&Capability::OF_RUN).is_empty() {
            Some(features(hook, capabilities).await)
        } else {
            None
        },
        bpf,
    })
}

async fn features(hook: HookChoice, capabilities: Capabilities) -> Features {
    let tcx = probe::has_tcx();
    let asks_for_clsact = match hook {
        HookChoice::Clsact => true,
        HookChoice::Auto => !tcx,
        HookChoice::Tcx => false,
    };
    Features {
        missing_maps: probe::missing_map_types().unwrap_or_default(),
        tcx,
        clsact: if asks_for_clsact && capabilities.has(Capability::SysAdmin) {
            probe::has_clsact()
        } else {
            None
        },
        // Where it cannot be asked, another finding says why.
        managed_neighbours: netlink::knows_managed().await.unwrap_or(true),
        grace_periods: probe::has_grace_periods(),
    }
}

fn release() -> String {
    uname().map_or_else(
        |_| "of unknown version".to_owned(),
        |name| name.release().display().to_string(),
    )
}

/// What may keep a process that has its capabilities from using them.
fn restriction() -> &'static str {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let filtered = status.lines().any(|line| {
        line.strip_prefix("Seccomp:")
            .is_some_and(|mode| mode.trim() == "2")
    });
    let whole = map.split_whitespace().eq(["0", "0", "4294967295"]);
    if !whole {
        "this is a user namespace, where they count for nothing: run it outside"
    } else if filtered {
        "a seccomp filter is active: allow bpf() in it, for a container in its seccomp profile"
    } else {
        "a security module or kernel lockdown may forbid it: see the kernel's log"
    }
}
