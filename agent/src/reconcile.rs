//! The loop that makes the kernel match the input. **IO**
//!
//! ```text
//! new input ─┐
//! network ───┼─▶ facts ─▶ desired ─▶ diff ─▶ ops ─▶ apply
//! a retry ───┤
//! a look at the hooks ┘
//! ```
//!
//! A pass removes what nobody desires. There is none before the whole input and the whole network are
//! known, and none with only a part of them: both are complete values or absent.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use thiserror::Error;
use tokio::{
    sync::{RwLock, watch},
    time::sleep_until,
};
use tokio_util::sync::CancellationToken;
use udplb_api::udp_forward::text::InterfacePattern;
use udplb_process::ready::ReadyGuard;

use crate::{
    apply::{Kernel, Object, Outcome},
    desired::{Desired, input::Input},
    diff::{self, Cache, MapFull},
    error_chain,
    facts::Facts,
    kernel::{
        bpf::attachment::{self, AttachError},
        netlink::{self, Network},
    },
    metrics::{Metrics, PassResult},
    node::state::{Pass, State},
    observed,
    op::Op,
    repair::{self, Damage, Looks, Neighbours},
    retry::Retries,
    source::version::Version,
    tables::capacity::Capacity,
    takeover,
};

/// How long a new version waits for the neighbours that it needs, so that its first copies are not
/// lost to a question that the kernel is still asking. What ran before goes on meanwhile.
const NEIGHBOURS_ANSWER: Duration = Duration::from_secs(1);

/// Why the loop ended. What runs in the kernel goes on.
#[derive(Debug, Error)]
pub enum ReconcileError {
    /// The network is no longer followed.
    #[error("the host's network is no longer followed")]
    Network(#[from] netlink::Error),
    /// The input is no longer followed.
    #[error("the input is no longer followed")]
    Source,
}

/// The loop's state.
#[derive(Debug)]
pub struct Reconciler {
    kernel: Arc<RwLock<Kernel>>,
    network: Network,
    /// Takes the place of the forwards' own interfaces.
    only: Option<Vec<InterfacePattern>>,
    capacity: Capacity,
    metrics: Metrics,
    cache: Cache,
    retries: Retries<Object>,
    /// What was told about forwards that do not run as written.
    told: BTreeSet<String>,
    /// The newest version in force.
    in_force: (u64, Option<Arc<Input>>),
    /// The newest version that came, and until when it waits for its neighbours.
    newest: (u64, Instant),
    /// What failed and is tried again, where somebody is told of it.
    errors: BTreeMap<Object, String>,
    /// Neighbour entries of ours that the kernel kept at the last pass.
    kept: Neighbours,
    /// When to look at what nobody tells of.
    looks: Looks,
    /// Who is told.
    states: Option<watch::Sender<Option<Arc<State>>>>,
}

impl Reconciler {
    /// A loop that has done nothing yet.
    #[must_use]
    pub fn new(
        kernel: Arc<RwLock<Kernel>>,
        network: Network,
        only: Option<Vec<InterfacePattern>>,
        capacity: Capacity,
        metrics: Metrics,
        looks: Looks,
    ) -> Self {
        Self {
            kernel,
            network,
            only,
            capacity,
            metrics,
            cache: Cache::default(),
            retries: Retries::default(),
            told: BTreeSet::new(),
            in_force: (0, None),
            newest: (0, Instant::now()),
            errors: BTreeMap::new(),
            kept: Neighbours::new(),
            looks,
            states: None,
        }
    }

    /// Tells what comes of each pass.
    #[must_use]
    pub fn telling(mut self, states: watch::Sender<Option<Arc<State>>>) -> Self {
        self.states = Some(states);
        self
    }

