//! IP packets in prerouting, from NFLOG. IO.

use std::{io, os::fd::OwnedFd};

use nix::unistd::write;

use super::{BUFFER, Frame, Source};
use crate::{lab::Host, packet::Packet, sys};

/// Number of the log group; namespaces do not share it.
const GROUP: u16 = 7;

// linux/netfilter/nfnetlink.h and nfnetlink_log.h
const SUBSYSTEM: u16 = 4;
const MESSAGE_PACKET: u16 = SUBSYSTEM << 8;
const MESSAGE_CONFIG: u16 = SUBSYSTEM << 8 | 1;
const CONFIG_COMMAND: u16 = 1;
const CONFIG_MODE: u16 = 2;
const CONFIG_THRESHOLD: u16 = 5;
const COMMAND_BIND: u8 = 1;
const COMMAND_UNBIND: u8 = 2;
const COPY_PACKET: u8 = 2;
const PAYLOAD: u16 = 9;

// linux/netlink.h
const REQUEST_WITH_ACK: u16 = 1 | 4;
const MESSAGE_ERROR: u16 = 2;
const HEADER: usize = 16;
const FAMILY_HEADER: usize = 4;

pub(super) struct Stack {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Stack {
    pub(super) fn open(host: &Host) -> Self {
        let open = || -> io::Result<OwnedFd> {
            let socket = sys::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_NETFILTER)?;
            sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &BUFFER)?;
            sys::bind_netlink(&socket, 0)?;
            configure(&socket, CONFIG_COMMAND, &[COMMAND_BIND])?;
            // Whole packets, each in a message of its own as soon as it comes.
            configure(&socket, CONFIG_MODE, &[0, 0, 0xff, 0xff, COPY_PACKET, 0])?;
            configure(&socket, CONFIG_THRESHOLD, &1_u32.to_be_bytes())?;
            Ok(socket)
        };
        let socket = host
            .enter(open)
            .unwrap_or_else(|error| panic!("NFLOG on {}: {error}", host.name()));
        // Ahead of every other hook of prerouting. An earlier capture's rule would log each packet once more.
        drop(host.run(&format!(
            "nft 'table inet lab_capture; delete table inet lab_capture; \
             table inet lab_capture {{ chain prerouting {{ \
             type filter hook prerouting priority -500; log group {GROUP} queue-threshold 1; }}; }}'"
        )));
        Self {
            socket,
            buffer: vec![0; 128 * 1024],
        }
    }
}

/// A process that another thread is starting has a copy of the socket for a moment, so that closing ours would not
/// give the group back yet.
impl Drop for Stack {
    fn drop(&mut self) {
        // With its namespace, it is gone anyway.
        let _unbound = configure(&self.socket, CONFIG_COMMAND, &[COMMAND_UNBIND]);
    }
}

impl Source for Stack {
    fn descriptor(&self) -> &OwnedFd {
        &self.socket
    }

    fn take(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            match sys::receive(&self.socket, &mut self.buffer) {
                Ok(received) => messages(&self.buffer[..received.length], &mut frames),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return frames,
                Err(error) => panic!("the capture lost packets: {error}"),
            }
        }
    }
}

/// Sends one attribute of the group's configuration and checks the answer.
fn configure(socket: &OwnedFd, kind: u16, value: &[u8]) -> io::Result<()> {
    let attribute = [
        &u16::try_from(4 + value.len()).unwrap().to_ne_bytes(),
        &kind.to_ne_bytes(),
        value,
    ]
    .concat();
    let family = [
        &[libc::AF_UNSPEC.try_into().unwrap(), 0],
        &GROUP.to_be_bytes()[..],
    ]
    .concat();
    let padding = vec![0; attribute.len().next_multiple_of(4) - attribute.len()];
    let body = [family, attribute, padding].concat();
    let length = u32::try_from(HEADER + body.len()).unwrap();
    let header = [
        &length.to_ne_bytes()[..],
        &MESSAGE_CONFIG.to_ne_bytes(),
        &REQUEST_WITH_ACK.to_ne_bytes(),
        // Sequence and port numbers.
        &[0; 8],
    ]
    .concat();
    let _: usize = write(socket, &[header, body].concat())?;
    let mut answer = vec![0; 128 * 1024];
    loop {
        let received = sys::receive(socket, &mut answer)?;
        // Packets come as soon as the group is bound, if an earlier capture's rule is still there.
        if half(&answer, 4) != MESSAGE_ERROR {
            continue;
        }
        let code = answer[HEADER..received.length].first_chunk();
        return match code.map(|code| i32::from_ne_bytes(*code)) {
            Some(0) => Ok(()),
            Some(code) => Err(io::Error::from_raw_os_error(-code)),
            None => Err(io::Error::other("an answer without a result")),
        };
    }
}

/// Reads the packets of one datagram of messages.
fn messages(mut bytes: &[u8], frames: &mut Vec<Frame>) {
    while bytes.len() >= HEADER {
        let length = usize::try_from(u32::from_ne_bytes(*bytes.first_chunk().unwrap())).unwrap();
        if half(bytes, 4) == MESSAGE_PACKET {
            frames.extend(payload(&bytes[HEADER + FAMILY_HEADER..length]));
        }
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
    }
}

fn payload(mut attributes: &[u8]) -> Option<Frame> {
    while attributes.len() >= 4 {
        let (length, kind) = (usize::from(half(attributes, 0)), half(attributes, 2));
        if kind == PAYLOAD {
            return Some(Frame {
                packet: Packet::parse_ip(&attributes[4..length]),
                checksum_pending: false,
            });
        }
        attributes = &attributes[length.next_multiple_of(4).min(attributes.len())..];
    }
    None
}

fn half(bytes: &[u8], offset: usize) -> u16 {
    u16::from_ne_bytes([bytes[offset], bytes[offset + 1]])
}
