//! What is written moves packets.

use std::time::Instant;

use udplb_tests::capture::Capture;

use crate::played::{Resolved, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_writes_moves_packets() {
    let mut scene = Scene::new("node-moves").await;
    scene.tell(&[]).await;
    scene.agent.run();
    let first = Capture::link(scene.lab.host("collector1"), "eth0");
    let second = Capture::link(scene.lab.host("collector2"), "eth0");
    let (mut first, mut second) = (first, second);
    let stream = scene.stream(514);

    let start = Instant::now();
    scene.resolve(&Resolved::default()).await;
    scene.tell(&[("syslog", "uid-1")]).await;
    let _: Vec<_> = first.expect(1, |packet| packet.is_udp_to(5514));
    println!("write to copy: {:?}", start.elapsed());

    let start = Instant::now();
    let edited = Resolved {
        revision: 2,
        upstream: ("10.0.3.2", 6514),
        ..Resolved::default()
    };
    scene.resolve(&edited).await;
    let _: Vec<_> = second.expect(1, |packet| packet.is_udp_to(6514));
    println!("edit to copy: {:?}", start.elapsed());

    // A forward that is not there yet, and one of another owner: what ran goes on.
    scene.tell(&[("dns", "uid-9"), ("syslog", "uid-2")]).await;
    scene.until_log("forward default/dns stays as it was");
    scene.until_log("forward default/syslog stays as it was");
    stream.pass(10);
    let _: Vec<_> = second.expect(1, |packet| packet.is_udp_to(6514));

    // The one of the new owner is put in force.
    let anew = Resolved {
        uid: "uid-2",
        revision: 3,
        upstream: ("10.0.2.2", 7514),
        ..Resolved::default()
    };
    scene.resolve(&anew).await;
    let _: Vec<_> = first.expect(1, |packet| packet.is_udp_to(7514));

    // What is no longer referenced goes, whether or not it is still there.
    scene.agent.without_final_identity();
    scene.tell(&[]).await;
    udplb_tests::wait::until(
        std::time::Duration::from_secs(60),
        "an empty kernel",
        || {
            let status = scene.agent.status();
            status["forwards"].as_array()?.is_empty().then_some(())
        },
    );
    drop(stream);
}