    /// Runs until it is told to stop; an error says that it cannot go on.
    pub async fn run(
        mut self,
        mut versions: watch::Receiver<Version>,
        ready: ReadyGuard,
        stop: CancellationToken,
    ) -> Result<(), ReconcileError> {
        let mut network = self.network.changes();
        let mut look = Instant::now() + self.looks.pause(Duration::ZERO);
        let mut ready = Some(ready);
        loop {
            let version = versions.borrow_and_update().clone();
            let has_made_room = self.pass(&version, &mut network).await?;
            if self.in_force.0 == version.number {
                drop(ready.take());
            }
            if has_made_room && !stop.is_cancelled() {
                continue;
            }
            let (_, answers) = self.newest;
            let waits = self.in_force.0 != version.number && answers > Instant::now();
            let retry = self.retries.next();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                changed = versions.changed() => changed.map_err(|_closed| ReconcileError::Source)?,
                changed = network.changed() => changed.map_err(|_closed| netlink::Error::Stopped)?,
                () = sleep_until(retry.unwrap_or_else(Instant::now).into()), if retry.is_some() => {}
                () = sleep_until(answers.into()), if waits => {}
                () = sleep_until(look.into()) => {
                    let start = Instant::now();
                    self.look().await;
                    look = Instant::now() + self.looks.pause(start.elapsed());
                }
            }
        }
    }

    /// Tells whether something did not fit, and may now: slots that a pass frees are for the next one.
    async fn pass(
        &mut self,
        version: &Version,
        network: &mut watch::Receiver<Arc<Facts>>,
    ) -> Result<bool, ReconcileError> {
        // Before the facts are taken, or a change between the two would wait for the next one. A guard
        // that lived on would keep the watcher from publishing.
        drop(network.borrow_and_update());
        let facts = self
            .network
            .want(version.input.upstream_addresses())
            .await?;
        let start = Instant::now();
        let desired = Desired::settle(&version.input, self.only.as_deref(), &facts);
        self.observe_neighbours(&facts).await;
        let (mut change, takes_over) = {
            let kernel = self.kernel.read().await;
            let change = diff::diff(&desired, &kernel.tables, &self.capacity, &mut self.cache);
            (change, kernel.takes_over)
        };
        if takes_over {
            takeover::hold_back(&mut change);
        }
        let waits = self.waits_for_neighbours(version, &desired, &facts);
        if waits {
            change
                .ops
                .retain(|op| matches!(op, Op::ManageNeighbour { .. }));
        }
        let wanted: BTreeSet<Object> = change.ops.iter().map(Object::of).collect();
        self.retries.retain(|object| wanted.contains(object));
        let outcome = if change.ops.is_empty() {
            Outcome::default()
        } else {
            let mut kernel = self.kernel.write().await;
            kernel
                .apply(&change.ops, &self.network, &mut self.retries)
                .await
        };
        let is_whole = !outcome.maps_failed && !outcome.hooks_failed && change.failures.is_empty();
        let takes_over = takes_over && !waits && !(is_whole && self.finish_takeover().await);
        let notices = version
            .notices
            .iter()
            .cloned()
            .chain(desired.notices.iter().map(ToString::to_string))
            .chain(change.failures.iter().map(ToString::to_string))
            .chain(takes_over.then(|| takeover::NOTICE.to_owned()))
            .collect();
        self.tell(notices);
        let result = if !outcome.failures.is_empty() || !change.failures.is_empty() {
            PassResult::Failed
        } else if outcome.done > 0 {
            PassResult::Changed
        } else {
            PassResult::Unchanged
        };
        self.metrics.pass(result, start.elapsed());
        self.metrics.resyncs(self.network.resyncs());
        if !waits && !takes_over && !outcome.maps_failed && self.in_force.0 != version.number {
            self.in_force = (version.number, Some(Arc::clone(&version.input)));
            self.metrics.in_force();
        }
        if !waits {
            self.tell_state(version, &desired, &facts, &change.failures, &outcome);
        }
        log(&change.ops, &outcome, version, start.elapsed());
        let changed_maps = wanted.contains(&Object::Maps) && !outcome.maps_failed;
        Ok(changed_maps && !change.failures.is_empty())
    }

