//! The product on a real cluster: manifests, images, pods, and real packets between real nodes.
//!
//! One cluster serves all steps, which come one after the other: each leaves it as it found it.

#[path = "product/packets.rs"]
mod packets;
#[path = "product/stage.rs"]
mod stage;
#[path = "product/status.rs"]
mod status;
#[path = "product/times.rs"]
mod times;
#[path = "product/writes.rs"]
mod writes;

use stage::Stage;
use udplb_tests::cluster::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn the_product_does_its_job_on_a_cluster() {
    let mut stage = Stage::start().await;
    let id = stage.cluster.id().to_owned();
    stage.step("fifty forwards, one after the other");
    times::fifty_forwards(&stage).await;
    stage.step("an edit, a service, an endpoint, a label, a deletion");
    times::changes(&stage).await;
    stage.step("what the status says");
    status::tells_what_is_wrong(&stage).await;
    stage.step("a minute in which nothing changes");
    writes::none_in_a_steady_cluster(&stage).await;
    stage.step("a node that starts again");
    status::a_node_that_starts_again(&mut stage).await;
    drop(stage);
    assert_eq!(Cluster::residue(&id), [""; 0]);
}
