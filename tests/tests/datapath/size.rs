//! What the program costs the verifier: equal for equal builds, so a test can hold it, unlike nanoseconds.

use crate::scene::Scene;

/// Of the kernel's 1,000,000.
const VERIFIED: u32 = 200_000;
/// A little more than there are.
const INSTRUCTIONS: u32 = 12_500;

#[test]
fn the_program_stays_small() {
    let size = Scene::new("datapath-size").program.size();
    println!("{size:?}");
    assert!(
        (1..=VERIFIED).contains(&size.verified),
        "the verifier walked {} instructions",
        size.verified
    );
    assert!(
        (1..=INSTRUCTIONS).contains(&size.instructions),
        "the program has {} instructions",
        size.instructions
    );
}
