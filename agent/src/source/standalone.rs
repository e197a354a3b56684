//! The input of a host without a cluster: a file and the answers of its host names, planned here; the last
//! good ones where they fail. **IO**
//!
//! ```text
//! file ─▶ forwards ─┬─▶ plan ─▶ Version
//!  ▲         names  │    ▲
//!  │           ▼    │    │
//! disk ◀──▶  dns ───┴─ answers
//! ```

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::watch as channel,
    task::{JoinError, spawn_blocking},
};
use udplb_api::UdpForward;
use udplb_process::dns::{self, Dns};

use super::{
    file::{self, LoadError},
    last_good::{LastGood, Names, Objects},
    planned::{self, Planned},
    watch::Watch,
};
use crate::desired::input::Input;

/// How long a file waits for names that have never been answered, so that it does not come into force
/// without the upstreams that they stand for. What ran before goes on meanwhile. Longer than a name server
/// at work takes, shorter than a silent one is given: that one must not keep the rest of the file waiting.
const FIRST_ANSWERS: Duration = Duration::from_secs(2);

/// One version of the input.
#[derive(Clone, Debug)]
pub struct Version {
    /// Counts the versions of this process, from 1. Where only the notices are new, it stays.
    pub number: u64,
    /// What to run.
    pub input: Arc<Input>,
    /// What of it does not run, known without looking at the host.
    pub notices: Arc<[String]>,
}

/// Follows a file and the names in it.
pub struct Source {
    path: PathBuf,
    watch: Watch,
    content: Content,
    dns: Dns,
    last_good: LastGood,
    last_names: LastGood<Names>,
    /// The plan of the file without answers, until the first version.
    unanswered: Option<Planned>,
    /// What is to be kept once somebody follows.
    unsaved: Option<(Objects, Names)>,
    /// The last error, which is not told again and again.
    complaint: Option<String>,
}

/// What the input comes from.
enum Content {
    /// The file as it was when it was last good.
    File(Arc<[UdpForward]>),
    /// It has not been good since the start. Its names as they were resolved then, for good or ill.
    Kept(Box<Objects>),
}

impl Source {
    /// Reads the file, or what was kept of it in the state directory, and starts to ask for its names. An
    /// error where there is neither.
    pub fn open(path: &Path, state: &Path, metrics: dns::Metrics) -> Result<Self, LoadError> {
        // From here on no change is missed.
        let watch = Watch::new(path);
        let last_good = LastGood::at(state);
        let last_names = LastGood::names_at(state);
        let mut complaint = None;
        let content = match file::load(path) {
            Ok(forwards) => Content::File(forwards.into()),
            Err(error) => {
                let Some(objects) = load(&last_good) else {
                    return Err(error);
                };
                complain(&mut complaint, &error);
                tracing::warn!("running the last good input");
                Content::Kept(Box::new(objects))
            }
        };
        let dns = Dns::start(load(&last_names).unwrap_or_default(), metrics);
        let unanswered = match &content {
            Content::File(forwards) => Some(planned::plan(forwards, &dns::Answers::new())),
            Content::Kept(_) => None,
        };
        if let Some(planned) = &unanswered {
            dns.want(planned.hostnames.clone());
        }
        Ok(Self {
            path: path.to_owned(),
            watch,
            content,
            dns,
            last_good,
            last_names,
            unanswered,
            unsaved: None,
            complaint,
        })
    }

    /// The first version: at once where the names are known, from now or from an earlier process.
    pub async fn first(&mut self) -> Result<Version, JoinError> {
        let (objects, notices) = match (&self.content, self.unanswered.take()) {
            (Content::Kept(objects), _) => ((**objects).clone(), Vec::new()),
            (Content::File(forwards), unanswered) => {
                let forwards = Arc::clone(forwards);
                self.answered(forwards, unanswered).await?
            }
        };
        Ok(Version {
            number: 1,
            input: Arc::new(planned::input(&objects.config, &objects.forwards)),
            notices: notices.into(),
        })
    }

