//! Whom this host asks: its resolv.conf and hosts file, read again when they change. **IO**

use std::{
    fs,
    net::IpAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use hickory_resolver::{
    Hosts, TokioResolver,
    config::{
        ResolveHosts, ResolverConfig, ResolverOpts, ServerOrderingStrategy::UserProvidedOrder,
    },
    net::{NetError, runtime::TokioRuntimeProvider},
    system_conf::parse_resolv_conf,
};

/// As many name servers as the host's own resolver asks.
const MAX_SERVERS: usize = 3;
/// More questions than are ever in flight: a connection does not refuse one.
const MAX_ACTIVE: usize = 1024;

/// Where the host says whom it asks.
#[derive(Clone, Debug)]
pub(super) struct Files {
    resolv_conf: PathBuf,
    hosts: PathBuf,
}

/// What tells one content of both files from another: device, inode, time, size.
pub(super) type Signature = [Option<(u64, u64, (i64, i64), u64)>; 2];

/// One reading of both files.
pub(super) struct Host {
    pub(super) servers: Vec<Server>,
    pub(super) search: Vec<String>,
    pub(super) ndots: usize,
    /// How often a name server that is silent is asked.
    pub(super) attempts: usize,
    pub(super) timeout: Duration,
    pub(super) hosts: Hosts,
}

/// One name server. Each is asked by itself, so that it is known who said what, and so that one question
/// goes to one server.
pub(super) struct Server {
    pub(super) address: IpAddr,
    pub(super) resolver: TokioResolver,
}

impl Files {
    pub(super) fn of_system() -> Self {
        Self {
            resolv_conf: "/etc/resolv.conf".into(),
            hosts: "/etc/hosts".into(),
        }
    }

    pub(super) fn signature(&self) -> Signature {
        [&self.resolv_conf, &self.hosts].map(|path| signature(path))
    }

    /// Reads both. As for the host itself, what is missing is empty.
    pub(super) fn read(&self) -> Result<Host, NetError> {
        let mut hosts = Hosts::default();
        if let Ok(file) = fs::File::open(&self.hosts) {
            hosts.read_hosts_conf(file)?;
        }
        let text = fs::read_to_string(&self.resolv_conf).unwrap_or_default();
        Host::new(&text, hosts)
    }
}

impl Host {
    fn new(resolv_conf: &str, hosts: Hosts) -> Result<Self, NetError> {
        // Where no name server is named, the host asks one of its own.
        let (config, mut options) = parse_resolv_conf(resolv_conf)
            .or_else(|_| parse_resolv_conf(format!("{resolv_conf}\nnameserver 127.0.0.1\n")))?;
        let (domain, search, servers) = config.into_parts();
        let (ndots, attempts, timeout) = (options.ndots, options.attempts.max(1), options.timeout);
        own_policy(&mut options);
        let servers = servers.into_iter().take(MAX_SERVERS).map(|server| {
            let address = server.ip;
            let config = ResolverConfig::from_name_servers(vec![server]);
            let provider = TokioRuntimeProvider::default();
            let resolver = TokioResolver::builder_with_config(config, provider)
                .with_options(options.clone())
                .build()?;
            Ok(Server { address, resolver })
        });
        let search = if search.is_empty() {
            domain.into_iter().collect()
        } else {
            search
        };
        Ok(Self {
            servers: servers.collect::<Result<_, NetError>>()?,
            search: search.iter().map(ToString::to_string).collect(),
            ndots,
            attempts,
            timeout,
            hosts,
        })
    }
}

/// What is decided here and not by the library: when to ask again, whom, and under which names.
fn own_policy(options: &mut ResolverOpts) {
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.attempts = 0;
    options.num_concurrent_reqs = 1;
    options.server_ordering_strategy = UserProvidedOrder;
    options.max_active_requests = MAX_ACTIVE;
}

/// None where there is no file.
fn signature(path: &Path) -> Option<(u64, u64, (i64, i64), u64)> {
    let metadata = fs::metadata(path).ok()?;
    let time = (metadata.mtime(), metadata.mtime_nsec());
    Some((metadata.dev(), metadata.ino(), time, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(resolv_conf: &str) -> Host {
        Host::new(resolv_conf, Hosts::default()).unwrap()
    }

    fn servers(host: &Host) -> Vec<String> {
        let servers = host.servers.iter();
        servers.map(|server| server.address.to_string()).collect()
    }

    #[test]
    fn resolv_conf_counts_as_for_the_host() {
        let text = "search a.example b.example\nnameserver 10.0.0.1\nnameserver 2001:db8::1\n\
                    nameserver 10.0.0.3\nnameserver 10.0.0.4\noptions ndots:2 timeout:1 attempts:3\n";
        let host = host(text);
        assert_eq!(servers(&host), ["10.0.0.1", "2001:db8::1", "10.0.0.3"]);
        assert_eq!(host.search, ["a.example", "b.example"]);
        assert_eq!((host.ndots, host.attempts), (2, 3));
        assert_eq!(host.timeout, Duration::from_secs(1));
    }

    #[test]
    fn without_a_name_server_the_host_asks_its_own() {
        for text in [
            "",
            "search example\n",
            "nameserver\n",
            "# nameserver 10.0.0.1",
        ] {
            assert_eq!(servers(&host(text)), ["127.0.0.1"], "{text}");
        }
        assert_eq!(host("search example\n").search, ["example"]);
    }
}
