//! TTL and hop limit: copies leave with one less, and a packet at its end leaves no copy.

use udplb_tests::{
    lab::shapes,
    packet::Udp,
    rows::{Family, Row, Theme, both},
};

use super::plain;

fn rows(family: Family) -> Vec<Row> {
    let datagram = |ttl| Udp {
        ttl,
        ..family.datagram(0)
    };
    let sent = [2, 3, 64, 128, 255].map(|ttl| {
        let what = format!("a packet with {ttl} hops");
        plain::sent(
            &what,
            "hops not taken off, or once more for each copy",
            &datagram(ttl),
            |row| row,
        )
    });
    let last = [0, 1].map(|ttl| {
        let what = format!("a packet with {ttl} hops");
        plain::dropped(
            &what,
            "a packet that goes round for ever",
            &datagram(ttl),
            "ttl_expired",
        )
    });
    [sent.concat(), last.concat()].concat()
}

pub(crate) fn theme() -> Theme {
    Theme::new("hops", shapes::two_collectors, plain::config(), both(rows))
}
