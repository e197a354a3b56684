//! The configuration of a node's kubelet and containerd. Pure.

use std::path::Path;

use serde_json::{Value, json};

/// Of containerd: the usual folders, as each node has its own ones there.
pub(super) fn containerd(folder: &Path, plugins: &Path, runc: &Path, pause: &str) -> String {
    let [folder, plugins, runc] = [folder, plugins, runc].map(|path| path.display().to_string());
    format!(
        "version = 3\n\
         root = '/var/lib/containerd'\n\
         state = '/run/containerd'\n\
         [grpc]\n\
         address = '/run/containerd/containerd.sock'\n\
         [plugins.'io.containerd.internal.v1.opt']\n\
         path = '/var/lib/containerd/opt'\n\
         [plugins.'io.containerd.nri.v1.nri']\n\
         disable = true\n\
         [plugins.'io.containerd.cri.v1.images'.pinned_images]\n\
         sandbox = '{pause}'\n\
         [plugins.'io.containerd.cri.v1.runtime']\n\
         # Not every machine lets root lower it.\n\
         restrict_oom_score_adj = true\n\
         [plugins.'io.containerd.cri.v1.runtime'.cni]\n\
         bin_dirs = ['{plugins}']\n\
         conf_dir = '{folder}/cni'\n\
         [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]\n\
         runtime_type = 'io.containerd.runc.v2'\n\
         base_runtime_spec = '{folder}/spec.json'\n\
         [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\n\
         BinaryName = '{runc}/runc'\n\
         SystemdCgroup = false\n"
    )
}

/// Of the network of pods: a bridge in each node.
pub(super) fn network(pods: &str) -> String {
    json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [{
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": true,
            "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "dataDir": "/run/cni",
                "ranges": [[{ "subnet": pods }]],
                "routes": [{ "dst": "0.0.0.0/0" }],
            },
        }],
    })
    .to_string()
}

/// Of the kubelet. Nothing is evicted or collected: the machine is not only the node's.
pub(super) fn kubelet(folder: &Path, authority: &Path, cgroup: &str) -> String {
    let none = json!({
        "memory.available": "0%",
        "nodefs.available": "0%",
        "nodefs.inodesFree": "0%",
        "imagefs.available": "0%",
        "imagefs.inodesFree": "0%",
    });
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": authority },
        },
        "authorization": { "mode": "Webhook" },
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "cgroupsPerQOS": false,
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "enforceNodeAllocatable": [],
        "evictionHard": none,
        "failCgroupV1": false,
        "failSwapOn": false,
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "localStorageCapacityIsolation": false,
        "resolvConf": folder.join("resolv.conf"),
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
    })
    .to_string()
}

/// What containers are like, with a hook that shows them the node's boot.
pub(super) fn specification(mut usual: Value, hook: &Path, boot: &Path) -> String {
    usual["hooks"] = json!({
        "createContainer": [{ "path": hook, "args": [hook, boot], "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"] }],
    });
    usual.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_keeps_what_is_usual() {
        let usual = json!({ "process": { "cwd": "/" } });
        let text = specification(usual, Path::new("/hook"), Path::new("/boot"));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["process"]["cwd"], "/");
        let hook = &value["hooks"]["createContainer"][0];
        assert_eq!(hook["args"], json!(["/hook", "/boot"]));
    }
}
