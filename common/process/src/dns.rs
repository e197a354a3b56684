//! Host names and what they stand for, asked again as their TTL runs out. **IO**: `names`, `search` and
//! `failure` are pure.
//!
//! ```text
//! wanted names ─▶ names ── due ──▶ ask ─▶ hosts file, name servers
//!                 ▲   │                    │
//!                 │   └──▶ answers         │
//!                 └──────── reply ◀────────┘
//! ```
//!
//! A name is asked once for everybody who wants it. Whom to ask, and how, is what the host's own programs
//! do: resolv.conf and the hosts file, which are read again when they change.

mod ask;
mod failure;
mod host;
mod metrics;
mod names;
mod search;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::{MissedTickBehavior, interval, sleep_until, timeout},
};

pub use failure::{Cause, Failure};
pub use metrics::Metrics;
pub use names::{Answer, CEILING, FLOOR, Known, Time};

use host::{Files, Host};
use names::{Found, Names, Question, Reply};

/// Names that are asked for at once.
const MAX_IN_FLIGHT: usize = 64;
/// How often resolv.conf and the hosts file are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What counts for each name. A name that is wanted and not in here has not been asked for yet.
pub type Answers = BTreeMap<String, Answer>;

/// Follows names. What it does ends when it is dropped.
#[derive(Debug)]
pub struct Dns {
    wanted: watch::Sender<BTreeSet<String>>,
    answers: watch::Receiver<Answers>,
}

impl Dns {
    /// Starts to follow. `known` is what an earlier process knew: it counts until there is an answer.
    #[must_use]
    pub fn start(known: BTreeMap<String, Known>, metrics: Metrics) -> Self {
        let (wanted, names) = watch::channel(BTreeSet::new());
        let (publish, answers) = watch::channel(Answers::new());
        let clock = Clock::start();
        let follower = Follower {
            names: Names::new(known, clock.seed()),
            clock,
            files: Files::of_system(),
            host: None,
            publish,
            metrics,
        };
        let _task = tokio::spawn(follower.run(names));
        Self { wanted, answers }
    }

    /// Replaces the names to follow.
    pub fn want(&self, names: BTreeSet<String>) {
        let _changed = self.wanted.send_if_modified(|wanted| {
            let is_new = *wanted != names;
            *wanted = names;
            is_new
        });
    }

    /// What counts now.
    pub fn answers(&mut self) -> Answers {
        self.answers.borrow_and_update().clone()
    }

    /// Waits until something else counts than [`Self::answers`] returned last.
    pub async fn changed(&mut self) {
        if self.answers.changed().await.is_err() {
            // Nobody follows any more, so nothing will change.
            std::future::pending::<()>().await;
        }
    }

    /// Waits until every wanted name has an answer or has failed once, but no longer than `patience`.
    pub async fn settled(&mut self, patience: Duration) {
        let wanted = self.wanted.borrow().clone();
        let is_settled = |answers: &Answers| wanted.iter().all(|name| answers.contains_key(name));
        let _late = timeout(patience, self.answers.wait_for(is_settled)).await;
    }
}

struct Follower {
    names: Names,
    clock: Clock,
    files: Files,
    /// None: it cannot be read.
    host: Option<Arc<Host>>,
    publish: watch::Sender<Answers>,
    metrics: Metrics,
}

impl Follower {
    async fn run(mut self, mut wanted: watch::Receiver<BTreeSet<String>>) {
        let mut asked = JoinSet::new();
        let mut questions = HashMap::new();
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut signature = None;
        loop {
            while let Some(host) = self.host.as_ref().filter(|_| asked.len() < MAX_IN_FLIGHT) {
                let Some(question) = self.names.ask(self.clock.now()) else {
                    break;
                };
                let task = reply(Arc::clone(host), question.clone(), self.metrics.clone());
                let _question = questions.insert(asked.spawn(task).id(), question);
            }
            let due = self.names.due().filter(|_| asked.len() < MAX_IN_FLIGHT);
            let due = due.filter(|_| self.host.is_some());
            tokio::select! {
                changed = wanted.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.names.want(&wanted.borrow_and_update(), self.clock.now());
                    let _changed = self.publish.send_replace(self.names.answers());
                    self.count();
                }
                Some(ended) = asked.join_next_with_id() => {
                    let (id, reply) = ended.unwrap_or_else(|error| (error.id(), not_asked(&error)));
                    if let Some(question) = questions.remove(&id) {
                        self.take(&question, reply);
                    }
                }
                () = sleep_until(self.clock.instant(due.unwrap_or_default())), if due.is_some() => {}
                _ = look.tick() => {
                    let now = self.files.signature();
                    if signature != Some(now) {
                        signature = Some(now);
                        self.read_files();
                    }
                }
            }
        }
    }

    fn take(&mut self, question: &Question, reply: Reply) {
        if !self.names.take(question, reply, self.clock.now()) {
            return;
        }
        let name = &question.name;
        let answer = self.names.answer(name).unwrap_or_default();
        tracing::debug!(name, ?answer, "another answer");
        self.publish.send_modify(|answers| {
            let _old = answers.insert(name.clone(), answer);
        });
        self.count();
    }

    fn count(&self) {
        self.metrics.names(self.publish.borrow().values());
    }

    fn read_files(&mut self) {
        match self.files.read() {
            Ok(host) => {
                let is_first = self.host.replace(Arc::new(host)).is_none();
                if !is_first {
                    tracing::info!("resolv.conf or the hosts file has changed; asking every name");
                }
                self.names.ask_all(self.clock.now());
            }
            Err(error) => tracing::warn!(
                %error,
                "cannot read /etc/resolv.conf and /etc/hosts; what they said before counts"
            ),
        }
    }
}

async fn reply(host: Arc<Host>, question: Question, metrics: Metrics) -> Reply {
    if let Some(known) = host.known(&question.name) {
        return known;
    }
    let reply = host.ask(&question.name).await;
    metrics.asked(&reply);
    reply
}

fn not_asked(error: &JoinError) -> Reply {
    tracing::error!(%error, "a question was not asked");
    let failed = || Found::Failed(Failure::Internal);
    Reply([failed(), failed()])
}

/// Time of day that never goes back.
#[derive(Clone, Copy, Debug)]
struct Clock {
    start: Instant,
    start_time: Time,
}

impl Clock {
    fn start() -> Self {
        Self {
            start: Instant::now(),
            start_time: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    fn now(&self) -> Time {
        self.start_time + self.start.elapsed()
    }

    fn instant(&self, time: Time) -> tokio::time::Instant {
        (self.start + time.saturating_sub(self.start_time)).into()
    }

    /// Differs between two processes.
    fn seed(&self) -> u64 {
        u64::from(self.start_time.subsec_nanos()) ^ (u64::from(std::process::id()) << 32)
    }
}
