//! One node of a cluster: namespaces with a kubelet and a containerd of their own. IO.

use std::{
    env,
    ffi::OsString,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;

use super::{
    files,
    layout::{Layout, Member, PORT},
    processes::{self, Processes},
};
use crate::{
    api_server::built,
    lab::{Host, Process, namespace},
    wait,
};

/// Longer than a start takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The image that holds the namespaces of a pod.
const PAUSE: &str = concat!("docker.io/library/udplb-pause:", env!("CARGO_PKG_VERSION"));

/// A node.
#[derive(Debug)]
pub struct Node {
    host: Host,
    member: Member,
    layout: Layout,
    folder: PathBuf,
    processes: Processes,
    running: Option<Process>,
}

impl Node {
    /// Writes the files of a node whose namespace is there.
    pub(super) fn new(host: Host, layout: &Layout, member: Member, processes: &Processes) -> Self {
        let node = Self {
            folder: host.folder().join(&member.name),
            host,
            member,
            layout: layout.clone(),
            processes: processes.clone(),
            running: None,
        };
        for folder in ["lib", "log", "cni"] {
            fs::create_dir_all(node.folder.join(folder)).unwrap();
        }
        let [plugins, runc] = ["bridge", "runc"].map(|tool| built(&[tool]).remove(0));
        let pods = node.member.pods.as_deref().unwrap();
        let authority = node.host.folder().join("ca.crt");
        let cgroup = format!("/{}/{}", layout.id, node.name());
        let usual = Command::new(tool("ctr")).args(["oci", "spec"]).output();
        let usual = serde_json::from_slice(&usual.unwrap().stdout).unwrap();
        let hook = script("boot-id-hook");
        let boot = node.folder.join("boot-id");
        for (name, text) in [
            ("address", node.address().to_string()),
            ("resolv.conf", String::new()),
            ("cni/pods.conflist", files::network(pods)),
            (
                "kubelet.yaml",
                files::kubelet(&node.folder, &authority, &cgroup),
            ),
            (
                "containerd.toml",
                files::containerd(&node.folder, &plugins, &runc, PAUSE),
            ),
            ("spec.json", files::specification(usual, &hook, &boot)),
        ] {
            fs::write(node.folder.join(name), text).unwrap();
        }
        node.new_boot();
        node
    }

    /// Its name in the cluster.
    pub fn name(&self) -> &str {
        &self.member.name
    }

    /// Its address on the bridge, that of pods on its network, too.
    pub fn address(&self) -> Ipv4Addr {
        self.layout.address(self.member.number)
    }

    /// Its network, for captures and traffic. Its interface is called eth0.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// What tells its boots apart.
    pub fn boot_id(&self) -> String {
        let text = fs::read_to_string(self.folder.join("boot-id")).unwrap();
        text.trim().to_owned()
    }

    /// The last lines that its containerd and its kubelet have written, but for what went well.
    pub fn report(&self) -> String {
        let mut report = String::new();
        for part in ["containerd", "kubelet"] {
            let path = self.folder.join(part).with_extension("log");
            let log = fs::read_to_string(path).unwrap_or_default();
            let bad = |line: &&str| !line.starts_with('I') && !line.contains("level=info");
            let lines: Vec<&str> = log.lines().filter(bad).collect();
            report += &format!("last complaints of {part} on {}:\n", self.name());
            for line in &lines[lines.len().saturating_sub(10)..] {
                report += &format!("  {line}\n");
            }
        }
        report
    }

    /// Starts its processes and returns when containerd listens.
    pub(super) fn start(&mut self) {
        let server = format!("{}:{PORT}", self.layout.server());
        let mut command = self.host.lasting("unshare");
        let _: &mut Command = command
            .args(["--mount", "--propagation", "private", "--uts"])
            .args(["--pid", "--fork", "--kill-child", "--mount-proc", "--"])
            .arg(script("node-init"))
            .arg(&self.folder)
            .args([self.name(), &server])
            .env("PATH", path());
        let log = self.folder.with_extension("log");
        self.running = Some(self.processes.spawn(&log, &mut command));
        wait::until(PATIENCE, "containerd to listen", || {
            let running = self.running.as_mut().unwrap();
            if let Some(status) = running.ended() {
                let log = running.log();
                panic!(
                    "{} ended with {status}:\n{log}{}",
                    self.name(),
                    self.report()
                );
            }
            self.ctr(&["version"]).ok()
        });
    }

    /// Ends everything on it at once, as a loss of power does.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            processes::end(running.id());
        }
    }

    /// Ends everything on it, and starts it again: pins, tmpfs and pods are gone, what is on its disk stays. Programs
    /// on its interface are gone, too.
    pub fn reboot(&mut self) {
        self.stop();
        drop(self.host.try_run("ip link delete cni0"));
        self.host
            .run("tc qdisc delete dev eth0 clsact 2>/dev/null || true");
        self.new_boot();
        self.start();
    }

    /// Takes the image in an archive.
    pub fn import(&self, archive: &Path) {
        let archive = archive.to_str().unwrap();
        self.ctr(&["images", "import", archive])
            .unwrap_or_else(|error| panic!("{}: {archive}: {error}{}", self.name(), self.report()));
    }

    /// Runs a shell command where its pods' volumes come from: with its mounts, its network and its processes.
    pub fn run(&self, command: &str) -> String {
        let output = self.inside("sh").args(["-c", command]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{}: {command}: {}: {error}",
            self.name(),
            output.status
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A command with its mounts, its network and its processes.
    pub fn inside(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let running = self.running.as_ref().expect("the node does not run").id();
        let mut command = self.host.command("nsenter");
        let _: &mut Command = command
            .args(["--mount", "--uts", "--target", &running.to_string()])
            .arg(format!("--pid=/proc/{running}/ns/pid_for_children"))
            .arg("--")
            .arg(program);
        command
    }

    /// The network of a pod on it, under a name of its own.
    pub(super) fn pod(&self, pod: &Pod) -> Host {
        let process = self.process(pod, "POD");
        let running = self.running.as_ref().unwrap().id();
        let first = processes::children(running)[0];
        let theirs = format!("/proc/{first}/root/proc/{process}/ns/net");
        let name = format!("pod-{}", pod.name_any());
        let namespace = self.layout.namespace(&name);
        namespace::adopt(&namespace, Path::new(&theirs));
        Host::new(&name, &namespace, &self.layout.id, self.host.folder())
    }

    /// The first process of a container, as the node counts its processes; `POD` holds the namespaces of the pod.
    pub fn process(&self, pod: &Pod, container: &str) -> u32 {
        let uid = pod.uid().expect("the pod is from the API server");
        let kind = match container {
            "POD" => "\"io.cri-containerd.kind\"==sandbox".to_owned(),
            name => format!("\"io.kubernetes.container.name\"=={name}"),
        };
        let filter = format!("labels.\"io.kubernetes.pod.uid\"=={uid},labels.{kind}");
        let containers = self
            .ctr(&["containers", "list", "--quiet", &filter])
            .unwrap_or_else(|error| panic!("{filter}: {error}"));
        let tasks = self.ctr(&["tasks", "list"]).unwrap();
        let running = tasks.lines().find_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let &[id, process, "RUNNING"] = words.as_slice() else {
                return None;
            };
            let ours = containers.lines().any(|line| line == id);
            process.parse().ok().filter(|_| ours)
        });
        running.unwrap_or_else(|| {
            let (pod, node) = (pod.name_any(), self.name());
            panic!("{container} of {pod} does not run on {node}:\n{tasks}")
        })
    }

    fn ctr(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self
            .inside(tool("ctr"))
            .args(["--address", "/run/containerd/containerd.sock"])
            .args(["--namespace", "k8s.io"])
            .args(arguments)
            .output()
            .unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// The kernel has a new number for each read of this file.
    fn new_boot(&self) {
        let id = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
        fs::write(self.folder.join("boot-id"), id).unwrap();
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("cluster")
        .join(name)
}

fn tool(name: &str) -> PathBuf {
    built(&[name]).remove(0).join(name)
}

/// Where a node finds its programs.
fn path() -> OsString {
    let tools = ["containerd", "containerd-shim-runc-v2", "runc", "kubelet"];
    let own = built(&tools);
    let usual = env::var_os("PATH").unwrap_or_default();
    env::join_paths(own.into_iter().chain(env::split_paths(&usual))).unwrap()
}
