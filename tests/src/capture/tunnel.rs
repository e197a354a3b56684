//! The other end of a tun device: what a host sends into it, and packets that arrive from it. IO.

use std::{
    fs::OpenOptions,
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    unistd::{read, write},
};

use super::{Capture, Frame, Source};
use crate::{lab::Host, packet::Packet, sys};

/// Largest thing that a tun device hands over at once.
const LARGEST: usize = 80 * 1024;

/// A tun device, whose frames are bare IP packets. It is there as long as this is.
pub struct Tunnel {
    end: OwnedFd,
    name: String,
}

impl Tunnel {
    /// Makes the device on a host and brings it up, with these addresses.
    pub fn open(host: &Host, interface: &str, addresses: &[&str]) -> Self {
        let open = || -> io::Result<OwnedFd> {
            let mut options = OpenOptions::new();
            let end = OwnedFd::from(options.read(true).write(true).open("/dev/net/tun")?);
            sys::make_tunnel(&end, interface)?;
            let _: i32 = fcntl(&end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            Ok(end)
        };
        let end = host
            .enter(open)
            .unwrap_or_else(|error| panic!("{}: tun device {interface}: {error}", host.name()));
        let mut batch = String::new();
        for address in addresses {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            batch += &format!("address add {address} dev {interface}{nodad}\n");
        }
        host.ip_batch(&format!("{batch}link set {interface} up\n"));
        Self {
            end,
            name: format!("{} {interface}", host.name()),
        }
    }

    /// Has IP packets arrive on the device.
    pub fn send(&self, packets: &[Vec<u8>]) {
        for packet in packets {
            let sent = write(&self.end, packet);
            assert_eq!(sent, Ok(packet.len()), "{}", self.name);
        }
    }

    /// What the host sends into the device. One a device.
    pub fn capture(&self) -> Capture {
        let end = self.end.as_fd().try_clone_to_owned().unwrap();
        let buffer = vec![0; LARGEST];
        Capture::new(format!("{} far end", self.name), FarEnd { end, buffer })
    }
}

struct FarEnd {
    end: OwnedFd,
    buffer: Vec<u8>,
}

impl Source for FarEnd {
    fn descriptor(&self) -> &OwnedFd {
        &self.end
    }

    fn take(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            match read(&self.end, &mut self.buffer) {
                Ok(length) => frames.push(Frame {
                    packet: Packet::parse_ip(&self.buffer[..length]),
                    checksum_pending: false,
                }),
                Err(nix::errno::Errno::EAGAIN) => return frames,
                Err(error) => panic!("the far end of a tunnel: {error}"),
            }
        }
    }
}
