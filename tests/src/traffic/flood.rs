//! Sends one frame over and over from chosen CPUs, as fast as they can. IO.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use nix::unistd::write;

use crate::{lab::Host, sys};

/// What a flood was.
#[derive(Clone, Copy, Debug)]
pub struct Flooded {
    /// Frames that were sent.
    pub frames: u64,
    /// From the first frame to the last one.
    pub time: Duration,
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
    let (stop, start) = (AtomicBool::new(false), Barrier::new(cpus.len() + 1));
    let send = |cpu: usize| {
        sys::stay_on_cpu(cpu).unwrap();
        let socket = sys::socket(libc::AF_PACKET, libc::SOCK_RAW, 0).unwrap();
        sys::bind_packet(&socket, index).unwrap();
        let _: std::sync::BarrierWaitResult = start.wait();
        let mut frames = 0;
        while !stop.load(Ordering::Relaxed) {
            let _: usize = write(&socket, frame).unwrap();
            frames += 1;
        }
        frames
    };
    std::thread::scope(|scope| {
        let senders: Vec<_> = cpus
            .iter()
            .map(|cpu| scope.spawn(|| host.enter(|| send(*cpu))))
            .collect();
        let _: std::sync::BarrierWaitResult = start.wait();
        let began = Instant::now();
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        let time = began.elapsed();
        let frames = senders
            .into_iter()
            .map(|sender| sender.join().unwrap())
            .sum();
        Flooded { frames, time }
    })
}
