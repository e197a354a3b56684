//! What became of single packets: what to report, and how a report reads. **pure**
//!
//! ```text
//! Filter ─▶ TraceRequest ─▶ the program ─▶ TraceEvent ─▶ Decision ─▶ text or JSON
//!                           kernel::bpf::Session            follow
//! ```

mod decision;
mod filter;
mod follow;

pub use decision::{Copy, Decision, Named};
pub use filter::{Filter, Upstream, UpstreamError, source};
pub use follow::{Told, follow};
