//! One operator writes, and the next takes over without undoing or doubling anything.

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use nix::sys::signal::Signal;
use serde_json::json;
use udplb_api::ResolvedForward;
use udplb_tests::operator::NAMESPACE;

use crate::played::{Cluster, clone_of};

/// The shortest that the operator takes.
const SHORT: [&str; 2] = ["--lease-duration", "3"];

pub(crate) async fn leads(cluster: &Cluster, pod: &str) {
    let leases: Api<Lease> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let is = |lease: &Lease| {
        let holder = lease
            .spec
            .as_ref()
            .and_then(|it| it.holder_identity.as_deref());
        holder == Some(pod)
    };
    let what = format!("it is not held by {pod}");
    drop(cluster.until(&leases, "udplb-operator", &what, is).await);
}

fn port(number: u16) -> impl Fn(&ResolvedForward) -> bool + Send + Sync {
    move |resolved| resolved.spec.r#match.ports[0].port == number
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_leader_goes_on_and_a_stale_one_undoes_nothing() {
    let cluster = Cluster::start("leaders").await;
    cluster.node("a", &json!({})).await;
    let upstream = json!({ "address": "192.0.2.9" });
    let resolved: Api<ResolvedForward> = cluster.api();
    let first = cluster.operator("operator-0", &SHORT);
    leads(&cluster, "operator-0").await;
    let second = cluster.operator("operator-1", &SHORT);
    drop(cluster.apply("syslog", &clone_of(514, &upstream)).await);
    drop(
        cluster
            .until(&resolved, "syslog", "it is not on port 514", port(514))
            .await,
    );

    // A leader that hangs loses the Lease. What it had in mind when it wakes up is old.
    first.signal(Signal::SIGSTOP);
    leads(&cluster, "operator-1").await;
    drop(cluster.apply("syslog", &clone_of(515, &upstream)).await);
    drop(
        cluster
            .until(&resolved, "syslog", "it is not on port 515", port(515))
            .await,
    );
    let before = cluster.versions(&[]).await;
    first.signal(Signal::SIGCONT);
    // It has looked around when it says who leads.
    udplb_tests::wait::until(
        std::time::Duration::from_secs(30),
        "the stale leader to see it",
        || first.log().contains("leads no more").then_some(()),
    );
    drop(cluster.apply("another", &clone_of(516, &upstream)).await);
    drop(
        cluster
            .until(&resolved, "another", "it is not on port 516", port(516))
            .await,
    );
    let after = cluster.versions(&["another", "a"]).await;
    assert!(
        after.iter().all(|object| before.contains(object)),
        "{before:?} {after:?}"
    );
    let revision = resolved.get("another").await.unwrap().spec.revision;
    assert_eq!(revision, 3, "revisions go on where the last leader stopped");

    // One that is told to end lets go at once, and the next one writes nothing that is there already.
    let before = cluster.versions(&[]).await;
    second.stop();
    leads(&cluster, "operator-0").await;
    drop(cluster.apply("third", &clone_of(517, &upstream)).await);
    drop(
        cluster
            .until(&resolved, "third", "it is not on port 517", port(517))
            .await,
    );
    let after = cluster.versions(&["third", "a"]).await;
    assert!(
        after.iter().all(|object| before.contains(object)),
        "{before:?} {after:?}"
    );
}
