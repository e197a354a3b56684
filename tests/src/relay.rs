//! A way from inside a host to a server of the machine, which can be cut. IO.

use std::{
    io,
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use crate::lab::Host;

/// Carries connections from the loopback interface of a host to the same port of the machine's. When it is
/// dropped, all of them break and new ones are refused.
pub struct Relay {
    host: Host,
    address: SocketAddr,
    is_cut: Arc<AtomicBool>,
    ends: Arc<Mutex<Vec<TcpStream>>>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts to carry.
    pub fn start(host: &Host, port: u16) -> Self {
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        let listener = host.enter(|| TcpListener::bind(address)).unwrap();
        let is_cut = Arc::new(AtomicBool::new(false));
        let ends = Arc::new(Mutex::new(Vec::new()));
        let thread = std::thread::spawn({
            let (is_cut, ends) = (Arc::clone(&is_cut), Arc::clone(&ends));
            move || {
                for near in listener.incoming() {
                    if is_cut.load(Ordering::SeqCst) {
                        return;
                    }
                    let far = TcpStream::connect(address);
                    if let (Ok(near), Ok(far)) = (near, far) {
                        carry(near, far, &ends);
                    }
                }
            }
        });
        Self {
            host: host.clone(),
            address,
            is_cut,
            ends,
            thread: Some(thread),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.is_cut.store(true, Ordering::SeqCst);
        // Wakes the thread up.
        drop(self.host.enter(|| TcpStream::connect(self.address)));
        drop(self.thread.take().map(JoinHandle::join));
        for end in self.ends.lock().unwrap().drain(..) {
            let _broken_already = end.shutdown(Shutdown::Both);
        }
    }
}

fn carry(near: TcpStream, far: TcpStream, ends: &Mutex<Vec<TcpStream>>) {
    for (from, to) in [(&near, &far), (&far, &near)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let _thread = std::thread::spawn(move || {
            let _broken = io::copy(&mut from, &mut to);
            let _broken = to.shutdown(Shutdown::Both);
        });
    }
    ends.lock().unwrap().extend([near, far]);
}
