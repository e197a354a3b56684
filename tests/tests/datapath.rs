//! The agent's program on single frames: verdicts, bytes, checksum state, size. Runs the attached program with
//! the agent's real maps; what it sends as copies goes out to the lab's collectors.
#![cfg(test)]

#[path = "datapath/fragments.rs"]
mod fragments;
#[path = "datapath/memory.rs"]
mod memory;
#[path = "datapath/noise.rs"]
mod noise;
#[path = "datapath/refused.rs"]
mod refused;
#[path = "datapath/scene.rs"]
mod scene;
#[path = "datapath/size.rs"]
mod size;
#[path = "datapath/sums.rs"]
mod sums;
#[path = "datapath/tracing.rs"]
mod tracing;
#[path = "datapath/verdicts.rs"]
mod verdicts;
