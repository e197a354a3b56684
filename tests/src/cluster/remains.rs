//! What a cluster leaves on the machine, found by its name, and removed. IO.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{network, processes};
use crate::{
    lab::{self, namespace},
    wait,
};

/// Where cgroups are.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Far longer than the kernel takes to let go of a cgroup whose processes have ended.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ends and removes everything of a cluster, however much of it there is.
pub(super) fn remove(id: &str, folder: &Path) {
    processes::end_all(folder);
    for name in namespaces(id) {
        namespace::remove(&name);
    }
    network::remove(id);
    for cgroup in cgroups(id) {
        wait::until(PATIENCE, "the cgroups to be empty", || {
            remove_cgroup(&cgroup).ok()
        });
    }
    if folder.exists() {
        fs::remove_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    }
}

/// Removes what clusters of dead processes left. Their processes ended with them.
pub(super) fn sweep() {
    let named = cgroup_folders()
        .into_iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let aliases = network::links().into_iter().map(|(_, alias)| alias);
    let mut ids: Vec<String> = named.chain(aliases).filter(|id| orphaned(id)).collect();
    ids.sort();
    ids.dedup();
    for id in ids {
        remove(&id, &std::env::temp_dir().join(&id));
    }
}

/// Whether a name carries the number of a process that is gone.
fn orphaned(name: &str) -> bool {
    let owner = name
        .strip_prefix("udplb-")
        .and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
    owner.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists())
}

/// What of a cluster is still there.
pub(super) fn residue(id: &str) -> Vec<String> {
    let links = network::links()
        .into_iter()
        .filter(|(_, alias)| alias == id)
        .map(|(name, _)| format!("interface {name}"));
    let files = lab::residue(id)
        .into_iter()
        .chain(cgroups(id))
        .map(|path| path.display().to_string());
    links.chain(files).collect()
}

fn namespaces(id: &str) -> Vec<String> {
    let entries = fs::read_dir(namespace::FOLDER).into_iter().flatten();
    entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(&format!("{id}-")))
        .collect()
}

/// One for each hierarchy, or one for all.
fn cgroup_folders() -> Vec<PathBuf> {
    let top = Path::new(CGROUPS);
    let below = fs::read_dir(top).into_iter().flatten().flatten();
    let below = below.map(|entry| entry.path());
    // Aliases such as cpu,cpuacct are left out.
    let below = below.filter(|path| path.is_dir() && !path.is_symlink());
    std::iter::once(top.to_owned()).chain(below).collect()
}

fn cgroups(id: &str) -> Vec<PathBuf> {
    let folders = cgroup_folders().into_iter().map(|folder| folder.join(id));
    folders.filter(|path| path.exists()).collect()
}

/// A cgroup has files that go with it, and other cgroups that must go first.
fn remove_cgroup(cgroup: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(cgroup)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_cgroup(&entry.path())?;
        }
    }
    fs::remove_dir(cgroup)
}
