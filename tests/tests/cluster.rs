//! A real cluster of three nodes: what tests of the product on it rely on.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, ResourceExt as _, runtime::watcher::Config};
use udplb_api::UdpForward;
use udplb_tests::cluster::{Cluster, Node as ClusterNode, is_ready};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pods of a `DaemonSet` on the network of their nodes, with these capabilities and no others.
const ON_NODES: &str = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: on-nodes}
spec:
  selector: {matchLabels: {test: on-nodes}}
  template:
    metadata: {labels: {test: on-nodes}}
    spec:
      hostNetwork: true
      containers:
      - name: pause
        image: udplb-pause:0.1.0
        imagePullPolicy: Never
        securityContext:
          runAsUser: 0
          capabilities: {drop: [ALL], add: [BPF, NET_ADMIN, PERFMON]}
        volumeMounts: [{name: bpf, mountPath: /sys/fs/bpf}]
      volumes: [{name: bpf, hostPath: {path: /sys/fs/bpf, type: Directory}}]
";

/// Pods with addresses of their own, one on each node.
const APART: &str = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: apart}
spec:
  selector: {matchLabels: {test: apart}}
  template:
    metadata: {labels: {test: apart}}
    spec:
      containers:
      - {name: pause, image: udplb-pause:0.1.0, imagePullPolicy: Never}
";

/// `CAP_NET_ADMIN`, `CAP_PERFMON` and `CAP_BPF` of `linux/capability.h`.
const CAPABILITIES: u64 = 1 << 12 | 1 << 38 | 1 << 39;

#[tokio::test(flavor = "multi_thread")]
async fn pods_run_and_reach_each_other_and_nothing_is_left() {
    let mut cluster = Cluster::start(3).await;
    let id = cluster.id().to_owned();
    cluster.apply(ON_NODES);
    cluster.apply(APART);
    on_the_network_of_nodes(&cluster).await;
    with_addresses_of_their_own(&cluster).await;
    labels(&cluster).await;
    reboot(&mut cluster).await;
    drop(cluster);
    assert_eq!(Cluster::residue(&id), [""; 0]);
}

/// From outside to a node and on to the outside, before the node's own stack sees it.
const FORWARD: &str = "
apiVersion: udplb.dev/v1alpha1
kind: UdpForward
metadata: {name: outside}
spec:
  match: {ports: [{port: 514}]}
  action: Forward
  destinations: [{name: upstream, upstreams: [{address: UPSTREAM}]}]
";

#[tokio::test(flavor = "multi_thread")]
async fn the_product_is_installed_and_forwards() {
    let cluster = Cluster::start(2).await;
    cluster.install().await;
    let upstream = cluster.address_of("upstream");
    cluster.apply(&FORWARD.replace("UPSTREAM", &upstream.to_string()));
    let forwards: Api<UdpForward> = Api::all(cluster.client());
    let all_ready = |forwards: &BTreeMap<String, UdpForward>| {
        let status = forwards["outside"].status.as_ref()?;
        let mut conditions = status.conditions.iter();
        let ready = conditions.find(|condition| condition.type_ == "Ready")?;
        (ready.status == "True").then_some(())
    };
    let what = "the forward to be ready";
    cluster
        .until(&forwards, Config::default(), what, all_ready)
        .await;

    let [client, outside] = ["client", "upstream"].map(|name| cluster.outside(name));
    let receiver = outside.enter(|| UdpSocket::bind((upstream, 514)).unwrap());
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let own = cluster.address_of("client");
    let sender = client.enter(|| UdpSocket::bind((own, 0)).unwrap());
    for node in cluster.nodes() {
        let sent = node.name().as_bytes();
        let _: usize = sender.send_to(sent, (node.address(), 514)).unwrap();
        let mut buffer = [0; 100];
        let (length, source) = receiver.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], sent);
        assert_eq!(source, sender.local_addr().unwrap(), "its source stays");
    }
}

async fn on_the_network_of_nodes(cluster: &Cluster) {
    let pods = cluster.ready_pods("default", "test=on-nodes", 3).await;
    let mut names = BTreeSet::new();
    for pod in &pods {
        let node = cluster.node(pod.spec.as_ref().unwrap().node_name.as_deref().unwrap());
        assert!(names.insert(node.name().to_owned()));
        let address = pod.status.as_ref().unwrap().pod_ip.clone().unwrap();
        assert_eq!(address, node.address().to_string());
        let process = node.process(pod, "pause");
        let status = node.run(&format!("cat /proc/{process}/status"));
        let set = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            u64::from_str_radix(line.unwrap().trim(), 16).unwrap()
        };
        assert_eq!(set("CapEff:"), CAPABILITIES, "{status}");
        // Its own network is the node's, and so are its pins; its boot is the node's, too.
        let same = |path: &str| node.run(&format!("stat -Lc %i {path}"));
        let own = format!("/proc/{process}");
        assert_eq!(same(&format!("{own}/ns/net")), same("/proc/1/ns/net"));
        let root = format!("{own}/root");
        let boot = node.run(&format!("cat {root}/proc/sys/kernel/random/boot_id"));
        assert_eq!(boot.trim(), node.boot_id());
        let marker = node.name();
        drop(node.run(&format!("mkdir /sys/fs/bpf/{marker}")));
        let own = pins(node, &root);
        assert_eq!(own, [marker], "every node has pins of its own");
    }
}

