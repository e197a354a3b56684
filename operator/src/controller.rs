//! The loop: changes in, ops out. IO; what to do is decided in [`crate::state`].

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::{Api, Client};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use udplb_api::ResolvedForward;
use udplb_process::{
    dns::{self, Dns},
    ready::ReadyGuard,
};

use crate::{
    apply::{apply, is_conflict},
    event::Events,
    lease::Leadership,
    metrics::Metrics,
    names,
    op::{Op, Target},
    pace::Ending,
    state::State,
    watch::services::Services,
    world::Change,
};

/// Changes that are taken in before the plan is made again.
const BATCH: usize = 4_096;
/// The longest time that a write may take.
const WRITE: Duration = Duration::from_secs(10);
/// The time between two counts of what is stored, for the metrics.
const COUNT: Duration = Duration::from_secs(5);
/// How long writes may take to end before the process does.
const DRAIN: Duration = Duration::from_secs(5);

/// What the loop works with.
pub struct Controller {
    /// To write with.
    pub client: Client,
    /// What is known and planned.
    pub state: State,
    /// Whether we may write.
    pub leadership: Leadership,
    /// Follows services.
    pub services: Services,
    /// Tells users what turned.
    pub events: Events,
    /// Counts.
    pub metrics: Metrics,
    /// Counts questions for names.
    pub names: dns::Metrics,
}

/// What ended: an op and what came of it.
struct Ended {
    op: Op,
    result: Result<Option<Change>, Failure>,
}

enum Failure {
    Api(kube::Error),
    TooSlow,
}

/// What only a leader has.
struct Term {
    dns: Dns,
}

impl Controller {
    /// Runs until it is told to stop; then writes that are under way end, and no new one begins.
    pub async fn run(
        mut self,
        mut changes: mpsc::Receiver<Change>,
        ready: ReadyGuard,
        stop: CancellationToken,
    ) {
        let mut writes: JoinSet<Ended> = JoinSet::new();
        let mut term: Option<Term> = None;
        let mut ready = Some(ready);
        let mut batch = Vec::with_capacity(BATCH);
        let mut count = tokio::time::interval(COUNT);
        loop {
            self.plan();
            if self.state.world.missing().is_empty() {
                drop(ready.take());
            }
            self.begin_or_end(&mut term).await;
            if let Some(term) = &term {
                term.dns.want(names::wanted(&self.state));
                self.start_writes(&mut writes);
            }
            let next = self.state.next(Instant::now());
            let end = self.leadership.until();
            tokio::select! {
                received = changes.recv_many(&mut batch, BATCH) => {
                    if received == 0 {
                        break;
                    }
                    batch.drain(..).for_each(|change| self.state.take(change));
                }
                Some(ended) = writes.join_next() => self.ended(ended),
                change = answers(&mut term) => self.state.take(change),
                () = self.leadership.changed() => {}
                _ = count.tick() => self.metrics.observe(&self.state.world),
                () = until(next) => {}
                () = until(end) => {}
                () = stop.cancelled() => break,
            }
        }
        let drained = timeout(DRAIN, async { while writes.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!(writes = writes.len(), "ended with writes under way");
        }
    }

    /// Brings the plan in line with what is known.
    fn plan(&mut self) {
        let start = Instant::now();
        if !self.state.plan(start) {
            return;
        }
        let seconds = start.elapsed().as_secs_f64();
        self.metrics.planned(&self.state, seconds);
        tracing::debug!(
            accepted = self.state.plan.accepted.len(),
            rejected = self.state.plan.rejected.len(),
            seconds,
            "planned"
        );
        let forwards = self.state.plan.accepted.iter();
        let with_services = forwards.filter(|(_, placed)| {
            let mut services = placed.forward.forward().services();
            services.next().is_some()
        });
        let namespaces: BTreeSet<String> = with_services
            .map(|(key, _)| key.namespace.clone())
            .collect();
        for namespace in self.services.want(&namespaces) {
            self.state.take(Change::ServicesForgotten(namespace));
        }
    }

    /// A term begins once everything is known, and with a look at what another leader wrote last.
    async fn begin_or_end(&mut self, term: &mut Option<Term>) {
        let leads = self.leadership.until().is_some();
        self.metrics.leads(leads);
        if !leads {
            *term = None;
            return;
        }
        if term.is_some() || !self.state.world.missing().is_empty() {
            return;
        }
        let resolved: Api<ResolvedForward> = Api::all(self.client.clone());
        // Without a version, a list is answered by what is stored and not by a cache.
        match timeout(WRITE, resolved.list(&kube::api::ListParams::default())).await {
            Ok(Ok(list)) => {
                let revisions = list.items.iter().map(|it| it.spec.revision);
                self.state.begin_term(revisions.max().unwrap_or_default());
                let dns = names::start(&self.state, self.names.clone());
                *term = Some(Term { dns });
                let _planned = self.state.plan(Instant::now());
            }
            Ok(Err(error)) => {
                let error = udplb_process::error_chain(&error);
                tracing::warn!(error, "cannot list ResolvedForwards before the first write");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(_) => tracing::warn!("listing ResolvedForwards takes too long"),
        }
    }

    fn start_writes(&mut self, writes: &mut JoinSet<Ended>) {
        let now = Instant::now();
        let mut ops = self.state.ops(now);
        ops.extend(self.state.statuses(now, &Time(Timestamp::now())));
        for op in ops {
            // A write that the term does not outlast would be a stale leader's.
            let left = self
                .leadership
                .until()
                .map(|until| until.saturating_duration_since(Instant::now()));
            let patience = left.unwrap_or_default().min(WRITE);
            let client = self.client.clone();
            let _task = writes.spawn(async move {
                let result = match timeout(patience, apply(&client, &op)).await {
                    Ok(result) => result.map_err(Failure::Api),
                    Err(_) => Err(Failure::TooSlow),
                };
                Ended { op, result }
            });
        }
    }

    fn ended(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        let Ok(Ended { op, result }) = ended else {
            return;
        };
        let target = op.target();
        let (ending, result) = match result {
            Ok(change) => {
                if let Some(change) = change {
                    self.state.take(change);
                }
                if let Op::WriteStatus(write) = &op {
                    self.events.publish(write);
                }
                tracing::debug!(?target, "written");
                (Ending::Written, "ok")
            }
            Err(Failure::Api(error)) if is_conflict(&error) => {
                tracing::debug!(
                    ?target,
                    "there is a newer version; its change is on its way"
                );
                (Ending::Outdated, "conflict")
            }
            Err(Failure::Api(error)) => {
                let error = udplb_process::error_chain(&error);
                tracing::warn!(target = %text(&target), error, "a write failed; it is tried again");
                (Ending::Failed, "failed")
            }
            Err(Failure::TooSlow) => {
                tracing::warn!(target = %text(&target), "a write took too long; it is tried again");
                (Ending::Failed, "timeout")
            }
        };
        self.state.ended(&target, ending, Instant::now());
        self.metrics.wrote(&op, result, self.state.revision());
    }
}

fn text(target: &Target) -> String {
    match target {
        Target::Resolved(key) => format!("ResolvedForward {key}"),
        Target::Config(node) => format!("NodeForwardConfig {node}"),
        Target::Status(key) => format!("status of UdpForward {key}"),
    }
}

async fn answers(term: &mut Option<Term>) -> Change {
    match term {
        Some(term) => {
            term.dns.changed().await;
            names::change(&mut term.dns)
        }
        None => std::future::pending().await,
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}
