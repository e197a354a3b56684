//! What the operator wrote is changed or taken away by somebody else: it comes back as it was.

use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use udplb_api::{NodeForwardConfig, ResolvedForward};

use crate::played::{Cluster, clone_of};

const UPSTREAM: &str = "192.0.2.9";

fn is_ours(resolved: &ResolvedForward) -> bool {
    let upstreams = &resolved.spec.destinations[0].upstreams;
    let addresses: Vec<String> = upstreams.iter().map(|it| it.address.to_string()).collect();
    addresses == [UPSTREAM] && resolved.owner_references().len() == 1
}

async fn merge<K>(api: &Api<K>, name: &str, patch: Value) -> K
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let parameters = PatchParams::default();
    let patched = api.patch(name, &parameters, &Patch::Merge(patch)).await;
    patched.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_is_restored() {
    let cluster = Cluster::start("by-hand").await;
    cluster.node("a", &json!({})).await;
    let _operator = cluster.operator("operator-0", &[]);
    let spec = clone_of(514, &json!({ "address": UPSTREAM }));
    drop(cluster.apply("syslog", &spec).await);
    let revision = cluster.revision("syslog").await;
    cluster.told("a", &["syslog"]).await;
    let resolved: Api<ResolvedForward> = cluster.api();
    let configs: Api<NodeForwardConfig> = cluster.all();

    // Other upstreams; nobody's forward; none at all.
    let other = json!([{
        "name": "siem", "strategy": "SourceIP", "sourceAddress": "Preserve", "destinationAddress": "Rewrite",
        "upstreams": [{ "address": "192.0.2.66", "weight": 1 }],
    }]);
    for patch in [
        json!({ "spec": { "destinations": other } }),
        json!({ "metadata": { "ownerReferences": null } }),
        json!({ "metadata": { "annotations": { "udplb.dev/generation": "7" } } }),
    ] {
        let changed = merge(&resolved, "syslog", patch).await;
        let is_newer = |it: &ResolvedForward| {
            it.resource_version() != changed.resource_version()
                && it.annotations()["udplb.dev/generation"] == "1"
                && is_ours(it)
        };
        drop(
            cluster
                .until(&resolved, "syslog", "it is not restored", is_newer)
                .await,
        );
    }
    let before = resolved.get("syslog").await.unwrap();
    drop(
        resolved
            .delete("syslog", &DeleteParams::default())
            .await
            .unwrap(),
    );
    let is_another = |it: &ResolvedForward| it.uid() != before.uid() && is_ours(it);
    let made = cluster
        .until(&resolved, "syslog", "it is not made again", is_another)
        .await;
    assert!(
        made.spec.revision > revision,
        "agents may have seen {revision}"
    );

    let nothing = json!({ "spec": { "forwards": [] } });
    let emptied = merge(&configs, "a", nothing).await;
    assert_eq!(emptied.spec.forwards, []);
    cluster.told("a", &["syslog"]).await;
    let unowned = json!({ "metadata": { "ownerReferences": null } });
    drop(merge(&configs, "a", unowned).await);
    let is_owned = |it: &NodeForwardConfig| it.owner_references().len() == 1;
    drop(
        cluster
            .until(&configs, "a", "it has no owner", is_owned)
            .await,
    );
    drop(configs.delete("a", &DeleteParams::default()).await.unwrap());
    cluster.told("a", &["syslog"]).await;
    cluster.report("a", &[]).await;
    cluster.ready("syslog", 1).await;
}
