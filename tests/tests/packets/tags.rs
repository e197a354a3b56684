//! VLAN tags: they stay on the original and come off the copies, and what a VLAN device takes is not ours.

use udplb_abi::listener::VlanKey;
use udplb_agent::{kernel::bpf::Maps, op::Op};
use udplb_tests::{
    agent::Agent,
    lab::{Lab, shapes},
    packet::{Checksum, Tag},
    rows::{Family, Row, Theme, both},
};

use super::plain;

/// The VLAN of a device on the node's `eth0`.
const TAKEN: u16 = 7;

/// What the agent notes where there is such a device. Not every kernel that tests run on can make one.
fn note_device(agent: &Agent, lab: &Lab) {
    let interface = lab.host("node").index("eth0");
    let key = VlanKey {
        interface,
        protocol: Tag::vlan(TAKEN).protocol,
        vlan: TAKEN,
    };
    let op = Op::SetVlan {
        key,
        device: interface,
    };
    Maps::open(agent.pins()).unwrap().apply(&op).unwrap();
}

/// Tags that no device takes.
fn free() -> Vec<(&'static str, &'static str, Vec<Tag>)> {
    let plain = Tag::vlan;
    vec![
        (
            "a tag",
            "a tag left on a copy, or lost from the original",
            vec![plain(5)],
        ),
        (
            "the highest VLAN",
            "a VLAN number cut short",
            vec![plain(0x0ffe)],
        ),
        (
            "a priority without a VLAN",
            "tag 0 taken for no tag",
            vec![plain(0xe000)],
        ),
        (
            "priority, eligibility and a VLAN",
            "priority lost when the tag is put back",
            vec![plain(0xf005)],
        ),
        (
            "a service tag",
            "a service tag put back as an ordinary one",
            vec![Tag::service(5)],
        ),
        (
            "the taken number as a service tag",
            "the tag's protocol not part of a device's key",
            vec![Tag::service(TAKEN)],
        ),
        (
            "two tags",
            "tags put back in the wrong order",
            vec![Tag::service(5), plain(6)],
        ),
        (
            "two tags with priorities",
            "a tag put back with the priority of the other",
            vec![Tag::service(0x2005), plain(0x4006)],
        ),
        (
            "two ordinary tags",
            "only service tags expected outside",
            vec![plain(5), plain(6)],
        ),
        (
            "two equal tags",
            "one of two equal tags lost",
            vec![plain(5), plain(5)],
        ),
        (
            "the taken number inside",
            "an inner tag taken for the outer one",
            vec![plain(5), plain(TAKEN)],
        ),
    ]
}

fn taken() -> Vec<(&'static str, &'static str, Vec<Tag>)> {
    let plain = Tag::vlan;
    vec![
        (
            "the tag of a VLAN device",
            "frames taken from a VLAN device",
            vec![plain(TAKEN)],
        ),
        (
            "the tag of a VLAN device with a priority",
            "priority made part of a device's key",
            vec![plain(0xa000 | TAKEN)],
        ),
        (
            "the tag of a VLAN device outside",
            "two tags not seen as the outer one's",
            vec![plain(TAKEN), plain(6)],
        ),
        (
            "three tags",
            "ports read behind a tag that nobody took off",
            vec![Tag::service(4), plain(5), plain(6)],
        ),
    ]
}

fn rows(family: Family) -> Vec<Row> {
    let datagram = family.datagram(0);
    let mut rows = Vec::new();
    for (what, catches, tags) in free() {
        rows.extend(plain::sent(what, catches, &datagram, |row| {
            row.tagged(&tags)
        }));
    }
    for (what, catches, tags) in taken() {
        rows.extend(plain::not_ours(what, catches, &datagram, |row| {
            row.tagged(&tags)
        }));
    }
    rows.extend(plain::sent(
        "a tag and a checksum left to the device",
        "a checksum's place not moved with the tag",
        &datagram,
        |row| {
            row.tagged(&[Tag::vlan(5)])
                .pending(Checksum::Pending, Checksum::Pending)
        },
    ));
    let mut spent = datagram.clone();
    spent.ttl = 1;
    let dropped = plain::dropped(
        "a tag on a packet without hops",
        "a tag lost when nothing is sent",
        &spent,
        "ttl_expired",
    );
    rows.extend(dropped.map(|row| row.tagged(&[Tag::vlan(5)])));
    rows
}

pub(crate) fn theme() -> Theme {
    Theme {
        prepare: note_device,
        ..Theme::new("tags", shapes::two_collectors, plain::config(), both(rows))
    }
}
