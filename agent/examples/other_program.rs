//! The node agent with the eBPF program from the file that `UDPLB_PROGRAM` names in the place of its own, where that is
//! set: for `make mutants`, which shows that tests notice a defect, and for the tests of upgrades.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Context as _;

fn main() -> anyhow::Result<ExitCode> {
    if let Some(path) = std::env::var_os("UDPLB_PROGRAM") {
        let object =
            std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        udplb_agent::kernel::bpf::load_instead(object);
    }
    Ok(udplb_agent::cli::main())
}
