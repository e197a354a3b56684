//! Fragments through the lab.
#![cfg(test)]

#[path = "fragments/copies.rs"]
mod copies;
#[path = "fragments/decisions.rs"]
mod decisions;
#[path = "fragments/scene.rs"]
mod scene;
