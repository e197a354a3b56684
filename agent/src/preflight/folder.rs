//! The folders that an agent works with, and its address. **IO**

use std::{net::SocketAddr, path::Path};

use nix::{
    errno::Errno,
    sys::statvfs::statvfs,
    unistd::{AccessFlags, eaccess},
};
use udplb_process::http::Endpoints;

use super::finding::Finding;
use crate::{
    error_chain,
    kernel::bpf::{LoadError, PinDirectory, PinState, Program},
};

/// Whether maps and links can outlive the process there.
#[must_use]
pub fn pins(path: &Path, mounts: bool) -> (Finding, Option<PinState>) {
    let finding = Finding::ok("pin directory", "forwarding that outlives the process");
    match PinDirectory::examine(path, mounts) {
        Ok(state @ (PinState::Fresh | PinState::Adoptable)) => (finding, Some(state)),
        Ok(PinState::InUse) => (
            finding.note(format!("an agent that runs uses {}", path.display())),
            Some(PinState::InUse),
        ),
        Ok(state @ PinState::OtherVersion) => (
            finding.note(format!(
                "{} is in use by another version of udplb-agent; `run` takes over without a gap",
                path.display()
            )),
            Some(state),
        ),
        Ok(PinState::Unmounted) => (
            finding.note("no BPF file system is mounted; `run` mounts it"),
            Some(PinState::Unmounted),
        ),
        Err(error) => (finding.failed(error_chain(&error)), None),
    }
}

/// Whether the kernel takes the program, and pinned maps fit it.
#[must_use]
pub fn program(pin_directory: &Path) -> Finding {
    let finding = Finding::ok("program", "cloning and forwarding packets");
    match Program::try_out(pin_directory) {
        Ok(()) => finding,
        Err(error @ LoadError::OtherVersion { .. }) => finding.failed(error_chain(&error)),
        Err(error) => finding.failed(format!(
            "{}: upgrade to Linux 6.1 or later, or report it with the kernel's version",
            error_chain(&error)
        )),
    }
}

/// Whether the last good input can be kept. An agent runs without, so this never fails.
#[must_use]
pub fn state(path: &Path) -> Finding {
    let finding = Finding::ok(
        "state directory",
        "starting while the file is bad or missing",
    );
    let folder = path.ancestors().find(|folder| folder.exists());
    let folder = folder.unwrap_or(Path::new("/"));
    let name = folder.display();
    let problem = if !folder.is_dir() {
        format!("{name} is no folder")
    } else if let Err(error) = eaccess(folder, AccessFlags::W_OK | AccessFlags::X_OK) {
        match error {
            Errno::EROFS => format!("{name} is on a read-only file system"),
            Errno::EACCES => format!("this user may not write to {name}"),
            error => format!("{name}: {}", error.desc()),
        }
    } else if statvfs(folder).is_ok_and(|system| system.blocks_available() == 0) {
        format!("{name} is full")
    } else {
        return finding;
    };
    finding.note(format!(
        "{problem}: choose another folder with --state-dir, or the next start needs a good file"
    ))
}

/// Whether the endpoints can be served.
pub async fn endpoints(address: SocketAddr, pins: Option<PinState>) -> Finding {
    let finding = Finding::ok("HTTP address", "/metrics, /livez, /readyz");
    match Endpoints::bind(address, "--http-address").await {
        Ok(_closed) => finding,
        // The agent that runs has it.
        Err(_) if pins == Some(PinState::InUse) => finding,
        Err(error) => finding.failed(error_chain(&error)),
    }
}
