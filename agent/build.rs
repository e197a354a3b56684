//! Builds the eBPF program, which the agent embeds.

use std::{env, path::PathBuf};

use anyhow::Context as _;
use aya_build::{Package, Toolchain};

/// The workspace's own compiler, also for the kernel's target: `rust-toolchain.toml`.
const TOOLCHAIN: &str = "1.99.1";

fn main() -> anyhow::Result<()> {
    println!("cargo::rerun-if-env-changed=UDPLB_SKIP_EBPF");
    let target = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set")?).join("udplb");
    if env::var_os("UDPLB_SKIP_EBPF").is_some() {
        println!("cargo::warning=UDPLB_SKIP_EBPF is set: this agent has no program to load");
        return std::fs::write(target, []).context("failed to write an empty program");
    }
    // The folder is rebuilt when what the program shares with the agent changes, too.
    println!("cargo::rerun-if-changed=../common/abi/src");
    // `core` for the kernel's target has to be built, which stable compilers do on request only.
    // SAFETY: this process has one thread.
    unsafe { env::set_var("RUSTC_BOOTSTRAP", "1") };
    aya_build::build_ebpf(
        [Package {
            name: "udplb-agent-ebpf",
            root_dir: "../agent-ebpf",
            ..Package::default()
        }],
        Toolchain::Custom(TOOLCHAIN),
    )
    .context("failed to build the eBPF program; `make setup` installs what it needs")
}
