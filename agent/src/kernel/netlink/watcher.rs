//! The task that follows the kernel and publishes facts. **IO**

use std::{
    collections::BTreeSet,
    convert::Infallible,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{
    Error,
    cache::{Cache, Stale},
    decode::Event,
    events::Events,
    list,
};
use crate::facts::{Facts, InterfaceIndex};

/// Events come in groups: one change of a link is a handful. Waiting for the rest saves work.
const GROUPING: Duration = Duration::from_millis(2);
/// Datagrams taken at once; the rest has to wait until these were published.
const LONGEST_GROUP: usize = 4096;
/// After a round of work we rest for twice its length, so that a storm of events cannot keep a CPU
/// busy; but never longer than this.
const LONGEST_REST: Duration = Duration::from_millis(30);
/// Some routes change without an event, those that ICMP made above all.
const ROUTE_REFRESH: Duration = Duration::from_secs(30);
/// Between two attempts to list everything again, growing.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What the rest of the agent tells the watcher.
pub(super) struct Inputs {
    /// Bytes of events that the kernel keeps for us.
    pub(super) receive_buffer: usize,
    /// The addresses that routes are needed for.
    pub(super) wanted: watch::Receiver<BTreeSet<IpAddr>>,
    /// Neighbour entries that we just created.
    pub(super) created: mpsc::UnboundedReceiver<(InterfaceIndex, IpAddr)>,
}

pub(super) struct Watcher {
    inputs: Inputs,
    events: Events,
    cache: Cache,
    facts: watch::Sender<Arc<Facts>>,
    resyncs: Arc<AtomicU64>,
    refresh: Instant,
    /// End of the rest after the last round.
    rested: Instant,
}

impl Watcher {
    /// Lists everything for the first time.
    pub(super) async fn start(
        inputs: Inputs,
        resyncs: Arc<AtomicU64>,
    ) -> Result<(Self, watch::Receiver<Arc<Facts>>), Error> {
        let (events, cache) = everything(inputs.receive_buffer, &BTreeSet::new()).await?;
        let (facts, receiver) = watch::channel(Arc::new(cache.facts()));
        let refresh = Instant::now() + ROUTE_REFRESH;
        let watcher = Self {
            inputs,
            events,
            cache,
            facts,
            resyncs,
            refresh,
            rested: Instant::now(),
        };
        Ok((watcher, receiver))
    }

    /// Runs until the task is aborted.
    pub(super) async fn run(mut self) {
        loop {
            let Err(mut error) = self.follow().await;
            let mut pause = FIRST_PAUSE;
            loop {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "listing the network again"
                );
                sleep(pause).await;
                pause = LONGEST_PAUSE.min(pause * 2);
                match self.resync().await {
                    Ok(()) => break,
                    Err(again) => error = again,
                }
            }
            let _before = self.resyncs.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ends when events were lost or the kernel did not answer.
    async fn follow(&mut self) -> Result<Infallible, Error> {
        loop {
            let mut stale = Stale::default();
            let mut created = Vec::new();
            tokio::select! {
                events = self.events.receive() => self.apply(events?, &mut stale),
                Ok(()) = self.inputs.wanted.changed() => {}
                Some(key) = self.inputs.created.recv() => created.push(key),
                () = sleep_until(self.refresh) => stale.all_routes = true,
            }
            sleep_until(self.rested.max(Instant::now() + GROUPING)).await;
            let start = Instant::now();
            for _datagram in 0..LONGEST_GROUP {
                let Some(events) = self.events.receive_waiting().await? else {
                    break;
                };
                self.apply(events, &mut stale);
            }
            while let Ok(key) = self.inputs.created.try_recv() {
                created.push(key);
            }
            for event in list::neighbours(&created).await? {
                self.cache.apply(event, &mut stale);
            }
            self.update(&stale).await?;
            self.rested = Instant::now() + LONGEST_REST.min(start.elapsed() * 2);
        }
    }

    fn apply(&mut self, events: Vec<Event>, stale: &mut Stale) {
        for event in events {
            self.cache.apply(event, stale);
        }
    }

    /// Asks for what is out of date, and publishes what differs.
    async fn update(&mut self, stale: &Stale) -> Result<(), Error> {
        let mut differs = stale.facts;
        if stale.default_routes {
            let interfaces = list::default_routes().await?;
            differs |= interfaces != self.cache.default_routes;
            self.cache.default_routes = interfaces;
        }
        if stale.all_routes {
            self.refresh = Instant::now() + ROUTE_REFRESH;
        }
        let wanted = self.inputs.wanted.borrow_and_update().clone();
        let addresses = stale.addresses(&wanted, &self.cache);
        for (address, route) in list::routes(&addresses).await? {
            differs |= self.cache.routes.insert(address, route) != Some(route);
        }
        let before = self.cache.routes.len();
        self.cache
            .routes
            .retain(|address, _| wanted.contains(address));
        differs |= self.cache.routes.len() != before;
        if differs {
            self.publish();
        }
        Ok(())
    }

    async fn resync(&mut self) -> Result<(), Error> {
        let wanted = self.inputs.wanted.borrow_and_update().clone();
        let (events, mut cache) = everything(self.inputs.receive_buffer, &wanted).await?;
        cache.keep_failures(&self.cache);
        self.events = events;
        self.cache = cache;
        self.publish();
        Ok(())
    }

    fn publish(&self) {
        let facts = self.cache.facts();
        let _differed = self.facts.send_if_modified(|published| {
            let differs = **published != facts;
            if differs {
                *published = Arc::new(facts);
            }
            differs
        });
    }
}

/// Lists everything. The events that follow, some of which the lists hold already, lead to what is
/// true after the last of them.
async fn everything(
    receive_buffer: usize,
    wanted: &BTreeSet<IpAddr>,
) -> Result<(Events, Cache), Error> {
    let events = Events::open(receive_buffer)?;
    let mut cache = Cache::default();
    for event in list::state().await? {
        cache.apply(event, &mut Stale::default());
    }
    cache.default_routes = list::default_routes().await?;
    cache.routes = list::routes(wanted).await?;
    Ok((events, cache))
}
