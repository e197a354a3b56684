//! `top`: live rates from the pinned maps. **IO**

use std::{
    io::{self, IsTerminal as _, Write as _},
    thread,
    time::{Duration, Instant},
};

use clap::Args;

use super::{Output, Pins};
use crate::{
    facts::Facts,
    kernel::bpf::Maps,
    preflight::{self, privilege::Capability},
    report::{self, Forward},
    top::{
        Interval, Order, lines,
        rates::rates,
        screen::{Screen, Wish},
        sort,
    },
};

/// Show live rates of forwards, destinations and upstreams
#[derive(Clone, Debug, Args)]
#[command(
    disable_help_flag = true,
    after_help = "Keys in a terminal: p, b, d, n sort by packets, bits, drops, name; q quits.\n\
                  Example: udplb-agent top --interval 5 --count 12 > rates.txt"
)]
pub(super) struct Top {
    /// Length of an interval
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    interval: Duration,
    /// End after so many intervals
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// What comes first: packets, bits, drops, name
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    sort: Order,
    #[command(flatten)]
    pins: Pins,
    /// How to print it; JSON is one object a line
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// A reading of all counters.
struct Reading {
    at: Instant,
    forwards: Vec<Forward>,
}

impl Top {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        preflight::need("top", &[Capability::Bpf, Capability::NetAdmin])?;
        let mut before = self.read()?;
        let is_terminal = io::stdout().is_terminal() && self.output == Output::Text;
        let mut screen = is_terminal.then(|| Screen::open(self.sort)).transpose()?;
        let mut interval = None;
        let mut left = self.count.unwrap_or(u64::MAX);
        while left > 0 {
            let end = before.at + self.interval;
            match &mut screen {
                Some(screen) => {
                    if screen.show(interval.as_ref(), end)? == Wish::Quit {
                        return Ok(());
                    }
                }
                None => thread::sleep(end.saturating_duration_since(Instant::now())),
            }
            let now = self.read()?;
            let elapsed = now.at.duration_since(before.at);
            let passed = rates(&before.forwards, &now.forwards, elapsed);
            before = now;
            left -= 1;
            if screen.is_none() && !self.print(passed.clone())? {
                return Ok(());
            }
            interval = Some(passed);
        }
        Ok(())
    }

    /// Opens the maps anew each time: they may have been cleaned up and made again.
    fn read(&self) -> anyhow::Result<Reading> {
        let maps = Maps::open(&self.pins.pin_dir)?;
        let tables = maps.read(&Facts::default())?;
        let at = Instant::now();
        let forwards = report::forwards(&tables, &maps)?;
        Ok(Reading { at, forwards })
    }

    /// Tells whether anybody still reads.
    fn print(&self, mut interval: Interval) -> io::Result<bool> {
        sort(&mut interval, self.sort);
        let text = match self.output {
            Output::Text => lines(&interval, None).join("\n") + "\n",
            Output::Json => serde_json::to_string(&interval)?,
        };
        let mut out = io::stdout().lock();
        match writeln!(out, "{text}").and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            written => written.map(|()| true),
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    seconds
        .filter(|seconds| (0.1..=3_600.0).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "write a number of seconds from 0.1 to 3600".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_a_number_of_seconds() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["0", "-1", "NaN", "1s", "3601"] {
            assert!(
                seconds(text).unwrap_err().contains("from 0.1 to 3600"),
                "{text}"
            );
        }
    }
}
