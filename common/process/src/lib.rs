//! Parts that both binaries start: telemetry, HTTP endpoints, readiness, shutdown, host names, watches.
pub mod cluster;
pub mod dns;
pub mod http;
pub mod mirror;
pub mod ready;
pub mod shutdown;
pub mod telemetry;
pub mod watch;

/// An error with its causes, on one line. A cause that an error has put into its own words is not said again.
#[must_use]
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    #[derive(Debug, thiserror::Error)]
    #[error("{words}")]
    struct Layer {
        words: &'static str,
        #[source]
        cause: Option<Box<Layer>>,
    }

    fn layers(words: &[&'static str]) -> Option<Box<Layer>> {
        let (words, causes) = words.split_first()?;
        let cause = layers(causes);
        Some(Box::new(Layer { words, cause }))
    }

    #[test]
    fn every_cause_is_said_once() {
        let said = |words: &[&'static str]| super::error_chain(&*layers(words).unwrap());
        assert_eq!(
            said(&["cannot write", "disk full"]),
            "cannot write: disk full"
        );
        assert_eq!(
            said(&["no list: refused", "refused", "port 1"]),
            "no list: refused: port 1"
        );
    }
}
