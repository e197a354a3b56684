//! Passing a point: it is written down, and what is planned for it happens. IO.

use std::{
    ffi::{c_int, c_long},
    fs::File,
    os::fd::IntoRawFd as _,
    path::Path,
    ptr,
    sync::atomic::{AtomicI32, AtomicPtr, Ordering},
};

use anyhow::Context as _;

use crate::{
    kernel,
    name::Name,
    plan::{DIE, FAIL, NAME, Plan},
    stores,
};

static PLAN: AtomicPtr<Plan> = AtomicPtr::new(ptr::null_mut());
/// Where lines are written.
static PASSED: AtomicI32 = AtomicI32::new(-1);

/// Opens the files of this folder. Until then, points are nothing.
pub(crate) fn start(folder: &Path) -> anyhow::Result<()> {
    let open = |name: &str, options: &mut std::fs::OpenOptions| -> anyhow::Result<c_int> {
        let path = folder.join(name);
        let file: File = options
            .open(&path)
            .with_context(|| format!("failed to open {}", path.display()))?;
        Ok(file.into_raw_fd())
    };
    let plan = open("plan", File::options().read(true).write(true))?;
    PASSED.store(
        open("passed", File::options().append(true).create(true))?,
        Ordering::Relaxed,
    );
    // SAFETY: a fresh mapping at an address of the kernel's choice, which stays until the end.
    let plan = unsafe {
        libc::mmap(
            ptr::null_mut(),
            size_of::<Plan>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            plan,
            0,
        )
    };
    anyhow::ensure!(plan != libc::MAP_FAILED, "failed to map the plan");
    PLAN.store(plan.cast(), Ordering::Release);
    Ok(())
}

/// An operation of this name comes next. True: it shall fail.
pub(crate) fn pass(name: &Name) -> bool {
    stores::interrupted();
    happens(name)
}

/// As [`pass`], for stores themselves.
pub(crate) fn happens(name: &Name) -> bool {
    let plan = PLAN.load(Ordering::Acquire);
    if plan.is_null() {
        return false;
    }
    let (line, length) = name.line();
    let passed = c_long::from(PASSED.load(Ordering::Relaxed));
    let line = address(&raw const line);
    let length = c_long::try_from(length).unwrap_or_default();
    // SAFETY: the line outlives the call, and is that long.
    let _written = unsafe { kernel::call(libc::SYS_write, [passed, line, length, 0, 0, 0]) };
    // SAFETY: it was mapped by `start` for as long as the process lives; all of it is atomics.
    match planned(unsafe { &*plan }, name.bytes()) {
        None => false,
        Some(DIE) => die(),
        Some(_) => true,
    }
}

fn die() -> ! {
    loop {
        // SAFETY: no pointers.
        let _killed = unsafe {
            let own = kernel::call(libc::SYS_getpid, [0; 6]);
            kernel::call(
                libc::SYS_kill,
                [own, c_long::from(libc::SIGKILL), 0, 0, 0, 0],
            )
        };
    }
}

/// An address as system calls take it.
pub(crate) fn address<T: ?Sized>(value: *const T) -> c_long {
    value.expose_provenance().cast_signed() as c_long
}

/// What the plan says of the point of this name, passed now.
fn planned(plan: &Plan, name: &[u8; NAME]) -> Option<u32> {
    let mode = plan.mode.load(Ordering::Acquire);
    if mode != DIE && mode != FAIL {
        return None;
    }
    let mut letters = plan.name.iter().zip(name);
    if !letters.all(|(planned, passed)| planned.load(Ordering::Relaxed) == *passed) {
        return None;
    }
    let less = |left: u32| left.checked_sub(1);
    let skipped = plan
        .skip
        .try_update(Ordering::Relaxed, Ordering::Relaxed, less);
    if skipped.is_ok() {
        return None;
    }
    let _before = plan.happened.fetch_add(1, Ordering::Release);
    Some(mode)
}
