//! Why a host name has no new answer, in words for whoever has to repair it. **pure**

use std::{fmt, net::IpAddr};

/// Why a question about a name brought no addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// NXDOMAIN.
    NoSuchName {
        /// Who said so.
        server: IpAddr,
    },
    /// The name exists, without A or AAAA records.
    NoAddress,
    /// Its aliases lead back to one of them.
    Circle {
        /// The alias that came up again.
        alias: String,
    },
    /// Its aliases end at a name without addresses.
    DeadEnd {
        /// That name.
        last: String,
    },
    /// No name server gave an answer: what each did, in the order in which they are asked.
    Unanswered(Vec<(IpAddr, Cause)>),
    /// It cannot be asked for.
    Malformed,
    /// Asking for it failed within this process.
    Internal,
}

/// What one name server did instead of answering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nothing came in time.
    Timeout {
        /// How long it was given.
        seconds: u64,
    },
    /// It answered that it cannot: the code as DNS calls it.
    Code(String),
    /// It could not be talked to.
    Io(String),
}

impl Failure {
    /// The label `result` of the metric.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::NoSuchName { .. } => "no_such_name",
            Self::NoAddress | Self::Circle { .. } | Self::DeadEnd { .. } => "no_address",
            Self::Unanswered(_) | Self::Internal => "unanswered",
            Self::Malformed => "malformed",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchName { server } => {
                write!(
                    formatter,
                    "it does not exist (NXDOMAIN from {server}); check how it is spelled"
                )
            }
            Self::NoAddress => {
                formatter.write_str("it exists, but has no address (no A or AAAA record)")
            }
            Self::Circle { alias } => {
                write!(
                    formatter,
                    "its aliases go round in a circle (CNAME) at {alias}"
                )
            }
            Self::DeadEnd { last } => {
                write!(
                    formatter,
                    "its aliases (CNAME) end at {last}, which has no address"
                )
            }
            Self::Unanswered(servers) => {
                for (index, (server, cause)) in servers.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(formatter, "{comma}name server {server} {cause}")?;
                }
                Ok(())
            }
            Self::Malformed => formatter.write_str("it is no DNS name; write another one"),
            Self::Internal => formatter.write_str("asking for it failed here, as the log says"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout { seconds } => {
                write!(formatter, "does not answer within {seconds} s")
            }
            Self::Code(code) => write!(formatter, "failed ({code})"),
            Self::Io(error) => write!(formatter, "cannot be asked: {error}"),
        }
    }
}
