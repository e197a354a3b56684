//! Tells users what turned, as Kubernetes Events on their `UdpForward`. IO.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use udplb_api::API_VERSION;

use crate::{op::StatusWrite, status::transition::Transition};

/// Publishes events; what happens again and again becomes one event with a count.
#[derive(Clone)]
pub struct Events(Recorder);

impl std::fmt::Debug for Events {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Events")
    }
}

impl Events {
    /// `pod` is the name of this operator's pod.
    #[must_use]
    pub fn new(client: Client, pod: &str) -> Self {
        let reporter = Reporter {
            controller: crate::FIELD_MANAGER.to_owned(),
            instance: Some(pod.to_owned()),
        };
        Self(Recorder::new(client, reporter))
    }

    /// Publishes what turned with a status. An event that does not get through is lost: the status says it, too.
    pub fn publish(&self, write: &StatusWrite) {
        let object = ObjectReference {
            api_version: Some(API_VERSION.to_owned()),
            kind: Some("UdpForward".to_owned()),
            namespace: Some(write.key.namespace.clone()),
            name: Some(write.key.name.clone()),
            uid: Some(write.identity.uid.clone()),
            ..ObjectReference::default()
        };
        for transition in write.transitions.clone() {
            let (recorder, object) = (self.0.clone(), object.clone());
            let _task = tokio::spawn(async move {
                if let Err(error) = recorder.publish(&event(transition), &object).await {
                    let error = udplb_process::error_chain(&error);
                    tracing::debug!(error, "an event was not published");
                }
            });
        }
    }
}

fn event(transition: Transition) -> Event {
    let Transition {
        is_warning,
        about,
        reason,
        message,
    } = transition;
    Event {
        type_: if is_warning {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason,
        note: Some(message),
        action: about,
        secondary: None,
    }
}
