//! Sends raw frames. IO.

use std::{io, net::UdpSocket, os::fd::OwnedFd, time::Duration};

use nix::unistd::write;

use crate::{
    lab::Host,
    packet::{Packet, Transport},
    sys,
};

/// The receiving side queues up to `net.core.netdev_max_backlog` (1,000) frames a CPU; a pause after this many
/// lets it catch up, or frames would be lost that the product never saw.
const BURST: usize = 200;

/// Sends frames out of an interface, exactly as they are and in their order.
pub fn send(host: &Host, interface: &str, frames: &[Vec<u8>]) {
    transmit(host, interface, frames, <[u8]>::to_vec, false);
}

/// Sends UDP frames whose checksum field holds the pseudo-header's sum, and has the kernel treat them as it
/// treats its own with checksum offload: the device, or whoever needs the right checksum first, computes it.
pub fn send_pending(host: &Host, interface: &str, frames: &[Vec<u8>]) {
    transmit(
        host,
        interface,
        frames,
        |frame| [&virtual_header(frame)[..], frame].concat(),
        true,
    );
}

fn transmit(
    host: &Host,
    interface: &str,
    frames: &[Vec<u8>],
    wrap: impl Fn(&[u8]) -> Vec<u8> + Sync,
    header: bool,
) {
    let index = host.index(interface);
    let run = || -> io::Result<()> {
        // One CPU: each has a queue of its own at the other end, and between queues there is no order.
        sys::stay_on_cpu(0)?;
        let socket: OwnedFd = sys::socket(libc::AF_PACKET, libc::SOCK_RAW, 0)?;
        sys::set_option(
            &socket,
            libc::SOL_PACKET,
            libc::PACKET_VNET_HDR,
            &i32::from(header),
        )?;
        sys::bind_packet(&socket, index)?;
        for burst in frames.chunks(BURST) {
            for frame in burst {
                let _: usize = write(&socket, &wrap(frame))?;
            }
            if burst.len() == BURST {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
        Ok(())
    };
    host.enter(run)
        .unwrap_or_else(|error| panic!("sending on {} {interface}: {error}", host.name()));
}

/// Sends data from an ordinary socket that has the kernel cut it into datagrams of `size` bytes, as late as it
/// can.
pub fn send_segmented(host: &Host, destination: &str, data: &[u8], size: usize) {
    let local = if destination.starts_with('[') {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    };
    let socket = host.enter(|| UdpSocket::bind(local)).unwrap();
    let size = i32::try_from(size).unwrap();
    sys::set_option(&socket, libc::SOL_UDP, libc::UDP_SEGMENT, &size).unwrap();
    let sent = socket.send_to(data, destination).unwrap();
    assert_eq!(sent, data.len());
}

/// From now on the socket hands over as many datagrams of a flow at once as the kernel has put together.
pub fn take_merged(socket: &UdpSocket) {
    sys::set_option(socket, libc::SOL_UDP, libc::UDP_GRO, &1).unwrap();
}

/// `struct virtio_net_hdr` that says where the checksum goes.
fn virtual_header(frame: &[u8]) -> [u8; 10] {
    const NEEDS_CHECKSUM: u8 = 1;
    const CHECKSUM_OFFSET: u16 = 6;
    let packet = Packet::parse(frame);
    assert!(
        matches!(packet.transport, Transport::Udp { .. }),
        "not UDP: {packet}"
    );
    let start = u16::try_from(frame.len() - packet.segment().len()).unwrap();
    let mut header = [0; 10];
    header[0] = NEEDS_CHECKSUM;
    header[6..8].copy_from_slice(&start.to_ne_bytes());
    header[8..].copy_from_slice(&CHECKSUM_OFFSET.to_ne_bytes());
    header
}
