//! Receives numbered datagrams on one or more sockets. IO.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::{Report, Sent, record::Record};
use crate::{
    lab::Host,
    sys,
    wait::{Deadline, which_readable},
};

/// Room for what comes while the thread does not run.
const BUFFER: i32 = 32 << 20;

/// How long nothing new may come before the rest counts as lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often the thread looks whether it shall end.
const TICK: Duration = Duration::from_millis(20);

/// Datagrams that are read from one socket before it is the others' turn.
const TURN: usize = 64;

/// How many different datagrams have come so far.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a receiver does with the datagrams that come.
pub trait Sink: Send + 'static {
    /// Takes the data of one in; `place` is the number of the socket that it came to. True if it is new: a stream
    /// that waits for the receiver may go on.
    fn take(&mut self, data: &[u8], source: SocketAddr, place: u8) -> bool;
}

/// Ordinary UDP sockets, read by a thread. Several sockets count as one receiver; with a [`Record`], a datagram must
/// come to one of them, once.
pub struct Receiver<S: Sink = Record> {
    progress: Progress,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<S>>,
}

impl Receiver {
    /// Binds a socket on each host at each address and starts to read.
    pub fn start(places: &[(&Host, &str)]) -> Self {
        Self::start_into(places, Record::default())
    }

    /// Waits for what was sent, as long as it keeps coming, and compares.
    pub fn finish(self, sent: &Sent) -> Report {
        self.end(sent).report(sent)
    }
}

impl<S: Sink> Receiver<S> {
    /// Binds a socket on each host at each address and starts to read into a sink.
    pub fn start_into(places: &[(&Host, &str)], mut sink: S) -> Self {
        let bind = |(host, address): &(&Host, &str)| {
            let socket = host.enter(|| UdpSocket::bind(address));
            let socket = socket
                .unwrap_or_else(|error| panic!("{}: cannot bind {address}: {error}", host.name()));
            sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &BUFFER).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        let sockets: Vec<UdpSocket> = places.iter().map(bind).collect();
        let (progress, stop) = (Progress::default(), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (progress, stop) = (progress.clone(), Arc::clone(&stop));
            move || {
                read(&sockets, &mut sink, &progress, &stop);
                sink
            }
        });
        Self {
            progress,
            stop,
            thread: Some(thread),
        }
    }

    /// For a stream that waits for its receivers.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Waits for what was sent, as long as it keeps coming.
    pub fn end(mut self, sent: &Sent) -> S {
        let (mut last, mut deadline) = (self.progress.get(), Deadline::after(PATIENCE));
        while last < sent.total() && !deadline.passed() {
            std::thread::sleep(Duration::from_millis(1));
            let now = self.progress.get();
            if now != last {
                (last, deadline) = (now, Deadline::after(PATIENCE));
            }
        }
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl<S: Sink> Drop for Receiver<S> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// Reads until told to stop, and then what is still queued: nobody sends any more by then.
fn read(sockets: &[UdpSocket], sink: &mut impl Sink, progress: &Progress, stop: &AtomicBool) {
    let descriptors: Vec<BorrowedFd<'_>> = sockets.iter().map(AsFd::as_fd).collect();
    loop {
        let stopped = stop.load(Ordering::Relaxed);
        let tick = if stopped { Duration::ZERO } else { TICK };
        let readable = which_readable(&descriptors, Deadline::after(tick));
        let last = stopped && readable.is_empty();
        for place in readable {
            // One that fills as fast as it is read must not keep the others from being read.
            let turn = std::iter::from_fn(|| next(&sockets[place])).take(TURN);
            for (data, source) in turn {
                if sink.take(&data, source, u8::try_from(place).unwrap()) {
                    let _: u64 = progress.0.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        if last {
            return;
        }
    }
}

fn next(socket: &UdpSocket) -> Option<(Vec<u8>, SocketAddr)> {
    let mut buffer = [0; 2048];
    match socket.recv_from(&mut buffer) {
        Ok((length, source)) => Some((buffer[..length].to_vec(), source)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        Err(error) => panic!("receiving on {socket:?}: {error}"),
    }
}
