//! Processes that may not do what an agent does; and the least that suffices.

use nix::{errno::Errno, sys::signal::Signal};

use udplb_tests::wait;

use super::situation::{PATIENCE, Situation};

fn missing(capability: &str) -> String {
    format!("{capability} is missing: run as root (sudo), or give the service that capability")
}

/// What `check` finds about a user without privileges who asks about no file.
#[test]
fn without_root_the_first_missing_capability_is_named() {
    let situation = Situation::new("env-nobody");
    let nobody = situation.through(&["--reuid=65534", "--regid=65534", "--clear-groups"]);
    let output = nobody.output("run", &[]);
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        format!(
            "udplb-agent: {} (3 more: see `udplb-agent check`)\n",
            missing("CAP_BPF")
        )
    );
    for (command, capability, what) in [
        ("cleanup", "CAP_BPF", "loads programs and creates maps"),
        ("status", "CAP_BPF", "loads programs and creates maps"),
    ] {
        let output = nobody.output(command, &[]);
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            format!(
                "udplb-agent: `udplb-agent {command}` needs {capability}, which {what}: run it as root (sudo), or give it that capability\n"
            )
        );
    }
}

#[test]
fn a_missing_capability_is_named() {
    let name = |capability: &str| format!("env-without-{}", capability.replace('_', "-"));
    for (capability, expected) in [
        ("net_admin", vec![missing("CAP_NET_ADMIN")]),
        ("perfmon", vec![missing("CAP_PERFMON")]),
        (
            "bpf",
            vec![
                missing("CAP_BPF"),
                "not permitted without CAP_BPF: run as root (sudo)".to_owned(),
            ],
        ),
    ] {
        let situation =
            Situation::new(&name(capability)).without(&format!("{capability},sys_admin"));
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        situation.refused(&expected);
    }
}

#[test]
fn a_seccomp_filter_is_named() {
    let situation = Situation::new("env-seccomp").forbid(libc::SYS_bpf, Errno::EPERM);
    situation.refused(&["bpf() is not permitted although CAP_BPF is there; a seccomp filter is active: allow bpf() in it, for a container in its seccomp profile"]);
}

#[test]
fn a_kernel_without_bpf_or_grace_periods_is_named_by_what_it_lacks() {
    let release = nix::sys::utsname::uname().unwrap();
    let release = release.release().display();
    let situation = Situation::new("env-no-bpf").forbid(libc::SYS_bpf, Errno::ENOSYS);
    situation.refused(&[&format!(
        "this kernel ({release}) has no bpf(): use one with CONFIG_BPF_SYSCALL"
    )]);
    let situation = Situation::new("env-no-grace").forbid(libc::SYS_membarrier, Errno::ENOSYS);
    situation.refused(&[&format!(
        "this kernel ({release}) has no MEMBARRIER_CMD_GLOBAL: boot without nohz_full, use one with CONFIG_MEMBARRIER, or allow membarrier() in the seccomp filter"
    )]);
}

#[test]
fn a_user_namespace_is_named() {
    let situation = Situation::new("env-user-namespace");
    // The situation is made inside: its root has every capability there.
    let mut command = situation.node().command("unshare");
    let command = command
        .args(["--user", "--map-root-user", "--"])
        .arg(udplb_tests::agent::binary())
        .args(["run", "-c"])
        .arg(situation.config());
    let output = command.output().unwrap();
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "udplb-agent: bpf() is not permitted although CAP_BPF is there; this is a user namespace, where they count for nothing: run it outside\n"
    );
}

/// An ordinary user with exactly the three capabilities, and a folder of its own to pin to.
#[test]
fn three_capabilities_suffice() {
    const CAPABILITIES: &str = "-all,+bpf,+net_admin,+perfmon";
    for hook in ["tcx", "clsact"] {
        let situation = Situation::new(&format!("env-three-{hook}")).through(&[
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            &format!("--bounding-set={CAPABILITIES}"),
            &format!("--inh-caps={CAPABILITIES}"),
            &format!("--ambient-caps={CAPABILITIES}"),
        ]);
        // In a folder of root's, as /sys/fs/bpf is on most hosts.
        let own = situation.pins.join("agent");
        let situation = situation.pins(own);
        let (pins, state) = (&situation.pins, situation.state());
        for folder in [pins, &state] {
            std::fs::create_dir_all(folder).unwrap();
            std::os::unix::fs::chown(folder, Some(65534), Some(65534)).unwrap();
        }
        let (failed, notes) = situation.checked();
        assert_eq!(failed, [""; 0]);
        assert_eq!(notes, [""; 0]);

        // A crash, and a start that adopts what is there.
        let mut agent = situation.run(&["--hook", hook]);
        agent.signal(Signal::SIGKILL);
        let _ended = agent.wait(PATIENCE);
        situation.use_it();
        let mut agent = situation.run(&["--hook", hook, "--look-every", "1"]);
        let status = situation.output("status", &["--output", "json"]);
        assert!(status.status.success());
        let text = String::from_utf8(status.stdout).unwrap();
        assert!(text.contains("\"eth0\""), "{text}");
        // Looking for damage takes no more either: nothing is attached again.
        let attached = || agent.log().matches(" attachments=1 ").count();
        let before = attached();
        wait::until(2 * PATIENCE, "two looks for damage", || {
            (agent.log().matches("looked at hooks").count() > 1).then_some(())
        });
        assert_eq!(attached(), before);
        let log = agent.log();
        assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");

        agent.signal(Signal::SIGTERM);
        let ended = agent.wait(PATIENCE);
        assert!(ended.success(), "{ended}: {}", agent.log());
        // The folder is its owner's to keep; nothing is in it.
        assert_eq!(std::fs::read_dir(pins).unwrap().count(), 0);
        let node = situation.node();
        assert!(!node.run("tc qdisc show dev eth0").contains("clsact"));
        assert_eq!(node.run("ip -d neigh show | grep managed || true"), "");
    }
}
