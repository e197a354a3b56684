//! Stores to memory-mapped arrays are points as well: the arrays are read-only here, so that each store is a fault
//! first, is let through alone, and the page is locked again behind it. IO.
//!
//! That takes a processor which steps through one instruction at user space's request: x86-64. Elsewhere stores are no
//! points.

use std::{
    ffi::{c_int, c_void},
    io,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{kernel::MapInfo, name::Name, points};

const PAGE: usize = 4096;
/// `BPF_MAP_TYPE_ARRAY`.
const ARRAY: u32 = 2;
/// `BPF_F_MMAPABLE`.
const MEMORY: u32 = 1 << 10;
/// Arrays whose values are larger hold words that are stored one by one.
const LARGEST_VALUE: usize = 4096;
/// A table is filled value by value, thousands of them: they are one point.
const FILLED: &[u8] = b"TABLES";

/// An array in memory.
struct Region {
    base: AtomicUsize,
    length: AtomicUsize,
    stride: AtomicUsize,
    /// Where its name is; it stays for as long as the process lives.
    name: AtomicUsize,
}

static REGIONS: [Region; 32] = [const {
    Region {
        base: AtomicUsize::new(0),
        length: AtomicUsize::new(0),
        stride: AtomicUsize::new(0),
        name: AtomicUsize::new(0),
    }
}; 32];

/// The pages that a store under way may write: it may lie across the edge of two.
static OPEN: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// The entry that was stored to last, by its address; how many stores went there in a row.
static LAST: AtomicUsize = AtomicUsize::new(0);
static REPEATED: AtomicUsize = AtomicUsize::new(0);

/// Whether a map is an array that can be in memory.
pub(crate) fn is_array(map: &MapInfo) -> bool {
    map.kind == ARRAY && map.flags & MEMORY != 0
}

/// Another operation came in between: the next store is a new one wherever it goes.
pub(crate) fn interrupted() {
    LAST.store(0, Ordering::Relaxed);
}

/// Makes stores to this array points.
pub(crate) fn protect(place: *mut c_void, length: usize, map: &MapInfo) {
    if cfg!(not(target_arch = "x86_64")) {
        return;
    }
    let value = map.value_size as usize;
    let stride = if value > LARGEST_VALUE {
        size_of::<u32>()
    } else {
        value.next_multiple_of(8)
    };
    let Some(region) = REGIONS
        .iter()
        .find(|region| region.base.load(Ordering::Relaxed) == 0)
    else {
        return;
    };
    let name: &'static [u8; 16] = Box::leak(Box::new(map.name));
    region.length.store(length, Ordering::Relaxed);
    region.stride.store(stride, Ordering::Relaxed);
    let name = std::ptr::from_ref(name).expose_provenance();
    region.name.store(name, Ordering::Relaxed);
    region.base.store(place.addr(), Ordering::Release);
    set_protection(place.addr(), length, libc::PROT_READ);
}

/// The array is no longer there.
pub(crate) fn forget(place: *mut c_void) {
    let gone = |region: &&Region| region.base.load(Ordering::Relaxed) == place.addr();
    if let Some(region) = REGIONS.iter().find(gone) {
        region.base.store(0, Ordering::Relaxed);
    }
}

fn set_protection(place: usize, length: usize, protection: c_int) {
    let place = std::ptr::with_exposed_provenance_mut(place);
    // SAFETY: a mapping of the array's, whose users go through raw pointers only.
    let _done = unsafe { libc::mprotect(place, length, protection) };
}

/// From now on stores are noticed.
pub(crate) fn watch() -> io::Result<()> {
    let handle = |signal: c_int, handler: Handler| {
        // SAFETY: `sigaction` is plain data.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: the handlers do what signal handlers may.
        match unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    handle(libc::SIGSEGV, on_store)?;
    handle(libc::SIGTRAP, after_store)
}

type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

extern "C" fn on_store(signal: c_int, information: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel hands this to handlers of the signal.
    let place = unsafe { (*information).si_addr() }.addr();
    let Some(region) = REGIONS.iter().find(|region| region.holds(place)) else {
        // A real one: the instruction faults again, and ends the process.
        // SAFETY: no handler is given.
        let _default = unsafe { libc::signal(signal, libc::SIG_DFL) };
        return;
    };
    let page = place & !(PAGE - 1);
    if OPEN[0].load(Ordering::Relaxed) == 0 {
        region.pass(place);
        OPEN[0].store(page, Ordering::Relaxed);
    } else {
        OPEN[1].store(page, Ordering::Relaxed);
    }
    set_protection(page, PAGE, libc::PROT_READ | libc::PROT_WRITE);
    step(context, true);
}

extern "C" fn after_store(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    for page in &OPEN {
        let page = page.swap(0, Ordering::Relaxed);
        if page != 0 {
            set_protection(page, PAGE, libc::PROT_READ);
        }
    }
    step(context, false);
}

/// Has the processor stop after the next instruction, or not any more.
#[cfg(target_arch = "x86_64")]
fn step(context: *mut c_void, on: bool) {
    const TRAP: libc::greg_t = 1 << 8;
    let context: *mut libc::ucontext_t = context.cast();
    // SAFETY: the kernel hands this to handlers, and takes it back when they return.
    let flags = unsafe { &mut (*context).uc_mcontext.gregs[libc::REG_EFL as usize] };
    *flags = if on { *flags | TRAP } else { *flags & !TRAP };
}

#[cfg(not(target_arch = "x86_64"))]
fn step(_: *mut c_void, _: bool) {}

impl Region {
    fn holds(&self, place: usize) -> bool {
        let base = self.base.load(Ordering::Acquire);
        base != 0 && (base..base + self.length.load(Ordering::Relaxed)).contains(&place)
    }

    /// The first store to an entry is a point, and so is the second in a row: an entry of which a part is written.
    fn pass(&self, place: usize) {
        let base = self.base.load(Ordering::Relaxed);
        let name: *const [u8; 16] =
            std::ptr::with_exposed_provenance(self.name.load(Ordering::Relaxed));
        // SAFETY: `protect` has put it there.
        let name = unsafe { &*name };
        let stride = self.stride.load(Ordering::Relaxed);
        let entry = if name.starts_with(FILLED) {
            base
        } else {
            base + (place - base) / stride * stride
        };
        let row = if LAST.swap(entry, Ordering::Relaxed) == entry {
            REPEATED.fetch_add(1, Ordering::Relaxed) + 1
        } else {
            REPEATED.store(0, Ordering::Relaxed);
            0
        };
        let what = match row {
            0 => "store to ",
            1 => "go on storing to ",
            _ => return,
        };
        // A store cannot fail.
        let _die = points::happens(&Name::new(what).and(name));
    }
}
