//! What a node says of itself is true at every step, and is said once.

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;
use udplb_api::{NodeForwardConfig, NodeForwardConfigStatus};
use udplb_tests::{capture::Capture, wait};

use crate::played::{NODE, PATIENCE, Resolved, Scene};

/// Status and reason of a condition.
fn condition<'a>(config: &'a NodeForwardConfig, about: &str) -> Option<&'a Condition> {
    let status = config.status.as_ref()?;
    status.conditions.iter().find(|it| it.type_ == about)
}

/// Whether the conditions are as written, `Type Status Reason`, and speak of the present generation.
fn says(config: &NodeForwardConfig, conditions: [&str; 3]) -> bool {
    conditions.iter().all(|wanted| {
        let about = wanted.split(' ').next().unwrap();
        condition(config, about).is_some_and(|it| {
            format!("{about} {} {}", it.status, it.reason) == *wanted
                && it.observed_generation == config.metadata.generation
        })
    })
}

const WRITES: &str = "udplb_agent_status_writes_total";

const WELL: [&str; 3] = [
    "Attached True Attached",
    "Synced True InSync",
    "Ready True Ready",
];

/// Forwards that failed, as `name reason`.
fn failed(config: &NodeForwardConfig) -> Vec<String> {
    let status = config.status.as_ref().unwrap();
    let listed: Vec<String> = status
        .failed
        .iter()
        .map(|it| format!("{} {}", it.name, it.reason))
        .collect();
    assert_eq!(status.failed_count, Some(listed.len().try_into().unwrap()));
    listed
}

fn status(config: &NodeForwardConfig) -> &NodeForwardConfigStatus {
    config.status.as_ref().unwrap()
}

