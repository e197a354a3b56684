//! Writes the node's status when it is other than what is stored, and tells what turned. **IO**

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::{
    api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp,
};
use kube::{
    Api, Client, Resource as _,
    api::{Patch, PatchParams},
    core::DynamicObject,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use prometheus::{IntCounterVec, Opts, Registry};
use serde_json::json;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use udplb_api::{
    API_VERSION, NodeForwardConfig, NodeForwardConfigStatus,
    transition::{self, Transition},
};
use udplb_process::mirror::Versioned as _;

use super::{state::State, status::status};
use crate::source::cluster::{
    Source,
    connection::Connection,
    stored::{self, Config},
};

/// Who owns the fields of the status.
pub const FIELD_MANAGER: &str = "udplb-agent";
/// The nodes of a cluster do not write in the same instant.
const JITTER: Duration = Duration::from_millis(100);
/// Between two writes, whatever happens.
const PAUSE: Duration = Duration::from_millis(200);
/// After the first failure, up to [`LONGEST`] after many.
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);
/// Values of the label `result`.
const WRITTEN: &str = "written";
const FAILED: &str = "failed";

/// Keeps the status of the node's `NodeForwardConfig`.
pub struct Writer {
    client: Client,
    node: String,
    boot_id: String,
    connection: Connection,
    states: watch::Receiver<Option<Arc<State>>>,
    configs: watch::Receiver<Option<Arc<Config>>>,
    events: Recorder,
    /// By result.
    writes: IntCounterVec,
    /// The answer to the last write, until the watch has told as much.
    written: Option<Config>,
}

/// A status that has to be written.
pub(super) struct Write {
    uid: String,
    status: NodeForwardConfigStatus,
    transitions: Vec<Transition>,
}

impl Writer {
    /// For a node that was started with this boot id. `source` is what says what is stored now.
    pub fn new(
        client: Client,
        node: &str,
        boot_id: String,
        source: &Source,
        states: watch::Receiver<Option<Arc<State>>>,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let writes = IntCounterVec::new(
            Opts::new(
                "udplb_agent_status_writes_total",
                "Writes of the status of this node's NodeForwardConfig, by result.",
            ),
            &["result"],
        )?;
        for result in [WRITTEN, FAILED] {
            writes.with_label_values(&[result]).inc_by(0);
        }
        registry.register(Box::new(writes.clone()))?;
        let reporter = Reporter {
            controller: FIELD_MANAGER.to_owned(),
            instance: Some(node.to_owned()),
        };
        Ok(Self {
            events: Recorder::new(client.clone(), reporter),
            client,
            node: node.to_owned(),
            boot_id,
            connection: source.connection(),
            states,
            configs: source.config(),
            writes,
            written: None,
        })
    }

    /// Writes for as long as anybody reconciles.
    pub async fn run(mut self) {
        let mut complaint = None;
        let mut pause = FIRST;
        loop {
            if self.wanted().is_none() {
                if self.changed().await.is_none() {
                    return;
                }
                continue;
            }
            sleep(part_of(JITTER)).await;
            // What has turned back meanwhile is not said.
            let Some(write) = self.wanted() else {
                continue;
            };
            let next = Instant::now() + PAUSE;
            match self::write(&self.client, &self.node, &write).await {
                Ok(stored) => {
                    self.written = Some(stored);
                    self.writes.with_label_values(&[WRITTEN]).inc();
                    complaint = None;
                    pause = FIRST;
                    self.publish(write);
                    sleep_until(next).await;
                }
                Err(error) => {
                    self.writes.with_label_values(&[FAILED]).inc();
                    complain(&mut complaint, &error);
                    let later = pause / 2 + part_of(pause / 2);
                    pause = LONGEST.min(pause * 2);
                    tokio::select! {
                        () = sleep(later) => {}
                        () = self.connection.recovered() => sleep(FIRST).await,
                    }
                }
            }
        }
    }

