//! The node agent: makes the kernel of one host match the forwards that it should run.
//!
//! ```text
//! source ─ input ─▶ desired ─▶ diff ─ ops ─▶ apply ─▶ kernel
//!                      ▲        ▲ tables                 │
//!   kernel::netlink ─ facts     └────────────────────────┤
//!                                     metrics, status ◀──┘ report
//! ```
//!
//! It runs as root, or with `CAP_BPF` (programs, maps), `CAP_NET_ADMIN` (hooks, neighbours, netlink events) and
//! `CAP_PERFMON` (the verifier's leave to compute with pointers); mounting a BPF file system takes
//! `CAP_SYS_ADMIN` besides. Only `kernel` needs these. Unsafe code is in `kernel::bpf::mapped` and
//! `kernel::bpf::query` only.
#![deny(unsafe_code)]
pub mod apply;
pub mod check;
pub mod cleanup;
pub mod cli;
pub mod desired;
pub mod diff;
pub mod explain;
pub mod facts;
#[cfg(test)]
mod fixture;
pub mod kernel;
pub mod metrics;
pub mod next_hop;
pub mod node;
pub mod observed;
pub mod op;
pub mod preflight;
pub mod reconcile;
pub mod repair;
pub mod report;
pub mod retry;
pub mod rewrite;
#[cfg(test)]
mod shape;
pub mod source;
pub mod status;
pub mod tables;
pub mod takeover;
pub mod text;
pub mod top;
pub mod trace;

pub use udplb_process::error_chain;
