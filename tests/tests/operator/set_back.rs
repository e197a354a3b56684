//! The store of the API server is restored from an older snapshot: the operator goes on from what that says, although
//! everything has older versions than it has seen.

use serde_json::json;
use udplb_api::ResolvedForward;

use crate::played::{Cluster, clone_of};

#[tokio::test(flavor = "multi_thread")]
async fn an_older_store_counts() {
    let mut cluster = Cluster::start("operator-set-back").await;
    cluster.node("a", &json!({})).await;
    let _operator = cluster.operator("operator-0", &[]);
    let spec = |last: u8| {
        clone_of(
            514,
            &json!({ "address": format!("192.0.2.{last}"), "port": 514 }),
        )
    };
    let _stored = cluster.apply("one", &spec(1)).await;
    let _revision = cluster.revision("one").await;
    cluster.told("a", &["one"]).await;

    cluster.server.kill_with_store();
    cluster.server.take_snapshot();
    cluster.server.start_again().await;
    let _stored = cluster.apply("one", &spec(2)).await;
    let _stored = cluster
        .apply("two", &clone_of(515, &json!({ "address": "192.0.2.9" })))
        .await;
    let before = cluster.revision("two").await;
    cluster.told("a", &["one", "two"]).await;
    cluster.report("a", &[]).await;
    cluster.ready("two", 1).await;
    cluster.server.age().await;

    cluster.server.kill_with_store();
    cluster.server.restore_snapshot();
    cluster.server.start_again().await;
    cluster.told("a", &["one"]).await;
    let _stored = cluster.apply("one", &spec(3)).await;
    let after = cluster.revision("one").await;
    assert!(
        after > before,
        "agents have seen {before}, and this is {after}"
    );
    let resolved: ResolvedForward = cluster.api().get("one").await.unwrap();
    let upstream = &resolved.spec.destinations[0].upstreams[0];
    assert_eq!(upstream.address.to_string(), "192.0.2.3");
    cluster.report("a", &[]).await;
    cluster.ready("one", 1).await;
}
