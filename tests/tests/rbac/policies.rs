//! The admission policies: who writes which object, and what they say to others.

use k8s_openapi::api::{coordination::v1::Lease, rbac::v1::ClusterRole};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;
use udplb_api::{NodeForwardConfig, ResolvedForward, UdpForward};
use udplb_tests::operator::NAMESPACE;

use crate::cast::{Cast, NODES, allowed, create, node_config, refused, report, resolved};

/// Changes which forwards a node runs.
async fn change_config(client: &Client, node: &str, name: &str, dry_run: bool) -> kube::Result<()> {
    let configs: Api<NodeForwardConfig> = Api::all(client.clone());
    let forwards = json!([{ "namespace": "default", "name": name, "uid": "none" }]);
    let patch = Patch::Merge(json!({ "spec": { "forwards": forwards } }));
    let parameters = PatchParams {
        dry_run,
        ..PatchParams::default()
    };
    configs.patch(node, &parameters, &patch).await.map(drop)
}

/// Changes what a forward does.
async fn change_resolved(client: &Client, name: &str) -> kube::Result<()> {
    let api: Api<ResolvedForward> = Api::namespaced(client.clone(), "default");
    let patch = Patch::Merge(json!({ "spec": { "state": "Paused" } }));
    let parameters = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    api.patch(name, &parameters, &patch).await.map(drop)
}

async fn delete_resolved(client: &Client, name: &str) -> kube::Result<()> {
    let api: Api<ResolvedForward> = Api::namespaced(client.clone(), "default");
    let parameters = DeleteParams::default().dry_run();
    api.delete(name, &parameters).await.map(drop)
}

