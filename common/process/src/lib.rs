//! Parts that both binaries start: telemetry, HTTP endpoints, readiness, shutdown, host names.
pub mod dns;
pub mod http;
pub mod ready;
pub mod shutdown;
pub mod telemetry;
