//! Where the fault points of an agent are steered: the other end of `agent/examples/fault_points`. IO.

use std::{
    fs::{self, File},
    mem::offset_of,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use super::Fault;
use crate::product;

#[path = "../../../agent/examples/fault_points/plan.rs"]
mod plan;

use plan::{DIE, FAIL, NAME, Plan};

/// A folder with the plan for an agent and the points that it has passed.
#[derive(Debug)]
pub struct Faults {
    folder: PathBuf,
    plan: File,
}

impl Faults {
    /// What names the folder to the agent.
    pub const VARIABLE: &str = "UDPLB_FAULTS";

    /// A folder in which nothing is planned.
    pub fn new(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let path = folder.join("plan");
        fs::write(&path, [0; size_of::<Plan>()]).unwrap();
        fs::write(folder.join("passed"), []).unwrap();
        Self {
            folder: folder.to_owned(),
            plan: File::options().read(true).write(true).open(path).unwrap(),
        }
    }

    /// The agent with fault points: what `UDPLB_FAULT_POINTS` names, or the last one built.
    pub fn binary() -> PathBuf {
        product::binary("examples/fault_points", "UDPLB_FAULT_POINTS")
    }

    /// Where the files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Has this happen at a point, once it was passed `skip` times from now on.
    pub fn arm(&self, fault: Fault, point: &str, skip: u32) {
        self.withdraw();
        let mut name = [0; NAME];
        name[..point.len()].copy_from_slice(point.as_bytes());
        self.plan
            .write_all_at(&name, offset_of!(Plan, name) as u64)
            .unwrap();
        self.write(offset_of!(Plan, skip), skip);
        self.write(offset_of!(Plan, happened), 0);
        let mode = match fault {
            Fault::Die => DIE,
            Fault::Fail => FAIL,
        };
        self.write(offset_of!(Plan, mode), mode);
    }

    /// From now on nothing happens.
    pub fn withdraw(&self) {
        self.write(offset_of!(Plan, mode), 0);
    }

    /// How often it has happened.
    pub fn happened(&self) -> u32 {
        let mut word = [0; 4];
        self.plan
            .read_exact_at(&mut word, offset_of!(Plan, happened) as u64)
            .unwrap();
        u32::from_ne_bytes(word)
    }

    /// Every point that was passed so far.
    pub fn passed(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("passed")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The agent has both files in memory or appends to them, so that this is seen at once.
    fn write(&self, place: usize, word: u32) {
        self.plan
            .write_all_at(&word.to_ne_bytes(), place as u64)
            .unwrap();
    }
}
