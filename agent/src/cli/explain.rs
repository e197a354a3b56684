//! `explain`: what becomes of one packet, from the pinned maps. **IO**

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    net::{IpAddr, SocketAddr},
};

use anyhow::{Context as _, bail};
use clap::Args;

use super::{Output, Pins, runtime};
use crate::{
    explain::{Host, Question, explain},
    facts::Facts,
    kernel::{
        bpf::{Maps, occupants},
        interfaces,
    },
    preflight::{self, privilege::Capability},
};

/// Show what becomes of a packet, and why
#[derive(Clone, Debug, Args)]
#[command(
    disable_help_flag = true,
    override_usage = "udplb-agent explain -i NAME --source A[:P] --destination A:P [OPTIONS]",
    after_help = "Example: udplb-agent explain --interface eth0 --source 192.0.2.1:40000 \\\n           \
                  --destination 192.0.2.10:514"
)]
pub(super) struct Explain {
    /// Where it arrives
    #[arg(short, long, value_name = "NAME")]
    interface: String,
    /// Address and port of the sender; the port may be left out
    #[arg(long, value_name = "A[:P]", value_parser = source)]
    source: (IpAddr, Option<u16>),
    /// Address and port that it is sent to; IPv6 in brackets
    #[arg(long, value_name = "A:P", value_parser = destination)]
    destination: SocketAddr,
    /// VLAN of its tag
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u16).range(0..=4095))]
    vlan: Option<u16>,
    /// Bytes of the IP packet, to compare with MTUs
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(28..=65_575))]
    length: Option<u32>,
    /// TTL or hop limit
    #[arg(long, value_name = "N", default_value_t = 64)]
    ttl: u8,
    #[command(flatten)]
    pins: Pins,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

impl Explain {
    pub(super) fn execute(self) -> anyhow::Result<()> {
        let question = self.question()?;
        preflight::need("explain", &[Capability::Bpf, Capability::NetAdmin])?;
        let names = interfaces::names();
        let Some((&index, _)) = names.0.iter().find(|(_, name)| **name == self.interface) else {
            let others: Vec<_> = names.0.into_values().collect();
            let (interface, others) = (&self.interface, others.join(", "));
            bail!("there is no interface {interface} here; write one of {others}");
        };
        let question = Question {
            interface: index,
            ..question
        };
        let maps = Maps::open(&self.pins.pin_dir)?;
        let tables = maps.read(&Facts::default())?;
        let host = Host {
            names,
            attached: runtime()?.block_on(self.attached(&maps))?,
            broadcasts: interfaces::broadcasts(&self.interface),
        };
        let explanation = explain(&tables, &host, &question);
        let mut out = io::stdout().lock();
        match self.output {
            Output::Text => write!(out, "{explanation}")?,
            Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&explanation)?)?,
        }
        Ok(())
    }

    fn question(&self) -> anyhow::Result<Question> {
        let (source, source_port) = self.source;
        let destination = self.destination;
        let family = |address: IpAddr| if address.is_ipv4() { "IPv4" } else { "IPv6" };
        anyhow::ensure!(
            source.is_ipv4() == destination.is_ipv4(),
            "source {source} is {} and destination {} is {}: write two addresses of one family",
            family(source),
            destination.ip(),
            family(destination.ip()),
        );
        Ok(Question {
            interface: 0,
            source,
            source_port,
            destination,
            vlan: self.vlan,
            length: self.length,
            ttl: self.ttl,
        })
    }

    async fn attached(&self, maps: &Maps) -> anyhow::Result<BTreeSet<u32>> {
        let mut attached = BTreeSet::new();
        let records = maps
            .records
            .attachments()
            .context("failed to read what is attached")?;
        for (interface, record) in records {
            let found = occupants::of(&self.pins.pin_dir, interface, Some(record)).await;
            if found.iter().any(occupants::Occupant::is_ours) {
                let _new = attached.insert(interface);
            }
        }
        Ok(attached)
    }
}

/// An address, with or without a port.
fn source(text: &str) -> Result<(IpAddr, Option<u16>), String> {
    if let Ok(endpoint) = text.parse::<SocketAddr>() {
        return Ok((endpoint.ip().to_canonical(), Some(endpoint.port())));
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare.parse::<IpAddr>().map_err(|_| {
        "write an address such as 192.0.2.9, 192.0.2.9:40000 or [2001:db8::9]:40000".to_owned()
    })?;
    Ok((address.to_canonical(), None))
}

/// An address with a port.
fn destination(text: &str) -> Result<SocketAddr, String> {
    let endpoint = text
        .parse::<SocketAddr>()
        .ok()
        .filter(|endpoint| endpoint.port() != 0)
        .ok_or("write an address and a port such as 192.0.2.10:514 or [2001:db8::10]:514")?;
    Ok(SocketAddr::new(
        endpoint.ip().to_canonical(),
        endpoint.port(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_written_with_or_without_port() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for (text, ip, port) in [
            ("192.0.2.9", "192.0.2.9", None),
            ("192.0.2.9:40000", "192.0.2.9", Some(40_000)),
            ("2001:db8::9", "2001:db8::9", None),
            ("[2001:db8::9]", "2001:db8::9", None),
            ("[2001:db8::9]:1", "2001:db8::9", Some(1)),
            ("::ffff:192.0.2.9", "192.0.2.9", None),
        ] {
            assert_eq!(source(text), Ok((address(ip), port)), "{text}");
        }
        let error = source("host:1").unwrap_err();
        assert!(error.contains("write an address such as"), "{error}");
        for text in ["192.0.2.10", "192.0.2.10:0", "2001:db8::10:514"] {
            let error = destination(text).unwrap_err();
            assert!(error.contains("[2001:db8::10]:514"), "{text}: {error}");
        }
    }
}
