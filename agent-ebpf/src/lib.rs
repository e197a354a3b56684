//! Empty: gives cargo a library target, so that `agent/build.rs` is rerun when the program changes.
#![no_std]
