//! Properties of balance tables, alone and together with the flow hash of the datapath.
#![cfg(test)]

#[path = "balance/common.rs"]
mod common;
#[path = "balance/spread.rs"]
mod spread;
#[path = "balance/table.rs"]
mod table;
