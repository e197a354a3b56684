//! Sends numbered datagrams from ordinary sockets until told to stop. IO.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{Progress, record};
use crate::{lab::Host, sys};

/// One flow: where its socket is bound, and where it sends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Port 0 takes any.
    pub source: SocketAddr,
    /// Where to.
    pub destination: SocketAddr,
}

impl Flow {
    /// `count` flows between two addresses, each from a port of its own.
    pub fn many(source: &str, destination: &str, count: usize) -> Vec<Self> {
        let source = SocketAddr::new(source.parse().unwrap(), 0);
        vec![
            Self {
                source,
                destination: destination.parse().unwrap()
            };
            count
        ]
    }
}

/// Where a stream runs, and what its flows are called.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// Number of the first flow; those of streams that share sockets differ.
    pub first: u32,
    /// The CPU that it stays on. A packet on a veth pair is received by the CPU that sends it, and between the queues
    /// of two CPUs there is no order.
    pub cpu: Option<usize>,
    /// How long a window may stand still before its datagrams are given up: at first, and at the least. Each time it
    /// halves, or a stream of which nothing arrives would take forever.
    pub lost_after: [Duration; 2],
}

impl Default for Course {
    fn default() -> Self {
        Self {
            first: 0,
            cpu: None,
            lost_after: [Duration::from_millis(500), Duration::from_millis(1)],
        }
    }
}

/// How fast a stream goes.
#[derive(Clone, Debug)]
pub enum Pace {
    /// So many datagrams a second.
    PerSecond(u32),
    /// As fast as the machine can, with at most so many datagrams on their way to the slowest receiver. Queues
    /// on the way never overflow then, so that every loss is a loss by the product.
    Window(u64, Vec<Progress>),
    /// As [`Pace::Window`], but leaving time for others: not more than so many a second.
    Gentle(u32, u64, Vec<Progress>),
}

/// What a stream sent: the source of each flow and its datagrams.
#[derive(Clone, Debug)]
pub struct Sent {
    /// By flow number.
    pub flows: Vec<(SocketAddr, u64)>,
}

impl Sent {
    /// Datagrams of all flows.
    pub fn total(&self) -> u64 {
        self.flows.iter().map(|(_, count)| count).sum()
    }
}

/// A running stream. The flows take turns.
pub struct Stream {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    thread: Option<JoinHandle<Sent>>,
}

impl Stream {
    /// Starts to send, and goes on until stopped.
    pub fn start(host: &Host, flows: &[Flow], pace: Pace) -> Self {
        Self::launch(host, flows, pace, u64::MAX, Course::default())
    }

    /// The same with numbers and a CPU of its own.
    pub fn start_on(host: &Host, flows: &[Flow], pace: Pace, course: Course) -> Self {
        Self::launch(host, flows, pace, u64::MAX, course)
    }

    /// Sends so many datagrams in all.
    pub fn send(host: &Host, flows: &[Flow], pace: Pace, count: u64) -> Sent {
        Self::launch(host, flows, pace, count, Course::default()).join()
    }

    /// Stops and says what was sent.
    pub fn stop(self) -> Sent {
        self.stop.store(true, Ordering::Relaxed);
        self.join()
    }

    /// Datagrams sent so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Returns when so many more have been sent.
    pub fn pass(&self, more: u64) {
        let target = self.count() + more;
        crate::wait::until(Duration::from_secs(30), "the stream to go on", || {
            (self.count() >= target).then_some(())
        });
    }

    fn launch(host: &Host, flows: &[Flow], pace: Pace, limit: u64, course: Course) -> Self {
        let bind = |flow: &Flow| {
            let socket = host.enter(|| UdpSocket::bind(flow.source));
            let socket = socket.unwrap_or_else(|error| {
                panic!("{}: cannot bind {}: {error}", host.name(), flow.source)
            });
            (socket, flow.destination)
        };
        let sockets: Vec<(UdpSocket, SocketAddr)> = flows.iter().map(bind).collect();
        let (stop, count) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let thread = std::thread::spawn({
            let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
            move || {
                if let Some(cpu) = course.cpu {
                    sys::stay_on_cpu(cpu).unwrap();
                }
                let limits = Limits { stop, count, limit };
                let mut brake = Brake::new(pace, course.lost_after);
                run(&sockets, course.first, &mut brake, &limits)
            }
        });
        Self {
            stop,
            count,
            thread: Some(thread),
        }
    }

