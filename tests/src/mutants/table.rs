//! The defects. Pure.

mod choosing;
mod matching;
mod rewriting;

/// One defect: an edit of one place in the sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// What is wrong then.
    pub name: &'static str,
    /// The theme that must notice.
    pub theme: &'static str,
    /// The file, from the root of the repository.
    pub file: &'static str,
    /// What stands there exactly once.
    pub old: &'static str,
    /// What stands in its place.
    pub new: &'static str,
}

/// Every defect, in the order in which a packet meets them.
pub fn all() -> impl Iterator<Item = &'static Mutant> {
    [matching::MUTANTS, choosing::MUTANTS, rewriting::MUTANTS]
        .into_iter()
        .flatten()
}
