//! The format of the ancestor's `config.yaml`. Pure.
//!
//! ```yaml
//! - key: {address: 192.0.2.10, port: 514}
//!   options: {tc_action: pass, strategy: src-port}   # pass | block, src-ip | src-port
//!   upstream:
//!   - {address: 203.0.113.5, port: 5514}             # or a host name
//! ```

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::{Value, json};
use udplb_api::{
    Checker, UdpForward, UdpForwardSpec,
    udp_forward::{
        Action, State,
        destination::{AddressHandling, Destination, Strategy, Upstream},
        matching::{Match, PortRange},
        text::{DestinationName, Hostname, ListenAddress, UpstreamAddress},
    },
};

use super::{
    document::Document,
    parse::{Lines, NAMESPACE, Problems, unique},
};

/// Name of the one destination that an entry becomes.
const DESTINATION: &str = "upstream";

#[derive(Deserialize)]
struct Entry {
    key: Listener,
    #[serde(default)]
    options: Options,
    upstream: Vec<Target>,
}

#[derive(Deserialize)]
struct Listener {
    address: IpAddr,
    port: u16,
}

#[derive(Deserialize, Default)]
struct Options {
    #[serde(default)]
    tc_action: TcAction,
    #[serde(default)]
    strategy: Choice,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
enum TcAction {
    #[default]
    Pass,
    Block,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
enum Choice {
    SrcIp,
    #[default]
    SrcPort,
}

#[derive(Deserialize)]
struct Target {
    address: String,
    port: u16,
}

/// The forwards of such a file.
pub(super) fn forwards(
    list: &Document,
    lines: &mut Lines,
    problems: &mut Problems<'_>,
) -> Vec<UdpForward> {
    if !problems.check(&Checker::with_schema(schema()), list) {
        return Vec::new();
    }
    let entries: Vec<Entry> = match Vec::deserialize(&list.value) {
        Ok(entries) => entries,
        Err(error) => {
            problems.add_at(list, "", &error.to_string());
            return Vec::new();
        }
    };
    let mut forwards = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let forward = forward(entry);
        unique(
            lines,
            list,
            &format!("[{index}].key"),
            forward.metadata.name.as_deref(),
            problems,
        );
        forwards.push(forward);
    }
    forwards
}

fn forward(
    Entry {
        key,
        options,
        upstream,
    }: Entry,
) -> UdpForward {
    let name = format!("{}-{}", key.address, key.port).replace(':', "-");
    let destination = Destination {
        name: DestinationName::from(DESTINATION),
        strategy: match options.strategy {
            Choice::SrcIp => Strategy::SourceIp,
            Choice::SrcPort => Strategy::SourcePort,
        },
        source_address: AddressHandling::Rewrite,
        destination_address: AddressHandling::Rewrite,
        sampling: None,
        rate_limit: None,
        upstreams: upstream.into_iter().map(target).collect(),
    };
    let mut forward = UdpForward::new(
        &name,
        UdpForwardSpec {
            state: State::Active,
            node_selector: None,
            interfaces: None,
            r#match: Match {
                addresses: Some(vec![ListenAddress(key.address.to_string())]),
                ports: vec![PortRange::single(key.port)],
                sources: None,
            },
            action: match options.tc_action {
                TcAction::Pass => Action::Clone,
                TcAction::Block => Action::Forward,
            },
            when_unavailable: None,
            destinations: vec![destination],
        },
    );
    forward.metadata.namespace = Some(NAMESPACE.to_owned());
    forward
}

fn target(Target { address, port }: Target) -> Upstream {
    let (address, hostname) = if address.parse::<IpAddr>().is_ok() {
        (Some(UpstreamAddress(address)), None)
    } else {
        (None, Some(Hostname(address)))
    };
    Upstream {
        address,
        hostname,
        service: None,
        port: Some(port),
        weight: 1,
    }
}

/// The schema of the format, for the same check as `UdpForward` documents get.
fn schema() -> Value {
    let port = json!({ "type": "integer", "minimum": 1, "maximum": 65_535 });
    json!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["key", "upstream"],
            "properties": {
                "key": {
                    "type": "object",
                    "required": ["address", "port"],
                    "properties": {
                        "address": { "type": "string", "minLength": 1, "x-kubernetes-validations": [{
                            "rule": "isIP(self) && !ip(self).isUnspecified()",
                            "message": "write the address that packets are sent to, such as 192.0.2.10",
                        }]},
                        "port": port,
                    },
                },
                "options": {
                    "type": "object",
                    "properties": {
                        "tc_action": { "type": "string", "enum": ["pass", "block"] },
                        "strategy": { "type": "string", "enum": ["src-ip", "src-port"] },
                    },
                },
                "upstream": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 256,
                    "items": {
                        "type": "object",
                        "required": ["address", "port"],
                        "properties": {
                            "address": { "type": "string", "minLength": 1, "maxLength": 253, "x-kubernetes-validations": [{
                                "rule": "isIP(self) ? ip(self).isGlobalUnicast() || (ip(self).family() == 4 && ip(self).isLinkLocalUnicast()) : \
                                    self.matches('^([a-zA-Z0-9_]([-a-zA-Z0-9_]{0,61}[a-zA-Z0-9_])?[.])*[a-zA-Z]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?[.]?$')",
                                "message": "write the address of one host that routing leads to, or a host name",
                            }]},
                            "port": port,
                        },
                    },
                },
            },
        },
    })
}
