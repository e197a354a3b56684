//! What a run needs is built, and kept. IO.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::scratch::folder;
use crate::{
    cargo::{cargo, find},
    sources::root,
};

/// What a run of the suite needs.
pub(super) struct Artifacts {
    /// The agent's build script, which builds the program.
    pub(super) script: PathBuf,
    /// The agent that takes another program.
    pub(super) agent: PathBuf,
    /// The packet suite.
    pub(super) tests: PathBuf,
}

impl Artifacts {
    pub(super) fn build() -> Self {
        let built = |arguments: &[&str], package| {
            cargo(root(), &[arguments, &["--package", package]].concat())
        };
        let agent = built(&["build", "--example", "other_program"], "udplb-agent");
        let tests = built(&["test", "--no-run", "--test", "packets"], "udplb-tests");
        Self {
            script: keep(&find(&agent, "custom-build", "build-script-build")),
            agent: keep(&find(&agent, "example", "other_program")),
            tests: keep(&find(&tests, "test", "packets")),
        }
    }
}

/// A copy that stays as it is while somebody builds again.
fn keep(built: &Path) -> PathBuf {
    let folder = folder().join("binaries");
    fs::create_dir_all(&folder).unwrap();
    let kept = folder.join(built.file_name().unwrap());
    let _: u64 = fs::copy(built, &kept).unwrap();
    kept
}
