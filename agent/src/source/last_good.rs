//! The last good input on disk, so that a start without its source still has one. **IO**

use std::{
    collections::BTreeMap,
    fs, io,
    marker::PhantomData,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;
use udplb_api::UdpForward;
use udplb_process::dns::Known;

use super::cluster::seen::Kept;

const FILE: &str = "last-good.json";
const NAMES_FILE: &str = "names.json";
const CLUSTER_FILE: &str = "cluster.json";

/// The last good answers of host names.
pub type Names = BTreeMap<String, Known>;

/// What went wrong with the state directory.
#[derive(Debug, Error)]
pub enum StateError {
    /// A file operation failed.
    #[error("failed to {action} {}; choose another folder with --state-dir", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// There is no room.
    #[error(
        "the disk that holds {} is full; free some of it, or choose another folder with --state-dir",
        path.display()
    )]
    Full {
        /// The file that was written.
        path: PathBuf,
    },
    /// What is there cannot be read back.
    #[error("{} is not what this version of udplb-agent wrote", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// A file of the state directory.
#[derive(Debug)]
pub struct LastGood<T = Vec<UdpForward>> {
    file: PathBuf,
    content: PhantomData<fn() -> T>,
}

impl<T> Clone for LastGood<T> {
    fn clone(&self) -> Self {
        Self::in_file(self.file.clone())
    }
}

impl LastGood {
    /// The forwards in the state directory at `folder`, which need not exist yet.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self::in_file(folder.join(FILE))
    }
}

impl LastGood<Names> {
    /// The answers of host names in the state directory at `folder`, which need not exist yet.
    #[must_use]
    pub fn names_at(folder: &Path) -> Self {
        Self::in_file(folder.join(NAMES_FILE))
    }
}

impl LastGood<Kept> {
    /// What the cluster told, in the state directory at `folder`, which need not exist yet.
    #[must_use]
    pub fn cluster_at(folder: &Path) -> Self {
        Self::in_file(folder.join(CLUSTER_FILE))
    }
}

impl<T> LastGood<T> {
    const fn in_file(file: PathBuf) -> Self {
        Self {
            file,
            content: PhantomData,
        }
    }
}

impl<T: Serialize + DeserializeOwned> LastGood<T> {
    /// What was kept; what cannot be read is told and not used.
    #[must_use]
    pub fn load_or_warn(&self) -> Option<T> {
        self.load().unwrap_or_else(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "what an earlier run has kept is not used");
            None
        })
    }

    /// Keeps an input; tells where that failed, and what the next start needs in its place.
    pub fn save_or_warn(&self, content: &T, needed: &str) {
        if let Err(error) = self.save(content) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the next start needs {needed}");
        }
    }

    /// What was kept, if anything was.
    pub fn load(&self) -> Result<Option<T>, StateError> {
        match read(&self.file) {
            Err(error @ StateError::Content { .. }) => match read(&self.previous()) {
                Ok(Some(content)) => Ok(Some(content)),
                _ => Err(error),
            },
            loaded => loaded,
        }
    }

    /// Keeps an input, in one step: whoever reads finds the old one or the new one.
    ///
    /// Nobody waits for the disk, which may be busy for long. Should the power fail before the new one is
    /// on it, there is the one before.
    pub fn save(&self, content: &T) -> Result<(), StateError> {
        let path = self.file.clone();
        let text =
            serde_json::to_vec(content).map_err(|source| StateError::Content { path, source })?;
        if fs::read(&self.file).is_ok_and(|old| old == text) {
            return Ok(());
        }
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder).map_err(failed("create", folder))?;
        }
        let new = self.file.with_extension("new");
        fs::write(&new, text).map_err(|error| {
            // Half of it is good for nothing.
            let _removed = fs::remove_file(&new);
            failed("write", &new)(error)
        })?;
        let previous = self.previous();
        let linked = match fs::remove_file(&previous) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => fs::hard_link(&self.file, &previous),
        };
        match linked {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            linked => linked.map_err(failed("replace", &previous))?,
        }
        fs::rename(&new, &self.file).map_err(failed("replace", &self.file))
    }

    fn previous(&self) -> PathBuf {
        self.file.with_extension("previous")
    }
}

fn read<T: DeserializeOwned>(file: &Path) -> Result<Option<T>, StateError> {
    let text = match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(failed("read", file))?,
    };
    let path = file.to_owned();
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|source| StateError::Content { path, source })
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StateError::Full { path },
        _ => StateError::File {
            action,
            path,
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_loaded() {
        let folder = std::env::temp_dir().join(format!("udplb-state-{}", std::process::id()));
        let last_good = LastGood::at(&folder);
        assert!(last_good.load().unwrap().is_none());
        let text =
            "- {key: {address: 10.0.0.1, port: 514}, upstream: [{address: 10.0.0.2, port: 5514}]}";
        let forwards = crate::source::file::parse(text, Path::new("config.yaml"))
            .unwrap()
            .forwards;
        assert_eq!(forwards.len(), 1);
        last_good.save(&forwards).unwrap();
        assert_eq!(last_good.load().unwrap().unwrap(), forwards);
        // The power failed before a new one was on the disk.
        last_good.save(&Vec::new()).unwrap();
        assert_eq!(last_good.load().unwrap().unwrap(), []);
        fs::write(folder.join(FILE), "").unwrap();
        assert_eq!(last_good.load().unwrap().unwrap(), forwards);
        fs::remove_file(last_good.previous()).unwrap();
        let error = last_good.load().unwrap_err();
        assert!(matches!(error, StateError::Content { .. }), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_answers_of_names_have_a_file_of_their_own() {
        let folder = std::env::temp_dir().join(format!("udplb-names-{}", std::process::id()));
        let known = Known {
            addresses: vec!["10.0.0.5".parse().unwrap(), "2001:db8::5".parse().unwrap()],
            answered: 1_795_387_205,
        };
        let names = Names::from([("siem.lab".to_owned(), known)]);
        let last_names = LastGood::names_at(&folder);
        last_names.save(&names).unwrap();
        assert_eq!(last_names.load().unwrap(), Some(names));
        assert!(LastGood::at(&folder).load().unwrap().is_none());
        fs::remove_dir_all(&folder).unwrap();
    }
}
