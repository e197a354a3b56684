//! Parts that both binaries start: telemetry, HTTP endpoints, readiness, shutdown, host names.
pub mod cluster;
pub mod dns;
pub mod http;
pub mod ready;
pub mod shutdown;
pub mod telemetry;

/// An error with its causes, on one line.
#[must_use]
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
