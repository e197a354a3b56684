//! Somebody else's tc program: it counts what it sees and lets everything go on. IO.

use std::os::fd::OwnedFd;

use crate::{lab::Host, sys};

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
        let index = host.index(interface);
        let attach = || {
            let map = sys::bpf::counter_map()?;
            let program = sys::bpf::load_classifier(&counting(&map))?;
            let link = sys::bpf::attach_tcx_ingress(&program, index, place == Place::First)?;
            Ok::<_, std::io::Error>((map, link))
        };
        let (map, link) = host
            .enter(attach)
            .unwrap_or_else(|error| panic!("a foreign program: {error}"));
        Self { map, _link: link }
    }

    /// Packets seen so far.
    pub fn seen(&self) -> u64 {
        sys::bpf::read_counter(&self.map).unwrap()
    }
}

/// Adds one to the counter and returns `TCX_NEXT`.
fn counting(map: &OwnedFd) -> Vec<sys::bpf::Instruction> {
    use sys::bpf::Instruction as I;
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

/// How many programs are on an interface's ingress hook by TCX, ours and others.
pub fn attached(host: &Host, interface: &str) -> u32 {
    let index = host.index(interface);
    host.enter(|| sys::bpf::count_tcx_ingress(index))
        .unwrap_or_else(|error| panic!("{interface}: {error}"))
}
