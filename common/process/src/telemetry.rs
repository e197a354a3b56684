//! Log output: to stderr, as text for people or JSON for machines. **IO**

use std::{env, io, io::IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// Environment variable that says what is logged, in the syntax of `EnvFilter`.
pub const FILTER_VARIABLE: &str = "RUST_LOG";

/// What each line of the log looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Text for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The environment's filter cannot be read.
    #[error("{FILTER_VARIABLE} is not a log filter, write for example {FILTER_VARIABLE}=info")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// It was set up before.
    #[error("logging is set up already")]
    Twice(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Starts logging for the whole process: our own debug messages where `debug` is set, otherwise from
/// info on, unless the environment says something else.
pub fn start(format: Format, debug: bool) -> Result<(), Error> {
    let environment = env::var(FILTER_VARIABLE).ok();
    let filter = filter(environment.as_deref(), debug).map_err(Error::Filter)?;
    let colours = io::stderr().is_terminal();
    tracing::subscriber::set_global_default(subscriber(format, filter, colours, io::stderr))
        .map_err(Error::Twice)
}

fn filter(
    environment: Option<&str>,
    debug: bool,
) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    // What the client cannot do comes back as an error, and is told by whoever wanted it.
    let default = if debug {
        "info,kube_client=off,udplb=debug"
    } else {
        "info,kube_client=off"
    };
    EnvFilter::builder().parse(
        environment
            .filter(|text| !text.is_empty())
            .unwrap_or(default),
    )
}

fn subscriber<W>(
    format: Format,
    filter: EnvFilter,
    colours: bool,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer);
    match format {
        Format::Text => Box::new(builder.with_ansi(colours).finish()),
        Format::Json => Box::new(builder.json().flatten_event(true).finish()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written when an info and a debug message of ours and a debug message of somebody else
    /// are logged.
    fn logged(format: Format, environment: Option<&str>, debug: bool) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let filter = filter(environment, debug).unwrap();
        let subscriber = subscriber(format, filter, false, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "udplb_agent", forward = "telemetry/syslog", "in force");
            tracing::debug!(target: "udplb_agent::kernel", "map written");
            tracing::debug!(target: "hyper", "connection");
        });
        String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn text_is_one_line_a_message() {
        let text = logged(Format::Text, None, false);
        assert!(
            text.contains("INFO udplb_agent: in force forward=\"telemetry/syslog\""),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn json_is_one_object_a_message() {
        let line = logged(Format::Json, None, false);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["level"], "INFO");
        assert_eq!(value["message"], "in force");
        assert_eq!(value["forward"], "telemetry/syslog");
    }

    #[test]
    fn debug_shows_our_own_messages_only() {
        let text = logged(Format::Text, None, true);
        assert!(
            text.contains("map written") && !text.contains("connection"),
            "{text}"
        );
    }

    #[test]
    fn the_environment_has_the_last_word() {
        assert_eq!(logged(Format::Text, Some("error"), true), "");
        assert_eq!(
            logged(Format::Text, Some("hyper=debug"), false)
                .lines()
                .count(),
            1
        );
        assert_eq!(logged(Format::Text, Some(""), false).lines().count(), 1);
        assert!(filter(Some("udplb=loud"), false).is_err());
    }
}