    /// Publishes each new version of the file and the answers. What cannot be read changes nothing.
    pub async fn follow(mut self, versions: channel::Sender<Version>) {
        loop {
            if let Some((objects, names)) = self.unsaved.take() {
                let (last_good, last_names) = (self.last_good.clone(), self.last_names.clone());
                // A failure has been told; a panic has been, too.
                let _saved = spawn_blocking(move || {
                    save(&last_good, &objects);
                    save(&last_names, &names);
                })
                .await;
            }
            let is_file = tokio::select! {
                () = self.watch.changed() => true,
                () = self.dns.changed() => false,
            };
            let next = if is_file {
                self.next_file().await
            } else {
                self.next_answers().await
            };
            let Some((objects, notices)) = next else {
                continue;
            };
            let input = planned::input(&objects.config, &objects.forwards);
            let notices = notices.into();
            let _published = versions.send_if_modified(|version| {
                let is_new = is_file || *version.input != input;
                if is_new {
                    version.number += 1;
                    version.input = Arc::new(input);
                }
                let is_told = version.notices == notices;
                version.notices = notices;
                is_new || !is_told
            });
            if versions.is_closed() {
                return;
            }
        }
    }

    /// The file has changed.
    async fn next_file(&mut self) -> Option<(Objects, Vec<String>)> {
        let path = self.path.clone();
        let loaded = spawn_blocking(move || {
            let forwards: Arc<[UdpForward]> = file::load(&path)?.into();
            let unanswered = planned::plan(&forwards, &dns::Answers::new());
            Ok((forwards, unanswered))
        });
        match loaded.await {
            Ok(Ok((forwards, unanswered))) => {
                self.complaint = None;
                self.content = Content::File(Arc::clone(&forwards));
                self.dns.want(unanswered.hostnames.clone());
                taken(self.answered(forwards, Some(unanswered)).await)
            }
            Ok(Err(error)) => {
                complain(&mut self.complaint, &error);
                None
            }
            Err(error) => taken(Err(error)),
        }
    }

    /// An answer has changed.
    async fn next_answers(&mut self) -> Option<(Objects, Vec<String>)> {
        match &self.content {
            Content::File(forwards) => {
                let forwards = Arc::clone(forwards);
                taken(self.plan(forwards).await)
            }
            // No name is followed.
            Content::Kept(_) => {
                let _none = self.dns.answers();
                None
            }
        }
    }

    /// The plan of a new file, once its names are known or have had their time.
    async fn answered(
        &mut self,
        forwards: Arc<[UdpForward]>,
        unanswered: Option<Planned>,
    ) -> Result<(Objects, Vec<String>), JoinError> {
        match unanswered {
            Some(planned) if planned.hostnames.is_empty() => {
                self.unsaved = Some((planned.objects.clone(), Names::new()));
                Ok((planned.objects, planned.notices))
            }
            _ => {
                self.dns.settled(FIRST_ANSWERS).await;
                self.plan(forwards).await
            }
        }
    }

    async fn plan(
        &mut self,
        forwards: Arc<[UdpForward]>,
    ) -> Result<(Objects, Vec<String>), JoinError> {
        let answers = self.dns.answers();
        let names = planned::known(&answers);
        let plan = spawn_blocking(move || planned::plan(&forwards, &answers));
        let Planned {
            objects, notices, ..
        } = plan.await?;
        self.unsaved = Some((objects.clone(), names));
        Ok((objects, notices))
    }
}

fn taken<T>(planned: Result<T, JoinError>) -> Option<T> {
    planned
        .inspect_err(|error| tracing::error!(%error, "the file is not taken"))
        .ok()
}

fn complain(complaint: &mut Option<String>, error: &LoadError) {
    let text = error.to_string();
    if complaint.as_ref() != Some(&text) {
        let error = error as &dyn std::error::Error;
        tracing::error!(error, "the file is not taken; what ran before goes on");
        *complaint = Some(text);
    }
}

fn load<T: Serialize + DeserializeOwned>(kept: &LastGood<T>) -> Option<T> {
    kept.load().unwrap_or_else(|error| {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "what an earlier run has kept is not used");
        None
    })
}

fn save<T: Serialize + DeserializeOwned>(kept: &LastGood<T>, content: &T) {
    if let Err(error) = kept.save(content) {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "the next start needs the file and name servers");
    }
}
