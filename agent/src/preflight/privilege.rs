//! The capabilities of this process. **IO**: only [`Capabilities::effective`].

use std::{fmt, fs, io};

/// A capability that something here needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// Programs and maps.
    Bpf,
    /// Hooks, neighbour entries.
    NetAdmin,
    /// The verifier's leave to compute with pointers.
    Perfmon,
    /// Mounts.
    SysAdmin,
}

impl Capability {
    /// Without these an agent cannot run.
    pub const OF_RUN: [Self; 3] = [Self::Bpf, Self::NetAdmin, Self::Perfmon];

    /// As people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bpf => "CAP_BPF",
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::Perfmon => "CAP_PERFMON",
            Self::SysAdmin => "CAP_SYS_ADMIN",
        }
    }

    /// What it is for.
    #[must_use]
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::Bpf => "loads programs and creates maps",
            Self::NetAdmin => "attaches to interfaces and keeps neighbour entries",
            Self::Perfmon => "lets the verifier accept the program",
            Self::SysAdmin => "mounts file systems",
        }
    }

    /// Its number in `linux/capability.h`.
    const fn bit(self) -> u64 {
        1 << match self {
            Self::Bpf => 39,
            Self::NetAdmin => 12,
            Self::Perfmon => 38,
            Self::SysAdmin => 21,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A set of capabilities, as the kernel writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// Those of this process that are in effect.
    pub fn effective() -> io::Result<Self> {
        Self::parse(&fs::read_to_string("/proc/self/status")?)
            .ok_or_else(|| io::Error::other("/proc/self/status has no CapEff"))
    }

    fn parse(status: &str) -> Option<Self> {
        let mask = status
            .lines()
            .find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(mask.trim(), 16).ok().map(Self)
    }

    /// Whether one is among them.
    #[must_use]
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & capability.bit() != 0
            // Before Linux 5.8, and still: it stands for these two.
            || matches!(capability, Capability::Bpf | Capability::Perfmon)
                && self.0 & Capability::SysAdmin.bit() != 0
    }

    /// Those of `wanted` that are not among them.
    #[must_use]
    pub fn missing(self, wanted: &[Capability]) -> Vec<Capability> {
        let lacking = wanted.iter().filter(|&&one| !self.has(one));
        lacking.copied().collect()
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(all: I) -> Self {
        Self(all.into_iter().fold(0, |mask, one| mask | one.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_mask_is_read() {
        let status = "Name:\tcat\nCapPrm:\t000001ffffffffff\nCapEff:\t0000008000001000\n";
        let capabilities = Capabilities::parse(status).unwrap();
        assert_eq!(
            capabilities,
            [Capability::Bpf, Capability::NetAdmin]
                .into_iter()
                .collect()
        );
        assert_eq!(
            capabilities.missing(&Capability::OF_RUN),
            [Capability::Perfmon]
        );
        assert_eq!(Capabilities::parse("Name:\tcat\n"), None);
    }

    #[test]
    fn the_old_capability_stands_for_the_new_ones() {
        let old: Capabilities = [Capability::SysAdmin].into_iter().collect();
        assert_eq!(old.missing(&Capability::OF_RUN), [Capability::NetAdmin]);
    }
}