    /// Returns when there may be something to write; none where nobody reconciles any more.
    async fn changed(&mut self) -> Option<()> {
        tokio::select! {
            changed = self.states.changed() => changed.ok(),
            changed = self.configs.changed() => changed.ok(),
        }
    }

    /// The status to write, where it is not what is stored.
    fn wanted(&mut self) -> Option<Write> {
        let state = self.states.borrow_and_update().clone()?;
        let seen = self.configs.borrow_and_update().clone()?;
        let written = self.written.as_ref().filter(|it| it.uid == seen.uid);
        // What cannot be read is replaced once, not for ever.
        if written.is_some() && seen.status.is_none() {
            return None;
        }
        let newer = written.filter(|it| it.version() > seen.version());
        wanted(&state, newer.unwrap_or(&*seen), &self.boot_id)
    }

    /// Tells what turned. An event that does not get through is lost: the status says it, too.
    fn publish(&self, write: Write) {
        let object = ObjectReference {
            api_version: Some(API_VERSION.to_owned()),
            kind: Some(NodeForwardConfig::kind(&()).into_owned()),
            name: Some(self.node.clone()),
            uid: Some(write.uid),
            ..ObjectReference::default()
        };
        for transition in write.transitions {
            let (events, object) = (self.events.clone(), object.clone());
            let _task = tokio::spawn(async move {
                if let Err(error) = events.publish(&event(transition), &object).await {
                    let error = udplb_process::error_chain(&error);
                    tracing::debug!(error, "an event was not published");
                }
            });
        }
    }
}

/// The status to write, where it is not what is stored.
pub(super) fn wanted(state: &State, stored: &Config, boot_id: &str) -> Option<Write> {
    let told = state.told.as_ref()?;
    // Another object of the same name: what was told by it comes with the next pass.
    if stored.uid != told.uid {
        return None;
    }
    let old = stored.status.clone().unwrap_or_default();
    let now = Time(Timestamp::now());
    let status = status(state, told, boot_id, &old.conditions, &now);
    (stored.status.as_ref() != Some(&status)).then(|| Write {
        uid: told.uid.clone(),
        transitions: transition::between(&old.conditions, &status.conditions),
        status,
    })
}

/// Writes a status. What is stored afterwards.
pub(super) async fn write(client: &Client, node: &str, write: &Write) -> kube::Result<Config> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &stored::config_kind());
    // With its uid, the object is never made anew.
    let object = json!({
        "apiVersion": API_VERSION,
        "kind": NodeForwardConfig::kind(&()),
        "metadata": { "name": node, "uid": write.uid },
        "status": write.status,
    });
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let applied = api
        .patch_status(node, &parameters, &Patch::Apply(&object))
        .await?;
    Ok(stored::config(applied).1)
}

fn event(transition: Transition) -> Event {
    let type_ = if transition.is_warning {
        EventType::Warning
    } else {
        EventType::Normal
    };
    Event {
        type_,
        reason: transition.reason,
        note: Some(transition.message),
        action: transition.about,
        secondary: None,
    }
}

fn complain(complaint: &mut Option<String>, error: &kube::Error) {
    let text = match error {
        kube::Error::Api(status) if status.code == 403 => {
            "the API server does not let this agent write the status of its NodeForwardConfig: bind the \
             ClusterRole udplb-agent to its ServiceAccount"
                .to_owned()
        }
        // The watch tells who is there now.
        kube::Error::Api(status) if matches!(status.code, 404 | 409) => return,
        kube::Error::Api(status) => format!("the status is not written: {status}"),
        // The connection tells that the server does not answer.
        _ => return tracing::debug!(error = udplb_process::error_chain(error), "the status is not written"),
    };
    if complaint.as_ref() != Some(&text) {
        tracing::warn!("{text}; it is tried again");
        *complaint = Some(text);
    }
}

/// A time below this one.
fn part_of(time: Duration) -> Duration {
    let part = u32::try_from(RandomState::new().hash_one(()) % 1_024).unwrap_or(0);
    time * part / 1_024
}
