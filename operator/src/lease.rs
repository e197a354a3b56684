//! Leadership by a Lease: one operator writes, the others are warm. IO; what to do is decided in [`decide`].
//!
//! A term ends by the local clock, counted from the moment at which the renewal was *sent*, even while requests
//! hang. Every renewal carries the version that it replaces, so that of two who try only one succeeds.

pub mod decide;

use std::time::{Duration, Instant};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use decide::{Decision, Seen, decide};

/// Who wants to lead, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The namespace of the Lease.
    pub namespace: String,
    /// The name of the Lease.
    pub name: String,
    /// The name of this pod.
    pub identity: String,
    /// How long a term lasts without a renewal; a third of it passes between two renewals.
    pub duration: Duration,
}

/// Until when we lead; none: we do not.
#[derive(Clone, Debug)]
pub struct Leadership(watch::Receiver<Option<Instant>>);

impl Leadership {
    /// The end of the term, if we lead now.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        self.0.borrow().filter(|until| Instant::now() < *until)
    }

    /// Waits for news: a term that began, was renewed, or ended.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The one who tries to lead.
#[derive(Debug)]
pub struct Elector {
    leases: Api<Lease>,
    settings: Settings,
    publish: watch::Sender<Option<Instant>>,
    seen: Option<Seen>,
    /// What failed last, so that it is said once.
    failure: Option<String>,
}

impl Elector {
    /// Nobody leads yet.
    #[must_use]
    pub fn new(client: Client, settings: Settings) -> (Self, Leadership) {
        let (publish, leadership) = watch::channel(None);
        let elector = Self {
            leases: Api::namespaced(client, &settings.namespace),
            settings,
            publish,
            seen: None,
            failure: None,
        };
        (elector, Leadership(leadership))
    }

    /// Tries to lead until it is told to stop, and then lets go.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let wait = self.step().await;
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => break,
            }
        }
        self.release().await;
    }

    /// Looks at the Lease, and takes or renews it where that is ours to do. How long to wait for the next look.
    async fn step(&mut self) -> Duration {
        let retry = self.settings.duration / 10;
        let patience = self.settings.duration / 3;
        let looked = timeout(patience, self.leases.get_opt(&self.settings.name)).await;
        let lease = match looked {
            Ok(Ok(lease)) => lease,
            Ok(Err(error)) => {
                self.failed(&error);
                return retry;
            }
            Err(elapsed) => {
                self.failed(&elapsed);
                return retry;
            }
        };
        let now = Instant::now();
        let Settings {
            identity, duration, ..
        } = &self.settings;
        let seen = Seen::update(self.seen.take(), lease.as_ref(), now);
        let decision = decide(&seen, identity, now);
        self.seen = Some(seen);
        match decision {
            Decision::Wait(time) => {
                self.end_term("another operator leads");
                time.min(*duration)
            }
            Decision::Take => {
                let sent = Instant::now();
                let written = timeout(patience, self.write(lease, Some(identity))).await;
                match written {
                    Ok(Ok(lease)) => {
                        self.failure = None;
                        self.seen = Some(Seen::update(self.seen.take(), Some(&lease), sent));
                        self.lead_until(sent + *duration);
                        patience
                    }
                    Ok(Err(error)) => {
                        self.failed(&error);
                        retry
                    }
                    Err(elapsed) => {
                        self.failed(&elapsed);
                        retry
                    }
                }
            }
        }
    }

    /// Writes the Lease over the version that we saw.
    async fn write(&self, lease: Option<Lease>, holder: Option<&str>) -> kube::Result<Lease> {
        let is_new = lease.is_none();
        let mut lease = lease.unwrap_or_default();
        lease.metadata.name = Some(self.settings.name.clone());
        lease.metadata.managed_fields = None;
        let now = MicroTime(Timestamp::now());
        let spec = lease.spec.get_or_insert_default();
        let is_ours = spec.holder_identity.as_deref() == holder;
        if !is_ours && holder.is_some() {
            spec.acquire_time = Some(now.clone());
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or_default() + 1);
        }
        *spec = LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: i32::try_from(self.settings.duration.as_secs()).ok(),
            renew_time: Some(now),
            ..spec.clone()
        };
        let parameters = PostParams {
            field_manager: Some(crate::FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        if is_new {
            self.leases.create(&parameters, &lease).await
        } else {
            self.leases
                .replace(&self.settings.name, &parameters, &lease)
                .await
        }
    }

    fn lead_until(&self, until: Instant) {
        let before = self.publish.send_replace(Some(until));
        if before.is_none() {
            tracing::info!(lease = self.settings.name, "this operator leads");
        }
    }

    fn end_term(&self, why: &str) {
        if self.publish.send_replace(None).is_some() {
            tracing::warn!(
                lease = self.settings.name,
                why,
                "this operator leads no more"
            );
        }
    }

    /// The term goes on as long as the last renewal lasts.
    fn failed(&mut self, error: &dyn std::error::Error) {
        let mut error = udplb_process::error_chain(error);
        if error.contains("is forbidden") {
            error.push_str("; the manifests hold the Lease and the right to renew it: apply deploy/kubernetes again");
        }
        if self.failure.as_ref() != Some(&error) {
            tracing::warn!(
                error,
                lease = self.settings.name,
                "cannot read or renew the Lease; trying again"
            );
            self.failure = Some(error);
        }
        let until = *self.publish.borrow();
        if until.is_some_and(|until| until <= Instant::now()) {
            self.end_term("the term has run out");
        }
    }

    /// Lets another lead at once.
    async fn release(&mut self) {
        let is_leading = self.publish.send_replace(None).is_some();
        if !is_leading {
            return;
        }
        let patience = self.settings.duration / 3;
        let release = async {
            let lease = self.leases.get(&self.settings.name).await?;
            let holder = lease
                .spec
                .as_ref()
                .and_then(|it| it.holder_identity.clone());
            if holder.as_deref() == Some(self.settings.identity.as_str()) {
                let _released = self.write(Some(lease), None).await?;
            }
            Ok::<(), kube::Error>(())
        };
        match timeout(patience, release).await {
            Ok(Ok(())) => tracing::info!("let go of the Lease"),
            Ok(Err(error)) => {
                let error = udplb_process::error_chain(&error);
                tracing::warn!(error, "cannot let go of the Lease; it runs out");
            }
            Err(_) => tracing::warn!("cannot let go of the Lease in time; it runs out"),
        }
    }
}
