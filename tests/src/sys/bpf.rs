//! The few BPF commands that foreign programs and test-runs take. IO.

pub(crate) mod listing;
pub(crate) mod run;

use std::{
    ffi::CStr,
    io,
    mem::size_of_val,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr,
};

// Commands and types of linux/bpf.h.
const MAP_CREATE: u32 = 0;
const MAP_LOOKUP: u32 = 1;
const MAP_UPDATE: u32 = 2;
const PROGRAM_LOAD: u32 = 5;
const OBJECT_GET: u32 = 7;
const LINK_CREATE: u32 = 28;
const LINK_UPDATE: u32 = 29;
const LINK_DETACH: u32 = 34;
const MAP_ARRAY: u32 = 2;
const MAP_PROGRAMS: u32 = 3;
const TCX_INGRESS: u32 = 46;
const BEFORE: u32 = 1 << 3;

/// `struct bpf_insn`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

impl Instruction {
    pub(crate) const fn new(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Self {
        Self {
            code,
            registers: from << 4 | to,
            offset,
            immediate,
        }
    }

    /// Loads the address of a map.
    pub(crate) fn load_map(to: u8, map: &OwnedFd) -> [Self; 2] {
        const WIDE_LOAD: u8 = 0x18;
        const MAP_DESCRIPTOR: u8 = 1;
        [
            Self::new(WIDE_LOAD, to, MAP_DESCRIPTOR, 0, map.as_raw_fd()),
            Self::new(0, 0, 0, 0, 0),
        ]
    }
}

/// A command's attributes, by offset, in the part of `union bpf_attr` that commands here use.
#[repr(C, align(8))]
struct Attributes([u8; 128]);

impl Default for Attributes {
    fn default() -> Self {
        Self([0; 128])
    }
}

impl Attributes {
    fn set(mut self, offset: usize, value: u32) -> Self {
        self.0[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
        self
    }

    fn get(&self, offset: usize) -> u32 {
        u32::from_ne_bytes(*self.0[offset..].first_chunk().unwrap())
    }

    fn point<T>(mut self, offset: usize, to: *const T) -> Self {
        let address = u64::try_from(to.expose_provenance()).unwrap();
        self.0[offset..offset + 8].copy_from_slice(&address.to_ne_bytes());
        self
    }

    fn descriptor(self, offset: usize, descriptor: &OwnedFd) -> Self {
        self.set(offset, descriptor.as_raw_fd().try_into().unwrap())
    }
}

fn command(command: u32, attributes: &mut Attributes) -> io::Result<i32> {
    // SAFETY: the attributes and what they point to outlive the call, and their size is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            ptr::from_mut(attributes),
            size_of_val(attributes),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result.try_into().unwrap())
    }
}

fn open(number: u32, mut attributes: Attributes) -> io::Result<OwnedFd> {
    let descriptor = command(number, &mut attributes)?;
    // SAFETY: the command returned a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// An array with one `u64`.
pub(crate) fn counter_map() -> io::Result<OwnedFd> {
    let (key, value, entries) = (4, 8, 1);
    open(
        MAP_CREATE,
        Attributes::default()
            .set(0, MAP_ARRAY)
            .set(4, key)
            .set(8, value)
            .set(12, entries),
    )
}

/// Reads that `u64`.
pub(crate) fn read_counter(map: &OwnedFd) -> io::Result<u64> {
    let (key, mut value) = (0_u32, 0_u64);
    let pointers = Attributes::default()
        .descriptor(0, map)
        .point(8, &raw const key)
        .point(16, &raw mut value);
    command(MAP_LOOKUP, &mut { pointers })?;
    // SAFETY: a plain read of a local that the kernel wrote through its address.
    Ok(unsafe { ptr::read_volatile(&raw const value) })
}

/// An array with one program, for tail calls.
pub(crate) fn program_map(program: &OwnedFd) -> io::Result<OwnedFd> {
    let (key, value, entries) = (4, 4, 1);
    let map = open(
        MAP_CREATE,
        Attributes::default()
            .set(0, MAP_PROGRAMS)
            .set(4, key)
            .set(8, value)
            .set(12, entries),
    )?;
    let (key, value) = (0_u32, program.as_raw_fd());
    let pointers = Attributes::default()
        .descriptor(0, &map)
        .point(8, &raw const key)
        .point(16, &raw const value);
    command(MAP_UPDATE, &mut { pointers })?;
    Ok(map)
}

/// What a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A hook of traffic control.
    Classifier = 3,
    /// A device, before there is a packet buffer.
    Xdp = 6,
}

/// Loads a tc program.
pub(crate) fn load_classifier(instructions: &[Instruction]) -> io::Result<OwnedFd> {
    load(Kind::Classifier, instructions)
}

/// Loads a program.
pub(crate) fn load(kind: Kind, instructions: &[Instruction]) -> io::Result<OwnedFd> {
    let attributes = Attributes::default()
        .set(0, kind as u32)
        .set(4, instructions.len().try_into().unwrap())
        .point(8, instructions.as_ptr())
        .point(16, c"GPL".as_ptr());
    open(PROGRAM_LOAD, attributes)
}

/// Attaches it by a TCX link, before or behind the programs that are there.
pub(crate) fn attach_tcx_ingress(
    program: &OwnedFd,
    interface: u32,
    first: bool,
) -> io::Result<OwnedFd> {
    let flags = if first { BEFORE } else { 0 };
    let attributes = Attributes::default()
        .descriptor(0, program)
        .set(4, interface)
        .set(8, TCX_INGRESS)
        .set(12, flags);
    open(LINK_CREATE, attributes)
}

/// What is pinned there.
pub(crate) fn pinned(path: &CStr) -> io::Result<OwnedFd> {
    open(OBJECT_GET, Attributes::default().point(0, path.as_ptr()))
}

/// Takes a link's program off its hook, whoever else holds the link.
pub(crate) fn detach(link: &OwnedFd) -> io::Result<i32> {
    command(LINK_DETACH, &mut Attributes::default().descriptor(0, link))
}

/// Puts another program in the place of a link's.
pub(crate) fn replace(link: &OwnedFd, program: &OwnedFd) -> io::Result<i32> {
    let attributes = Attributes::default().descriptor(0, link);
    command(LINK_UPDATE, &mut attributes.descriptor(4, program))
}

/// How many programs an interface has on that hook.
pub(crate) fn count_tcx_ingress(interface: u32) -> io::Result<u32> {
    const QUERY: u32 = 16;
    const COUNT: usize = 24;
    let mut attributes = Attributes::default().set(0, interface).set(4, TCX_INGRESS);
    command(QUERY, &mut attributes)?;
    Ok(attributes.get(COUNT))
}