    /// Ends a takeover of which a pass did all that it wanted. Tells whether no other version is in place any more.
    async fn finish_takeover(&self) -> bool {
        let mut kernel = self.kernel.write().await;
        match takeover::finish(&mut kernel).await {
            Ok(true) => tracing::info!("took over from another version; what it left is removed"),
            Ok(false) => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "failed to remove what another version left");
            }
        }
        !kernel.takes_over
    }

    /// Whether a version that is not in force yet should let its neighbours answer first.
    fn waits_for_neighbours(
        &mut self,
        version: &Version,
        desired: &Desired,
        facts: &Facts,
    ) -> bool {
        let now = Instant::now();
        if self.newest.0 != version.number {
            // One after the other must not make all of them wait.
            if self.in_force.0 == self.newest.0 {
                self.newest.1 = now + NEIGHBOURS_ANSWER;
            }
            self.newest.0 = version.number;
        }
        let (_, answers) = self.newest;
        self.in_force.0 != version.number && now < answers && desired.is_resolving(facts)
    }

    fn tell_state(
        &mut self,
        version: &Version,
        desired: &Desired,
        facts: &Facts,
        full: &[MapFull],
        outcome: &Outcome,
    ) {
        let Some(states) = &self.states else {
            return;
        };
        for (_, object, error) in &outcome.failures {
            let _last = self.errors.insert(*object, error_chain(error));
        }
        let retries = &self.retries;
        self.errors.retain(|object, _| retries.has_failed(object));
        let state = Some(Arc::new(State::of(&Pass {
            version,
            desired,
            facts,
            full,
            errors: &self.errors,
            in_force: self.in_force.1.as_deref(),
        })));
        let _told = states.send_if_modified(|last| {
            let is_new = *last != state;
            *last = state;
            is_new
        });
    }

    /// Warns of what has come up since the last pass.
    fn tell(&mut self, notices: BTreeSet<String>) {
        for notice in notices.difference(&self.told) {
            tracing::warn!("{notice}");
        }
        for notice in self.told.difference(&notices) {
            tracing::info!("no longer: {notice}");
        }
        self.told = notices;
    }

    /// Takes in who keeps our neighbour entries now.
    async fn observe_neighbours(&mut self, facts: &Facts) {
        let kept = repair::kept_neighbours(facts);
        let mut kernel = self.kernel.write().await;
        let lost = repair::lost_neighbours(&self.kept, &kept, &kernel.tables, facts);
        observed::observe_neighbours(&mut kernel.tables, facts);
        drop(kernel);
        self.tell_damage(&lost);
        self.kept = kept;
    }

    async fn look(&self) {
        let mut kernel = self.kernel.write().await;
        match repair::look(&mut kernel, &self.network.facts()).await {
            Ok(found) => self.tell_damage(&found),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "cannot look whether all of ours is still in place");
            }
        }
        tracing::trace!("looked at hooks, pins and maps");
    }

    fn tell_damage(&self, found: &[Damage]) {
        for damage in found {
            tracing::warn!("{damage}; putting it right");
            self.metrics.repaired(*damage);
        }
    }
}

/// Takes in where our programs sit.
pub async fn observe_hooks(kernel: &mut Kernel) -> Result<(), AttachError> {
    let hooks = attachment::look(&mut kernel.program, &kernel.maps.records, &kernel.pins).await?;
    observed::observe_hooks(
        &mut kernel.tables,
        &hooks.recorded,
        &hooks.current,
        &hooks.pinned,
    );
    Ok(())
}

fn log(ops: &[Op], outcome: &Outcome, version: &Version, duration: Duration) {
    for (is_first, object, error) in &outcome.failures {
        let error = error as &dyn std::error::Error;
        if *is_first {
            tracing::warn!(?object, error, "failed; trying again");
        } else {
            tracing::debug!(?object, error, "failed again");
        }
    }
    if outcome.done == 0 {
        return;
    }
    let count = |is_counted: fn(&Op) -> bool| ops.iter().filter(|op| is_counted(op)).count();
    tracing::info!(
        version = version.number,
        forwards = count(|op| matches!(op, Op::WriteForward { .. })),
        listeners = count(|op| matches!(op, Op::SetListener { .. } | Op::RemoveListener { .. })),
        next_hops = count(|op| matches!(op, Op::SetNextHop { .. })),
        attachments = count(|op| matches!(op, Op::Attach { .. } | Op::Detach { .. })),
        neighbours =
            count(|op| matches!(op, Op::ManageNeighbour { .. } | Op::ReleaseNeighbour { .. })),
        changes = outcome.done,
        postponed = outcome.postponed,
        milliseconds = duration.as_millis(),
        "kernel changed"
    );
}
