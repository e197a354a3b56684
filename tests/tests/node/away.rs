//! The API server goes away: forwarding does not, not even over a restart of the agent.

use udplb_tests::{
    capture::Capture,
    traffic::{Flow, Pace, Receiver, Stream},
};

use crate::played::{Resolved, Scene};

const CONNECTED: &str = "udplb_agent_api_server_connected";

#[tokio::test(flavor = "multi_thread")]
async fn without_an_api_server_no_packet_is_lost() {
    let mut scene = Scene::new("node-away").await;
    scene.resolve(&Resolved::default()).await;
    scene.tell(&[("syslog", "uid-1")]).await;
    scene.agent.run();
    scene.agent.settle();
    scene.until_metric(CONNECTED, 1.0);

    let receiver = Receiver::start(&[(scene.lab.host("collector1"), "10.0.2.2:5514")]);
    let flows = Flow::many("10.0.1.2", "10.0.1.1:514", 1);
    let pace = Pace::Window(100, vec![receiver.progress()]);
    let stream = Stream::start(scene.lab.host("sender"), &flows, pace);
    stream.pass(1_000);
    scene.cut();
    scene.until_metric(CONNECTED, 0.0);
    scene.until_log("the API server does not answer");
    stream.pass(1_000);

    // A start without it goes on from what was kept, and says so.
    scene.agent.kill();
    stream.pass(1_000);
    scene.agent.run();
    scene.until_log("running what was last in force");
    scene.until_metric(CONNECTED, 0.0);
    stream.pass(1_000);
    // An end leaves everything in the kernel.
    scene.agent.stop();
    stream.pass(1_000);
    scene.agent.run();
    stream.pass(1_000);

    // While it is away the operator changes what runs: that comes when it is back.
    let next = Resolved {
        name: "dns",
        uid: "uid-2",
        revision: 2,
        port: 53,
        upstream: ("10.0.3.2", 5353),
        ..Resolved::default()
    };
    scene.resolve(&next).await;
    scene.tell(&[("dns", "uid-2"), ("syslog", "uid-1")]).await;
    stream.pass(1_000);
    let mut second = Capture::link(scene.lab.host("collector2"), "eth0");
    let names = scene.stream(53);
    scene.mend();
    let _: Vec<_> =
        second.expect_within(crate::played::PATIENCE, 1, |packet| packet.is_udp_to(5353));
    scene.until_metric(CONNECTED, 1.0);
    scene.until_log("following the API server");
    let is_applied = |it: &udplb_api::NodeForwardConfig| {
        let status = it.status.as_ref();
        status.is_some_and(|status| status.applied_revision == Some(2))
    };
    drop(scene.until("it is not applied", is_applied).await);
    drop(names);
    let sent = stream.stop();
    receiver.finish(&sent).assert_complete("collector1");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_planned_before_everything_was_told() {
    let mut scene = Scene::new("node-first").await;
    scene.cut();
    scene.resolve(&Resolved::default()).await;
    scene.tell(&[("syslog", "uid-1")]).await;
    scene.agent.launch();
    scene.until_log("the API server does not answer");
    let host = scene.lab.host("node");
    let readyz = udplb_tests::wait::until(crate::played::PATIENCE, "an answer", || {
        udplb_tests::scrape::get(host, udplb_tests::agent::ADDRESS, "/readyz").ok()
    });
    assert_eq!(
        (readyz.status, &*readyz.body),
        (503, "waiting for datapath\n")
    );
    let passes = scene
        .agent
        .metrics()
        .count("udplb_agent_reconciles_total", &[]);
    assert_eq!(passes, 0);
    scene.mend();
    scene.agent.ready();
    scene.agent.settle();
    assert!(scene.agent.status().to_string().contains("10.0.2.2:5514"));
}
