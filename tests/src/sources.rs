//! The sources of the product, and copies of them to make edits in. IO.

use std::{fs, io, path::Path};

/// What the build of the agent reads: its workspace.
const SOURCES: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    "agent",
    "agent-ebpf",
    "common",
    "deploy",
    "operator",
    "tests",
];

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Copies them, each text as `edit` makes it; it is given the path from the root. A file that is the same already keeps
/// its time, so that only what changed is built again.
pub(crate) fn copy_to(copy: &Path, edit: impl Fn(&Path, String) -> String) {
    for name in SOURCES {
        renew(Path::new(name), copy, &edit);
    }
}

fn renew(path: &Path, copy: &Path, edit: &impl Fn(&Path, String) -> String) {
    let from = root().join(path);
    if from.is_dir() {
        fs::create_dir_all(copy.join(path)).unwrap();
        for entry in fs::read_dir(&from).unwrap() {
            renew(&path.join(entry.unwrap().file_name()), copy, edit);
        }
        return;
    }
    let content = match String::from_utf8(fs::read(&from).unwrap()) {
        Ok(text) => edit(path, text).into_bytes(),
        Err(binary) => binary.into_bytes(),
    };
    let to = copy.join(path);
    match fs::read(&to) {
        Ok(found) if found == content => {}
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            panic!("{}: {error}", to.display())
        }
        _ => fs::write(&to, content).unwrap_or_else(|error| panic!("{}: {error}", to.display())),
    }
}
