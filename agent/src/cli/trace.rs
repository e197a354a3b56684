//! `trace`: what becomes of single packets, as they come. **IO**

use std::{
    io::{self, Write as _},
    ops::ControlFlow,
};

use anyhow::Context as _;
use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use ipnet::IpNet;
use serde::Serialize;
use udplb_abi::{counters::DropReason, trace::TraceVerdict};
use udplb_process::{
    shutdown,
    telemetry::{self, Format},
};

use super::{Output, Pins, runtime};
use crate::{
    kernel::bpf::{Maps, Session},
    preflight::{self, privilege::Capability},
    trace::{self, Filter, Told, Upstream, follow},
};

/// Print what becomes of single packets while they come
#[derive(Clone, Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "Example: udplb-agent trace --forward telemetry/syslog --verdict dropped\n\
                  One line for each packet and destination; what a filter leaves out costs nothing."
)]
pub(super) struct Trace {
    /// Only this forward: NAME or NAMESPACE/NAME
    #[arg(long, value_name = "NAME")]
    forward: Option<String>,
    /// Only packets from this address or prefix
    #[arg(long, value_name = "PREFIX", value_parser = trace::source)]
    source: Option<IpNet>,
    /// Only this upstream: ADDRESS or ADDRESS:PORT
    #[arg(long, value_name = "ADDRESS")]
    upstream: Option<Upstream>,
    /// Only these verdicts
    #[arg(long, help = "Only verdicts of sent, dropped, sampled_out, passed", value_delimiter = ',', hide_possible_values = true, value_parser = verdict())]
    verdict: Vec<TraceVerdict>,
    /// Only these drop reasons, named as in the metrics
    #[arg(long, value_delimiter = ',', hide_possible_values = true, value_parser = reason())]
    reason: Vec<DropReason>,
    /// At most so many lines a second and CPU
    ///
    /// 0: all that can be kept up with.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    rate: u32,
    /// End after so many lines
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    #[command(flatten)]
    pins: Pins,
    /// Print text or json
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    output: Output,
}

/// A line of JSON, as docs/json.md describes it.
#[derive(Serialize)]
struct Line<'a> {
    version: u8,
    #[serde(flatten)]
    told: &'a Told,
}

fn verdict() -> impl TypedValueParser<Value = TraceVerdict> {
    PossibleValuesParser::new(TraceVerdict::ALL.map(TraceVerdict::label))
        .map(|label| named(&TraceVerdict::ALL, TraceVerdict::label, &label))
}

fn reason() -> impl TypedValueParser<Value = DropReason> {
    PossibleValuesParser::new(DropReason::ALL.map(DropReason::label))
        .map(|label| named(&DropReason::ALL, DropReason::label, &label))
}

/// The one with this label, which is one of theirs.
fn named<T: Copy>(all: &[T], label: fn(T) -> &'static str, wanted: &str) -> T {
    let found = all.iter().find(|one| label(**one) == wanted);
    *found.unwrap_or(&all[0])
}

impl Trace {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        preflight::need("trace", &[Capability::Bpf, Capability::NetAdmin])?;
        telemetry::start(Format::Text, false)?;
        runtime()?.block_on(self.trace())
    }

    async fn trace(self) -> anyhow::Result<()> {
        let stop = shutdown::on_signals()?;
        let forward = self.forward.map(|name| {
            let has_namespace = name.contains('/');
            if has_namespace {
                name
            } else {
                format!("default/{name}")
            }
        });
        if let Some(name) = &forward {
            let known = Maps::open(&self.pins.pin_dir)?.forward_names()?;
            anyhow::ensure!(
                known.contains(name),
                "no forward {name} runs here; {}",
                running(&known)
            );
        }
        let filter = Filter {
            forward,
            source: self.source,
            upstream: self.upstream,
            verdicts: self.verdict,
            reasons: self.reason,
            rate: self.rate,
        };
        let session = Session::start(&self.pins.pin_dir, &filter).await?;
        tracing::info!("tracing; end it with Ctrl-C");
        let mut out = io::stdout().lock();
        let mut left = self.count.unwrap_or(u64::MAX);
        let mut failed = Ok(());
        let ended = follow(session, &stop, |told| {
            let written = match self.output {
                Output::Text => writeln!(out, "{told}"),
                Output::Json => serde_json::to_string(&Line {
                    version: 1,
                    told: &told,
                })
                .map_err(io::Error::other)
                .and_then(|line| writeln!(out, "{line}")),
            };
            failed = written.and_then(|()| out.flush());
            left = left.saturating_sub(u64::from(told.is_decision()));
            if failed.is_err() || left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .await;
        ended?;
        match failed {
            // Whoever read has enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            failed => failed.context("failed to print"),
        }
    }
}

fn running(known: &[String]) -> String {
    match known {
        [] => "none does".into(),
        known => format!("these do: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::trace::{Copy, Decision};

    /// The lines of JSON in the documentation that begin like this.
    fn documented(start: &str) -> Value {
        let page = include_str!("../../../docs/json.md");
        let line = page.split('`').flat_map(str::lines);
        let mut found = line.filter(|line| line.starts_with(start));
        serde_json::from_str(found.next().unwrap()).unwrap()
    }

    #[test]
    fn lines_are_as_documented() {
        let end = |text: &str| text.parse().unwrap();
        let decision = Decision {
            time: "2026-11-22T22:21:50.123456789Z".parse().unwrap(),
            interface: "eth0".into(),
            forward: "telemetry/syslog".into(),
            destination: "siem".into(),
            action: "Clone",
            source: end("198.51.100.7:40000"),
            target: end("192.0.2.10:514"),
            ttl: 63,
            packets: 1,
            fragment: None,
            bytes: 128,
            verdict: "sent",
            reason: None,
            upstream: Some("203.0.113.5:5514".into()),
            copy: Some(Copy {
                source: end("198.51.100.7:40000"),
                target: end("203.0.113.5:5514"),
                interface: "eth1".into(),
                next_hop: "resolved",
                mac: Some("02:00:00:00:00:01".into()),
            }),
        };
        let not_shown = Told::NotShown { not_shown: 1234 };
        for (told, start) in [
            (Told::Decision(Box::new(decision)), r#"{"version":1,"time""#),
            (not_shown, r#"{"version":1,"notShown""#),
        ] {
            let line = Line {
                version: 1,
                told: &told,
            };
            assert_eq!(serde_json::to_value(line).unwrap(), documented(start));
        }
    }
}
