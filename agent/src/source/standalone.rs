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
    mem,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::watch as channel,
    task::{JoinError, spawn_blocking},
};
use udplb_process::dns::{self, Dns};

use super::{
    file::{self, Lines, LoadError, Parsed},
    last_good::{LastGood, Names},
    planned::{self, Planned},
    version::Version,
    watch::Watch,
};

/// How long a file waits for names that have never been answered, so that it does not come into force
/// without the upstreams that they stand for. What ran before goes on meanwhile. Longer than a name server
/// at work takes, shorter than a silent one is given: that one must not keep the rest of the file waiting.
const FIRST_ANSWERS: Duration = Duration::from_secs(2);

/// Follows a file and the names in it.
pub struct Source {
    path: PathBuf,
    watch: Watch,
    /// The file as it was when it was last good.
    file: Arc<Parsed>,
    dns: Dns,
    last_good: LastGood,
    last_names: LastGood<Names>,
    /// The plan of the file without answers, until the first version.
    unanswered: Option<Planned>,
    /// What is to be kept once somebody follows.
    unsaved: Unsaved,
    /// The last error, which is not told again and again.
    complaint: Option<String>,
}

#[derive(Default)]
struct Unsaved {
    file: Option<Arc<Parsed>>,
    names: Option<Names>,
}

impl Source {
    /// Reads the file, or what was kept of it in the state directory, and starts to ask for its names. An
    /// error where there is neither.
    pub fn open(path: &Path, state: &Path, metrics: dns::Metrics) -> Result<Self, LoadError> {
        // From here on no change is missed.
        let watch = Watch::new(path);
        let last_good = LastGood::at(state);
        let last_names = LastGood::names_at(state);
        let (mut complaint, mut unsaved) = (None, Unsaved::default());
        let file = match file::load(path) {
            Ok(file) => {
                let file = Arc::new(file);
                unsaved.file = Some(Arc::clone(&file));
                file
            }
            Err(error) => {
                let Some(forwards) = last_good.load_or_warn() else {
                    return Err(error);
                };
                complain(&mut complaint, &error);
                tracing::warn!("running the last good input");
                Arc::new(Parsed {
                    forwards,
                    lines: Lines::new(),
                })
            }
        };
        let dns = Dns::start(last_names.load_or_warn().unwrap_or_default(), metrics);
        let unanswered = planned::plan(&file, &dns::Answers::new());
        dns.want(unanswered.hostnames.clone());
        Ok(Self {
            path: path.to_owned(),
            watch,
            file,
            dns,
            last_good,
            last_names,
            unanswered: Some(unanswered),
            unsaved,
            complaint,
        })
    }

    /// The first version: at once where the names are known, from now or from an earlier process.
    pub async fn first(&mut self) -> Result<Version, JoinError> {
        let unanswered = self.unanswered.take();
        let Planned { input, notices, .. } = self.answered(unanswered).await?;
        Ok(Version::first(input, notices))
    }

    /// Publishes each new version of the file and the answers. What cannot be read changes nothing.
    pub async fn follow(mut self, versions: channel::Sender<Version>) {
        loop {
            self.save().await;
            let is_file = tokio::select! {
                () = self.watch.changed() => true,
                () = self.dns.changed() => false,
            };
            let planned = if is_file {
                let Some(unanswered) = self.next_file().await else {
                    continue;
                };
                self.answered(Some(unanswered)).await
            } else {
                self.plan().await
            };
            match planned {
                Ok(planned) => publish(&versions, planned, is_file),
                Err(error) => tracing::error!(%error, "the file is not taken"),
            }
            if versions.is_closed() {
                return;
            }
        }
    }

    /// The file has changed: its plan without answers, if it is good.
    async fn next_file(&mut self) -> Option<Planned> {
        let path = self.path.clone();
        let loaded = spawn_blocking(move || {
            let file = Arc::new(file::load(&path)?);
            let unanswered = planned::plan(&file, &dns::Answers::new());
            Ok((file, unanswered))
        });
        match loaded.await {
            Ok(Ok((file, unanswered))) => {
                self.complaint = None;
                self.unsaved.file = Some(Arc::clone(&file));
                self.file = file;
                self.dns.want(unanswered.hostnames.clone());
                return Some(unanswered);
            }
            Ok(Err(error)) => complain(&mut self.complaint, &error),
            Err(error) => tracing::error!(%error, "the file is not taken"),
        }
        None
    }

    /// The plan of a new file, once its names are known or have had their time.
    async fn answered(&mut self, unanswered: Option<Planned>) -> Result<Planned, JoinError> {
        match unanswered {
            Some(planned) if planned.hostnames.is_empty() => Ok(planned),
            _ => {
                self.dns.settled(FIRST_ANSWERS).await;
                self.plan().await
            }
        }
    }

    /// The plan with the answers that count now.
    async fn plan(&mut self) -> Result<Planned, JoinError> {
        let answers = self.dns.answers();
        self.unsaved.names = Some(planned::known(&answers));
        let file = Arc::clone(&self.file);
        spawn_blocking(move || planned::plan(&file, &answers)).await
    }

    /// Keeps what has changed for the next start.
    async fn save(&mut self) {
        let Unsaved { file, names } = mem::take(&mut self.unsaved);
        let (last_good, last_names) = (self.last_good.clone(), self.last_names.clone());
        // A failure has been told; a panic has been, too.
        let _saved = spawn_blocking(move || {
            if let Some(file) = file {
                last_good.save_or_warn(&file.forwards, "the file");
            }
            if let Some(names) = names {
                last_names.save_or_warn(&names, "the name servers");
            }
        })
        .await;
    }
}

/// A file is a new version even where it says the same, so that whoever replaced it sees it come into force.
fn publish(versions: &channel::Sender<Version>, planned: Planned, is_file: bool) {
    let Planned { input, notices, .. } = planned;
    let _published =
        versions.send_if_modified(|version| version.replace(input, notices, None, is_file));
}

fn complain(complaint: &mut Option<String>, error: &LoadError) {
    let text = error.to_string();
    if complaint.as_ref() != Some(&text) {
        let error = error as &dyn std::error::Error;
        tracing::error!(error, "the file is not taken; what ran before goes on");
        *complaint = Some(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A version with this upstream and this notice.
    fn planned(upstream: &str, notice: &str) -> Planned {
        let text = format!(
            "- {{key: {{address: 10.0.0.1, port: 514}}, upstream: [{{address: {upstream}, port: 514}}]}}"
        );
        let file = file::parse(&text, Path::new("config.yaml")).unwrap();
        Planned {
            notices: vec![notice.to_owned()],
            ..planned::plan(&file, &dns::Answers::new())
        }
    }

    #[test]
    fn a_version_is_a_new_file_or_another_input() {
        let Planned { input, notices, .. } = planned("10.0.0.5", "fine");
        let (versions, mut receiver) = channel::channel(Version::first(input, notices));
        let mut publish = |upstream, notice, is_file| {
            publish(&versions, planned(upstream, notice), is_file);
            let is_told = receiver.has_changed().unwrap();
            (receiver.borrow_and_update().number, is_told)
        };
        assert_eq!(publish("10.0.0.5", "fine", false), (1, false), "equal");
        assert_eq!(publish("10.0.0.5", "failed", false), (1, true), "a failure");
        assert_eq!(publish("10.0.0.6", "failed", false), (2, true), "an answer");
        assert_eq!(publish("10.0.0.6", "failed", true), (3, true), "a file");
    }
}
