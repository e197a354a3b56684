//! BPF arrays mapped into this process, so that a store is one store and not a copy by the kernel.
//! **IO**
#![expect(
    unsafe_code,
    reason = "a memory-mapped array is shared with the kernel; this module keeps its rules"
)]

use std::{
    io,
    marker::PhantomData,
    os::fd::{AsFd as _, AsRawFd as _},
    ptr::{self, NonNull},
    sync::atomic::{AtomicU32, Ordering},
};

use aya::{Pod, maps::MapData};

/// An array of `T` in memory that the kernel's programs read.
///
/// Programs may read any entry at any time. [`Mapped::write`] is therefore for entries that no
/// program can reach yet; what programs can reach changes by [`Mapped::store`] alone.
pub(super) struct Mapped<T> {
    base: NonNull<u8>,
    length: usize,
    stride: usize,
    entries: u32,
    entry: PhantomData<T>,
}

// SAFETY: the mapping belongs to the process, not to a thread, and every access goes through volatile
// or atomic operations.
unsafe impl<T: Send> Send for Mapped<T> {}
// SAFETY: see above.
unsafe impl<T: Sync> Sync for Mapped<T> {}

impl<T: Pod> Mapped<T> {
    /// Maps an array that was created with `BPF_F_MMAPABLE` (kernel 5.5).
    pub(super) fn new(map: &MapData) -> io::Result<Self> {
        let info = map.info().map_err(io::Error::other)?;
        if info.value_size() as usize != size_of::<T>() {
            return Err(io::Error::other(format!(
                "values have {} bytes instead of {}",
                info.value_size(),
                size_of::<T>()
            )));
        }
        let stride = size_of::<T>().next_multiple_of(8);
        let entries = info.max_entries();
        // The kernel maps whole pages and checks the length against the array's own, rounded up.
        let page = usize::try_from(
            nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)?.unwrap_or(4096),
        )
        .unwrap_or(4096);
        let length = (stride * entries as usize).next_multiple_of(page);
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.fd().as_fd().as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or_else(|| io::Error::other("mapped at zero"))?;
        Ok(Self {
            base,
            length,
            stride,
            entries,
            entry: PhantomData,
        })
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> u32 {
        self.entries
    }

    /// Reads an entry.
    ///
    /// # Panics
    ///
    /// Where `index` is not below [`Mapped::len`].
    pub(super) fn read(&self, index: u32) -> T {
        // SAFETY: `at` checked the bounds; `T` is plain data, so every bit pattern is a value.
        unsafe { ptr::read_volatile(self.at(index).cast()) }
    }

    /// Reads every entry.
    pub(super) fn copy(&self) -> Vec<T> {
        (0..self.entries).map(|index| self.read(index)).collect()
    }

    /// Reads an entry word by word: for entries too large for the stack.
    ///
    /// # Panics
    ///
    /// As [`Mapped::store`].
    pub(super) fn words(&self, index: u32) -> Vec<u32> {
        (0..size_of::<T>() / 4)
            .map(|word| self.load(index, word * 4))
            .collect()
    }

    /// Fills an entry that no program can reach.
    ///
    /// # Panics
    ///
    /// Where `index` is not below [`Mapped::len`].
    pub(super) fn write(&self, index: u32, value: T) {
        // SAFETY: `at` checked the bounds; the stride keeps entries aligned to eight bytes.
        unsafe { ptr::write_volatile(self.at(index).cast(), value) };
    }

    /// Stores one word of an entry, so that programs see either the old word or the new one, and with
    /// the new one everything that was written before.
    ///
    /// # Panics
    ///
    /// Where `index` is not below [`Mapped::len`], or `offset` is no word of an entry.
    pub(super) fn store(&self, index: u32, offset: usize, word: u32) {
        assert!(
            offset.is_multiple_of(4) && offset + 4 <= size_of::<T>(),
            "no aligned word at {offset}"
        );
        // SAFETY: in bounds and aligned, see above; other accesses are volatile or atomic.
        let target = unsafe { AtomicU32::from_ptr(self.at(index).add(offset).cast()) };
        target.store(word, Ordering::Release);
    }

    /// Reads one word of an entry.
    ///
    /// # Panics
    ///
    /// As [`Mapped::store`].
    pub(super) fn load(&self, index: u32, offset: usize) -> u32 {
        assert!(
            offset.is_multiple_of(4) && offset + 4 <= size_of::<T>(),
            "no aligned word at {offset}"
        );
        // SAFETY: in bounds and aligned, see above; other accesses are volatile or atomic.
        let target = unsafe { AtomicU32::from_ptr(self.at(index).add(offset).cast()) };
        target.load(Ordering::Acquire)
    }

    fn at(&self, index: u32) -> *mut u8 {
        assert!(index < self.entries, "entry {index} of {}", self.entries);
        // SAFETY: inside the mapping, which holds `entries` strides.
        unsafe { self.base.as_ptr().add(self.stride * index as usize) }
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, unmapped once. An error would mean that it was not mapped.
        let _unmapped = unsafe { libc::munmap(self.base.as_ptr().cast(), self.length) };
    }
}

/// Whether [`wait_for_running_programs`] can work. A kernel with `nohz_full` CPUs refuses.
pub(super) fn can_wait_for_running_programs() -> bool {
    const MEMBARRIER_CMD_QUERY: libc::c_int = 0;
    const MEMBARRIER_CMD_GLOBAL: libc::c_long = 1;
    // SAFETY: takes plain numbers.
    let commands = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) };
    commands > 0 && commands & MEMBARRIER_CMD_GLOBAL != 0
}

/// Waits until every program that runs now has ended: `MEMBARRIER_CMD_GLOBAL` is an RCU grace period
/// of the whole machine (kernel 4.3), and tc programs run inside RCU read sections.
pub(super) fn wait_for_running_programs() -> io::Result<()> {
    const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;
    // SAFETY: takes plain numbers.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
