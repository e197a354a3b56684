//! A session of `trace`: asks the attached program for reports and reads them. **IO**

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, RingBuf};
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    time::{ClockId, clock_gettime},
};
use thiserror::Error;
use udplb_abi::{
    layout::Group,
    map,
    record::Name,
    trace::{TraceBudget, TraceEvent, TraceRequest},
};

use super::{
    OpenError,
    maps::{is_there, opener, typed},
    ops::grace,
    pins,
    read::text,
};
use crate::trace::Filter;

/// How long the program goes on without hearing of us.
const LEASE: Duration = Duration::from_secs(5);

/// Why nothing can be traced.
#[derive(Debug, Error)]
pub enum TraceError {
    /// The maps cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Somebody traces already.
    #[error(
        "another trace runs on {path}, or an agent with --debug, which prints the same; end it first"
    )]
    Busy {
        /// The folder of pins.
        path: PathBuf,
    },
    /// Nothing runs any more.
    #[error(
        "nothing of this version is in {path} any more: udplb was cleaned up, or another version took over"
    )]
    Gone {
        /// The folder of pins.
        path: PathBuf,
    },
    /// The kernel refused.
    #[error("failed to {action}")]
    Kernel {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// Traces while it lives.
pub struct Session {
    request: Array<MapData, TraceRequest>,
    current: TraceRequest,
    events: RingBuf<MapData>,
    budgets: PerCpuArray<MapData, TraceBudget>,
    names: HashMap<MapData, u64, Name>,
    pin_directory: PathBuf,
    _lock: Flock<File>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Session")
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

fn failed(action: &'static str) -> impl Fn(MapError) -> TraceError {
    move |source| TraceError::Kernel {
        action,
        source: io::Error::other(source),
    }
}

impl Session {
    /// Asks for reports. One session at a time, since all would read one buffer.
    pub async fn start(pin_directory: &Path, filter: &Filter) -> Result<Self, TraceError> {
        is_there(pin_directory)?;
        let pin = opener(pin_directory);
        let pin = &pin;
        let lock = lock(&pins::folder_of(pin_directory, Group::Trace))?;
        let mut session = Self {
            request: typed(map::TRACE, pin, Map::Array)?,
            current: TraceRequest::OFF,
            events: typed(map::TRACE_EVENTS, pin, Map::RingBuf)?,
            budgets: typed(map::TRACE_BUDGETS, pin, Map::PerCpuArray)?,
            names: typed(map::NAMES, pin, Map::HashMap)?,
            pin_directory: pin_directory.to_owned(),
            _lock: lock,
        };
        // What an earlier session left is not ours; nobody writes to the buffer after the grace period.
        session.ask(TraceRequest::OFF)?;
        grace().await.map_err(|source| TraceError::Kernel {
            action: "wait for running programs",
            source: io::Error::other(source),
        })?;
        let _before = session.events();
        // All of the request is there before the word that the program looks at.
        let now = monotonic();
        let number = u32::try_from(now & u64::from(u32::MAX)).unwrap_or(0) | 1;
        session.ask(filter.request(0, now + lease()))?;
        session.ask(filter.request(number, now + lease()))?;
        Ok(session)
    }

    /// Tells the program that we are still there. To be called every second.
    pub fn renew(&mut self) -> Result<(), TraceError> {
        if !pins::is_set_up(&self.pin_directory) {
            return Err(TraceError::Gone {
                path: self.pin_directory.clone(),
            });
        }
        let until = monotonic() + lease();
        self.ask(TraceRequest {
            until,
            ..self.current
        })
    }

    /// The events that have come. They are copied out, so that their room is free again at once.
    ///
    /// The program wakes nobody up, since that would slow packets down: look often enough.
    pub fn events(&mut self) -> Vec<TraceEvent> {
        let mut events = Vec::new();
        while let Some(item) = self.events.next() {
            events.extend(TraceEvent::from_bytes(&item));
        }
        events
    }

    /// How many reports the rate limit or a full buffer has swallowed since the maps were made.
    pub fn swallowed(&self) -> Result<u64, TraceError> {
        let budgets = self
            .budgets
            .get(&0, 0)
            .map_err(failed("read the budgets of reports"))?;
        Ok(budgets.iter().map(|budget| budget.swallowed).sum())
    }

    /// The name behind an identity.
    #[must_use]
    pub fn name(&self, id: u64) -> Option<String> {
        self.names.get(&id, 0).ok().map(|name| text(&name))
    }

    fn ask(&mut self, request: TraceRequest) -> Result<(), TraceError> {
        self.current = request;
        self.request
            .set(0, &request, 0)
            .map_err(failed("write the request to the program"))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Where that fails, the program ends the session itself.
        let _ended = self.ask(TraceRequest::OFF);
    }
}

fn lease() -> u64 {
    u64::try_from(LEASE.as_nanos()).unwrap_or(u64::MAX)
}

/// Now, ns of the clock of the program's events.
#[must_use]
pub fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// Sessions lock the folder of maps; the agent locks the one above.
fn lock(folder: &Path) -> Result<Flock<File>, TraceError> {
    let failed = |action| move |source| TraceError::Kernel { action, source };
    let file = File::open(folder).map_err(failed("open the folder of pins"))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
        Errno::EWOULDBLOCK => TraceError::Busy {
            path: folder.parent().unwrap_or(folder).to_owned(),
        },
        error => failed("lock the folder of pins")(error.into()),
    })
}
