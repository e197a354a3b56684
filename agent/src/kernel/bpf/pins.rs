//! The pin directory: where maps and links outlive the process. **IO**

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    mount::{MsFlags, mount},
    sys::statfs::{BPF_FS_MAGIC, statfs},
};
use thiserror::Error;
use udplb_abi::LAYOUT;

/// Where BPF file systems are mounted by convention.
const BPFFS: &str = "/sys/fs/bpf";

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
    #[error("failed to mount a BPF file system at {BPFFS}; mount one or choose --pin-dir")]
    Mount {
        /// Why.
        #[source]
        source: Errno,
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

/// The pin directory, exclusively ours while this lives.
#[derive(Debug)]
pub struct PinDirectory {
    path: PathBuf,
    _lock: Flock<File>,
}

impl PinDirectory {
    /// Creates the folder where it is missing and locks it.
    pub fn open(path: &Path) -> Result<Self, PinError> {
        mount_where_missing(path)?;
        create(path)?;
        let lock = lock(path)?;
        let directory = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        create(&directory.maps())?;
        create(&directory.links())?;
        Ok(directory)
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where maps are pinned. Each layout has a folder of its own, so that a program never meets maps
    /// of another shape.
    #[must_use]
    pub fn maps(&self) -> PathBuf {
        maps_of(&self.path)
    }

    /// Where TCX links are pinned.
    #[must_use]
    pub fn links(&self) -> PathBuf {
        self.path.join("links")
    }

    /// The pin of an interface's TCX link.
    #[must_use]
    pub fn link(&self, interface: u32) -> PathBuf {
        self.links().join(format!("ingress-{interface}"))
    }

    /// Removes every pin, of older layouts too, and the folders.
    pub fn remove(&self) -> Result<(), PinError> {
        for folder in entries(&self.path)? {
            for pin in entries(&folder)? {
                fs::remove_file(&pin).map_err(|source| PinError::File {
                    action: "remove",
                    path: pin,
                    source,
                })?;
            }
            remove_folder(&folder)?;
        }
        remove_folder(&self.path)
    }
}

/// The folder of map pins below a pin directory, for readers that take no lock.
pub(super) fn maps_of(pin_directory: &Path) -> PathBuf {
    pin_directory.join(format!("maps-{LAYOUT}"))
}

/// The file name of a map's pin: a BPF file system takes no dots, which sections begin with.
pub(super) const fn name(map: &'static str) -> &'static str {
    match map.as_bytes() {
        [b'.', ..] => "TRACE",
        _ => map,
    }
}

/// The interface whose link is pinned at a path that [`PinDirectory::link`] made.
pub(super) fn interface(pin: &Path) -> Option<u32> {
    pin.file_name()?
        .to_str()?
        .strip_prefix("ingress-")?
        .parse()
        .ok()
}

/// The paths in a folder; none where there is no such folder.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, PinError> {
    let failed = |source| PinError::File {
        action: "list",
        path: folder.to_owned(),
        source,
    };
    match fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()).map_err(failed))
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
    }
}

fn create(path: &Path) -> Result<(), PinError> {
    fs::create_dir_all(path).map_err(|source| PinError::File {
        action: "create",
        path: path.to_owned(),
        source,
    })?;
    let kind = statfs(path).map_err(|source| PinError::File {
        action: "examine",
        path: path.to_owned(),
        source: source.into(),
    })?;
    if kind.filesystem_type() == BPF_FS_MAGIC {
        Ok(())
    } else {
        // Nobody may mistake the folder for a working one.
        let _removed = fs::remove_dir(path);
        Err(PinError::NotBpffs {
            path: path.to_owned(),
        })
    }
}

/// Minimal systems do not mount the conventional file system; `tc` and `bpftool` mount it, too.
fn mount_where_missing(path: &Path) -> Result<(), PinError> {
    if !path.starts_with(BPFFS) {
        return Ok(());
    }
    match statfs(BPFFS) {
        Ok(kind) if kind.filesystem_type() == BPF_FS_MAGIC => Ok(()),
        _ => mount(
            Some("bpf"),
            BPFFS,
            Some("bpf"),
            MsFlags::empty(),
            Some("mode=0700"),
        )
        .map_err(|source| PinError::Mount { source }),
    }
}

/// BPF file systems hold no files that could be locked, but their folders can be.
fn lock(path: &Path) -> Result<Flock<File>, PinError> {
    let folder = File::open(path).map_err(|source| PinError::File {
        action: "open",
        path: path.to_owned(),
        source,
    })?;
    Flock::lock(folder, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| {
        if error == Errno::EWOULDBLOCK {
            PinError::Busy {
                path: path.to_owned(),
            }
        } else {
            PinError::File {
                action: "lock",
                path: path.to_owned(),
                source: error.into(),
            }
        }
    })
}

fn remove_folder(path: &Path) -> Result<(), PinError> {
    fs::remove_dir(path).map_err(|source| PinError::File {
        action: "remove",
        path: path.to_owned(),
        source,
    })
}
