//! Nothing is written while nothing changes.

use std::collections::BTreeMap;

use crate::{
    stage::Stage,
    status::MINUTE,
    times::{at_upstream, clone_of},
};

/// Nobody writes an object of ours, or an event about one, for a minute; the Lease is renewed.
pub(crate) async fn none_in_a_steady_cluster(stage: &Stage) {
    let upstream = at_upstream(stage, 5_514);
    for port in [514, 515] {
        let name = format!("steady-{port}");
        let _stored = stage.apply(&name, &clone_of(port, &upstream)).await;
        stage.ready(&name, 3).await;
    }
    // Whatever the last change still causes.
    let mut before = writes(stage);
    loop {
        tokio::time::sleep(MINUTE / 12).await;
        let now = writes(stage);
        if now == before {
            break;
        }
        before = now;
    }
    let renewals = requests(stage, "leases", "PUT");
    tokio::time::sleep(MINUTE).await;
    assert_eq!(writes(stage), before);
    assert!(requests(stage, "leases", "PUT") > renewals);
    for port in [514, 515] {
        stage.delete(&format!("steady-{port}")).await;
    }
}

/// The requests that wrote something of ours, as the API server counted them.
fn writes(stage: &Stage) -> BTreeMap<String, u64> {
    counted(stage)
        .into_iter()
        .filter(|(labels, _)| {
            let is_ours = labels.contains(r#"group="udplb.dev""#)
                || labels.contains(r#"group="events.k8s.io""#);
            let reads = ["GET", "LIST", "WATCH"];
            is_ours
                && !reads
                    .iter()
                    .any(|verb| labels.contains(&format!("verb=\"{verb}\"")))
        })
        .collect()
}

fn requests(stage: &Stage, resource: &str, verb: &str) -> u64 {
    let of = counted(stage).into_iter().filter(|(labels, _)| {
        labels.contains(&format!("resource=\"{resource}\""))
            && labels.contains(&format!("verb=\"{verb}\""))
    });
    of.map(|(_, count)| count).sum()
}

fn counted(stage: &Stage) -> BTreeMap<String, u64> {
    let metrics = stage.cluster.kubectl(&["get", "--raw", "/metrics"], "");
    let lines = metrics.lines();
    let lines = lines.filter_map(|line| line.strip_prefix("apiserver_request_total"));
    let counts = lines.filter_map(|line| {
        let (labels, count) = line.rsplit_once(' ')?;
        Some((labels.to_owned(), count.parse().ok()?))
    });
    counts.collect()
}
