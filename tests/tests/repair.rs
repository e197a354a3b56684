//! What somebody else removes, replaces or overwrites is noticed and put right, while what stands goes on.

#[path = "repair/damage.rs"]
mod damage;
#[path = "repair/scene.rs"]
mod scene;
#[path = "repair/storm.rs"]
mod storm;
