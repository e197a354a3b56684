//! The store of the API server is restored from an older snapshot: the agent runs what that says, and hears of what
//! happens from then on, although everything has older versions than it has seen.

use udplb_tests::{capture::Capture, packet::Packet};

use crate::played::{PATIENCE, Resolved, Scene};

/// One that the agent moves to and back.
fn towards(upstream: &'static str, revision: i64) -> Resolved {
    Resolved {
        revision,
        upstream: (upstream, 5514),
        ..Resolved::default()
    }
}

fn is_copy(packet: &Packet) -> bool {
    packet.is_udp_to(5514)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_store_counts() {
    let mut scene = Scene::new("node-set-back").await;
    scene.resolve(&towards("10.0.2.2", 1)).await;
    scene.tell(&[("syslog", "uid-1")]).await;
    scene.agent.run();
    let mut captures =
        ["collector1", "collector2"].map(|name| Capture::link(scene.lab.host(name), "eth0"));
    let _stream = scene.stream(514);
    let reaches = |captures: &mut [Capture; 2], which: usize| {
        drop(captures[which].arrived(is_copy));
        drop(captures[which].expect_within(PATIENCE, 1, is_copy));
    };
    reaches(&mut captures, 0);

    scene.server.kill_with_store();
    scene.server.take_snapshot();
    scene.server.start_again().await;
    scene.resolve(&towards("10.0.3.2", 2)).await;
    scene.server.age().await;
    reaches(&mut captures, 1);

    scene.server.kill_with_store();
    scene.server.restore_snapshot();
    scene.server.start_again().await;
    reaches(&mut captures, 0);
    scene.resolve(&towards("10.0.3.2", 2)).await;
    reaches(&mut captures, 1);
}
