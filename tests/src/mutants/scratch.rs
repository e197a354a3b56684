//! A copy of the sources in which defects are made, and the program built from it. IO.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Mutant, edit};
use crate::sources::{copy_to, root};

/// Where everything is that a run makes.
pub(super) fn folder() -> PathBuf {
    root().join("target/mutants")
}

pub(super) struct Scratch {
    /// The copy.
    sources: PathBuf,
    /// What the build leaves: kept between runs, so that only the program is built each time.
    output: PathBuf,
    /// The build script of the agent.
    script: PathBuf,
}

impl Scratch {
    /// Copies the sources anew.
    pub(super) fn copy(script: &Path) -> Self {
        let [sources, output] = ["sources", "output"].map(|name| folder().join(name));
        drop(fs::remove_dir_all(&sources));
        for new in [&sources, &output] {
            fs::create_dir_all(new).unwrap();
        }
        copy_to(&sources, |_, text| text);
        Self {
            sources,
            output,
            script: script.to_owned(),
        }
    }

    /// Builds the program as the agent's build does; the error is what the compiler says.
    pub(super) fn build(&self) -> Result<PathBuf, String> {
        let output = Command::new(&self.script)
            .current_dir(self.sources.join("agent"))
            // What cargo tells a build script.
            .env("OUT_DIR", &self.output)
            .env(
                "CARGO_CFG_TARGET_ENDIAN",
                if cfg!(target_endian = "big") {
                    "big"
                } else {
                    "little"
                },
            )
            .env("CARGO_CFG_TARGET_ARCH", std::env::consts::ARCH)
            .output()
            .expect("the agent's build script does not run");
        if output.status.success() {
            return Ok(self.output.join("udplb"));
        }
        Err(String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr))
    }

    /// The same with a defect, which is gone from the copy afterwards.
    pub(super) fn build_with(&self, mutant: &Mutant) -> Result<PathBuf, String> {
        let file = self.sources.join(mutant.file);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, edit::apply(&text, mutant)?).unwrap();
        let program = self.build();
        fs::write(&file, text).unwrap();
        program
    }
}