/// What is pinned in the file system of a pod or a node, besides what the kernel puts there.
fn pins(node: &ClusterNode, root: &str) -> Vec<String> {
    let names = node.run(&format!("ls {root}/sys/fs/bpf"));
    let ours = |name: &&str| !["maps.debug", "progs.debug"].contains(name);
    names.lines().filter(ours).map(str::to_owned).collect()
}

async fn with_addresses_of_their_own(cluster: &Cluster) {
    let pods = cluster.ready_pods("default", "test=apart", 3).await;
    let address = |pod: &Pod| pod.status.as_ref().unwrap().pod_ip.clone().unwrap();
    let hosts: Vec<_> = pods.iter().map(|pod| cluster.pod_host(pod)).collect();
    for host in &hosts {
        let server = SocketAddr::from(([10, 96, 0, 1], 443));
        let reached = host.enter(|| TcpStream::connect_timeout(&server, PATIENCE));
        drop(reached.unwrap_or_else(|error| panic!("{}: {error}", host.name())));
    }
    let receiver = hosts[1].enter(|| UdpSocket::bind((address(&pods[1]), 514)).unwrap());
    receiver.set_read_timeout(Some(PATIENCE)).unwrap();
    let outside = cluster.outside("client");
    for (from, sender) in [
        (&hosts[0], address(&pods[0])),
        (outside, "0.0.0.0".to_owned()),
    ] {
        let socket = from.enter(|| UdpSocket::bind((sender.as_str(), 0)).unwrap());
        let port = socket.local_addr().unwrap().port();
        let sent = from.name().as_bytes();
        let _: usize = socket.send_to(sent, (address(&pods[1]), 514)).unwrap();
        let mut buffer = [0; 100];
        let (length, source) = receiver.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], sent);
        assert_eq!(source.port(), port);
        if sender != "0.0.0.0" {
            assert_eq!(
                source.ip().to_string(),
                sender,
                "nothing on the way changes it"
            );
        }
    }
}

async fn labels(cluster: &Cluster) {
    let nodes: Api<Node> = Api::all(cluster.client());
    cluster.label("node2", "udplb.dev/test", Some("yes")).await;
    let node = nodes.get("node2").await.unwrap();
    assert_eq!(node.labels()["udplb.dev/test"], "yes");
    cluster.label("node2", "udplb.dev/test", None).await;
    let node = nodes.get("node2").await.unwrap();
    assert!(!node.labels().contains_key("udplb.dev/test"));
}

/// Another boot, without pins, and the pods come back.
async fn reboot(cluster: &mut Cluster) {
    let before = cluster.node("node3").boot_id();
    cluster.node_mut("node3").reboot();
    let node = cluster.node("node3");
    assert_ne!(node.boot_id(), before);
    assert_eq!(pins(node, ""), [""; 0]);
    cluster.ready_nodes().await;
    for label in ["test=on-nodes", "test=apart"] {
        let pods: Api<Pod> = Api::namespaced(cluster.client(), "default");
        let config = Config::default().labels(label);
        let what = "the pod on node3 to run again";
        let pod = cluster.until(&pods, config, what, again_on_node3).await;
        let process = node.process(&pod, "pause");
        let boot = format!("/proc/{process}/root/proc/sys/kernel/random/boot_id");
        assert_eq!(node.run(&format!("cat {boot}")).trim(), node.boot_id());
    }
}

/// Its status is that of before for a while.
fn again_on_node3(pods: &BTreeMap<String, Pod>) -> Option<Pod> {
    let restarts = |pod: &Pod| {
        let status = pod.status.as_ref()?;
        let containers = status.container_statuses.as_ref()?;
        containers.first().map(|container| container.restart_count)
    };
    let mut pods = pods.values();
    let on_node3 = |pod: &&Pod| pod.spec.as_ref().unwrap().node_name.as_deref() == Some("node3");
    let pod = pods.find(on_node3)?;
    (is_ready(pod) && restarts(pod) > Some(0)).then(|| pod.clone())
}
