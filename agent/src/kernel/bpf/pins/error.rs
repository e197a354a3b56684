//! What goes wrong with the pin directory, in words that say what to do. **pure**

use std::{io, path::PathBuf};

use nix::errno::Errno;
use thiserror::Error;

use super::BPFFS;

/// What went wrong with the pin directory.
#[derive(Debug, Error)]
pub enum PinError {
    /// The folder is not on a BPF file system.
    #[error(
        "{path} is not on a BPF file system; mount one (`mount -t bpf bpf {BPFFS}`) or choose \
         another folder with --pin-dir"
    )]
    NotBpffs {
        /// The folder.
        path: PathBuf,
    },
    /// The BPF file system could not be mounted.
    #[error(
        "no BPF file system is at {BPFFS} and it cannot be mounted from here; mount it as root \
         (`mount -t bpf bpf {BPFFS}`) or choose --pin-dir"
    )]
    Mount {
        /// Why.
        #[source]
        source: Errno,
    },
    /// The BPF file system is mounted read-only.
    #[error(
        "{path} is on a read-only BPF file system; remount it (`mount -o remount,rw {BPFFS}`) \
             or choose another folder with --pin-dir"
    )]
    ReadOnly {
        /// The folder, or the nearest one above it that exists.
        path: PathBuf,
    },
    /// This user may not write there.
    #[error(
        "this user may not write to {path}; run as its owner, or choose another folder with --pin-dir"
    )]
    Denied {
        /// The folder, or the nearest one above it that exists.
        path: PathBuf,
    },
    /// Another agent works with the folder.
    #[error(
        "another udplb-agent uses {path}; stop it, or give this one its own folder with --pin-dir"
    )]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error("failed to {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}
