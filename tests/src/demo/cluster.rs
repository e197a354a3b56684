//! The whole job on a Kubernetes cluster of three nodes. IO.

use std::{
    net::UdpSocket,
    process::ExitCode,
    time::{Duration, Instant},
};

use kube::{Api, runtime::wait::await_condition};
use udplb_api::UdpForward;

use super::report::Report;
use crate::{cluster::Cluster, scrape};

const DRAWING: &str = "
  client ──▶ node1, node2, node3 ──▶ upstream
             kubelet, containerd,
             agent pod; operator pods

  The nodes are network namespaces with a kubelet and a containerd of their own. Images, manifests, pods, packets
  and the API server are real.";

/// The example that users apply.
const EXAMPLE: &str = include_str!("../../../deploy/examples/udpforward.yaml");

/// Datagrams to each node.
const COUNT: usize = 1_000;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The nodes, by name.
const NODES: [&str; 3] = ["node1", "node2", "node3"];

/// Runs every step; the exit code tells whether all checks passed.
pub fn run() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("no runtime can be had");
    runtime.block_on(steps())
}

async fn steps() -> ExitCode {
    let mut report = Report::new();
    report
        .title("udplb on Kubernetes: kubectl apply -f udpforward.yaml moves packets on every node");
    println!("{DRAWING}");
    report.step("Start Kubernetes 1.37 with three nodes, and install udplb: kubectl apply -k deploy/kubernetes");
    let cluster = Cluster::start(3).await;
    cluster.install().await;
    let pods = [
        "get",
        "pods",
        "-n",
        crate::operator::NAMESPACE,
        "-o",
        "wide",
    ];
    report.quote(&columns(&cluster.kubectl(&pods, "")));

    apply(&mut report, &cluster).await;
    traffic(
        &mut report,
        &cluster,
        "every datagram reached the upstream, the source kept",
    );
    counters(&mut report, &cluster);
    change(&mut report, &cluster).await;
    delete(&mut report, &cluster).await;
    let id = cluster.id().to_owned();
    report.step("Stop the cluster");
    drop(cluster);
    let left = Cluster::residue(&id);
    report.check(
        "nothing of it is left",
        left.is_empty(),
        &format!("{left:?}"),
    );
    report.conclude()
}

/// The first five columns are what a reader looks for.
fn columns(table: &str) -> String {
    let lines = table.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let node = words
            .iter()
            .find(|word| word.starts_with("node") || **word == "NODE");
        format!(
            "{:34} {:8} {:8} {}",
            words[0],
            words[1],
            words[2],
            node.unwrap_or(&"")
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

async fn apply(report: &mut Report, cluster: &Cluster) {
    let upstream = cluster.address_of("upstream").to_string();
    // The address of the example is for documentation only.
    let yaml = EXAMPLE.replace("203.0.113.5", &upstream);
    report.step("kubectl apply -f udpforward.yaml");
    report.quote(&yaml);
    let start = Instant::now();
    cluster.apply(&yaml);
    ready(cluster, 3).await;
    let time = start.elapsed();
    report.check(
        "Ready on three nodes",
        true,
        &format!("{} ms after kubectl was started", time.as_millis()),
    );
    show(report, cluster);
}

fn show(report: &Report, cluster: &Cluster) {
    report.say("kubectl get udpforwards,nodeforwardconfigs");
    report.quote(&cluster.kubectl(&["get", "udpforwards,nodeforwardconfigs"], ""));
}

async fn ready(cluster: &Cluster, nodes: u32) {
    let api: Api<UdpForward> = Api::default_namespaced(cluster.client());
    let is = |forward: Option<&UdpForward>| {
        forward.is_some_and(|forward| {
            let status = forward.status.clone().unwrap_or_default();
            let mut conditions = status.conditions.iter();
            status.observed_generation == forward.metadata.generation
                && status.ready_nodes == Some(nodes)
                && conditions.any(|it| it.type_ == "Ready" && it.status == "True")
        })
    };
    let waited = tokio::time::timeout(PATIENCE, await_condition(api, "syslog", is)).await;
    let Ok(Ok(_ready)) = waited else {
        panic!("the forward is not ready:\n{}", cluster.product_logs());
    };
}

/// Sends from the client to every node, and counts what the upstream gets.
fn traffic(report: &mut Report, cluster: &Cluster, what: &str) {
    report.step(&format!(
        "{COUNT} datagrams from the client to port 514 of each node"
    ));
    let receiver = cluster
        .outside("upstream")
        .enter(|| UdpSocket::bind("0.0.0.0:5514").unwrap());
    receiver
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let sender = cluster
        .outside("client")
        .enter(|| UdpSocket::bind("0.0.0.0:0").unwrap());
    let (mut arrived, mut kept, mut buffer) = (0, 0, [0; 64]);
    let client = cluster.address_of("client");
    for _ in 0..COUNT {
        for node in NODES {
            let to = (cluster.node(node).address(), 514);
            let _sent: usize = sender.send_to(b"<13>a line of syslog", to).unwrap();
        }
        for _ in NODES {
            if let Ok((_, source)) = receiver.recv_from(&mut buffer) {
                arrived += 1;
                kept += usize::from(source.ip() == client);
            }
        }
    }
    let all = COUNT * NODES.len();
    report.check(
        what,
        arrived == all && kept == all,
        &format!("{arrived} of {all} arrived, {kept} from {client}"),
    );
}

/// What Prometheus would scrape of each node.
fn counters(report: &mut Report, cluster: &Cluster) {
    report.step("The counters of each node: http://NODE:9465/metrics");
    let mut sent = 0.0;
    for node in NODES {
        let host = cluster.node(node).host();
        let metrics = scrape::scrape(host, crate::agent::ADDRESS);
        let of_node: f64 = metrics
            .matching("udplb_sent_packets_total", &[("forward", "syslog")])
            .map(|(_, value)| value)
            .sum();
        report.say(&format!("{node}: udplb_sent_packets_total {of_node}"));
        sent += of_node;
    }
    let all = f64::from(u32::try_from(COUNT * NODES.len()).unwrap());
    report.check(
        "the counters tell the same",
        sent >= all,
        &format!("{sent} sent"),
    );
}

/// A live change: two nodes only.
async fn change(report: &mut Report, cluster: &Cluster) {
    report.step("A change: kubectl patch, so that only nodes with the label role=edge run it");
    for node in ["node1", "node2"] {
        cluster.label(node, "role", Some("edge")).await;
    }
    let patch = r#"{"spec":{"nodeSelector":{"matchLabels":{"role":"edge"}}}}"#;
    let arguments = ["patch", "udpforward", "syslog", "--type=merge", "-p", patch];
    drop(cluster.kubectl(&arguments, ""));
    ready(cluster, 2).await;
    show(report, cluster);
    let holds = programs(cluster, "node3");
    report.check(
        "node3 has nothing in its kernel",
        holds == 0,
        &format!("{holds} programs of ours"),
    );
}

fn programs(cluster: &Cluster, node: &str) -> u32 {
    crate::foreign::attached(cluster.node(node).host(), "eth0")
}

async fn delete(report: &mut Report, cluster: &Cluster) {
    report.step("kubectl delete udpforward syslog");
    drop(cluster.kubectl(&["delete", "udpforward", "syslog"], ""));
    let deadline = Instant::now() + PATIENCE;
    let held = || {
        NODES
            .iter()
            .map(|node| programs(cluster, node))
            .sum::<u32>()
    };
    while held() > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    report.check(
        "no node holds anything",
        held() == 0,
        &format!("{} programs of ours", held()),
    );
}
