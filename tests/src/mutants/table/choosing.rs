//! What each destination does. Pure.

use super::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "hops-not-checked",
        file: "agent-ebpf/src/select.rs",
        old: "if headers.hops() <= 1 {",
        new: "if headers.hops() == 0 {",
    },
    Mutant {
        name: "hops-checked-too-early",
        file: "agent-ebpf/src/select.rs",
        old: "if headers.hops() <= 1 {",
        new: "if headers.hops() <= 2 {",
    },
    Mutant {
        name: "mtu-off-by-one",
        file: "agent-ebpf/src/select.rs",
        old: "if work.longest > next_hop.mtu {",
        new: "if work.longest >= next_hop.mtu {",
    },
    Mutant {
        name: "mtu-ignored",
        file: "agent-ebpf/src/select.rs",
        old: "if work.longest > next_hop.mtu {",
        new: "if work.longest > next_hop.mtu + 100_000 {",
    },
    Mutant {
        name: "mtu-with-ethernet",
        file: "agent-ebpf/src/deliver.rs",
        old: "longest: length,",
        new: "longest: length + ETHERNET_LENGTH,",
    },
    Mutant {
        name: "no-route-for-no-upstream",
        file: "agent-ebpf/src/select.rs",
        old: "let Some(upstream) = upstream(destination, work, headers) else {\n        return Choice::drop(DropReason::NoUpstream, NONE);",
        new: "let Some(upstream) = upstream(destination, work, headers) else {\n        return Choice::drop(DropReason::NoRoute, NONE);",
    },
    Mutant {
        name: "unresolved-is-cloned",
        file: "agent-ebpf/src/select.rs",
        old: "if !resolved && work.forward.action != ACTION_FORWARD {",
        new: "if !resolved && work.forward.action == u8::MAX {",
    },
    Mutant {
        name: "sampling-turned-round",
        file: "agent-ebpf/src/select.rs",
        old: "hash::index(hash, one_in) != 0",
        new: "hash::index(hash, one_in) == 0",
    },
    Mutant {
        name: "sampling-of-one-in-one",
        file: "agent-ebpf/src/select.rs",
        old: "if one_in <= 1 {",
        new: "if one_in == 0 {",
    },
    Mutant {
        name: "flow-hash-without-ports",
        file: "agent-ebpf/src/select.rs",
        old: "FIVE_TUPLE => hash::keyed(Strategy::FiveTuple, flow),",
        new: "FIVE_TUPLE => hash::keyed(Strategy::SourceIp, flow),",
    },
    Mutant {
        name: "strategy-confused",
        file: "agent-ebpf/src/select.rs",
        old: "SOURCE_PORT => hash::keyed(Strategy::SourcePort, flow),",
        new: "SOURCE_PORT => hash::keyed(Strategy::SourceIpPort, flow),",
    },
    Mutant {
        name: "table-read-aside",
        file: "agent-ebpf/src/select.rs",
        old: "entries[(position % TABLE_ENTRIES_PER_VALUE) as usize];",
        new: "entries[(position / 2 % TABLE_ENTRIES_PER_VALUE) as usize];",
    },
    Mutant {
        name: "ports-hashed-in-wire-order",
        file: "agent-ebpf/src/work.rs",
        old: "source_port: u16::from_be(self.source_port),",
        new: "source_port: self.source_port,",
    },
    Mutant {
        name: "burst-one-more",
        file: "agent-ebpf/src/select.rs",
        old: "if start - now > tolerance {",
        new: "if start - now > tolerance + interval {",
    },
    Mutant {
        name: "limit-never-paid",
        file: "agent-ebpf/src/select.rs",
        old: "let price = interval * packets;",
        new: "let price = (interval & 0) * packets;",
    },
    Mutant {
        name: "limit-paid-before-mtu",
        file: "agent-ebpf/src/select.rs",
        old: "    if is_sampled_out(destination, work, headers) {",
        new: "    if destination.rate_limit != NONE\n        && is_over_limit(destination.rate_limit, work.amount.packets)\n    {\n        return Choice::drop(DropReason::RateLimited, NONE);\n    }\n    if is_sampled_out(destination, work, headers) {",
    },
    Mutant {
        name: "limited-as-sampled-out",
        file: "agent-ebpf/src/select.rs",
        old: "        return Choice::drop(DropReason::RateLimited, upstream);",
        new: "        return Choice(Choice::SAMPLED_OUT);",
    },
    Mutant {
        name: "last-is-first",
        file: "agent-ebpf/src/plan.rs",
        old: "Outcome::Send { .. } | Outcome::SendUnresolved { .. } => plan.last = index,",
        new: "Outcome::Send { .. } | Outcome::SendUnresolved { .. } if plan.last > LAST as u32 => {\n                    plan.last = index;\n                }",
    },
    Mutant {
        name: "pass-although-some-dropped",
        file: "agent-ebpf/src/plan.rs",
        old: "&& self.unavailable == u32::from(forward.destination_count);",
        new: "&& self.unavailable != u32::from(forward.destination_count);",
    },
    Mutant {
        name: "pass-for-clone",
        file: "agent-ebpf/src/plan.rs",
        old: "let pass = forward.action == ACTION_FORWARD\n            && forward.when_unavailable",
        new: "let pass = forward.when_unavailable",
    },
    Mutant {
        name: "unsent-is-kept",
        file: "agent-ebpf/src/plan.rs",
        old: "    if forward.action == ACTION_FORWARD {\n        Verdict::Drop",
        new: "    if forward.action == ACTION_FORWARD + 7 {\n        Verdict::Drop",
    },
    Mutant {
        name: "unresolved-is-available",
        file: "agent-ebpf/src/plan.rs",
        old: "        || reason == DropReason::NoRoute as u32\n",
        new: "        || reason == DropReason::TtlExpired as u32\n",
    },
];
