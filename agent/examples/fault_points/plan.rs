//! What is to happen at which point: the words of a file that whoever tests writes and the agent has in memory. Pure.

use std::sync::atomic::{AtomicU8, AtomicU32};

/// The longest name of a point, in bytes.
pub(super) const NAME: usize = 64;

/// What happens: the process is killed before the operation. What follows an operation is before the next one.
pub(super) const DIE: u32 = 1;
/// What happens: the operation is refused, and so is the same one from then on, until the plan is withdrawn.
pub(super) const FAIL: u32 = 2;

/// The plan, as it lies in its file. A file of zeros says: nothing.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Plan {
    /// [`DIE`], [`FAIL`], or nothing; written last.
    pub(super) mode: AtomicU32,
    /// How many more times the point is passed before it happens.
    pub(super) skip: AtomicU32,
    /// How often it has happened.
    pub(super) happened: AtomicU32,
    /// The point, filled up with zeros.
    pub(super) name: [AtomicU8; NAME],
}
