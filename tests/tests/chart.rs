//! The Helm chart with both Helms that people use: what it says, what it refuses, and what a real API server makes
//! of it. Nothing here has a kubelet; the chart on a real cluster is in `make e2e`.

#[path = "chart/applied.rs"]
mod applied;
#[path = "chart/examples.rs"]
mod examples;
#[path = "chart/files.rs"]
mod files;
#[path = "chart/hooks.rs"]
mod hooks;
#[path = "chart/release.rs"]
mod release;
#[path = "chart/values.rs"]
mod values;