fn message<'a>(config: &'a NodeForwardConfig, about: &str) -> &'a str {
    &condition(config, about).unwrap().message
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_true_at_every_step() {
    let mut scene = Scene::new("node-status").await;
    scene.agent.without_final_identity();
    scene.tell(&[]).await;
    scene.agent.run();
    let empty = scene.until("it is not well", |it| says(it, WELL)).await;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert_eq!(status(&empty).boot_id.as_deref(), Some(boot.trim()));
    assert_eq!(status(&empty).applied_revision, Some(0));
    assert_eq!(failed(&empty), [""; 0]);

    // Told before it is resolved: pending, and then in force.
    scene.tell(&[("syslog", "uid-1")]).await;
    let pending = [
        "Attached True Attached",
        "Synced False Pending",
        "Ready False Pending",
    ];
    let config = scene.until("not pending", |it| says(it, pending)).await;
    assert_eq!(failed(&config), ["syslog Pending"]);
    let resolved = Resolved {
        revision: 7,
        ..Resolved::default()
    };
    scene.resolve(&resolved).await;
    let config = scene.until("not in force", |it| says(it, WELL)).await;
    assert_eq!(status(&config).applied_revision, Some(7));
    // The kernel held it before it was said.
    assert!(scene.agent.status().to_string().contains("10.0.2.2:5514"));
    assert_eq!(failed(&config), [""; 0]);
    assert_eq!(message(&config, "Attached"), "attached to eth0");

    // An interface that is not there, and comes.
    let absent = Resolved {
        name: "dns",
        uid: "uid-2",
        revision: 8,
        port: 53,
        interfaces: Some(&["eth7"]),
        ..Resolved::default()
    };
    scene.resolve(&absent).await;
    scene.tell(&[("dns", "uid-2"), ("syslog", "uid-1")]).await;
    let absent = [
        "Attached False InterfaceNotFound",
        "Synced True InSync",
        "Ready False InterfaceNotFound",
    ];
    let config = scene.until("not without eth7", |it| says(it, absent)).await;
    assert_eq!(failed(&config), ["dns InterfaceNotFound"]);
    assert_eq!(status(&config).applied_revision, Some(8));
    assert_eq!(
        message(&config, "Ready"),
        "forward default/dns: no interface matches eth7; it waits for one"
    );
    let host = scene.lab.host("node");
    drop(host.ip("link add eth7 type veth peer name eth8"));
    let config = scene.until("eth7 is not seen", |it| says(it, WELL)).await;
    assert_eq!(message(&config, "Attached"), "attached to eth0, eth7");
    drop(host.ip("link delete eth7"));
    drop(
        scene
            .until("eth7 is still seen", |it| says(it, absent))
            .await,
    );

    // An upstream that does not answer is said; the forward is in force.
    let silent = Resolved {
        revision: 9,
        upstream: ("10.0.2.99", 5514),
        ..Resolved::default()
    };
    scene.resolve(&silent).await;
    scene.tell(&[("syslog", "uid-1")]).await;
    let silent = [
        "Attached True Attached",
        "Synced True NeighbourUnresolved",
        "Ready True Ready",
    ];
    let config = scene.until("not silent", |it| says(it, silent)).await;
    assert_eq!(status(&config).applied_revision, Some(9));
    assert!(message(&config, "Synced").contains("10.0.2.99"));

    // What an agent of another version wrote is replaced, and what a person wrote, too.
    let odd = json!({ "status": { "appliedRevision": 99, "bootID": "another" } });
    let api = scene.configs();
    let parameters = PatchParams::default();
    let _: NodeForwardConfig = api
        .patch_status(NODE, &parameters, &Patch::Merge(odd))
        .await
        .unwrap();
    let is_ours = |it: &NodeForwardConfig| {
        status(it).applied_revision == Some(9) && status(it).boot_id.as_deref() == Some(boot.trim())
    };
    drop(scene.until("it is not written anew", is_ours).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_stops_nothing_else() {
    let mut scene = Scene::new("node-odd").await;
    scene.resolve(&Resolved::default()).await;
    scene.tell(&[("syslog", "uid-1")]).await;
    scene.agent.run();
    let mut collector = Capture::link(scene.lab.host("collector1"), "eth0");
    let stream = scene.stream(514);
    let _: Vec<_> = collector.expect(1, |packet| packet.is_udp_to(5514));
    drop(scene.until("it is not well", |it| says(it, WELL)).await);

    // The definition of a later version allows what this agent does not know.
    scene.allow_anything().await;
    scene.spoil("syslog").await;
    let unreadable = [
        "Attached True Attached",
        "Synced False NotSupported",
        "Ready False NotSupported",
    ];
    let config = scene.until("it is taken", |it| says(it, unreadable)).await;
    assert_eq!(failed(&config), ["syslog NotSupported"]);
    assert!(message(&config, "Ready").contains("one version"));
    let more = stream.count();
    stream.pass(10);
    assert!(stream.count() > more);
    let _: Vec<_> = collector.expect(1, |packet| packet.is_udp_to(5514));

    // The watch goes on: others come into force, this one too once it can be read.
    let dns = Resolved {
        name: "dns",
        uid: "uid-2",
        revision: 4,
        port: 53,
        ..Resolved::default()
    };
    scene.resolve(&dns).await;
    scene.tell(&[("dns", "uid-2"), ("syslog", "uid-1")]).await;
    let both =
        |it: &NodeForwardConfig| says(it, unreadable) && status(it).applied_revision == Some(4);
    drop(scene.until("dns is not in force", both).await);
    let again = Resolved {
        revision: 5,
        upstream: ("10.0.2.2", 7514),
        ..Resolved::default()
    };
    scene.resolve(&again).await;
    let _: Vec<_> = collector.expect(1, |packet| packet.is_udp_to(7514));
    let config = scene.until("it is not well", |it| says(it, WELL)).await;
    assert_eq!(status(&config).applied_revision, Some(5));
    drop(stream);

    // One of another owner is not taken, although its name is right.
    let stranger = Resolved {
        uid: "uid-3",
        revision: 6,
        upstream: ("10.0.3.2", 6514),
        ..Resolved::default()
    };
    scene.resolve(&stranger).await;
    let pending = [
        "Attached True Attached",
        "Synced False Pending",
        "Ready False Pending",
    ];
    let config = scene.until("it is taken", |it| says(it, pending)).await;
    assert_eq!(failed(&config), ["syslog Pending"]);
    assert_eq!(status(&config).applied_revision, Some(4));
    let status = scene.agent.status();
    let text = status.to_string();
    assert!(
        text.contains("10.0.2.2:7514") && !text.contains("10.0.3.2:6514"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_steady_node_writes_nothing_and_tells_turns_once() {
    let mut scene = Scene::new("node-steady").await;
    scene.resolve(&Resolved::default()).await;
    scene.tell(&[("syslog", "uid-1")]).await;
    scene.agent.run();
    let config = scene.until("it is not well", |it| says(it, WELL)).await;
    let version = config.resource_version();
    let writes = |scene: &Scene| {
        let metrics = scene.agent.metrics();
        assert_eq!(metrics.count(WRITES, &[("result", "failed")]), 0);
        metrics.count(WRITES, &[("result", "written")])
    };
    wait::until(PATIENCE, "a write", || (writes(&scene) > 0).then_some(()));
    assert_eq!(writes(&scene), 1);

    // Events of the network make passes, and passes that find nothing new make no write.
    let passes = |scene: &Scene| {
        scene
            .agent
            .metrics()
            .count("udplb_agent_reconciles_total", &[])
    };
    let host = scene.lab.host("node");
    for number in 0..20 {
        let before = passes(&scene);
        drop(host.ip(&format!("address add 192.0.2.{number}/32 dev eth2")));
        wait::until(PATIENCE, "a pass", || {
            (passes(&scene) > before).then_some(())
        });
    }
    // The same written again by the operator is no news either.
    scene.tell(&[("syslog", "uid-1")]).await;
    scene.resolve(&Resolved::default()).await;
    let before = passes(&scene);
    drop(host.ip("address add 192.0.2.99/32 dev eth2"));
    wait::until(PATIENCE, "a pass", || {
        (passes(&scene) > before).then_some(())
    });
    let api = scene.configs();
    assert_eq!(api.get(NODE).await.unwrap().resource_version(), version);

    // One turn, one event.
    scene.forget("syslog").await;
    let is_pending =
        |it: &NodeForwardConfig| condition(it, "Ready").is_some_and(|it| it.status == "False");
    drop(scene.until("it is not pending", is_pending).await);
    // What was on its way before would have come first.
    wait::until(PATIENCE, "a write", || (writes(&scene) > 1).then_some(()));
    assert_eq!(writes(&scene), 2);
    let events: Api<Event> = Api::default_namespaced(scene.client.clone());
    let mut told = Vec::new();
    for _ in 0..500 {
        let all = events.list(&ListParams::default()).await.unwrap();
        let ours = |it: &Event| {
            let ObjectReference { name, kind, .. } = it.regarding.clone().unwrap_or_default();
            name.as_deref() == Some(NODE) && kind.as_deref() == Some("NodeForwardConfig")
        };
        told = all
            .into_iter()
            .filter(ours)
            .map(|it| {
                format!(
                    "{} {}",
                    it.type_.unwrap_or_default(),
                    it.reason.unwrap_or_default()
                )
            })
            .collect();
        if told.len() > 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    told.sort();
    assert_eq!(told, ["Normal Ready", "Warning Pending"]);
}
