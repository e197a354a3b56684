//! Somebody else's tc programs: some count what they see, one takes a port away, one vouches for checksums. IO.

use std::{
    ffi::CString,
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::Path,
};

use crate::{
    lab::Host,
    sys::{self, bpf::Instruction},
};

/// Where a program stands among those of its hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before everything that is there.
    First,
    /// Behind everything that is there.
    Last,
}

/// A TCX program on an interface's ingress hook, gone when dropped.
#[derive(Debug)]
pub struct Counter {
    map: OwnedFd,
    _link: OwnedFd,
}

impl Counter {
    /// Attaches one.
    pub fn attach(host: &Host, interface: &str, place: Place) -> Self {
        Self::behind(host, interface, place, vec![])
    }

    /// Attaches one that counts only packets that carry a sum over all their bytes (`CHECKSUM_COMPLETE`).
    pub fn of_summed(host: &Host, interface: &str, place: Place) -> Self {
        Self::behind(host, interface, place, unless_summed())
    }

    /// With instructions in front that may let a packet go uncounted.
    fn behind(host: &Host, interface: &str, place: Place, mut code: Vec<Instruction>) -> Self {
        let map = sys::bpf::counter_map().unwrap();
        code.extend(counting(&map));
        let link = attach(host, interface, place, &code);
        Self { map, _link: link }
    }

    /// Packets seen so far.
    pub fn seen(&self) -> u64 {
        sys::bpf::read_counter(&self.map).unwrap()
    }
}

/// A TCX program on an interface's ingress hook that does something to packets; gone when dropped.
#[derive(Debug)]
pub struct Program {
    _link: OwnedFd,
}

impl Program {
    /// Attaches one that sends IPv4 datagrams to one port out of another interface, as a balancer does.
    pub fn redirect(host: &Host, interface: &str, place: Place, port: u16, out: &str) -> Self {
        let program = redirecting(port, host.index(out));
        Self {
            _link: attach(host, interface, place, &program),
        }
    }

    /// Attaches one that says of every packet that its outermost checksum was verified (`CHECKSUM_UNNECESSARY`), as
    /// hardware does. A tunnel makes a sum over the inner packet of that.
    pub fn vouch(host: &Host, interface: &str, place: Place) -> Self {
        Self {
            _link: attach(host, interface, place, &vouching()),
        }
    }
}

fn attach(host: &Host, interface: &str, place: Place, program: &[Instruction]) -> OwnedFd {
    let index = host.index(interface);
    let attach = || {
        let program = sys::bpf::load_classifier(program)?;
        sys::bpf::attach_tcx_ingress(&program, index, place == Place::First)
    };
    host.enter(attach)
        .unwrap_or_else(|error| panic!("a foreign program: {error}"))
}

/// Returns `TCX_NEXT` for what has something else than the port where an IPv4 header without options ends.
fn redirecting(port: u16, interface: u32) -> Vec<Instruction> {
    use Instruction as I;
    const REDIRECT: i32 = 23;
    const DESTINATION_PORT: i32 = 14 + 20 + 2;
    vec![
        // r6 = context, where the next instruction looks for it
        I::new(0xbf, 6, 1, 0, 0),
        // r0 = two bytes of the packet
        I::new(0x28, 0, 0, 0, DESTINATION_PORT),
        // if r0 != port skip the redirection
        I::new(0x55, 0, 0, 4, i32::from(port)),
        I::new(0xb7, 1, 0, 0, interface.try_into().unwrap()),
        I::new(0xb7, 2, 0, 0, 0),
        I::new(0x85, 0, 0, 0, REDIRECT),
        I::new(0x95, 0, 0, 0, 0),
        // return -1
        I::new(0xb7, 0, 0, 0, -1),
        I::new(0x95, 0, 0, 0, 0),
    ]
}

/// Takes checksums for verified and returns `TCX_NEXT`.
fn vouching() -> Vec<Instruction> {
    use Instruction as I;
    const CHECKSUM_LEVEL: i32 = 135;
    const INCREASE: i32 = 1;
    vec![
        I::new(0xb7, 2, 0, 0, INCREASE),
        I::new(0x85, 0, 0, 0, CHECKSUM_LEVEL),
        // return -1
        I::new(0xb7, 0, 0, 0, -1),
        I::new(0x95, 0, 0, 0, 0),
    ]
}

/// Returns `TCX_NEXT` for packets without a sum: the kernel refuses to add zero to it.
fn unless_summed() -> Vec<Instruction> {
    use Instruction as I;
    const ADD_TO_SUM: i32 = 40;
    vec![
        I::new(0xb7, 2, 0, 0, 0),
        I::new(0x85, 0, 0, 0, ADD_TO_SUM),
        // if r0 >= 0, signed, skip the end
        I::new(0x75, 0, 0, 2, 0),
        // return -1
        I::new(0xb7, 0, 0, 0, -1),
        I::new(0x95, 0, 0, 0, 0),
    ]
}

/// Adds one to the counter and returns `TCX_NEXT`.
fn counting(map: &OwnedFd) -> Vec<Instruction> {
    use Instruction as I;
    const LOOKUP: i32 = 1;
    let [low, high] = I::load_map(1, map);
    vec![
        // *(u32 *)(r10 - 4) = 0
        I::new(0x62, 10, 0, -4, 0),
        // r2 = r10 - 4
        I::new(0xbf, 2, 10, 0, 0),
        I::new(0x07, 2, 0, 0, -4),
        // r1 = map
        low,
        high,
        I::new(0x85, 0, 0, 0, LOOKUP),
        // if r0 == 0 skip the addition
        I::new(0x15, 0, 0, 2, 0),
        I::new(0xb7, 1, 0, 0, 1),
        // lock *(u64 *)(r0 + 0) += r1
        I::new(0xdb, 0, 1, 0, 0),
        // return -1
        I::new(0xb7, 0, 0, 0, -1),
        I::new(0x95, 0, 0, 0, 0),
    ]
}

fn pinned(link: &Path) -> OwnedFd {
    let path = CString::new(link.as_os_str().as_bytes()).unwrap();
    sys::bpf::pinned(&path).unwrap_or_else(|error| panic!("{}: {error}", link.display()))
}

/// Detaches somebody's pinned link by force.
pub fn detach_link(link: &Path) {
    let _: i32 = sys::bpf::detach(&pinned(link)).unwrap();
}

/// Puts a program that only counts in the place of the one of somebody's pinned link.
pub fn replace_program(link: &Path) {
    let map = sys::bpf::counter_map().unwrap();
    let program = sys::bpf::load_classifier(&counting(&map)).unwrap();
    let _: i32 = sys::bpf::replace(&pinned(link), &program).unwrap();
}

/// How many programs are on an interface's ingress hook by TCX, ours and others.
pub fn attached(host: &Host, interface: &str) -> u32 {
    let index = host.index(interface);
    host.enter(|| sys::bpf::count_tcx_ingress(index))
        .unwrap_or_else(|error| panic!("{interface}: {error}"))
}
