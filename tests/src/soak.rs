//! The soak: traffic that knows what is missing, while everything around it changes, breaks and restarts. IO but for
//! its parts.
//!
//! ```text
//! plan (events as data, from a seed) ─▶ play ─▶ timeline: which version may have handled which datagram ─┐
//!                 traffic of each lane ─▶ ledger: where each datagram came to ───────────────────────────┴▶ judge
//! ```
//!
//! A soak is played in rounds of some seconds. Traffic flows from before the first event of a round to after the
//! last; then everything that was sent is judged. Every datagram must have come to exactly the places that one legal
//! version names, once, and in order. Only upstreams behind the link that does not stand may miss some.

mod beside;
mod judge;
mod lane;
mod ledger;
mod place;
mod plan;
mod play;
mod report;
mod scene;
mod timeline;
mod version;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant, SystemTime},
};

use plan::Planner;
pub use report::Report;
use scene::Scene;

use crate::{agent, other_version::other_version};

/// Datagrams of a lane on their way, at most: queues on the way never overflow.
const WINDOW: u64 = 100;

/// How long, from which seed, and with which builds of the agent.
#[derive(Clone, Debug)]
pub struct Options {
    /// Rounds begin until so much time has passed.
    pub time: Duration,
    /// Equal seeds give equal events.
    pub seed: u64,
    /// How many changes in a row it begins with, before anything else happens.
    pub in_a_row: u64,
    /// Binaries of the agent; which one runs changes with restarts. At least one.
    pub builds: Vec<PathBuf>,
}

impl Options {
    /// What `SOAK_SECONDS`, `SOAK_CHANGES`, `SOAK_SEED` and `SOAK_AGENTS` (paths, with colons between) say; otherwise
    /// this time and number of changes in a row, a new seed, and the agent that was built last beside one of another
    /// version, so that restarts are upgrades and downgrades.
    pub fn from_environment(time: Duration, in_a_row: u64) -> Self {
        let number = |name: &str| -> Option<u64> {
            let text = std::env::var(name).ok()?;
            let number = text.parse();
            Some(number.unwrap_or_else(|error| panic!("{name}={text}: {error}")))
        };
        let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let builds = std::env::var_os("SOAK_AGENTS");
        Self {
            time: number("SOAK_SECONDS").map_or(time, Duration::from_secs),
            in_a_row: number("SOAK_CHANGES").unwrap_or(in_a_row),
            seed: number("SOAK_SEED").unwrap_or_else(|| now().unwrap().as_secs()),
            builds: builds.map_or_else(
                || vec![agent::binary(), other_version().binary],
                |paths| std::env::split_paths(&paths).collect(),
            ),
        }
    }
}

/// Soaks, and tells on the way how it goes.
pub fn soak(options: &Options) -> Report {
    let mut report = Report {
        seed: options.seed,
        ..Report::default()
    };
    println!("soak: seed {}, {} s", options.seed, options.time.as_secs());
    let start = Instant::now();
    let rounds = AssertUnwindSafe(|| rounds(options, &mut report));
    if let Err(reason) = catch_unwind(rounds) {
        let text = reason.downcast_ref::<String>().cloned();
        let text = text.or_else(|| reason.downcast_ref().map(|text: &&str| (*text).to_owned()));
        report.broken = Some(text.unwrap_or_else(|| "panic".into()));
    }
    report.time = start.elapsed();
    report
}

fn rounds(options: &Options, report: &mut Report) {
    let start = Instant::now();
    let mut planner = Planner::new(options.seed, options.builds.len(), options.in_a_row);
    let mut scene = Scene::new(planner.version(), options.builds.clone());
    while start.elapsed() < options.time {
        let version = planner.version().clone();
        let round = planner.round();
        println!("soak: beside {:?}", round.beside);
        let tally = play::play(&mut scene, &version, &round);
        for (event, _) in &round.events {
            *report.events.entry(event.kind()).or_default() += 1;
        }
        for fault in &tally.faults {
            println!("{fault}");
        }
        report.tally += tally;
        report.time = start.elapsed();
        println!("soak: {report}");
    }
}

/// `make soak`: ten minutes that begin with a thousand changes in a row, unless the environment says otherwise.
pub fn run() -> ExitCode {
    let report = soak(&Options::from_environment(Duration::from_mins(10), 1000));
    let verdict = if report.is_clean() {
        "passed"
    } else {
        "FAILED"
    };
    println!("soak {verdict}: {report}");
    ExitCode::from(u8::from(!report.is_clean()))
}
