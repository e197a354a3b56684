//! Hosts and links from a drawing: network namespaces and veth pairs, gone when the lab is dropped. IO.

mod description;
mod host;
mod mac;
pub(crate) mod namespace;
mod process;
pub(crate) mod settle;
pub mod shapes;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use description::{Drawing, Link};
pub use host::Host;
pub(crate) use host::ip_batch;
pub use mac::Mac;
pub use process::Process;

/// Folder of bpffs, where agents under test keep their pins.
pub const BPFFS: &str = "/sys/fs/bpf";

/// A set of hosts and the links between them.
///
/// Everything that carries the lab's name disappears when this is dropped, also while a test panics. What a
/// killed process left behind, the next process to build a lab removes.
pub struct Lab {
    name: String,
    id: String,
    folder: PathBuf,
    hosts: BTreeMap<String, Host>,
}

impl Lab {
    /// Builds the lab that `drawing` shows, and returns when every link is up and every address usable.
    ///
    /// Each line is one of:
    ///
    /// ```text
    /// sender eth0 10.0.1.2/24 2001:db8:1::2/64 -- node eth0 10.0.1.1/24 2001:db8:1::1/64    a link
    /// switch lan                                                                           a host that bridges
    /// sender: route add default via 10.0.1.1                                               ip, run on that host
    /// # a comment
    /// ```
    ///
    /// Hosts come into being by being named. The commands run last, in their order.
    pub fn new(name: &str, drawing: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        namespace::prepare_machine();
        let drawing = Drawing::parse(drawing).unwrap_or_else(|error| panic!("lab {name}: {error}"));
        let id = format!(
            "{}{}",
            namespace::prefix(std::process::id()),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(&id);
        // From here on the lab exists, so that what follows is cleaned up if it panics.
        let mut lab = Self {
            name: name.to_owned(),
            id,
            folder,
            hosts: BTreeMap::new(),
        };
        fs::create_dir_all(&lab.folder).unwrap();
        for host in drawing.hosts() {
            let namespace = format!("{}-{host}", lab.id);
            namespace::create(&namespace);
            let built = Host::new(&host, &namespace, &lab.id, &lab.folder);
            assert!(lab.hosts.insert(host, built).is_none());
        }
        lab.connect(&drawing);
        for (host, command) in &drawing.commands {
            drop(lab.host(host).ip(command));
        }
        lab
    }

    /// The host of that name.
    pub fn host(&self, name: &str) -> &Host {
        self.hosts
            .get(name)
            .unwrap_or_else(|| panic!("lab {} has no host {name}", self.name))
    }

    /// What every kernel object and file of this lab is named with.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Folder for files of this lab.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn connect(&self, drawing: &Drawing) {
        // Every interface of the lab has a number of its own. Where both ends of a veth pair have the same one,
        // the kernel takes up to a second to notice that they are up.
        let mut index = 100;
        let mut links = String::new();
        for Link(a, b) in &drawing.links {
            let [a, b] = [a, b].map(|end| {
                index += 1;
                let host = self.host(&end.host);
                let (mac, namespace) = (host.mac(&end.interface), host.namespace());
                format!(
                    "{} index {index} address {mac} netns {namespace}",
                    end.interface
                )
            });
            links += &format!("link add {a} type veth peer name {b}\n");
        }
        host::ip_batch(&[], &links);
        for (name, host) in &self.hosts {
            host.ip_batch(&drawing.bring_up(name));
        }
        for (name, host) in &self.hosts {
            settle::links(host, &drawing.interfaces(name));
            host.ip_batch(&drawing.addresses(name));
            settle::addresses(host);
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for host in self.hosts.values() {
            namespace::remove(host.namespace());
        }
        remove_pins(&self.id);
        drop(fs::remove_dir_all(&self.folder));
        if !std::thread::panicking() {
            let left = residue(&self.id);
            assert!(left.is_empty(), "lab {} left behind: {left:?}", self.name);
        }
    }
}

/// Unlinks the pins of everything whose name starts with `id`, which lets the kernel free it.
fn remove_pins(id: &str) {
    for entry in fs::read_dir(BPFFS).into_iter().flatten().flatten() {
        if belongs(&entry.file_name().to_string_lossy(), id) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

/// Whether a name is the lab's own or starts with it and a hyphen; `udplb-7-1` does not own `udplb-7-12`.
fn belongs(name: &str, id: &str) -> bool {
    name.strip_prefix(id)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// What carries the name of a lab and still exists: namespaces, pins, files.
pub fn residue(id: &str) -> Vec<PathBuf> {
    [
        Path::new(namespace::FOLDER),
        Path::new(BPFFS),
        &std::env::temp_dir(),
    ]
    .into_iter()
    .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
    .filter(|entry| belongs(&entry.file_name().to_string_lossy(), id))
    .map(|entry| entry.path())
    .collect()
}
