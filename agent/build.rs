//! Builds the eBPF program, which the agent embeds.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use aya_build::{Package, Toolchain};

/// The workspace's own compiler builds for the kernel as well: `rust-toolchain.toml`.
const TOOLCHAIN: &str = "1.99.1";
/// As `.ci/setup` installs it.
const BPF_LINKER: &str = "bpf-linker-0.10.4";

fn main() -> anyhow::Result<()> {
    println!("cargo::rerun-if-env-changed=UDPLB_SKIP_EBPF");
    let target = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set")?).join("udplb");
    if env::var_os("UDPLB_SKIP_EBPF").is_some() {
        println!("cargo::warning=UDPLB_SKIP_EBPF is set: this agent has no program to load");
        return fs::write(target, []).context("failed to write an empty program");
    }
    // The program is built anew as well when what it shares with the agent changes.
    println!("cargo::rerun-if-changed=../common/abi/src");
    let mut path = cache().map_or_else(Vec::new, |cache| vec![cache.join(BPF_LINKER).join("bin")]);
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let path = env::join_paths(path).context("PATH cannot be extended")?;
    // SAFETY: this process has one thread. `core` for the kernel's target has to be built, which
    // stable compilers do on this request only; crates of the host never see it.
    unsafe {
        env::set_var("PATH", path);
        env::set_var("RUSTC_BOOTSTRAP", "1");
    }
    aya_build::build_ebpf(
        [Package {
            name: "udplb-agent-ebpf",
            root_dir: "../agent-ebpf",
            ..Package::default()
        }],
        Toolchain::Custom(TOOLCHAIN),
    )
    .context("failed to build the eBPF program; `make setup` installs what that needs")
}

/// Where `.ci/setup` keeps what is slow to build.
fn cache() -> Option<PathBuf> {
    let home = |name: &str| Some(Path::new(&env::var_os("HOME")?).join(name));
    env::var_os("UDPLB_CACHE").map(PathBuf::from).or_else(|| {
        env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| home(".cache"))
            .map(|caches| caches.join("udplb"))
    })
}
