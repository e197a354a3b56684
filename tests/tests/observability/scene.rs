//! A node with an agent and traffic, an operator, and a Prometheus that scrapes both.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use udplb_tests::{
    agent::{ADDRESS, Agent},
    api_server::ApiServer,
    chart::{CHART, root},
    lab::{Lab, Process, shapes},
    operator::{NAMESPACE, Operator},
    packet::{Ethernet, Udp},
    relay::Relay,
    scrape,
    traffic::send,
    wait::{self, Deadline},
};

use crate::rules::succeeds;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Where Prometheus is on the node's loopback interface.
const PROMETHEUS: &str = "127.0.0.1:9090";
const NODE: &str = "node-a";
/// Datagrams that are sent at a time, to the port of each forward.
const ROUND: u32 = 50;

pub(crate) struct Scene {
    prometheus: Process,
    operator: Operator,
    operator_address: String,
    agent: Agent,
    _relay: Relay,
    server: ApiServer,
    lab: Lab,
    sent: AtomicU32,
}

impl Scene {
    /// Everything runs, and Prometheus scrapes every second.
    pub(crate) async fn start(name: &str) -> Self {
        let server = ApiServer::start(name).await;
        drop(server.defined().await);
        let lab = shapes::two_collectors(name);
        let host = lab.host("node");
        let relay = Relay::start(host, server.port());
        cluster(&server);
        let resolv_conf = server.file("resolv.conf", "nameserver 127.0.0.1\n");
        let operator = Operator::start_on(
            host,
            &server.kubeconfig(),
            "operator-0",
            resolv_conf.as_ref(),
        );
        let operator_address = wait::until(PATIENCE, "the operator to serve HTTP", || {
            let log = operator.log();
            let address = log.split_once("http=")?.1;
            let end = address.find(|it: char| !it.is_ascii_digit() && it != '.' && it != ':')?;
            Some(address[..end].to_owned())
        });
        let mut agent = Agent::of_node(host, NODE, &server.kubeconfig());
        agent.run();
        let prometheus = prometheus(&lab, &operator_address);
        let scene = Self {
            prometheus,
            operator,
            operator_address,
            agent,
            _relay: relay,
            server,
            lab,
            sent: AtomicU32::new(0),
        };
        scene.change();
        scene
    }

    /// A forward that is not as it was: something to plan and to put in force.
    fn change(&self) {
        let number = self.sent.load(Ordering::SeqCst);
        let forward = |name: &str, port: u16, upstreams: Value| {
            json!({
                "apiVersion": "udplb.dev/v1alpha1", "kind": "UdpForward",
                "metadata": { "name": name, "namespace": "default" },
                "spec": {
                    "match": { "ports": [{ "port": port }, { "port": 20_000 + number % 20_000 }] },
                    "action": "Clone",
                    "destinations": [{
                        "name": "siem", "strategy": "SourceIPPort", "upstreams": upstreams,
                    }],
                },
            })
        };
        let syslog = json!([
            { "address": "10.0.2.2", "port": 5514 }, { "address": "10.0.3.2", "port": 5514 },
        ]);
        // Nobody has that address.
        let lost = json!([{ "address": "10.0.2.99", "port": 5515 }]);
        let mut other = forward("lost", 515, lost);
        other["spec"]["match"] = json!({ "ports": [{ "port": 515 }] });
        for object in [forward("syslog", 514, syslog), other] {
            let file = self.server.file("forward.json", &object.to_string());
            drop(self.server.kubectl(&["apply", "-f", &file]).unwrap());
        }
    }

    /// Sends datagrams of several sources.
    fn traffic(&self) {
        let (sender, node) = (self.lab.host("sender"), self.lab.host("node"));
        let ethernet = Ethernet::new(sender.mac("eth0"), node.mac("eth0"));
        let frame = |number: u32, port: u16| {
            let source = format!("10.0.1.2:{}", 1000 + number);
            Udp::new(&source, &format!("10.0.1.1:{port}"), b"hello").frame(&ethernet)
        };
        let syslog = (0..ROUND).map(|number| frame(number, 514));
        let lost = (0..ROUND).map(|number| frame(number, 515));
        send(sender, "eth0", &syslog.chain(lost).collect::<Vec<_>>());
        let _before = self.sent.fetch_add(ROUND, Ordering::SeqCst);
    }

    /// How many were sent to the port of each forward.
    pub(crate) fn sent(&self) -> f64 {
        f64::from(self.sent.load(Ordering::SeqCst))
    }

