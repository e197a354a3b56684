//! Parts that both binaries start.
