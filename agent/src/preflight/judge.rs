//! What probes say about running an agent, and what to do where it would not. **pure**

use nix::errno::Errno;

use super::{
    finding::Finding,
    privilege::{Capabilities, Capability},
};
use crate::kernel::bpf::HookChoice;

/// The oldest kernel that is tested.
const UPGRADE: &str = "upgrade to Linux 6.1 or later";

/// What was found by trying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probes {
    /// The kernel's release, for people.
    pub release: String,
    /// What this process may do.
    pub capabilities: Capabilities,
    /// Why capabilities may not count, and what to do.
    pub restricted_by: &'static str,
    /// Whether `bpf()` does what is asked.
    pub bpf: Result<(), Errno>,
    /// What the kernel can do; none where it cannot be asked.
    pub features: Option<Features>,
}

/// What the kernel can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// Kinds of map that it lacks.
    pub missing_maps: Vec<&'static str>,
    /// TCX links.
    pub tcx: bool,
    /// Filters on a clsact qdisc; none where that was not tried.
    pub clsact: Option<bool>,
    /// `NTF_EXT_MANAGED`.
    pub managed_neighbours: bool,
    /// `MEMBARRIER_CMD_GLOBAL`.
    pub grace_periods: bool,
}

/// Everything that was looked at, what others rest on first.
#[must_use]
pub fn findings(probes: &Probes, hook: HookChoice) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Capability::OF_RUN
        .into_iter()
        .map(|capability| privilege(probes, capability))
        .collect();
    findings.push(syscall(probes));
    if let Some(features) = &probes.features {
        findings.extend([
            maps(probes, features),
            tcx(probes, features, hook),
            neighbours(probes, features),
            grace_periods(probes, features),
        ]);
        findings.extend(clsact(probes, features, hook));
    }
    findings
}

fn privilege(probes: &Probes, capability: Capability) -> Finding {
    let finding = Finding::ok(capability.name(), capability.purpose());
    if probes.capabilities.has(capability) {
        return finding;
    }
    finding.failed(format!(
        "{capability} is missing: run as root (sudo), or give the service that capability"
    ))
}

fn syscall(probes: &Probes) -> Finding {
    let finding = Finding::ok("bpf()", "everything that happens in the kernel");
    let Err(error) = probes.bpf else {
        return finding;
    };
    finding.failed(match error {
        Errno::EPERM | Errno::EACCES if !probes.capabilities.has(Capability::Bpf) => {
            "not permitted without CAP_BPF: run as root (sudo)".to_owned()
        }
        Errno::EPERM | Errno::EACCES => format!(
            "bpf() is not permitted although CAP_BPF is there; {}",
            probes.restricted_by
        ),
        Errno::ENOSYS => format!(
            "this kernel ({}) has no bpf(): use one with CONFIG_BPF_SYSCALL",
            probes.release
        ),
        error => format!("bpf() failed: {}", error.desc()),
    })
}

fn maps(probes: &Probes, features: &Features) -> Finding {
    let finding = Finding::ok("map types", "forwards, tables and counters");
    if features.missing_maps.is_empty() {
        return finding;
    }
    finding.failed(format!(
        "this kernel ({}) lacks BPF maps of the kind {}: {UPGRADE}",
        probes.release,
        features.missing_maps.join(", ")
    ))
}

fn tcx(probes: &Probes, features: &Features, hook: HookChoice) -> Finding {
    let finding = Finding::ok("TCX links", "attaching where no other program can evict it");
    match (features.tcx, hook) {
        (true, _) => finding,
        (false, HookChoice::Tcx) => finding.failed(format!(
            "this kernel ({}) has no TCX links: upgrade to Linux 6.6 or later, or leave --hook out",
            probes.release
        )),
        (false, HookChoice::Auto | HookChoice::Clsact) => finding.note(format!(
            "this kernel ({}) has none, Linux 6.6 has: a clsact filter is used, which other programs can remove",
            probes.release
        )),
    }
}

fn clsact(probes: &Probes, features: &Features, hook: HookChoice) -> Option<Finding> {
    let finding = Finding::ok("clsact", "attaching where there are no TCX links");
    let is_used = match hook {
        HookChoice::Clsact => true,
        HookChoice::Auto => !features.tcx,
        HookChoice::Tcx => false,
    };
    is_used.then(|| match features.clsact {
        Some(true) => finding,
        Some(false) => finding.failed(format!(
            "this kernel ({}) has no clsact qdisc: use one with CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF",
            probes.release
        )),
        None => finding.note("not tried: that takes CAP_SYS_ADMIN"),
    })
}

fn neighbours(probes: &Probes, features: &Features) -> Finding {
    let finding = Finding::ok("managed neighbours", "keeping next hops fresh");
    if features.managed_neighbours {
        return finding;
    }
    finding.failed(format!(
        "this kernel ({}) does not keep neighbour entries for us (NTF_EXT_MANAGED, Linux 5.16): {UPGRADE}",
        probes.release
    ))
}

fn grace_periods(probes: &Probes, features: &Features) -> Finding {
    let finding = Finding::ok("membarrier()", "changing what runs without a gap");
    if features.grace_periods {
        return finding;
    }
    finding.failed(format!(
        "this kernel ({}) has no MEMBARRIER_CMD_GLOBAL: boot without nohz_full, use one with CONFIG_MEMBARRIER, \
         or allow membarrier() in the seccomp filter",
        probes.release
    ))
}

#[cfg(test)]
mod tests;
