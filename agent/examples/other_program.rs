//! The node agent with the eBPF program from the file that `UDPLB_PROGRAM` names in the place of its own: for
//! `make mutants`, which shows that tests notice a defect.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Context as _;

fn main() -> anyhow::Result<ExitCode> {
    let path = std::env::var_os("UDPLB_PROGRAM").context("UDPLB_PROGRAM names no file")?;
    let object =
        std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
    udplb_agent::kernel::bpf::load_instead(object);
    Ok(udplb_agent::cli::main())
}
