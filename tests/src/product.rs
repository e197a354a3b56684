//! Where the binaries under test are. IO.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// A binary: what the variable names, or the one that was built last.
pub(crate) fn binary(name: &str, variable: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let built = |profile: &str| {
        let path = target.join(profile).join(name);
        let time: SystemTime = fs::metadata(&path).ok()?.modified().ok()?;
        Some((time, path))
    };
    let newest = ["release", "debug"].into_iter().filter_map(built).max();
    let message = || panic!("no {name} is built: run `make build` or set {variable}");
    newest.unwrap_or_else(message).1
}
