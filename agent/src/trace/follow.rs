//! Follows a session: events become decisions with names and wall clock times. **IO**

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    ops::ControlFlow,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Decision, Named};
use crate::{
    kernel::{
        bpf::{Session, TraceError, monotonic},
        interfaces,
    },
    text,
};

const RENEW: Duration = Duration::from_secs(1);
/// The buffer holds what every CPU can report in this time and more.
const LOOK: Duration = Duration::from_millis(5);

/// A line of `trace`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Told {
    /// What one destination did with one packet.
    Decision(Box<Decision>),
    /// What there was no room for.
    #[serde(rename_all = "camelCase")]
    NotShown {
        /// Decisions since the last such line.
        not_shown: u64,
    },
}

impl Told {
    /// Whether it is about a packet.
    #[must_use]
    pub const fn is_decision(&self) -> bool {
        matches!(self, Self::Decision(_))
    }
}

impl fmt::Display for Told {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decision(decision) => decision.fmt(formatter),
            Self::NotShown { not_shown } => {
                write!(formatter, "{not_shown} more were over the rate limit")
            }
        }
    }
}

/// Hands on what is reported, until it is told to stop.
pub async fn follow(
    mut session: Session,
    stop: &CancellationToken,
    mut tell: impl FnMut(Told) -> ControlFlow<()>,
) -> Result<(), TraceError> {
    let mut names = Names::default();
    let mut swallowed = session.swallowed()?;
    let [mut renew, mut look] = [RENEW, LOOK].map(interval);
    renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let told: Vec<Told> = tokio::select! {
            () = stop.cancelled() => {
                // What has happened before is told.
                let _ended = decisions(&mut session, &mut names).into_iter().try_for_each(tell);
                return Ok(());
            }
            _ = look.tick() => decisions(&mut session, &mut names),
            _ = renew.tick() => {
                session.renew()?;
                let total = session.swallowed()?;
                let not_shown = total.saturating_sub(swallowed);
                swallowed = total;
                (not_shown > 0).then_some(Told::NotShown { not_shown }).into_iter().collect()
            }
        };
        for one in told {
            if tell(one).is_break() {
                return Ok(());
            }
        }
    }
}

fn decisions(session: &mut Session, names: &mut Names) -> Vec<Told> {
    let events = session.events();
    let boot = boot_time();
    let mut names = names.of(session);
    let decision = |event| {
        let time = wall_clock(boot, &event);
        Told::Decision(Box::new(Decision::new(&event, time, &mut names)))
    };
    events.into_iter().map(decision).collect()
}

/// When the monotonic clock was zero. Taken anew each time: the wall clock may be set.
fn boot_time() -> Timestamp {
    Timestamp::now()
        .saturating_sub(nanoseconds(monotonic()))
        .unwrap_or_default()
}

fn wall_clock(boot: Timestamp, event: &udplb_abi::trace::TraceEvent) -> Timestamp {
    boot.saturating_add(nanoseconds(event.time))
        .unwrap_or_default()
}

fn nanoseconds(count: u64) -> SignedDuration {
    SignedDuration::from_nanos(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Names that were looked up. An identity always has the same name, an interface number nearly so.
#[derive(Default)]
struct Names {
    names: HashMap<u64, String>,
    interfaces: text::Names,
}

/// Names for one group of events.
struct NamesOf<'a> {
    known: &'a mut Names,
    session: &'a Session,
    /// Whether interfaces were listed for it: those of one that is gone stay unknown.
    is_listed: bool,
}

impl Names {
    fn of<'a>(&'a mut self, session: &'a Session) -> NamesOf<'a> {
        NamesOf {
            known: self,
            session,
            is_listed: false,
        }
    }
}

impl Named for NamesOf<'_> {
    fn name(&mut self, id: u64) -> String {
        match self.known.names.entry(id) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(unknown) => match self.session.name(id) {
                Some(name) => unknown.insert(name).clone(),
                None => format!("{id:016x}"),
            },
        }
    }

    fn interface(&mut self, index: u32) -> String {
        if !self.is_listed && !self.known.interfaces.0.contains_key(&index) {
            self.known.interfaces = interfaces::names();
            self.is_listed = true;
        }
        self.known.interfaces.of(index)
    }
}
