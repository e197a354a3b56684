//! UDP checksums: right, wrong, absent, and those that come out as zero, in every state that a kernel keeps them in.

use udplb_tests::{
    lab::shapes,
    packet::{Checksum, Udp},
    rows::{Family, Row, Theme, both},
};

use super::plain;

/// A datagram, what it is and which defect it shows.
type Kind = (&'static str, &'static str, Udp);

/// Datagrams whose checksum field holds each kind of value.
fn kinds(family: Family) -> Vec<Kind> {
    let plain = family.datagram(514);
    let with = |checksum| Udp {
        checksum,
        ..plain.clone()
    };
    let odd = Udp {
        payload: b"odd".to_vec(),
        ..plain.clone()
    };
    let mut kinds = vec![
        (
            "a right checksum",
            "a checksum not adjusted to what changed",
            with(Checksum::Right),
        ),
        ("an odd length", "a sum that reads past an odd end", odd),
        (
            "no checksum",
            "a checksum made up where there was none",
            with(Checksum::Zero),
        ),
        (
            "a wrong checksum",
            "damage hidden by a new checksum",
            with(Checksum::Is(0x4321)),
        ),
        (
            "a wrong checksum of all ones",
            "all ones taken for none",
            with(Checksum::Is(0xffff)),
        ),
        (
            "a wrong checksum of one",
            "a carry lost in the sum",
            with(Checksum::Is(1)),
        ),
    ];
    for (number, name) in [
        (1, "a checksum that is zero in the first copy"),
        (2, "a checksum that is zero in the second copy"),
    ] {
        let mut copy = plain.clone();
        copy.destination = family
            .collector_at(number, [5514, 6514][usize::from(number) - 1])
            .parse()
            .unwrap();
        if number == 2 {
            copy.source.set_ip(plain.destination.ip());
        }
        kinds.push((
            name,
            "a zero sent where all ones must be: it means no checksum",
            zero_sum(&plain, &copy),
        ));
    }
    kinds.push((
        "a checksum of all ones",
        "all ones not given back to the original",
        zero_sum(&plain, &plain),
    ));
    kinds
}

/// `datagram` with data that make the sum over `other`, which has the same data, zero.
fn zero_sum(datagram: &Udp, other: &Udp) -> Udp {
    let empty = Udp {
        payload: vec![0; 2],
        ..other.clone()
    }
    .segment();
    Udp {
        payload: empty[6..8].to_vec(),
        ..datagram.clone()
    }
}

fn rows(family: Family) -> Vec<Row> {
    let mut rows = Vec::new();
    for (what, catches, datagram) in kinds(family) {
        rows.extend(plain::sent(what, catches, &datagram, |row| row));
        let summed = format!("{what} with a sum by hardware");
        rows.extend(plain::sent(
            &summed,
            "a sum over all bytes that does not fit them any more",
            &datagram,
            Row::summed,
        ));
    }
    for what in [
        "a checksum left to the device",
        "no data and a checksum left to the device",
    ] {
        let mut datagram = family.datagram(0);
        if what.starts_with("no data") {
            datagram.payload.clear();
        }
        rows.extend(plain::sent(
            what,
            "a finished checksum where the device adds the rest",
            &datagram,
            |row| row.pending(Checksum::Pending, Checksum::Pending),
        ));
    }
    rows
}

pub(crate) fn theme() -> Theme {
    Theme::new(
        "checksums",
        shapes::two_collectors,
        plain::config(),
        both(rows),
    )
}
