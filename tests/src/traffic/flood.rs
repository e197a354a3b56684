//! Sends one frame over and over from chosen CPUs, as fast as they can. IO.

use std::{
    sync::{
        Barrier, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use nix::unistd::write;

use crate::{lab::Host, sys};

/// Frames are counted by the window of time in which they were sent.
pub const WINDOW: Duration = Duration::from_millis(1);

/// What a flood was: the frames that were sent in each [`WINDOW`] since its start. On a busy machine, the senders do
/// not always have a CPU.
#[derive(Clone, Debug)]
pub struct Flooded(pub Vec<u64>);

impl Flooded {
    /// Frames that were sent.
    pub fn frames(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// Sends the frame out of an interface from each of these CPUs for that long. The CPU that sends over a veth pair is
/// the one that receives.
pub fn flood(
    host: &Host,
    interface: &str,
    frame: &[u8],
    cpus: &[usize],
    time: Duration,
) -> Flooded {
    let index = host.index(interface);
    // A sender that is held up at the end sends its last frame late.
    let count = (time * 2).as_millis() / WINDOW.as_millis();
    let windows: Vec<AtomicU64> = (0..count).map(|_| AtomicU64::new(0)).collect();
    let (stop, start) = (AtomicBool::new(false), Barrier::new(cpus.len() + 1));
    let began = OnceLock::new();
    let send = |cpu: usize| {
        sys::stay_on_cpu(cpu).unwrap();
        let socket = sys::socket(libc::AF_PACKET, libc::SOCK_RAW, 0).unwrap();
        sys::bind_packet(&socket, index).unwrap();
        let _: std::sync::BarrierWaitResult = start.wait();
        let began = began.get_or_init(Instant::now);
        while !stop.load(Ordering::Relaxed) {
            let _: usize = write(&socket, frame).unwrap();
            let window = began.elapsed().as_millis() / WINDOW.as_millis();
            let window = usize::try_from(window).unwrap().min(windows.len() - 1);
            let _before = windows[window].fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for cpu in cpus {
            let _sender = scope.spawn(|| host.enter(|| send(*cpu)));
        }
        let _: std::sync::BarrierWaitResult = start.wait();
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
    });
    Flooded(windows.into_iter().map(AtomicU64::into_inner).collect())
}
