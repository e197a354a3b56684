//! The input of a host without a cluster: a file, planned here; the last good one where it fails. **IO**

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{sync::watch as channel, task::spawn_blocking};
use udplb_api::{NodeForwardConfig, ResolvedForward, UdpForward};
use udplb_plan::standalone::{Standalone, standalone};

use super::{
    file::{self, LoadError},
    last_good::{LastGood, Objects},
    watch::Watch,
};
use crate::desired::input::Input;

/// A forward's own node, in the plan of a file.
pub const NODE: &str = "localhost";

/// One version of the input.
#[derive(Clone, Debug)]
pub struct Version {
    /// Counts the versions that this process has read, from 1.
    pub number: u64,
    /// What to run.
    pub input: Arc<Input>,
    /// What of it does not run, known without looking at the host.
    pub notices: Arc<[String]>,
}

/// Follows a file.
pub struct Source {
    path: PathBuf,
    watch: Watch,
    last_good: LastGood,
    /// What is to be kept once somebody follows.
    unsaved: Option<Objects>,
    /// The last error, which is not told again and again.
    complaint: Option<String>,
}

impl Source {
    /// Reads the file, or what was kept of it. An error where there is neither.
    pub fn open(path: &Path, last_good: LastGood) -> Result<(Self, Version), LoadError> {
        // From here on no change is missed.
        let watch = Watch::new(path);
        let mut source = Self {
            path: path.to_owned(),
            watch,
            last_good,
            unsaved: None,
            complaint: None,
        };
        let version = match file::load(path) {
            Ok(forwards) => {
                let (objects, notices) = plan(&forwards);
                let version = version(&objects, notices, 1);
                source.unsaved = Some(objects);
                version
            }
            Err(error) => {
                let kept = source.last_good.load().unwrap_or_else(|error| {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "no last good input"
                    );
                    None
                });
                let Some(objects) = kept else {
                    return Err(error);
                };
                source.complain(&error);
                tracing::warn!("running the last good input");
                version(&objects, Vec::new(), 1)
            }
        };
        Ok((source, version))
    }

    /// Publishes each new version of the file. What cannot be read changes nothing.
    pub async fn follow(mut self, versions: channel::Sender<Version>) {
        loop {
            if let Some(objects) = self.unsaved.take() {
                let last_good = self.last_good.clone();
                // A failure has been told; a panic has been, too.
                let _saved = spawn_blocking(move || save(&last_good, &objects)).await;
            }
            self.watch.changed().await;
            let number = versions.borrow().number + 1;
            let path = self.path.clone();
            let loaded = spawn_blocking(move || {
                let (objects, notices) = plan(&file::load(&path)?);
                let version = version(&objects, notices, number);
                Ok((objects, version))
            });
            match loaded.await {
                Ok(Ok((objects, version))) => {
                    self.complaint = None;
                    self.unsaved = Some(objects);
                    if versions.send(version).is_err() {
                        return;
                    }
                }
                Ok(Err(error)) => self.complain(&error),
                Err(error) => tracing::error!(%error, "the file is not taken"),
            }
        }
    }

    fn complain(&mut self, error: &LoadError) {
        let text = error.to_string();
        if self.complaint.as_ref() != Some(&text) {
            let error = error as &dyn std::error::Error;
            tracing::error!(error, "the file is not taken; what ran before goes on");
            self.complaint = Some(text);
        }
    }
}

fn save(last_good: &LastGood, objects: &Objects) {
    if let Err(error) = last_good.save(objects) {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "the next start needs the file");
    }
}

/// Plans the forwards of a file, and says what of them does not run.
#[must_use]
pub fn plan(forwards: &[UdpForward]) -> (Objects, Vec<String>) {
    let Standalone {
        config,
        forwards,
        verdicts,
    } = standalone(forwards, NODE);
    let mut notices = Vec::new();
    for verdict in verdicts {
        let key = verdict.key;
        if let Err(rejection) = verdict.accepted {
            notices.push(format!("forward {key} does not run: {rejection}"));
        }
        let of_parts = verdict.notices.iter();
        notices.extend(of_parts.map(|notice| format!("forward {key}: {notice}")));
    }
    (Objects { config, forwards }, notices)
}

/// The agent's input from a plan.
#[must_use]
pub fn input(config: &NodeForwardConfig, forwards: &[ResolvedForward]) -> Input {
    let by_name: BTreeMap<_, _> = forwards
        .iter()
        .map(|forward| {
            let metadata = &forward.metadata;
            let key = (metadata.namespace.as_deref(), metadata.name.as_deref());
            (key, &forward.spec)
        })
        .collect();
    Input::new(
        &config.spec.forwards,
        |reference| {
            let key = (Some(&reference.namespace[..]), Some(&reference.name[..]));
            by_name.get(&key).copied()
        },
        None,
    )
}

fn version(objects: &Objects, notices: Vec<String>, number: u64) -> Version {
    Version {
        number,
        input: Arc::new(input(&objects.config, &objects.forwards)),
        notices: notices.into(),
    }
}
