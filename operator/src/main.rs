//! The cluster operator.
fn main() {}
