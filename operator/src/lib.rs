//! The cluster operator. For now it prints the custom resource definitions.
#![forbid(unsafe_code)]

pub mod definitions;
