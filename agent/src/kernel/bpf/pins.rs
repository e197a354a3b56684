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
    unistd::{AccessFlags, eaccess},
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
    /// Maps of another layout are in use.
    #[error(
        "{path} holds the maps of another version of udplb-agent ({found}, this one has {ours}); \
         run `udplb-agent cleanup` of that version, or give this one its own folder with --pin-dir"
    )]
    OtherVersion {
        /// The folder.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What this version makes.
        ours: String,
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

/// What a pin directory is like before anybody works with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinState {
    /// Nothing is pinned there; the folder may be missing.
    Fresh,
    /// An agent left its maps there.
    Adoptable,
    /// An agent works with it now.
    InUse,
    /// Its file system has to be mounted first.
    Unmounted,
}

/// The pin directory, exclusively ours while this lives.
#[derive(Debug)]
pub struct PinDirectory {
    path: PathBuf,
    _lock: Flock<File>,
}

impl PinDirectory {
    /// Creates the folder where it is missing and locks it, to work with its maps.
    pub fn open(path: &Path) -> Result<Self, PinError> {
        let directory = Self::open_any(path)?;
        refuse_other_versions(path)?;
        Ok(directory)
    }

    /// As [`PinDirectory::open`], whichever version left what is there: to take it down.
    pub fn open_any(path: &Path) -> Result<Self, PinError> {
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

    /// What [`PinDirectory::open`] would meet; changes nothing. `mounts`: whether this process may mount.
    pub fn examine(path: &Path, mounts: bool) -> Result<PinState, PinError> {
        if is_unmounted(path) {
            return if mounts {
                Ok(PinState::Unmounted)
            } else {
                Err(PinError::Mount {
                    source: Errno::EPERM,
                })
            };
        }
        let existing = path.ancestors().find(|folder| folder.exists());
        let existing = existing.unwrap_or(Path::new("/"));
        if !is_bpffs(existing)? {
            return Err(PinError::NotBpffs {
                path: path.to_owned(),
            });
        }
        if existing != path {
            return writable(existing).map(|()| PinState::Fresh);
        }
        match lock(path) {
            Ok(_released) => {}
            Err(PinError::Busy { .. }) => return Ok(PinState::InUse),
            Err(error) => return Err(error),
        }
        writable(path)?;
        refuse_other_versions(path)?;
        Ok(if entries(&maps_of(path))?.is_empty() {
            PinState::Fresh
        } else {
            PinState::Adoptable
        })
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folders with the maps of other versions. [`PinDirectory::remove`] takes them down without knowing
    /// what is in them.
    pub fn other_versions(&self) -> Result<Vec<PathBuf>, PinError> {
        other_versions(&self.path)
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
        links_of(&self.path)
    }

    /// The pin of an interface's TCX link.
    #[must_use]
    pub fn link(&self, interface: u32) -> PathBuf {
        link_of(&self.path, interface)
    }

    /// Removes every pin, of older layouts too, and the folders.
    pub fn remove(&self) -> Result<(), PinError> {
        for folder in entries(&self.path)? {
            for pin in entries(&folder)? {
                fs::remove_file(&pin).map_err(failed("remove", &pin))?;
            }
            remove_folder(&folder)?;
        }
        match fs::remove_dir(&self.path) {
            // Whoever gave an agent without root its folder keeps it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            removed => removed.map_err(failed("remove", &self.path)),
        }
    }
}

/// The folder of map pins below a pin directory, for readers that take no lock.
pub(super) fn maps_of(pin_directory: &Path) -> PathBuf {
    pin_directory.join(format!("maps-{LAYOUT}"))
}

/// The file name of a map's pin: a BPF file system takes no dots, which sections begin with.
pub(super) const fn name(map: &str) -> &str {
    match map.as_bytes() {
        [b'.', ..] => "TRACE",
        _ => map,
    }
}

fn links_of(pin_directory: &Path) -> PathBuf {
    pin_directory.join("links")
}

/// The pin of an interface's TCX link below a pin directory, for readers that take no lock.
pub(super) fn link_of(pin_directory: &Path, interface: u32) -> PathBuf {
    links_of(pin_directory).join(format!("ingress-{interface}"))
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
    match fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| {
                entry
                    .map(|entry| entry.path())
                    .map_err(failed("list", folder))
            })
            .collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed("list", folder)(error)),
    }
}

fn create(path: &Path) -> Result<(), PinError> {
    let existed = path.exists();
    match fs::create_dir_all(path) {
        // Says which of them, and what to do.
        Err(error) if is_refusal(&error) => {
            let existing = path.ancestors().find(|folder| folder.exists());
            writable(existing.unwrap_or(path))?;
            return Err(failed("create", path)(error));
        }
        created => created.map_err(failed("create", path))?,
    }
    if !is_bpffs(path)? {
        if !existed {
            // Nobody may mistake the folder for a working one.
            let _removed = fs::remove_dir(path);
        }
        return Err(PinError::NotBpffs {
            path: path.to_owned(),
        });
    }
    writable(path)
}

fn is_bpffs(path: &Path) -> Result<bool, PinError> {
    let kind = statfs(path).map_err(|source| failed("examine", path)(source.into()))?;
    Ok(kind.filesystem_type() == BPF_FS_MAGIC)
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

fn writable(folder: &Path) -> Result<(), PinError> {
    let path = folder.to_owned();
    match eaccess(folder, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) => Ok(()),
        Err(Errno::EROFS) => Err(PinError::ReadOnly { path }),
        Err(Errno::EACCES | Errno::EPERM) => Err(PinError::Denied { path }),
        Err(error) => Err(failed("examine", folder)(error.into())),
    }
}

/// The maps of another layout would go on being filled by nobody while their programs still run.
fn refuse_other_versions(path: &Path) -> Result<(), PinError> {
    match &other_versions(path)?[..] {
        [] => Ok(()),
        [found, ..] => Err(PinError::OtherVersion {
            path: path.to_owned(),
            found: file_name(found),
            ours: file_name(&maps_of(path)),
        }),
    }
}

/// The folders of other layouts' maps.
fn other_versions(path: &Path) -> Result<Vec<PathBuf>, PinError> {
    let ours = maps_of(path);
    let mut folders = entries(path)?;
    folders.retain(|found| *found != ours && file_name(found).starts_with("maps-"));
    Ok(folders)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().display().to_string()
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PinError {
    let path = path.to_owned();
    move |source| PinError::File {
        action,
        path,
        source,
    }
}

/// Minimal systems do not mount the conventional file system; `tc` and `bpftool` mount it, too.
fn mount_where_missing(path: &Path) -> Result<(), PinError> {
    if !is_unmounted(path) {
        return Ok(());
    }
    mount(
        Some("bpf"),
        BPFFS,
        Some("bpf"),
        MsFlags::empty(),
        Some("mode=0700"),
    )
    .map_err(|source| PinError::Mount { source })
}

fn is_unmounted(path: &Path) -> bool {
    path.starts_with(BPFFS) && !is_bpffs(Path::new(BPFFS)).unwrap_or(false)
}

/// BPF file systems hold no files that could be locked, but their folders can be.
fn lock(path: &Path) -> Result<Flock<File>, PinError> {
    let folder = File::open(path).map_err(failed("open", path))?;
    Flock::lock(folder, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| {
        if error == Errno::EWOULDBLOCK {
            PinError::Busy {
                path: path.to_owned(),
            }
        } else {
            failed("lock", path)(error.into())
        }
    })
}

fn remove_folder(path: &Path) -> Result<(), PinError> {
    fs::remove_dir(path).map_err(failed("remove", path))
}
