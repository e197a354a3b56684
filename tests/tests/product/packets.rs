//! Datagrams from the client to every node, again and again, and when their copies come.

use std::{
    net::{Ipv4Addr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use udplb_tests::{cluster::Cluster, lab::Host};

use crate::stage::NODES;

/// The time between two rounds of datagrams.
const PERIOD: Duration = Duration::from_millis(2);

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Marks a datagram that is sent once.
const ONCE: u8 = 0x80;

/// Sends to a port of every node until it is dropped. What it sends to a node is the node's index.
pub(crate) struct Sender {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sender {
    pub(crate) fn start(cluster: &Cluster, port: u16) -> Self {
        let socket = client(cluster);
        let nodes = NODES.map(|name| cluster.node(name).address());
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let is_over = Arc::clone(&is_over);
            move || {
                while !is_over.load(Ordering::Relaxed) {
                    for (index, node) in (0..).zip(nodes) {
                        // A node that nobody listens on answers by ICMP, which is an error of a later call.
                        let _refused = socket.send_to(&[index], (node, port));
                    }
                    std::thread::sleep(PERIOD);
                }
            }
        });
        Self {
            is_over,
            thread: Some(thread),
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn client(cluster: &Cluster) -> UdpSocket {
    let client = cluster.outside("client");
    client.enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap())
}

/// Takes copies at a port of an upstream.
pub(crate) struct Upstream(UdpSocket);

impl Upstream {
    pub(crate) fn bind(host: &Host, port: u16) -> Self {
        let socket = host.enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap());
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// The nodes are called ready, so each copies the one datagram that it now gets.
    pub(crate) fn gets_one_of_each(&self, cluster: &Cluster, port: u16, nodes: &[usize]) {
        for (index, name) in (0..).zip(NODES) {
            if nodes.contains(&usize::from(index)) {
                // Of a socket that knows of no refusal.
                let socket = client(cluster);
                let address = (cluster.node(name).address(), port);
                let _length = socket.send_to(&[index | ONCE], address).unwrap();
            }
        }
        let mut missing = nodes.to_vec();
        while !missing.is_empty() {
            let node = self.next_byte();
            missing.retain(|it| *it | usize::from(ONCE) != usize::from(node));
        }
    }

    /// The index of the node that sent the next copy.
    fn next(&self) -> usize {
        usize::from(self.next_byte() & !ONCE)
    }

    fn next_byte(&self) -> u8 {
        let mut buffer = [0; 8];
        let (length, _) = self.0.recv_from(&mut buffer).expect("no copy comes");
        assert_eq!(length, 1);
        buffer[0]
    }

    /// When copies have come from each of these nodes.
    pub(crate) fn all(&self, nodes: &[usize]) -> Instant {
        let mut missing = nodes.to_vec();
        while !missing.is_empty() {
            let node = self.next();
            missing.retain(|it| *it != node);
        }
        Instant::now()
    }

    /// When the last copy came from any of these nodes: none came for a while after it.
    pub(crate) fn last(&self, nodes: &[usize]) -> Instant {
        const QUIET: Duration = Duration::from_millis(500);
        let mut last = Instant::now();
        self.0.set_read_timeout(Some(QUIET)).unwrap();
        let mut buffer = [0; 8];
        while last.elapsed() < QUIET {
            if self.0.recv_from(&mut buffer).is_ok() && nodes.contains(&usize::from(buffer[0])) {
                last = Instant::now();
            }
        }
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
        last
    }
}