    fn join(mut self) -> Sent {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// What a stream is told from outside, and tells.
struct Limits {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    /// Datagrams in all.
    limit: u64,
}

fn run(
    sockets: &[(UdpSocket, SocketAddr)],
    first: u32,
    brake: &mut Brake,
    limits: &Limits,
) -> Sent {
    let Limits { stop, count, limit } = limits;
    let mut numbers = vec![0_u64; sockets.len()];
    let mut total = 0;
    'all: loop {
        for ((flow, number), (socket, destination)) in (first..).zip(&mut numbers).zip(sockets) {
            if total == *limit || stop.load(Ordering::Relaxed) {
                break 'all;
            }
            brake.hold(total, stop);
            transmit(socket, *destination, &record::encode(flow, *number));
            *number += 1;
            total += 1;
            count.store(total, Ordering::Relaxed);
        }
    }
    let sources = sockets
        .iter()
        .map(|(socket, _)| socket.local_addr().unwrap());
    Sent {
        flows: sources.zip(numbers).collect(),
    }
}

fn transmit(socket: &UdpSocket, destination: SocketAddr, data: &[u8]) {
    loop {
        match socket.send_to(data, destination) {
            Ok(_) => return,
            // A full queue: the datagram did not go out, so it counts as not sent yet.
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock) => {
                std::thread::yield_now();
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => std::thread::yield_now(),
            Err(error) => panic!("sending to {destination}: {error}"),
        }
    }
}

/// Holds a stream back as its pace says.
struct Brake {
    pace: Pace,
    start: Instant,
    /// Datagrams that will not come any more, so that a loss does not stop the stream.
    given_up: u64,
    lost_after: Duration,
    /// The least of it.
    at_least: Duration,
}

impl Brake {
    fn new(pace: Pace, [lost_after, at_least]: [Duration; 2]) -> Self {
        Self {
            pace,
            start: Instant::now(),
            given_up: 0,
            lost_after,
            at_least,
        }
    }

    /// Returns when the next datagram after `sent` ones may go.
    fn hold(&mut self, sent: u64, stop: &AtomicBool) {
        if let Pace::PerSecond(rate) | Pace::Gentle(rate, ..) = self.pace {
            self.wait_until_due(sent, rate);
        }
        if let Pace::Window(size, _) | Pace::Gentle(_, size, _) = self.pace {
            self.wait_for_room(sent, stop, size);
        }
    }

    fn wait_until_due(&self, sent: u64, rate: u32) {
        let due = Duration::from_nanos(sent * 1_000_000_000 / u64::from(rate));
        let early = due.saturating_sub(self.start.elapsed());
        // Short pauses cost more than they save; a few datagrams in a row make up for it.
        if early > Duration::from_micros(200) {
            std::thread::sleep(early);
        }
    }

    fn wait_for_room(&mut self, sent: u64, stop: &AtomicBool, size: u64) {
        let (Pace::Window(_, receivers) | Pace::Gentle(_, _, receivers)) = &self.pace else {
            return;
        };
        let arrived = || receivers.iter().map(Progress::get).min().unwrap_or(sent);
        let (mut last, mut since) = (arrived(), Instant::now());
        while sent.saturating_sub(self.given_up + arrived()) >= size
            && !stop.load(Ordering::Relaxed)
        {
            std::thread::sleep(Duration::from_micros(20));
            let now = arrived();
            if now != last {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() > self.lost_after {
                self.given_up = sent.saturating_sub(now);
                self.lost_after = (self.lost_after / 2).max(self.at_least);
            }
        }
    }
}
