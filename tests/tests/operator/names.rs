//! Host names, against a real name server: asked once for all forwards, and kept over failures and leaders.

use std::path::PathBuf;

use kube::Api;
use serde_json::json;
use udplb_api::{ResolvedForward, UdpForward};
use udplb_tests::{
    lab::{Lab, shapes},
    name_server::NameServer,
    operator::Operator,
    relay::Relay,
};

use crate::{
    leaders::leads,
    played::{Cluster, clone_of, condition},
};

/// The host of the operators, in reach of the API server and of a name server on another host.
struct Scene {
    cluster: Cluster,
    server: NameServer,
    _relay: Relay,
    lab: Lab,
    resolv_conf: PathBuf,
}

impl Scene {
    async fn start(zone: &str) -> Self {
        let cluster = Cluster::start("operator-names").await;
        cluster.node("a", &json!({})).await;
        let lab = shapes::two_collectors("operator-names");
        let text = "nameserver 10.0.1.2\noptions timeout:1 attempts:1\n";
        let resolv_conf = cluster.server.file("resolv.conf", text).into();
        Self {
            server: NameServer::start(lab.host("sender"), zone),
            _relay: Relay::start(lab.host("node"), cluster.server.port()),
            cluster,
            lab,
            resolv_conf,
        }
    }

    fn operator(&self, pod: &str) -> Operator {
        let kubeconfig = self.cluster.server.kubeconfig();
        Operator::start_on(self.lab.host("node"), &kubeconfig, pod, &self.resolv_conf)
    }

    /// Waits until a forward's upstreams are these.
    async fn stands_for(&self, name: &str, addresses: &[&str]) -> ResolvedForward {
        let is = |resolved: &ResolvedForward| upstreams(resolved) == addresses;
        let what = format!("its upstreams are not {addresses:?}");
        let api: Api<ResolvedForward> = self.cluster.api();
        self.cluster.until(&api, name, &what, is).await
    }

    /// Waits until a forward says that its last good answer counts, and why.
    async fn keeps(&self, name: &str, why: &str) {
        let is = |forward: &UdpForward| {
            condition(forward, "Resolved").is_some_and(|it| {
                it.status == "False"
                    && it.message.contains("siem.lab keeps its last good answer")
                    && it.message.contains(why)
            })
        };
        let what = format!("it does not say that it keeps its last answer: {why}");
        drop(
            self.cluster
                .until(&self.cluster.api(), name, &what, is)
                .await,
        );
    }
}

fn upstreams(resolved: &ResolvedForward) -> Vec<String> {
    let upstreams = resolved.spec.destinations[0].upstreams.iter();
    upstreams.map(|it| it.address.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_asked_once_and_its_answer_outlives_failures_and_leaders() {
    let scene = Scene::start("siem 1 A 192.0.2.9").await;
    let first = scene.operator("operator-0");
    leads(&scene.cluster, "operator-0").await;
    let upstream = json!({ "hostname": "siem.lab", "port": 5514 });
    for (name, port) in [("one", 514), ("two", 515)] {
        drop(scene.cluster.apply(name, &clone_of(port, &upstream)).await);
        drop(scene.stands_for(name, &["192.0.2.9"]).await);
    }
    assert_eq!(scene.server.questions("A"), 1);

    // Another answer reaches every forward, and is no new version of any.
    let before = scene.stands_for("one", &["192.0.2.9"]).await.spec.revision;
    scene
        .server
        .change(&["unset siem", "set siem 1 A 192.0.2.10"]);
    for name in ["one", "two"] {
        drop(scene.stands_for(name, &["192.0.2.10"]).await);
    }
    let after = scene.stands_for("one", &["192.0.2.10"]).await.spec.revision;
    assert_eq!(before, after);

    // A name that is gone keeps what it stood for.
    scene.server.change(&["unset siem"]);
    for name in ["one", "two"] {
        scene.keeps(name, "NXDOMAIN").await;
        drop(scene.stands_for(name, &["192.0.2.10"]).await);
    }

    // The next leader gets no answer at all: what the last one wrote down counts, for new specs too.
    scene.server.fall_silent();
    first.stop();
    let _second = scene.operator("operator-1");
    leads(&scene.cluster, "operator-1").await;
    drop(scene.cluster.apply("one", &clone_of(516, &upstream)).await);
    assert!(scene.cluster.revision("one").await > after);
    for name in ["one", "two"] {
        drop(scene.stands_for(name, &["192.0.2.10"]).await);
    }
    scene.keeps("one", "does not answer").await;
}