    /// Keeps things going until each query has been answered with numbers.
    pub(crate) async fn answered(&self, mut open: Vec<(String, String)>) {
        // Before the forwards are in force, nobody counts what is sent.
        wait::until(PATIENCE, "both forwards to be in force", || {
            let metrics = self.agent.metrics();
            let upstreams = metrics.matching("udplb_upstream_reachable", &[]);
            let values: Vec<f64> = upstreams.map(|(_, value)| value).collect();
            (values.len() == 3 && values.iter().sum::<f64>() > 1.5).then_some(())
        });
        let deadline = Deadline::after(PATIENCE);
        loop {
            self.traffic();
            self.change();
            open.retain(|(_, query)| {
                // What nothing was sent of has no shares.
                self.ask(query).into_iter().all(f64::is_nan)
            });
            if open.is_empty() {
                return;
            }
            assert!(
                !deadline.passed(),
                "no data for {open:#?}\n{}",
                self.prometheus.log()
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Waits until a query gives such values.
    pub(crate) async fn becomes(&self, query: &str, expected: impl Fn(&[f64]) -> bool) {
        let deadline = Deadline::after(PATIENCE);
        loop {
            let values = self.ask(query);
            if expected(&values) {
                return;
            }
            assert!(!deadline.passed(), "{query} gives {values:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The values that a query gives now.
    fn ask(&self, query: &str) -> Vec<f64> {
        let mut command = self.lab.host("node").command("promtool");
        let url = format!("http://{PROMETHEUS}");
        let arguments = ["query", "--format=json", "instant", &url, query];
        let said = succeeds(command.args(arguments));
        let said: Value = serde_json::from_str(&said).unwrap();
        let samples = said.as_array().unwrap().iter();
        let value = |sample: &Value| sample["value"][1].as_str().unwrap().parse().unwrap();
        samples.map(value).collect()
    }

    /// Prometheus evaluates every alert without an error.
    pub(crate) async fn rules_are_healthy(&self, count: f64) {
        let rules = "sum(prometheus_rule_group_rules)";
        self.becomes(rules, |values| values == [count]).await;
        let evaluated = "sum(prometheus_rule_evaluations_total)";
        self.becomes(evaluated, |values| values.iter().sum::<f64>() >= count)
            .await;
        let failures = "sum(prometheus_rule_evaluation_failures_total)";
        assert_eq!(self.ask(failures), [0.0]);
    }

    /// What agent and operator serve.
    pub(crate) fn pages(&self) -> [String; 2] {
        let addresses = [ADDRESS, &self.operator_address];
        let node = self.lab.host("node");
        addresses.map(|address| scrape::get(node, address, "/metrics").unwrap().body)
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        self.server.file(name, text)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- operator ---\n{}", self.operator.log());
        }
    }
}

/// A node whose agent's pod is ready.
fn cluster(server: &ApiServer) {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let ready = json!([{ "type": "Ready", "status": "True" }]);
    let node = json!({ "status": {
        "conditions": ready,
        "nodeInfo": {
            "bootID": boot.trim(), "architecture": "", "containerRuntimeVersion": "", "kernelVersion": "",
            "kubeProxyVersion": "", "kubeletVersion": "", "machineID": "", "operatingSystem": "",
            "osImage": "", "systemUUID": "",
        },
    } });
    let labels =
        json!({ "app.kubernetes.io/name": "udplb", "app.kubernetes.io/component": "agent" });
    let objects = json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } },
        { "apiVersion": "v1", "kind": "Node", "metadata": { "name": NODE } },
        {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "agent", "namespace": NAMESPACE, "labels": labels },
            "spec": { "nodeName": NODE, "containers": [{ "name": "agent", "image": "none" }] },
        },
    ] });
    let file = server.file("objects.json", &objects.to_string());
    drop(server.kubectl(&["apply", "-f", &file]).unwrap());
    let pod = json!({ "status": { "conditions": ready } }).to_string();
    let patch = [
        "patch",
        "--subresource=status",
        "--type=merge",
        "-n",
        NAMESPACE,
    ];
    for [kind, name, status] in [["node", NODE, &node.to_string()], ["pod", "agent", &pod]] {
        let patch = [&patch[..], &[kind, name, "-p", status]].concat();
        drop(server.kubectl(&patch).unwrap());
    }
}

/// A Prometheus of the node's host, with our rules.
fn prometheus(lab: &Lab, operator: &str) -> Process {
    let host = lab.host("node");
    let folder: PathBuf = host.folder().join("prometheus");
    fs::create_dir_all(&folder).unwrap();
    let rules = fs::canonicalize(root().join(CHART).join("files/alerts.yaml")).unwrap();
    let config = json!({
        "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
        "rule_files": [rules],
        "scrape_configs": [{
            "job_name": "udplb", "honor_labels": true,
            "static_configs": [{ "targets": [ADDRESS, operator] }],
        }, {
            "job_name": "prometheus", "static_configs": [{ "targets": [PROMETHEUS] }],
        }],
    });
    let path = folder.join("prometheus.yml");
    fs::write(&path, config.to_string()).unwrap();
    let mut command = host.command("prometheus");
    let _: &mut Command = command
        .arg(format!("--config.file={}", path.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.join("data").display()
        ))
        .arg(format!("--web.listen-address={PROMETHEUS}"));
    let mut process = host.spawn("prometheus", &mut command);
    wait::until(PATIENCE, "Prometheus to be ready", || {
        if let Some(status) = process.ended() {
            panic!("Prometheus ended with {status}:\n{}", process.log());
        }
        let answer = scrape::get(host, PROMETHEUS, "/-/ready").ok();
        answer.filter(|answer| answer.status == 200)
    });
    process
}
