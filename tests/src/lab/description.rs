//! The drawing of a lab as data. Pure.

use std::{collections::BTreeSet, fmt::Write as _};

/// What a drawing shows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Drawing {
    pub(super) links: Vec<Link>,
    /// Hosts whose interfaces are ports of one bridge.
    pub(super) switches: BTreeSet<String>,
    /// Host and the arguments of `ip`.
    pub(super) commands: Vec<(String, String)>,
}

/// A veth pair.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link(pub(super) End, pub(super) End);

/// One end of a link.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) host: String,
    pub(super) interface: String,
    pub(super) addresses: Vec<String>,
}

/// The bridge device of a switch.
const BRIDGE: &str = "br0";

impl Drawing {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut drawing = Self::default();
        for line in text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            if let Some((a, b)) = line.split_once("--") {
                drawing
                    .links
                    .push(Link(End::parse(a, line)?, End::parse(b, line)?));
            } else if let Some(name) = line.strip_prefix("switch ") {
                drawing.switches.extend(Some(name.trim().to_owned()));
            } else if let Some((host, command)) = line.split_once(": ") {
                drawing.commands.push((host.to_owned(), command.to_owned()));
            } else {
                return Err(format!(
                    "neither a link (A -- B), a switch nor a command (HOST: ...): {line}"
                ));
            }
        }
        let hosts = drawing.hosts();
        match drawing
            .commands
            .iter()
            .find(|(host, _)| !hosts.contains(host))
        {
            Some((host, _)) => Err(format!("a command names {host}, which no link does")),
            None => Ok(drawing),
        }
    }

    /// Every host that a link names.
    pub(super) fn hosts(&self) -> BTreeSet<String> {
        self.links
            .iter()
            .flat_map(|Link(a, b)| [a, b])
            .map(|end| end.host.clone())
            .collect()
    }

    fn ends<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a End> {
        self.links
            .iter()
            .flat_map(|Link(a, b)| [a, b])
            .filter(move |end| end.host == host)
    }

    /// Every interface of a host but loopback.
    pub(super) fn interfaces(&self, host: &str) -> Vec<String> {
        let bridge = self.switches.contains(host).then(|| BRIDGE.to_owned());
        self.ends(host)
            .map(|end| end.interface.clone())
            .chain(bridge)
            .collect()
    }

    /// Commands that set a host's interfaces up.
    pub(super) fn bring_up(&self, host: &str) -> String {
        let mut batch = String::from("link set lo up\n");
        let bridged = self.switches.contains(host);
        if bridged {
            // Without snooping: neighbour discovery must not wait for a multicast report.
            writeln!(
                batch,
                "link add {BRIDGE} type bridge mcast_snooping 0 forward_delay 0"
            )
            .unwrap();
        }
        for End { interface, .. } in self.ends(host) {
            if bridged {
                writeln!(
                    batch,
                    "link set {interface} addrgenmode none master {BRIDGE}"
                )
                .unwrap();
            }
            writeln!(batch, "link set {interface} up").unwrap();
        }
        if bridged {
            writeln!(batch, "link set {BRIDGE} addrgenmode none up").unwrap();
        }
        batch
    }

    /// Commands that give a host its addresses.
    pub(super) fn addresses(&self, host: &str) -> String {
        let mut batch = String::new();
        for end in self.ends(host) {
            for address in &end.addresses {
                let no_detection = if address.contains(':') { " nodad" } else { "" };
                writeln!(
                    batch,
                    "address add {address} dev {}{no_detection}",
                    end.interface
                )
                .unwrap();
            }
        }
        batch
    }
}

impl End {
    fn parse(text: &str, line: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace().map(str::to_owned);
        let (Some(host), Some(interface)) = (words.next(), words.next()) else {
            return Err(format!("an end needs a host and an interface: {line}"));
        };
        Ok(Self {
            host,
            interface,
            addresses: words.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_links_switches_and_commands() {
        let drawing = Drawing::parse(
            "# two hosts and a switch
             a eth0 10.0.0.1/24 2001:db8::1/64 -- lan port1
             b eth0 10.0.0.2/24 -- lan port2
             switch lan
             a: route add default via 10.0.0.2",
        )
        .unwrap();
        assert_eq!(
            drawing.hosts().into_iter().collect::<Vec<_>>(),
            ["a", "b", "lan"]
        );
        assert_eq!(drawing.interfaces("lan"), ["port1", "port2", "br0"]);
        assert_eq!(
            drawing.addresses("a"),
            "address add 10.0.0.1/24 dev eth0\naddress add 2001:db8::1/64 dev eth0 nodad\n"
        );
        assert_eq!(
            drawing.commands,
            [("a".to_owned(), "route add default via 10.0.0.2".to_owned())]
        );
    }

    #[test]
    fn says_which_line_is_wrong() {
        assert!(
            Drawing::parse("a -- b eth0")
                .unwrap_err()
                .contains("a -- b eth0")
        );
        assert!(Drawing::parse("hello").unwrap_err().contains("hello"));
        assert!(
            Drawing::parse("a e -- b e\nc: route show")
                .unwrap_err()
                .contains('c')
        );
    }
}
