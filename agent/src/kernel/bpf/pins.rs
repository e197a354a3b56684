//! The pin directory: where maps and links outlive the process. **IO**
//!
//! What is in it, and which of it every version understands, says [`udplb_abi::layout`].

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io, iter,
    path::{Path, PathBuf},
};

use aya::maps::MapInfo;
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    mount::{MsFlags, mount},
    sys::statfs::{BPF_FS_MAGIC, statfs},
    unistd::{AccessFlags, eaccess},
};
use udplb_abi::{layout::Group, map};

mod error;

pub use error::PinError;

/// The folder of TCX links.
const LINKS: &str = "links";
/// Where BPF file systems are mounted by convention.
const BPFFS: &str = "/sys/fs/bpf";

/// What a pin directory is like before anybody works with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinState {
    /// Nothing is pinned there; the folder may be missing.
    Fresh,
    /// An agent left its maps there.
    Adoptable,
    /// An agent of another version left its maps there.
    OtherVersion,
    /// An agent works with it now.
    InUse,
    /// Its file system has to be mounted first.
    Unmounted,
}

/// The pin directory, exclusively ours while this lives.
#[derive(Debug)]
pub struct PinDirectory {
    path: PathBuf,
    /// The folders that this process made.
    made: Vec<PathBuf>,
    _lock: Flock<File>,
}

impl PinDirectory {
    /// Locks the folder, whatever is in it. Creates it where it is missing.
    pub fn lock(path: &Path) -> Result<Self, PinError> {
        mount_where_missing(path)?;
        create(path)?;
        Ok(Self {
            path: path.to_owned(),
            made: Vec::new(),
            _lock: lock(path)?,
        })
    }

    /// As [`PinDirectory::lock`], with the folders of this version in it, to work with their maps.
    pub fn open(path: &Path) -> Result<Self, PinError> {
        let mut directory = Self::lock(path)?;
        for folder in ours(path) {
            if !folder.exists() {
                create(&folder)?;
                directory.made.push(folder);
            }
        }
        Ok(directory)
    }

    /// Removes what this process made: a start that fails leaves nothing behind. To be called before anything is
    /// attached.
    pub fn abandon(self) -> Result<(), PinError> {
        self.made.iter().try_for_each(|folder| remove(folder))
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
        Ok(if is_set_up(path) {
            PinState::Adoptable
        } else if others(path)?.is_empty() {
            PinState::Fresh
        } else {
            PinState::OtherVersion
        })
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The groups of maps that another version has, too, and this process had to make anew.
    pub fn begun_anew(&self) -> Result<Vec<Group>, PinError> {
        let others = self.others()?;
        let names: Vec<_> = others
            .iter()
            .filter_map(|path| path.file_name()?.to_str())
            .collect();
        let is_another = |group: Group, name: &&str| {
            let rest = name.strip_prefix(group.name());
            rest.is_some_and(|rest| rest.starts_with('-'))
        };
        let anew = Group::ALL.into_iter().filter(|&group| {
            self.made.contains(&folder_of(&self.path, group))
                && names.iter().any(|name| is_another(group, name))
        });
        Ok(anew.collect())
    }

    /// Whether nothing is pinned there.
    pub fn is_empty(&self) -> Result<bool, PinError> {
        for folder in entries(&self.path)? {
            if !entries(&folder)?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The folders of other versions, whose programs may still be on some hook.
    pub fn others(&self) -> Result<Vec<PathBuf>, PinError> {
        others(&self.path)
    }

    /// Removes the folders of other versions.
    pub fn remove_others(&self) -> Result<(), PinError> {
        self.others()?.iter().try_for_each(|folder| remove(folder))
    }

    /// The kernel's numbers of all pinned maps, of other versions too.
    pub(super) fn map_ids(&self) -> Result<BTreeSet<u32>, PinError> {
        let mut ids = BTreeSet::new();
        for folder in entries(&self.path)? {
            let pins = entries(&folder)?;
            // What is no map, or was removed meanwhile, has no number.
            ids.extend(
                pins.iter()
                    .filter_map(|pin| Some(MapInfo::from_pin(pin).ok()?.id())),
            );
        }
        Ok(ids)
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

    /// Removes every pin, of other versions too, and the folders.
    pub fn remove(&self) -> Result<(), PinError> {
        for folder in entries(&self.path)? {
            remove(&folder)?;
        }
        match fs::remove_dir(&self.path) {
            // Whoever gave an agent without root its folder keeps it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            removed => removed.map_err(failed("remove", &self.path)),
        }
    }
}

/// The folder of a group's maps below a pin directory, for readers that take no lock.
pub(super) fn folder_of(pin_directory: &Path, group: Group) -> PathBuf {
    let groups = [Some(group), group.refers_to()].into_iter().flatten();
    let versions = groups.filter_map(Group::version);
    let name =
        iter::once(group.name().to_owned()).chain(versions.map(|version| version.to_string()));
    pin_directory.join(name.collect::<Vec<_>>().join("-"))
}

/// The pin of a map below a pin directory, for readers that take no lock.
pub(super) fn pin_of(pin_directory: &Path, map: &str) -> PathBuf {
    // A BPF file system takes no dots, which sections begin with.
    let name = if map.starts_with('.') { "TRACE" } else { map };
    folder_of(pin_directory, Group::of(map)).join(name)
}

/// Whether an agent of this version has made its maps there.
pub(super) fn is_set_up(pin_directory: &Path) -> bool {
    pin_of(pin_directory, map::PORTS).exists()
}

/// Every folder that this version works with.
fn ours(pin_directory: &Path) -> impl Iterator<Item = PathBuf> {
    let groups = Group::ALL.into_iter();
    groups
        .map(|group| folder_of(pin_directory, group))
        .chain([links_of(pin_directory)])
}

/// The folders of other versions.
pub(super) fn others(pin_directory: &Path) -> Result<Vec<PathBuf>, PinError> {
    let ours: Vec<_> = ours(pin_directory).collect();
    let mut folders = entries(pin_directory)?;
    folders.retain(|folder| folder.is_dir() && !ours.contains(folder));
    Ok(folders)
}

/// Removes a folder with the pins in it.
fn remove(folder: &Path) -> Result<(), PinError> {
    for pin in entries(folder)? {
        fs::remove_file(&pin).map_err(failed("remove", &pin))?;
    }
    fs::remove_dir(folder).map_err(failed("remove", folder))
}

fn links_of(pin_directory: &Path) -> PathBuf {
    pin_directory.join(LINKS)
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
