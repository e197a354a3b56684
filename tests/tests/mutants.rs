//! The table of seeded defects is of today's sources: `make mutants` plays them.
#![cfg(test)]

use std::{collections::BTreeSet, fs, path::Path};

use udplb_tests::mutants::{apply, table};

#[test]
fn every_edit_applies_once_and_has_a_name_of_its_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut names = BTreeSet::new();
    let stale: Vec<String> = table::all()
        .filter_map(|mutant| {
            assert!(
                names.insert(mutant.name),
                "two defects are called {}",
                mutant.name
            );
            let text = fs::read_to_string(root.join(mutant.file)).unwrap();
            apply(&text, mutant).err()
        })
        .collect();
    assert!(names.len() >= 20, "{} defects", names.len());
    assert!(stale.is_empty(), "{}", stale.join("\n"));
}
