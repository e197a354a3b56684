//! An agent of another version, with another program and other maps: the sources with a few edits. IO.
//!
//! Built once, below `target/other-version`; what it has in common with the product is not built again.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use crate::{
    cargo::{cargo, find, output},
    sources::{copy_to, root},
};

/// A place in the sources that the other version has otherwise.
struct Edit {
    file: &'static str,
    old: &'static str,
    new: &'static str,
}

/// `FORWARD_SLOTS` has larger values with two words in each other's place: whoever takes the one for the other looks for
/// the source filter where the counters are. So both versions have programs and maps that cannot be mixed.
const EDITS: [Edit; 7] = [
    // Its number, without which cargo would take the one's crates for the other's.
    Edit {
        file: "Cargo.toml",
        old: "version = \"0.1.0\"\n",
        new: "version = \"0.1.1\"\n",
    },
    Edit {
        file: "common/abi/src/layout.rs",
        old: "Self::Tables => Some(1)",
        new: "Self::Tables => Some(2)",
    },
    Edit {
        file: "common/abi/src/forward.rs",
        old: "#[repr(C, align(8))]\npub struct ForwardSlot",
        new: "#[repr(C, align(16))]\npub struct ForwardSlot",
    },
    Edit {
        file: "common/abi/src/forward.rs",
        old: "size_of::<ForwardSlot>() == 24 + 8 * 56",
        new: "size_of::<ForwardSlot>() == 32 + 8 * 56",
    },
    Edit {
        file: "common/abi/src/forward.rs",
        old: "    pub sources: u32,\n",
        new: "    pub counters: u32,\n",
    },
    Edit {
        file: "common/abi/src/forward.rs",
        old: "    /// Slot of `FORWARD_COUNTERS`.\n    pub counters: u32,\n",
        new: "    /// Slot of `FORWARD_COUNTERS`.\n    pub sources: u32,\n",
    },
    // Nobody waits for its user space.
    Edit {
        file: "Cargo.toml",
        old: "[profile.release.package.udplb-tests]\n",
        new: "[profile.release.package.udplb-agent]\nopt-level = 1\n\n[profile.release.package.udplb-tests]\n",
    },
];

/// What was built.
#[derive(Clone)]
pub struct Built {
    /// The agent. `UDPLB_PROGRAM` may name another program for it.
    pub binary: PathBuf,
    /// Its program.
    pub program: PathBuf,
}

/// The other version.
pub fn other_version() -> Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(build).clone()
}

/// Its program, such that the verifier does not take it: it never ends.
pub fn endless_program() -> Vec<u8> {
    const EXIT: [u8; 8] = [0x95, 0, 0, 0, 0, 0, 0, 0];
    const JUMP_TO_ITSELF: [u8; 8] = [0x05, 0, 0xff, 0xff, 0, 0, 0, 0];
    let mut object = fs::read(other_version().program).unwrap();
    let (instructions, _) = object.as_chunks_mut();
    for instruction in instructions.iter_mut().filter(|found| **found == EXIT) {
        *instruction = JUMP_TO_ITSELF;
    }
    object
}

fn build() -> Built {
    let sources = root().join("target/other-version");
    fs::create_dir_all(&sources).unwrap();
    copy_to(&sources, |path, text| {
        let edits = EDITS.iter().filter(|edit| path == Path::new(edit.file));
        edits.fold(text, |text, edit| {
            assert_eq!(
                text.matches(edit.old).count(),
                1,
                "{}: {}",
                edit.file,
                edit.old
            );
            text.replacen(edit.old, edit.new, 1)
        })
    });
    // A name of its own: the product's example stays where it is.
    let examples = sources.join("agent/examples");
    let example = examples.join("other_version.rs");
    let text = fs::read(examples.join("other_program.rs")).unwrap();
    if fs::read(&example).ok().as_ref() != Some(&text) {
        fs::write(example, text).unwrap();
    }
    // Of the whole workspace, so that what is from elsewhere has the features that it is built with already.
    let built = cargo(&sources, &["build", "--example", "other_version"]);
    Built {
        binary: find(&built, "example", "other_version"),
        program: output(&built, "udplb-agent").join("udplb"),
    }
}
