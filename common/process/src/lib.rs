//! Parts that both binaries start: telemetry, HTTP endpoints, readiness, shutdown.
pub mod http;
pub mod ready;
pub mod shutdown;
pub mod telemetry;
