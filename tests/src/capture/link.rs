//! Frames of an interface, from an `AF_PACKET` socket. IO.

use std::{io, os::fd::OwnedFd};

use super::{BUFFER, Frame, Source};
use crate::{lab::Host, packet::Packet, sys};

/// Largest thing that a device hands over at once, with its link header.
const LARGEST: usize = 80 * 1024;

pub(super) struct Link {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Link {
    pub(super) fn open(host: &Host, interface: &str, incoming_only: bool) -> Self {
        let index = host.index(interface);
        let open = || -> io::Result<OwnedFd> {
            // Protocol 0: nothing arrives before the socket is bound to the interface.
            let socket = sys::socket(libc::AF_PACKET, libc::SOCK_RAW, 0)?;
            sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &BUFFER)?;
            sys::set_option(&socket, libc::SOL_PACKET, libc::PACKET_AUXDATA, &1)?;
            sys::set_option(
                &socket,
                libc::SOL_PACKET,
                libc::PACKET_IGNORE_OUTGOING,
                &i32::from(incoming_only),
            )?;
            sys::make_promiscuous(&socket, index)?;
            sys::bind_packet(&socket, index)?;
            Ok(socket)
        };
        let socket = host
            .enter(open)
            .unwrap_or_else(|error| panic!("capture on {} {interface}: {error}", host.name()));
        Self {
            socket,
            buffer: vec![0; LARGEST],
        }
    }
}

impl Source for Link {
    fn descriptor(&self) -> &OwnedFd {
        &self.socket
    }

    fn take(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            match sys::receive(&self.socket, &mut self.buffer) {
                Ok(received) => {
                    let mut bytes = self.buffer[..received.length].to_vec();
                    if let Some((protocol, control)) = received.vlan {
                        // The kernel took the tag off; put it back where it was.
                        let tag = [protocol.to_be_bytes(), control.to_be_bytes()].concat();
                        drop(bytes.splice(12..12, tag));
                    }
                    frames.push(Frame {
                        packet: Packet::parse(&bytes),
                        checksum_pending: received.checksum_pending,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The interface went down; what arrived before is here all the same.
                Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => {}
                Err(error) => panic!("capture: {error}"),
            }
        }
        let lost = sys::packet_drops(&self.socket).unwrap();
        assert_eq!(
            lost, 0,
            "the capture had no room for {lost} frames: make its buffer larger"
        );
        frames
    }
}
