//! Asks the kernel which parts of BPF it has. Whatever this makes is gone when it returns. **IO**

use aya::{
    maps::MapType,
    sys::{SyscallError, is_map_supported},
};
use nix::errno::Errno;

use super::{hook, mapped};

/// The kinds of map that the program uses, as people call them.
const MAPS: [(&str, MapType); 6] = [
    ("array", MapType::Array),
    ("hash", MapType::Hash),
    ("longest prefix match", MapType::LpmTrie),
    ("per-CPU array", MapType::PerCpuArray),
    ("per-CPU hash", MapType::PerCpuHash),
    ("ring buffer", MapType::RingBuf),
];

/// Whether `bpf()` does what is asked.
pub fn syscall() -> Result<(), Errno> {
    is_map_supported(MapType::Array)
        .map(drop)
        .map_err(|error| errno(&error))
}

/// The kinds of map that the program uses and the kernel lacks.
pub fn missing_map_types() -> Result<Vec<&'static str>, Errno> {
    let mut missing = Vec::new();
    for (name, kind) in MAPS {
        if !is_map_supported(kind).map_err(|error| errno(&error))? {
            missing.push(name);
        }
    }
    Ok(missing)
}

/// Whether programs can be put on interfaces by TCX links.
#[must_use]
pub fn has_tcx() -> bool {
    hook::has_tcx()
}

/// Whether the kernel has the clsact qdisc and filters of programs for it, tried in a network namespace
/// that ends with the thread. That takes `CAP_SYS_ADMIN`: none where it is lacking.
#[must_use]
pub fn has_clsact() -> Option<bool> {
    let tried = std::thread::spawn(|| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).ok()?;
        Some(hook::add_clsact(hook::LOOPBACK).is_ok())
    });
    tried.join().ok().flatten()
}

/// Whether slots can be written again after a grace period.
#[must_use]
pub fn has_grace_periods() -> bool {
    mapped::can_wait_for_running_programs()
}

fn errno(error: &SyscallError) -> Errno {
    Errno::from_raw(error.io_error.raw_os_error().unwrap_or_default())
}