async fn forward_status(client: &Client, name: &str) -> kube::Result<()> {
    let api: Api<UdpForward> = Api::namespaced(client.clone(), "default");
    let patch = Patch::Merge(json!({ "status": { "ports": "514" } }));
    let parameters = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    api.patch_status(name, &parameters, &patch).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_reports_for_its_own_node() {
    let cast = Cast::start("own-node").await;
    let configs: Api<NodeForwardConfig> = Api::all(cast.admin.clone());
    for (own, other) in [(NODES[0], NODES[1]), (NODES[1], NODES[0])] {
        let token = cast.pod("agent", &format!("agent-{own}"), own).await;
        let agent = cast.client(&token).await;
        report(&agent, own, false).await.unwrap();
        let status = configs.get(own).await.unwrap().status.unwrap();
        assert_eq!(status.applied_revision, Some(7));
        let before = configs.get(other).await.unwrap();
        let said = refused(|| report(&agent, other, false)).await;
        let expected =
            format!("the agent of node {own} reports for that node only, not for node {other}");
        assert!(said.contains(&expected), "{said}");
        assert_eq!(configs.get(other).await.unwrap(), before);
    }
    // The account's token without a pod speaks for no node.
    let unbound = cast.client(&cast.token("agent", None).await).await;
    let said = refused(|| report(&unbound, NODES[0], false)).await;
    let expected =
        "this token of udplb-agent is bound to no node: use the one that the kubelet mounts";
    assert!(said.contains(expected), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_operator_says_what_nodes_run() {
    let cast = Cast::start("operator-only").await;
    let operator = cast
        .client(&cast.pod("operator", "operator-0", NODES[0]).await)
        .await;
    create(&operator, resolved("syslog"), false).await.unwrap();
    change_config(&operator, NODES[0], "syslog", false)
        .await
        .unwrap();

    let config = format!(
        "only the udplb operator writes what NodeForwardConfig {} runs: change the UdpForwards, their \
         spec.nodeSelector, or the labels of the node instead",
        NODES[0]
    );
    let forward = "only the udplb operator writes ResolvedForward default/syslog: change the UdpForward of that \
                   name instead (kubectl edit udpforward -n default syslog)";
    let admin = &cast.admin;
    let said = refused(|| change_config(admin, NODES[0], "mine", true)).await;
    assert!(said.contains(&config), "{said}");
    let said = refused(|| create(admin, node_config("new", &[]), true)).await;
    assert!(
        said.contains("what NodeForwardConfig new runs: change the UdpForwards"),
        "{said}"
    );
    let said = refused(|| change_resolved(admin, "syslog")).await;
    assert!(said.contains(forward), "{said}");
    let said = refused(|| create(admin, resolved("mine"), true)).await;
    assert!(
        said.contains("ResolvedForward default/mine: change the UdpForward"),
        "{said}"
    );

    // An agent has no such right. Where somebody has given it one, the policies still say no.
    let agent = cast
        .client(&cast.pod("agent", "agent-a", NODES[0]).await)
        .await;
    let said = refused(|| change_config(&agent, NODES[0], "mine", true)).await;
    assert!(
        said.contains("cannot patch resource \"nodeforwardconfigs\""),
        "{said}"
    );
    cast.widen("udplb-agent").await;
    allowed_by_rbac(&agent).await;
    let said = refused(|| change_config(&agent, NODES[0], "mine", true)).await;
    let rest =
        "an agent writes only the status of its NodeForwardConfig: change the UdpForwards instead";
    assert!(said.contains(&config) || said.contains(rest), "{said}");
    let said = refused(|| change_resolved(&agent, "syslog")).await;
    assert!(said.contains(forward), "{said}");

    // What is no spec is a matter of rights: the garbage collector takes owners and finalizers away.
    let api: Api<ResolvedForward> = Api::namespaced(admin.clone(), "default");
    for finalizers in [json!(["foregroundDeletion"]), json!(null)] {
        let patch = Patch::Merge(json!({ "metadata": { "finalizers": finalizers } }));
        drop(
            api.patch("syslog", &PatchParams::default(), &patch)
                .await
                .unwrap(),
        );
    }
    drop(
        api.delete("syslog", &DeleteParams::default())
            .await
            .unwrap(),
    );
    let configs: Api<NodeForwardConfig> = Api::all(admin.clone());
    drop(
        configs
            .delete(NODES[0], &DeleteParams::default())
            .await
            .unwrap(),
    );
}

/// Waits until a widened right is known: a change of labels, which no policy is about.
async fn allowed_by_rbac(agent: &Client) {
    let label = || async {
        let api: Api<ResolvedForward> = Api::namespaced(agent.clone(), "default");
        let patch = Patch::Merge(json!({ "metadata": { "labels": { "a": "b" } } }));
        api.patch("syslog", &PatchParams::default(), &patch)
            .await
            .map(drop)
    };
    allowed(label).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_another_pod_leads_an_operator_writes_nothing() {
    let cast = Cast::start("leader-only").await;
    let [first, second] = ["operator-0", "operator-1"];
    let leader = cast
        .client(&cast.pod("operator", first, NODES[0]).await)
        .await;
    let standby = cast
        .client(&cast.pod("operator", second, NODES[1]).await)
        .await;
    let unbound = cast.client(&cast.token("operator", None).await).await;
    create(&leader, resolved("syslog"), false).await.unwrap();
    let forward = json!({
        "metadata": { "name": "syslog", "namespace": "default" },
        "spec": {
            "match": { "ports": [{ "port": 514 }] }, "action": "Clone",
            "destinations": [{ "name": "siem", "upstreams": [{ "address": "192.0.2.9" }] }],
        },
    });
    let forward: UdpForward = serde_json::from_value(forward).unwrap();
    create(&cast.admin, forward, false).await.unwrap();

    cast.leads(Some(first)).await;
    for (client, who) in [(&standby, "pod operator-1"), (&unbound, "without a pod")] {
        let expected = format!(
            "pod operator-0 holds Lease udplb-operator and leads; operator {who} must not write"
        );
        for said in [
            refused(|| create(client, node_config("new", &[]), true)).await,
            refused(|| change_config(client, NODES[0], "syslog", true)).await,
            refused(|| create(client, resolved("new"), true)).await,
            refused(|| change_resolved(client, "syslog")).await,
            refused(|| delete_resolved(client, "syslog")).await,
            refused(|| forward_status(client, "syslog")).await,
        ] {
            assert!(said.contains(&expected), "{said}");
        }
    }
    writes_everything(&leader).await;

    // The Lease passes on, and then nobody holds it, and then it is gone.
    cast.leads(Some(second)).await;
    let said = refused(|| change_resolved(&leader, "syslog")).await;
    assert!(said.contains("pod operator-1 holds Lease"), "{said}");
    writes_everything(&standby).await;
    cast.leads(None).await;
    writes_everything(&leader).await;
    cast.leads(Some(second)).await;
    drop(refused(|| change_resolved(&leader, "syslog")).await);
    let leases: Api<Lease> = Api::namespaced(cast.admin.clone(), NAMESPACE);
    let parameters = DeleteParams::default();
    drop(leases.delete("udplb-operator", &parameters).await.unwrap());
    writes_everything(&leader).await;
}

/// Waits until this client may do all that an operator does.
async fn writes_everything(client: &Client) {
    allowed(|| create(client, node_config("new", &[]), true)).await;
    allowed(|| change_config(client, NODES[0], "syslog", true)).await;
    allowed(|| create(client, resolved("new"), true)).await;
    allowed(|| change_resolved(client, "syslog")).await;
    allowed(|| delete_resolved(client, "syslog")).await;
    allowed(|| forward_status(client, "syslog")).await;
}

impl Cast {
    /// Gives a role every right to our kinds, as somebody may do.
    async fn widen(&self, role: &str) {
        let roles: Api<ClusterRole> = Api::all(self.admin.clone());
        let all = json!({ "apiGroups": ["udplb.dev"], "resources": ["*"], "verbs": ["*"] });
        let patch = Patch::Merge(json!({ "rules": [all] }));
        drop(
            roles
                .patch(role, &PatchParams::default(), &patch)
                .await
                .unwrap(),
        );
    }
}
