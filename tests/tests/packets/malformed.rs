//! Headers that are cut short or contradict themselves: let go as they are, and counted for the interface only.

use udplb_tests::{
    lab::shapes,
    rows::{Family, Row, Theme, both},
};

use super::plain;

const ETHERNET: usize = 14;
const UDP_HEADER: usize = 8;

/// Where things are in a frame without tags and options.
struct Place {
    ip: usize,
    udp: usize,
    end: usize,
}

impl Place {
    fn of(family: Family) -> Self {
        let udp = ETHERNET + family.choose(20, 40);
        let end = udp + family.datagram(0).segment().len();
        Self {
            ip: ETHERNET,
            udp,
            end,
        }
    }
}

/// Rows with bytes of the frame changed; there is room behind the packet, so that it is the headers that lie.
fn lie(family: Family, what: &str, catches: &'static str, offset: usize, bytes: &[u8]) -> [Row; 2] {
    plain::not_ours(what, catches, &family.datagram(0), |row| {
        row.bent(|frame| {
            frame.extend([0; 64]);
            frame[offset..offset + bytes.len()].copy_from_slice(bytes);
        })
        .unmatched("eth0", "malformed")
    })
}

fn cut(family: Family, length: usize) -> [Row; 2] {
    let place = Place::of(family);
    let what = format!("a frame that ends after {length} bytes");
    let catches = "bytes read behind the end of a frame";
    plain::not_ours(&what, catches, &family.datagram(0), |row| {
        let row = row.bent(|frame| frame.truncate(length));
        // Without a whole IP header nobody can tell that it is UDP.
        if length < place.udp {
            row
        } else {
            row.unmatched("eth0", "malformed")
        }
    })
}

fn word(value: usize) -> [u8; 2] {
    u16::try_from(value).unwrap().to_be_bytes()
}

fn datagram_length(family: Family) -> Vec<Row> {
    let Place { udp, end, .. } = Place::of(family);
    let at = udp + 4;
    let lie = |what, catches, length| lie(family, what, catches, at, &word(length));
    [
        lie(
            "a UDP length of zero",
            "a length of zero taken for everything",
            0,
        ),
        lie(
            "a UDP length of seven",
            "a datagram shorter than its header",
            7,
        ),
        lie(
            "a UDP length one too long",
            "data read from behind the packet",
            end - udp + 1,
        ),
        lie(
            "the longest UDP length",
            "a length that overflows a sum",
            0xffff,
        ),
    ]
    .concat()
}

fn packet_length(family: Family) -> Vec<Row> {
    let Place { ip, udp, end } = Place::of(family);
    let (at, without) = family.choose((ip + 2, 0), (ip + 4, 40));
    let lie = |what, catches, length| lie(family, what, catches, at, &word(length));
    let whole = end - ip - without;
    [
        lie(
            "an IP length one too short",
            "a datagram that is longer than its packet",
            whole - 1,
        ),
        lie(
            "an IP length without room for a UDP header",
            "a UDP header from behind the packet",
            udp - ip - without + UDP_HEADER - 1,
        ),
        lie(
            "an IP length longer than the frame",
            "a packet that is longer than its frame",
            whole + 65,
        ),
        lie(
            "an IP length of zero",
            "a jumbogram, or an offloaded one, taken as it is",
            0,
        ),
        lie(
            "the longest IP length",
            "a length that overflows a sum",
            0xffff,
        ),
    ]
    .concat()
}

fn versions() -> Vec<Row> {
    let ip = ETHERNET;
    let v4 = |what, catches, byte| lie(Family::V4, what, catches, ip, &[byte]);
    let v6 = |what, catches, byte| lie(Family::V6, what, catches, ip, &[byte]);
    [
        v4("version 5", "a version that nobody looks at", 0x55),
        v4(
            "version 6 under the type of IPv4",
            "a version that nobody looks at",
            0x65,
        ),
        v4(
            "a header of four words",
            "ports read from inside the IP header",
            0x44,
        ),
        v4(
            "a header of no words",
            "ports read from the start of the IP header",
            0x40,
        ),
        v6(
            "version 4 under the type of IPv6",
            "a version that nobody looks at",
            0x40,
        ),
        v6("version 7", "a version that nobody looks at", 0x70),
    ]
    .concat()
}

/// Only those whose port is ours are looked at.
fn elsewhere(family: Family) -> Vec<Row> {
    let Place { udp, .. } = Place::of(family);
    let datagram = family.datagram(9);
    let name = format!(
        "a wrong length at a port that nobody listens on, {}",
        family.name()
    );
    let row = Row::new(name, "other people's packets counted", &datagram);
    vec![row.bent(|frame| frame[udp + 4..udp + 6].copy_from_slice(&[0, 0]))]
}

fn rows(family: Family) -> Vec<Row> {
    let Place { ip, udp, end } = Place::of(family);
    let cuts = [ip + 4, udp - 1, udp, udp + 3, udp + 7, udp + 8, end - 1]
        .map(|length| cut(family, length));
    [
        datagram_length(family),
        packet_length(family),
        elsewhere(family),
        cuts.concat(),
    ]
    .concat()
}

pub(crate) fn theme() -> Theme {
    let rows = [both(rows), versions()].concat();
    Theme::new("malformed", shapes::two_collectors, plain::config(), rows)
}
