//! The images that there are. **Pure**

use serde_json::{Value, json};

/// The tag of every image: the version of the workspace.
pub(crate) const TAG: &str = env!("CARGO_PKG_VERSION");

/// An image of one program.
#[derive(Debug)]
pub(crate) struct Image {
    /// Of the image, and of its program.
    pub(crate) name: &'static str,
    /// User and group, by number: the image has no /etc/passwd.
    pub(crate) user: &'static str,
    /// What it is.
    pub(crate) description: &'static str,
}

/// It needs capabilities that a container gives to root only; which ones, the pod says.
pub(crate) const AGENT: Image = Image {
    name: "udplb-agent",
    user: "0:0",
    description: "Clones and forwards UDP packets in the kernel of one node",
};

/// It needs nothing of its node.
pub(crate) const OPERATOR: Image = Image {
    name: "udplb-operator",
    user: "65532:65532",
    description: "Turns UdpForward resources into what the agent on each node runs",
};

/// It needs nothing at all.
pub(crate) const PAUSE: Image = Image {
    name: "udplb-pause",
    user: "65535:65535",
    description: "Holds the namespaces of a pod",
};

impl Image {
    /// As a pod names it.
    pub(crate) fn reference(&self) -> String {
        format!("{}:{TAG}", self.name)
    }

    /// As container runtimes store it: what a name without a registry stands for.
    pub(crate) fn full_reference(&self) -> String {
        format!("docker.io/library/{}", self.reference())
    }

    /// Where the program is in the image.
    pub(crate) fn entrypoint(&self) -> String {
        format!("/{}", self.name)
    }

    /// What can be read off the image.
    pub(crate) fn labels(&self) -> Value {
        json!({
            "org.opencontainers.image.title": self.name,
            "org.opencontainers.image.description": self.description,
            "org.opencontainers.image.version": TAG,
            "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
        })
    }
}
