//! Programs to compare with, a few instructions each. IO.

use std::{io, os::fd::OwnedFd};

use crate::sys::bpf::{self, Instruction as I, Kind};

// Functions of linux/bpf.h.
const TAIL_CALL: i32 = 12;
const STORE_BYTES: i32 = 9;
const ADJUST_CHECKSUM: i32 = 11;
const CLONE_REDIRECT: i32 = 13;
const REDIRECT: i32 = 23;
const LOAD_BYTES: i32 = 26;

const PSEUDO_HEADER: i32 = 1 << 4;
const ZERO_MEANS_NONE: i32 = 1 << 5;

const XDP_PASS: i32 = 2;

/// `TCX_NEXT`.
pub(super) const NEXT: i32 = -1;
/// `TCX_DROP`.
pub(super) const DROP: i32 = 2;
/// `TCX_REDIRECT`.
pub(super) const REDIRECTED: i32 = 7;

const STACK: u8 = 10;

const fn set(to: u8, value: i32) -> I {
    I::new(0xb7, to, 0, 0, value)
}

const fn copy(to: u8, from: u8) -> I {
    I::new(0xbf, to, from, 0, 0)
}

const fn add(to: u8, value: i32) -> I {
    I::new(0x07, to, 0, 0, value)
}

/// Writes a word to the stack.
const fn push(offset: i16, value: i32) -> I {
    I::new(0x62, STACK, 0, offset, value)
}

const fn call(function: i32) -> I {
    I::new(0x85, 0, 0, 0, function)
}

const EXIT: I = I::new(0x95, 0, 0, 0, 0);

/// Does nothing but end with that.
pub(super) fn verdict(verdict: i32) -> io::Result<OwnedFd> {
    bpf::load_classifier(&[set(0, verdict), EXIT])
}

/// Sends every packet out of an interface.
pub(super) fn redirect(interface: u32) -> io::Result<OwnedFd> {
    let interface = interface.try_into().unwrap();
    bpf::load_classifier(&[set(1, interface), set(2, 0), call(REDIRECT), EXIT])
}

/// Sends a copy of every packet out of an interface and lets the packet go on.
pub(super) fn clone(interface: u32) -> io::Result<OwnedFd> {
    let interface = interface.try_into().unwrap();
    bpf::load_classifier(&[
        set(2, interface),
        set(3, 0),
        call(CLONE_REDIRECT),
        set(0, NEXT),
        EXIT,
    ])
}

/// Hands frames to the interface that they are said to come from. The kernel uses their memory again and again, so
/// their beginning is written anew each time.
pub(super) fn pass(beginning: &[u8]) -> io::Result<OwnedFd> {
    const LOAD_WORD: u8 = 0x61;
    const STORE_WORD: u8 = 0x62;
    const SKIP_IF_GREATER: u8 = 0x2d;
    let words = beginning.as_chunks::<4>().0;
    let skipped = i16::try_from(words.len()).unwrap();
    // Registers 2 and 3: where the frame begins and ends.
    let mut program = vec![
        I::new(LOAD_WORD, 2, 1, 0, 0),
        I::new(LOAD_WORD, 3, 1, 4, 0),
        copy(4, 2),
        add(4, i32::from(skipped) * 4),
        I::new(SKIP_IF_GREATER, 4, 3, skipped, 0),
    ];
    for (word, offset) in words.iter().zip((0..).step_by(4)) {
        program.push(I::new(STORE_WORD, 2, 0, offset, i32::from_ne_bytes(*word)));
    }
    program.extend([set(0, XDP_PASS), EXIT]);
    bpf::load(Kind::Xdp, &program)
}

/// Calls what any rewrite through the kernel's functions calls: load all headers, store them up to UDP's, store a
/// port, adjust the checksum for the port and for the addresses, redirect. The bytes stay what they were.
/// `headers` is their length, UDP's included.
pub(super) fn reference(headers: usize) -> io::Result<OwnedFd> {
    const UDP: i32 = 8;
    let end = i32::try_from(headers).unwrap();
    let udp = end - UDP;
    let (port, checksum) = (udp + 2, udp + 6);
    // The headers lie on the stack from here on.
    let image = -64;
    let skb = |offset| [copy(1, 6), set(2, offset)];
    let bytes = |from, length| [copy(3, STACK), add(3, image + from), set(4, length)];
    let adjust = |flags| {
        let fields = [set(3, 0), set(4, 0), set(5, ZERO_MEANS_NONE | flags)];
        [&skb(checksum)[..], &fields, &[call(ADJUST_CHECKSUM)]].concat()
    };
    let store = |offset, length| {
        let flags = [set(5, 0), call(STORE_BYTES)];
        [&skb(offset)[..], &bytes(offset, length), &flags].concat()
    };
    let program = [
        vec![copy(6, 1)],
        [&skb(0)[..], &bytes(0, end), &[call(LOAD_BYTES)]].concat(),
        store(port, 2),
        adjust(2),
        store(0, udp),
        adjust(PSEUDO_HEADER),
        vec![set(1, 1), set(2, 0), call(REDIRECT), EXIT],
    ];
    bpf::load_classifier(&program.concat())
}

/// Writes the beginning of a frame anew and goes on to another program, so that each repetition of a test-run finds
/// the packet as it arrived.
#[derive(Debug)]
pub(super) struct Restoring {
    pub(super) program: OwnedFd,
    /// Closed, it would forget its program.
    _target: OwnedFd,
}

impl Restoring {
    pub(super) fn new(target: &OwnedFd, beginning: &[u8]) -> io::Result<Self> {
        let target = bpf::program_map(target)?;
        let room = beginning.len().next_multiple_of(8);
        let room_below = i16::try_from(room).unwrap();
        let mut padded = beginning.to_vec();
        padded.resize(room, 0);
        let words = padded.as_chunks::<4>().0;
        let mut program = vec![copy(6, 1)];
        for (word, offset) in words.iter().zip((-room_below..0).step_by(4)) {
            program.push(push(offset, i32::from_ne_bytes(*word)));
        }
        program.extend([
            set(2, 0),
            copy(3, STACK),
            add(3, -i32::from(room_below)),
            set(4, beginning.len().try_into().unwrap()),
            set(5, 0),
            call(STORE_BYTES),
            copy(1, 6),
        ]);
        program.extend(I::load_map(2, &target));
        // The tail call returns only where it failed.
        program.extend([set(3, 0), call(TAIL_CALL), set(0, DROP), EXIT]);
        Ok(Self {
            program: bpf::load_classifier(&program)?,
            _target: target,
        })
    }
}
