//! Lanes: each is a forward under test with traffic of its own. Pure.

use super::place::Family;
use crate::traffic::Flow;

/// Flows of a lane in each family.
pub(super) const FLOWS: usize = 2;

/// One forward under test.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane {
    /// The forward's name.
    pub(super) name: &'static str,
    /// Its place in [`LANES`].
    pub(super) index: usize,
    /// The port that its traffic goes to.
    port: u16,
    /// The port of upstreams with tag 0.
    upstream_port: u16,
    /// No version changes it.
    pub(super) is_steady: bool,
}

/// All of them. The third shows that changes of others do not reach a forward.
pub(super) const LANES: [Lane; 3] = [
    Lane {
        name: "first",
        index: 0,
        port: 514,
        upstream_port: 6000,
        is_steady: false,
    },
    Lane {
        name: "second",
        index: 1,
        port: 515,
        upstream_port: 7000,
        is_steady: false,
    },
    Lane {
        name: "steady",
        index: 2,
        port: 516,
        upstream_port: 8000,
        is_steady: true,
    },
];

impl Lane {
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Ports that nobody sends to and that some versions listen on as well: the first of ten.
    pub(super) const fn spare_ports(&self) -> u16 {
        self.port * 10
    }

    pub(super) fn upstream_port(&self, tag: usize) -> u16 {
        self.upstream_port + u16::try_from(tag).unwrap()
    }

    /// Where its traffic goes.
    pub(super) fn destination(&self, family: Family) -> String {
        match family {
            Family::V4 => format!("10.0.1.1:{}", self.port),
            Family::V6 => format!("[2001:db8:1::1]:{}", self.port),
        }
    }

    /// Its flows: the first half IPv4, the rest IPv6.
    pub(super) fn flows(&self) -> Vec<Flow> {
        let sources = ["10.0.1.2", "2001:db8:1::2"];
        let flows =
            |(family, source): (Family, &str)| Flow::many(source, &self.destination(family), FLOWS);
        Family::ALL
            .into_iter()
            .zip(sources)
            .flat_map(flows)
            .collect()
    }
}

/// The family of a flow, by its index in [`Lane::flows`].
pub(super) const fn family_of(flow: usize) -> Family {
    if flow < FLOWS { Family::V4 } else { Family::V6 }
}
