//! Whether a frame is a whole UDP datagram to a port that somebody listens on (RFC 768, 791, 8200). Pure.

use std::{net::IpAddr, ops::Range};

/// What a frame is.
pub(super) enum Reading {
    /// A fragment or a tagged frame: not told here.
    Elsewhere,
    /// Nobody's.
    Foreign,
    /// A datagram whose headers lie.
    Malformed,
    /// A datagram.
    Datagram(Datagram),
}

/// Where things are in the frame of a datagram.
#[derive(Clone, Debug)]
pub(super) struct Datagram {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// Destination port.
    pub(super) port: u16,
    /// TTL or hop limit.
    pub(super) hops: u8,
    /// Bytes of the IP packet, as its header says.
    pub(super) length: usize,
    /// Of the UDP header.
    pub(super) udp: usize,
}

/// Where the IP header starts.
pub(super) const IP: usize = 14;

const UDP: u8 = 17;
const UDP_HEADER: usize = 8;
const FRAGMENT: u8 = 44;
/// Hop-by-hop options, routing, destination options.
const WALKED: [u8; 3] = [0, 43, 60];
/// Extension headers that are walked before the UDP header.
const MOST_EXTENSIONS: usize = 4;
/// The UDP header ends within so many bytes of the frame.
const REACH: usize = 512;

fn word(frame: &[u8], offset: usize) -> u16 {
    u16::from_be_bytes([frame[offset], frame[offset + 1]])
}

fn address<const N: usize>(frame: &[u8], range: Range<usize>) -> IpAddr
where
    IpAddr: From<[u8; N]>,
{
    let bytes: [u8; N] = frame[range].try_into().unwrap();
    bytes.into()
}

/// Reads a frame. `listens` tells whether a port is anybody's.
pub(super) fn read(frame: &[u8], listens: impl Fn(u16) -> bool) -> Reading {
    match word(frame, 12) {
        0x8100 | 0x88a8 => Reading::Elsewhere,
        0x0800 => read_v4(frame, listens),
        0x86dd => read_v6(frame, listens),
        _ => Reading::Foreign,
    }
}

fn read_v4(frame: &[u8], listens: impl Fn(u16) -> bool) -> Reading {
    const DONT_FRAGMENT_AND_SPARE: u16 = 0xc000;
    if frame.len() < IP + 20 || frame[IP + 9] != UDP {
        return Reading::Foreign;
    }
    let (version, words) = (frame[IP] >> 4, usize::from(frame[IP] & 15));
    if version != 4 || words < 5 {
        return Reading::Malformed;
    }
    if word(frame, IP + 6) & !DONT_FRAGMENT_AND_SPARE != 0 {
        return Reading::Elsewhere;
    }
    let datagram = Datagram {
        source: address::<4>(frame, IP + 12..IP + 16),
        destination: address::<4>(frame, IP + 16..IP + 20),
        port: 0,
        hops: frame[IP + 8],
        length: word(frame, IP + 2).into(),
        udp: IP + 4 * words,
    };
    read_udp(frame, datagram, listens)
}

fn read_v6(frame: &[u8], listens: impl Fn(u16) -> bool) -> Reading {
    if frame.len() < IP + 40 {
        return Reading::Foreign;
    }
    let mut next = frame[IP + 6];
    if frame[IP] >> 4 != 6 {
        return if next == UDP {
            Reading::Malformed
        } else {
            Reading::Foreign
        };
    }
    let mut udp = IP + 40;
    let mut extensions = 0;
    while next != UDP {
        if next == FRAGMENT {
            return Reading::Elsewhere;
        }
        if !WALKED.contains(&next) || extensions == MOST_EXTENSIONS || frame.len() < udp + 8 {
            return Reading::Foreign;
        }
        next = frame[udp];
        udp += 8 * (1 + usize::from(frame[udp + 1]));
        extensions += 1;
        if udp + UDP_HEADER > REACH {
            return Reading::Foreign;
        }
    }
    let datagram = Datagram {
        source: address::<16>(frame, IP + 8..IP + 24),
        destination: address::<16>(frame, IP + 24..IP + 40),
        port: 0,
        hops: frame[IP + 7],
        length: 40 + usize::from(word(frame, IP + 4)),
        udp,
    };
    read_udp(frame, datagram, listens)
}

fn read_udp(frame: &[u8], mut datagram: Datagram, listens: impl Fn(u16) -> bool) -> Reading {
    let Datagram { udp, length, .. } = datagram;
    if frame.len() < udp + UDP_HEADER {
        return Reading::Malformed;
    }
    let port = word(frame, udp + 2);
    if !listens(port) {
        return Reading::Foreign;
    }
    let in_datagram = usize::from(word(frame, udp + 4));
    let whole =
        IP + length <= frame.len() && in_datagram >= UDP_HEADER && udp + in_datagram <= IP + length;
    if whole {
        datagram.port = port;
        Reading::Datagram(datagram)
    } else {
        Reading::Malformed
    }
}
