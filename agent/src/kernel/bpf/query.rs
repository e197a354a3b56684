//! Which programs sit on a TCX hook, by their numbers alone. **IO**
//!
//! The library opens every program that it finds, which takes `CAP_SYS_ADMIN`; their numbers do not.
#![expect(unsafe_code, reason = "bpf() has no safe wrapper for this question")]

use std::io;

const BPF_PROG_QUERY: libc::c_int = 16;
const BPF_TCX_INGRESS: u32 = 46;
/// The kernel's own limit is 64 programs a hook.
const MOST: u32 = 64;

/// The part of `union bpf_attr` that a query uses.
#[repr(C)]
#[derive(Default)]
struct Query {
    interface: u32,
    attach_type: u32,
    flags: u32,
    attach_flags: u32,
    programs: u64,
    count: u32,
    padding: u32,
    program_attach_flags: u64,
    links: u64,
    link_attach_flags: u64,
    revision: u64,
}

/// The programs on an interface's ingress hook, in their order. `EINVAL` where the kernel has no TCX.
pub(super) fn tcx_ingress(interface: u32) -> io::Result<Vec<u32>> {
    let mut programs = vec![0_u32; MOST as usize];
    let mut query = Query {
        interface,
        attach_type: BPF_TCX_INGRESS,
        programs: programs.as_mut_ptr() as u64,
        count: MOST,
        ..Query::default()
    };
    // SAFETY: the structure is the size that is given; the kernel writes at most `count` numbers to
    // `programs`, which outlives the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_QUERY,
            &raw mut query,
            size_of::<Query>(),
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    programs.truncate(query.count as usize);
    Ok(programs)
}
