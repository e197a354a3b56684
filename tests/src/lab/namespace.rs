//! Network namespaces by name: made, entered, removed, and swept when their process is gone. IO.

use std::{
    fs::{self, File},
    path::Path,
    process::Command,
    sync::Once,
};

use nix::{
    fcntl::{Flock, FlockArg},
    mount::{MsFlags, mount},
    sched::{CloneFlags, setns},
    sys::{
        signal::{Signal, kill},
        statfs::{FsType, statfs},
    },
    unistd::{Pid, geteuid},
};

use super::BPFFS;

/// Where `ip netns` keeps them.
pub(crate) const FOLDER: &str = "/var/run/netns";

/// `BPF_FS_MAGIC` of `linux/magic.h`.
const BPF_FS: FsType = FsType(0xcafe_4a11);

/// Start of every name that a process gives.
pub(crate) fn prefix(process: u32) -> String {
    format!("udplb-{process}-")
}

/// Once a process: checks that labs can be built here, and removes what dead processes left.
pub(crate) fn prepare_machine() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        assert!(
            geteuid().is_root(),
            "the lab needs root: it makes network namespaces and loads BPF programs"
        );
        // One process at a time: two would mount or sweep the same.
        let lock = File::create("/run/udplb-lab.lock").unwrap();
        let _lock = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
        if statfs(BPFFS).unwrap().filesystem_type() != BPF_FS {
            mount(
                Some("bpffs"),
                BPFFS,
                Some("bpf"),
                MsFlags::empty(),
                None::<&str>,
            )
            .unwrap_or_else(|error| panic!("cannot mount bpffs on {BPFFS}: {error}"));
        }
        sweep();
    });
}

/// Removes the namespaces, pins and files of processes that are gone.
fn sweep() {
    for folder in [Path::new(FOLDER), Path::new(BPFFS), &std::env::temp_dir()] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let owner = name
                .strip_prefix("udplb-")
                .and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
            match owner {
                Some(process) if !Path::new(&format!("/proc/{process}")).exists() => {}
                _ => continue,
            }
            if folder == Path::new(FOLDER) {
                remove(&name);
            } else {
                drop(fs::remove_dir_all(entry.path()));
            }
        }
    }
}

/// Makes a namespace in which IPv6 addresses are usable at once and nothing is sent unasked.
pub(crate) fn create(name: &str) {
    let output = Command::new("ip")
        .args(["netns", "add", name])
        .output()
        .expect("cannot run ip (package iproute2)");
    assert!(
        output.status.success(),
        "ip netns add {name}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    enter(name, || {
        for interface in ["all", "default"] {
            for (setting, value) in [
                ("accept_dad", "0"),
                ("accept_ra", "0"),
                ("router_solicitations", "0"),
            ] {
                fs::write(
                    format!("/proc/sys/net/ipv6/conf/{interface}/{setting}"),
                    value,
                )
                .unwrap();
            }
            // Tests set this where they are about it; a machine's own setting must not matter.
            fs::write(
                format!("/proc/sys/net/ipv4/conf/{interface}/rp_filter"),
                "0",
            )
            .unwrap();
        }
    });
}

/// Gives a namespace that is there already, of a process, a name.
pub(crate) fn adopt(name: &str, theirs: &Path) {
    let path = Path::new(FOLDER).join(name);
    // Who had the name before does not exist any more.
    drop(Command::new("ip").args(["netns", "delete", name]).output());
    drop(File::create(&path).unwrap());
    mount(
        Some(theirs),
        &path,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .unwrap_or_else(|error| panic!("namespace {name} of {}: {error}", theirs.display()));
}

/// Ends every process inside and removes the name. The kernel frees the rest when the last socket closes.
pub(crate) fn remove(name: &str) {
    if let Ok(output) = Command::new("ip").args(["netns", "pids", name]).output() {
        for process in String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| line.trim().parse().ok())
        {
            let _ended_already = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
    }
    drop(Command::new("ip").args(["netns", "delete", name]).output());
}

/// Opens a namespace, to enter it.
pub(crate) fn open(name: &str) -> File {
    File::open(Path::new(FOLDER).join(name))
        .unwrap_or_else(|error| panic!("namespace {name}: {error}"))
}

/// Runs a closure on a thread inside the namespace. What it opens there stays there.
pub(crate) fn enter<R: Send>(name: &str, body: impl FnOnce() -> R + Send) -> R {
    let namespace = open(name);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn_scoped(scope, || {
                setns(&namespace, CloneFlags::CLONE_NEWNET).unwrap();
                body()
            });
        thread
            .unwrap()
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
