//! The kernel itself, past the functions that [`crate::calls`] puts in front of it. IO.

use std::{
    ffi::{c_int, c_long, c_void},
    mem::transmute,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

/// libc's `syscall`.
static REAL: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

type Syscall =
    unsafe extern "C" fn(c_long, c_long, c_long, c_long, c_long, c_long, c_long) -> c_long;

/// Makes a system call. Returns -1 and sets `errno` where it fails, as libc does.
///
/// # Safety
///
/// As the system call.
pub(crate) unsafe fn call(number: c_long, arguments: [c_long; 6]) -> c_long {
    let mut real = REAL.load(Ordering::Relaxed);
    if real.is_null() {
        // SAFETY: the name ends with a zero. Two threads at once find the same.
        real = unsafe { libc::dlsym(libc::RTLD_NEXT, c"syscall".as_ptr()) };
        REAL.store(real, Ordering::Relaxed);
    }
    // SAFETY: it is that function. It takes what follows the number from the registers of six arguments.
    let real = unsafe { transmute::<*mut c_void, Syscall>(real) };
    let [first, second, third, fourth, fifth, sixth] = arguments;
    // SAFETY: the caller's.
    unsafe { real(number, first, second, third, fourth, fifth, sixth) }
}

/// Says why the call failed that is about to return -1.
pub(crate) fn set_errno(errno: c_int) {
    // SAFETY: every thread has its own, for as long as it runs.
    unsafe { *libc::__errno_location() = errno };
}

/// The command of `bpf()` that tells about a descriptor.
const OBJECT_INFO: c_long = 15;

/// The start of `struct bpf_map_info`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MapInfo {
    pub(crate) kind: u32,
    id: u32,
    key_size: u32,
    pub(crate) value_size: u32,
    pub(crate) max_entries: u32,
    pub(crate) flags: u32,
    pub(crate) name: [u8; 16],
}

/// What a descriptor of a map stands for; None: it is none, or nobody knows.
pub(crate) fn map_info(descriptor: c_int) -> Option<MapInfo> {
    #[repr(C)]
    struct Question {
        descriptor: c_int,
        length: u32,
        info: u64,
    }
    let mut info = MapInfo::default();
    let question = Question {
        descriptor,
        length: u32::try_from(size_of::<MapInfo>()).ok()?,
        info: (&raw mut info).expose_provenance() as u64,
    };
    let address = c_long::try_from((&raw const question).expose_provenance()).ok()?;
    let size = c_long::try_from(size_of::<Question>()).ok()?;
    // The call under way has its own.
    // SAFETY: as in `set_errno`.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: question and answer outlive the call, with their sizes.
    let asked = unsafe { call(libc::SYS_bpf, [OBJECT_INFO, address, size, 0, 0, 0]) };
    set_errno(errno);
    (asked == 0).then_some(info)
}
