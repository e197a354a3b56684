//! The input of a node of a cluster: its `NodeForwardConfig` and every `ResolvedForward`, watched; what was
//! last in force where the API server is away. **IO**
//!
//! ```text
//! watches ─ changes ─▶ Seen ─▶ Version
//!                       ▲ │
//!              disk ◀───┴─┘
//! ```

pub mod connection;
mod patience;
pub mod seen;
pub mod stored;

use std::{path::Path, sync::Arc, time::Duration};

use futures::{Stream, StreamExt as _};
use kube::{
    Api, Client,
    core::{DeserializeGuard, DynamicObject},
    runtime::watcher::{self, Event},
};
use tokio::{
    sync::{mpsc, watch as channel},
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};
use udplb_api::ResolvedForward;
use udplb_process::{mirror, watch::events};

use super::{last_good::LastGood, version::Version};
use connection::Connection;
use patience::Patience;
use seen::{Change, Kept, Seen};
use stored::Config;

/// How long a start waits for the API server before what an earlier process has kept counts.
const FIRST_LISTS: Duration = Duration::from_secs(2);
/// Changes that may wait; a watch waits while they are full.
const CHANGES: usize = 1_024;

/// Follows what the API server tells this node.
pub struct Source {
    changes: mpsc::Receiver<Change>,
    watches: JoinHandle<()>,
    connection: Connection,
    seen: Seen,
    /// What an earlier process has kept, until the first version.
    kept: Option<Kept>,
    last_good: LastGood<Kept>,
    config: channel::Sender<Option<Arc<Config>>>,
}

impl Drop for Source {
    fn drop(&mut self) {
        self.watches.abort();
    }
}

impl Source {
    /// Starts to follow.
    #[must_use]
    pub fn start(client: Client, node: &str, state: &Path, connection: Connection) -> Self {
        let last_good = LastGood::cluster_at(state);
        let kept = last_good.load_or_warn().filter(|kept| {
            let is_ours = kept.node == node;
            if !is_ours {
                tracing::warn!(
                    "what {} kept in the state directory is not for this node",
                    kept.node
                );
            }
            is_ours
        });
        let (sender, changes) = mpsc::channel(CHANGES);
        Self {
            changes,
            watches: tokio::spawn(follow(client, node.to_owned(), sender)),
            connection,
            seen: Seen::new(node, kept.clone()),
            kept,
            last_good,
            config: channel::Sender::new(None),
        }
    }

    /// The node's own object, as the API server last told.
    #[must_use]
    pub fn config(&self) -> channel::Receiver<Option<Arc<Config>>> {
        self.config.subscribe()
    }

    /// How it stands with the API server.
    #[must_use]
    pub fn connection(&self) -> Connection {
        self.connection.clone()
    }

    /// The first version: what the API server tells, or what was kept where it does not answer. None where the
    /// watches have ended.
    pub async fn first(&mut self) -> Option<Version> {
        if let Some(kept) = self.kept.take() {
            let connection = self.connection.clone();
            let told = tokio::select! {
                told = timeout(FIRST_LISTS, self.told()) => told.ok(),
                () = connection.failed() => None,
            };
            let Some(told) = told else {
                tracing::warn!("running what was last in force, until the API server answers");
                return Some(Version::first(kept.input(), Vec::new()));
            };
            told?;
        }
        loop {
            if let Some(settled) = self.seen.settle() {
                self.save().await;
                let mut version = Version::first(settled.input, settled.notices);
                version.told = settled.told.map(Arc::new);
                return Some(version);
            }
            let _is_new = self.next().await?;
        }
    }

    /// Returns when everything has been told once.
    async fn told(&mut self) -> Option<()> {
        while !self.seen.is_complete() {
            let _is_new = self.next().await?;
        }
        Some(())
    }

    /// Takes in all that has changed, and tells whether it may concern what runs.
    async fn next(&mut self) -> Option<bool> {
        let mut change = Some(self.changes.recv().await?);
        let mut is_new = false;
        while let Some(one) = change {
            is_new |= self.seen.take(one);
            change = self.changes.try_recv().ok();
        }
        if is_new && self.seen.is_complete() {
            let config = self.seen.config();
            let _told = self.config.send_if_modified(|last| {
                let is_same = last.as_deref() == config;
                if !is_same {
                    *last = config.cloned().map(Arc::new);
                }
                !is_same
            });
        }
        Some(is_new)
    }

    /// Publishes each new version.
    pub async fn follow(mut self, versions: channel::Sender<Version>) {
        let mut patience = Patience::Unneeded;
        loop {
            tokio::select! {
                is_new = self.next() => match is_new {
                    Some(true) => {}
                    Some(false) => continue,
                    None => return,
                },
                () = patience.ends() => {}
            }
            let Some(settled) = self.seen.settle() else {
                continue;
            };
            if patience.holds(settled.is_waiting()) {
                continue;
            }
            let is_new = versions.send_if_modified(|version| {
                version.replace(settled.input, settled.notices, settled.told, false)
            });
            if is_new {
                self.save().await;
            }
            if versions.is_closed() {
                return;
            }
        }
    }

    /// Keeps what runs for the next start; an equal one is not written.
    async fn save(&self) {
        let (last_good, kept) = (self.last_good.clone(), self.seen.kept().clone());
        // A failure has been told; a panic has been, too.
        let _saved = spawn_blocking(move || last_good.save_or_warn(&kept, "the API server")).await;
    }
}

/// Watches both kinds, for as long as somebody listens.
async fn follow(client: Client, node: String, changes: mpsc::Sender<Change>) {
    let configs: Api<DynamicObject> = Api::all_with(client.clone(), &stored::config_kind());
    let forwards: Api<DeserializeGuard<ResolvedForward>> = Api::all(client);
    let only = watcher::Config::default().fields(&format!("metadata.name={node}"));
    let configs = events(configs, only);
    let forwards = events(forwards, watcher::Config::default());
    let _ended = tokio::join!(
        tell(configs, stored::config, Change::Config, &changes),
        tell(forwards, stored::forward, Change::Forward, &changes),
    );
}

/// Tells of every change of one kind.
async fn tell<K, V>(
    stream: impl Stream<Item = watcher::Result<Event<K>>>,
    prune: impl Fn(K) -> V,
    change: impl Fn(Event<V>) -> Change,
    changes: &mpsc::Sender<Change>,
) {
    let mut stream = std::pin::pin!(stream);
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => {
                if changes
                    .send(change(mirror::map(event, &prune)))
                    .await
                    .is_err()
                {
                    return;
                }
            }
            // The connection tells what it means.
            Err(error) => {
                let error = udplb_process::error_chain(&error);
                tracing::debug!(error, "a watch failed; it is tried again");
            }
        }
    }
}
