//! Whose packet it is. Pure.

use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "any-protocol",
        file: "agent-ebpf/src/parse.rs",
        old: "if bytes.u8(9) != UDP {",
        new: "if bytes.u8(9) == 6 {",
    },
    Mutant {
        name: "options-ignored",
        file: "agent-ebpf/src/parse.rs",
        old: "let header = u32::from(version & 0x0f) * 4;",
        new: "let header = IPV4_LENGTH + u32::from(version & 0x0f) / 15;",
    },
    Mutant {
        name: "short-header-taken",
        file: "agent-ebpf/src/parse.rs",
        old: "if version >> 4 != 4 || header < IPV4_LENGTH {",
        new: "if version >> 4 != 4 {",
    },
    Mutant {
        name: "ipv4-version-ignored",
        file: "agent-ebpf/src/parse.rs",
        old: "if version >> 4 != 4 || header < IPV4_LENGTH {",
        new: "if header < IPV4_LENGTH {",
    },
    Mutant {
        name: "ipv6-version-ignored",
        file: "agent-ebpf/src/parse.rs",
        old: "if bytes.u8(0) >> 4 != 6 {",
        new: "if bytes.u8(0) >> 4 == 15 {",
    },
    Mutant {
        name: "routing-header-unknown",
        file: "agent-ebpf/src/parse.rs",
        old: "HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => {}",
        new: "HOP_BY_HOP | DESTINATION_OPTIONS => {}",
    },
    Mutant {
        name: "extension-length-one-short",
        file: "agent-ebpf/src/parse.rs",
        old: "transport += (u32::from(bytes.u8(1)) + 1) * 8;",
        new: "transport += (u32::from(bytes.u8(1)).max(1)) * 8;",
    },
    Mutant {
        name: "source-port-looked-up",
        file: "agent-ebpf/src/parse.rs",
        old: "let word = lookup::port(bytes.u16(2));",
        new: "let word = lookup::port(bytes.u16(0));",
    },
    Mutant {
        name: "frame-end-ignored",
        file: "agent-ebpf/src/parse.rs",
        old: "if network + length > skb.len()\n        || datagram",
        new: "if datagram",
    },
    Mutant {
        name: "datagram-shorter-than-header",
        file: "agent-ebpf/src/parse.rs",
        old: "|| datagram < UDP_LENGTH\n",
        new: "|| datagram == 0\n",
    },
    Mutant {
        name: "packet-end-ignored",
        file: "agent-ebpf/src/parse.rs",
        old: "\n        || transport - network + datagram > length",
        new: "",
    },
    Mutant {
        name: "malformed-uncounted",
        file: "agent-ebpf/src/parse.rs",
        old: "        || transport - network + datagram > length\n    {\n        stats::unmatched(skb, UnmatchedReason::Malformed);",
        new: "        || transport - network + datagram > length\n    {",
    },
    Mutant {
        name: "inner-tag-at-wrong-place",
        file: "agent-ebpf/src/parse.rs",
        old: "u32::from(bytes.u16(2).to_be())",
        new: "u32::from(bytes.u16(0).to_be())",
    },
    Mutant {
        name: "other-hosts-frames-taken",
        file: "agent-ebpf/src/deliver.rs",
        old: "if skb.is_for_another_host() {",
        new: "if skb.len() == 0 {",
    },
    Mutant {
        name: "vlan-devices-robbed",
        file: "agent-ebpf/src/deliver.rs",
        old: "if tag.is_some() && lookup::belongs_to_vlan_device(skb.interface(), tag) {",
        new: "if tag.is_some() && skb.interface() == 0 {",
    },
    Mutant {
        name: "priority-in-vlan-key",
        file: "agent-ebpf/src/lookup.rs",
        old: "vlan: tag.control() & VLAN_NUMBER,",
        new: "vlan: tag.control(),",
    },
    Mutant {
        name: "tag-protocol-not-in-key",
        file: "agent-ebpf/src/lookup.rs",
        old: "protocol: u16::from_be(tag.protocol()),",
        new: "protocol: 0x8100 | (tag.protocol() & 1),",
    },
    Mutant {
        name: "groups-taken-unnamed",
        file: "agent-ebpf/src/deliver.rs",
        old: "if skb.is_for_many() && lookup::is_unicast_prefix(listener) {",
        new: "if skb.len() == 0 && lookup::is_unicast_prefix(listener) {",
    },
    Mutant {
        name: "sources-ignored",
        file: "agent-ebpf/src/deliver.rs",
        old: "if !lookup::takes_source(forward, headers) {",
        new: "if skb.len() == 0 && !lookup::takes_source(forward, headers) {",
    },
    Mutant {
        name: "prefixes-compared-short",
        file: "agent-ebpf/src/lookup.rs",
        old: "let length = u32::from(length);",
        new: "let length = u32::from(length) & 0x7f;",
    },
    Mutant {
        name: "prefixes-not-asked",
        file: "agent-ebpf/src/lookup.rs",
        old: "if !word.has_prefixes(H::FAMILY) {",
        new: "if word.group() != 0 {",
    },
    Mutant {
        name: "ipv4-in-ipv6-prefix",
        file: "agent-ebpf/src/lookup.rs",
        old: "Family::V4 => MAPPED_BITS,",
        new: "Family::V4 => 0,",
    },
];
