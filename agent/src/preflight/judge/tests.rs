//! What is said about hosts that lack something, word for word.

use super::*;
use crate::preflight::finding::Verdict;

fn all_there() -> Probes {
    Probes {
        release: "5.10.0".to_owned(),
        capabilities: Capability::OF_RUN.into_iter().collect(),
        restricted_by: "a seccomp filter is active",
        bpf: Ok(()),
        features: Some(Features {
            missing_maps: Vec::new(),
            tcx: true,
            clsact: None,
            managed_neighbours: true,
            grace_periods: true,
        }),
    }
}

fn with(change: impl FnOnce(&mut Features)) -> Probes {
    let mut probes = all_there();
    change(probes.features.as_mut().unwrap());
    probes
}

/// Everything that is said, by finding.
fn said(probes: &Probes, hook: HookChoice) -> Vec<(&'static str, Verdict, String)> {
    let findings = findings(probes, hook).into_iter();
    findings
        .filter_map(|finding| Some((finding.name, finding.result, finding.message?)))
        .collect()
}

fn failed(name: &'static str, message: &str) -> Vec<(&'static str, Verdict, String)> {
    vec![(name, Verdict::Failed, message.to_owned())]
}

#[test]
fn nothing_is_said_where_nothing_lacks() {
    for hook in [HookChoice::Auto, HookChoice::Tcx] {
        assert_eq!(said(&all_there(), hook), []);
    }
    assert_eq!(findings(&all_there(), HookChoice::Auto).len(), 8);
}

#[test]
fn the_missing_capability_is_named() {
    for missing in Capability::OF_RUN {
        let mut probes = all_there();
        let others = Capability::OF_RUN.into_iter().filter(|&one| one != missing);
        probes.capabilities = others.collect();
        let message = format!(
            "{missing} is missing: run as root (sudo), or give the service that capability"
        );
        assert_eq!(
            said(&probes, HookChoice::Auto),
            failed(missing.name(), &message)
        );
    }
}

#[test]
fn a_refused_system_call_is_explained() {
    for (error, message) in [
        (
            Errno::EPERM,
            "bpf() is not permitted although CAP_BPF is there; a seccomp filter is active",
        ),
        (
            Errno::ENOSYS,
            "this kernel (5.10.0) has no bpf(): use one with CONFIG_BPF_SYSCALL",
        ),
        (Errno::ENOMEM, "bpf() failed: Out of memory"),
    ] {
        let mut probes = all_there();
        probes.bpf = Err(error);
        probes.features = None;
        assert_eq!(said(&probes, HookChoice::Auto), failed("bpf()", message));
    }
}

#[test]
fn a_kernel_that_is_too_old_is_told_by_its_feature() {
    let cases = [
        (
            with(|features| features.missing_maps = vec!["per-CPU hash", "hash"]),
            "map types",
            "this kernel (5.10.0) lacks BPF maps of the kind per-CPU hash, hash: upgrade to Linux 6.1 or later",
        ),
        (
            with(|features| features.managed_neighbours = false),
            "managed neighbours",
            "this kernel (5.10.0) does not keep neighbour entries for us (NTF_EXT_MANAGED, Linux 5.16): upgrade to Linux 6.1 or later",
        ),
        (
            with(|features| features.grace_periods = false),
            "membarrier()",
            "this kernel (5.10.0) has no MEMBARRIER_CMD_GLOBAL: boot without nohz_full, use one with CONFIG_MEMBARRIER, or allow membarrier() in the seccomp filter",
        ),
    ];
    for (probes, name, message) in cases {
        assert_eq!(said(&probes, HookChoice::Auto), failed(name, message));
    }
}

#[test]
fn without_tcx_links_a_filter_is_used_unless_they_were_asked_for() {
    let probes = |clsact| {
        with(|features| {
            features.tcx = false;
            features.clsact = clsact;
        })
    };
    let fallback = (
        "TCX links",
        Verdict::Note,
        "this kernel (5.10.0) has none, Linux 6.6 has: a clsact filter is used, which other programs can remove"
            .to_owned(),
    );
    assert_eq!(
        said(&probes(Some(true)), HookChoice::Auto),
        std::slice::from_ref(&fallback)
    );
    let untried = "not tried: that takes CAP_SYS_ADMIN".to_owned();
    assert_eq!(
        said(&probes(None), HookChoice::Auto),
        [fallback.clone(), ("clsact", Verdict::Note, untried)]
    );
    let neither = "this kernel (5.10.0) has no clsact qdisc: use one with CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF";
    assert_eq!(
        said(&probes(Some(false)), HookChoice::Auto),
        [fallback, ("clsact", Verdict::Failed, neither.to_owned())]
    );
    assert_eq!(
        said(&probes(None), HookChoice::Tcx),
        failed(
            "TCX links",
            "this kernel (5.10.0) has no TCX links: upgrade to Linux 6.6 or later, or leave --hook out"
        )
    );
}
