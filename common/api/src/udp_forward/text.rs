//! Strings that a user types, each with its own rule, so that an error names the item. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

macro_rules! text {
    ($(#[$attribute:meta])* $name:ident, $minimum:literal..=$maximum:literal, $rules:expr) => {
        $(#[$attribute])*
        #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[serde(transparent)]
        #[schemars(extend(
            "minLength" = $minimum,
            "maxLength" = $maximum,
            "x-kubernetes-validations" = schema::rules($rules),
        ))]
        pub struct $name(pub String);

        impl $name {
            /// As it was typed.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

const ADDRESS_OR_PREFIX: (&str, &str) = (
    // The server takes no sign or leading zero in a prefix length; the offline evaluator would.
    "isIP(self) || (isCIDR(self) && self.matches('/(0|[1-9][0-9]*)$'))",
    "write an address such as 192.0.2.10, or a prefix such as 2001:db8::/64",
);
const NO_HOST_BITS: (&str, &str) = (
    "!isCIDR(self) || cidr(self) == cidr(self).masked()",
    "the address has bits set behind the prefix length: write the first address of the prefix, or the address without a length",
);

text! {
    /// An address or prefix that packets are sent to.
    ListenAddress, 1..=49, &[
        ADDRESS_OR_PREFIX,
        NO_HOST_BITS,
        (
            "!isIP(self) || !ip(self).isUnspecified()",
            "no packet is sent to this address: leave addresses out to match every address of the node",
        ),
    ]
}

text! {
    /// An address or prefix that packets come from.
    SourcePrefix, 1..=49, &[ADDRESS_OR_PREFIX, NO_HOST_BITS]
}

text! {
    /// The address of an upstream.
    UpstreamAddress, 1..=253, &[
        ("isIP(self)", "write an IPv4 or IPv6 address; for a name use hostname instead of address"),
        (
            "!isIP(self) || ip(self).isGlobalUnicast() || (ip(self).family() == 4 && ip(self).isLinkLocalUnicast())",
            "an upstream is one host that routing leads to: write no unspecified, loopback, multicast, broadcast or IPv6 link-local address",
        ),
    ]
}

text! {
    /// The DNS name of upstreams.
    Hostname, 1..=253, &[(
        "self.matches('^([a-zA-Z0-9_]([-a-zA-Z0-9_]{0,61}[a-zA-Z0-9_])?[.])*[a-zA-Z]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?[.]?$')",
        "write a DNS name such as siem.example.com; for an address use address instead of hostname",
    )]
}

text! {
    /// A network interface by name, or several by a glob.
    InterfacePattern, 1..=31, &[(
        r"self.matches('^[^\\]\\[{}!/:\\s]+$')",
        "write an interface name such as eth0, or a glob with * and ? such as eth*",
    )]
}

text! {
    /// The name of a destination.
    DestinationName, 1..=63, &[(
        "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        "write lower-case letters, digits and '-', with a letter or digit at both ends",
    )]
}

impl InterfacePattern {
    /// Whether the pattern is a glob, so that it may mean several interfaces.
    #[must_use]
    pub fn is_glob(&self) -> bool {
        self.0.contains(['*', '?'])
    }

    /// Whether an interface of this name is meant: `*` stands for any text, `?` for one character.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        glob(self.0.as_bytes(), name.as_bytes())
    }
}

/// Goes back to the last star only, so that the time stays within pattern × name.
fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut position) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while position < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[position] => {
                at += 1;
                position += 1;
            }
            _ => match star {
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    at = star_at + 1;
                    position = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::InterfacePattern;

    #[test]
    fn a_glob_takes_any_text_and_one_character() {
        let matches = |pattern: &str, name: &str| InterfacePattern::from(pattern).matches(name);
        assert!(matches("eth0", "eth0"));
        assert!(!matches("eth0", "eth01"));
        assert!(matches("eth*", "eth"));
        assert!(matches("eth*", "eth10"));
        assert!(matches("*", "lo"));
        assert!(matches("e*p?s*", "enp0s31f6"));
        assert!(!matches("eth?", "eth"));
        assert!(!matches("eth?", "eth10"));
        assert!(matches("*a*b", "aab"));
        assert!(!matches("*a*b", "aabc"));
        assert!(!matches("", "a"));
    }
}
