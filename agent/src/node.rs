//! What a node of a cluster says about itself: the status of its `NodeForwardConfig`, and events.
//!
//! ```text
//! reconcile ─ State ─▶ status ─▶ writer ─▶ API server
//!                        ▲         │
//!    what is stored now ─┴─────────┘
//! ```

pub mod state;
pub mod status;
pub mod unsupported;
pub mod writer;
