//! Asks for one name: the hosts file, then the name servers as the host's own resolver does. **IO**

use std::{net::IpAddr, time::Duration};

use hickory_resolver::{
    lookup::Lookup,
    net::{DnsError, NetError, NoRecords},
    proto::{
        op::{Query, ResponseCode},
        rr::{Name, RData, RecordType},
    },
};

use super::{
    failure::{Cause, Failure},
    host::Host,
    names::{CEILING, Found, Reply},
    search::candidates,
};

/// Aliases that are followed to find out why they lead nowhere.
const MAX_ALIASES: usize = 16;

impl Host {
    /// What the hosts file says; it is asked first, and where it knows one family, it is not asked further.
    pub(super) fn known(&self, name: &str) -> Option<Reply> {
        let name = Name::from_ascii(name).ok()?;
        let find = |kind| {
            let found = self
                .hosts
                .lookup_static_host(&Query::query(name.clone(), kind))?;
            // It holds until the file changes, which is seen without asking.
            Some(addresses(&found, Some(CEILING)))
        };
        let found = [find(RecordType::A), find(RecordType::AAAA)];
        let is_known = found.iter().any(Option::is_some);
        is_known.then(|| Reply(found.map(|found| found.unwrap_or(Found::Nothing))))
    }

    /// Asks the name servers. A candidate of the search list counts when it has addresses. The next one is
    /// asked only where a server said that there are none: a server that fails must not make a name stand
    /// for another host.
    pub(super) async fn ask(&self, name: &str) -> Reply {
        let mut negative = None;
        for candidate in candidates(name, &self.search, self.ndots) {
            let Ok(candidate) = Name::from_ascii(&candidate) else {
                continue;
            };
            let found = tokio::join!(
                self.ask_family(&candidate, RecordType::A),
                self.ask_family(&candidate, RecordType::AAAA),
            );
            let mut reply = Reply(found.into());
            if !reply.0.iter().all(is_negative) {
                return reply;
            }
            if reply.0 == [Found::Nothing, Found::Nothing] {
                // The name exists, which says more than that others do not.
                if let Some(failure) = self.lost_alias(&candidate).await {
                    reply.0.fill(Found::Failed(failure));
                }
                negative = Some(reply);
            } else {
                negative = negative.or(Some(reply));
            }
        }
        let malformed = || Found::Failed(Failure::Malformed);
        negative.unwrap_or_else(|| Reply([malformed(), malformed()]))
    }

    async fn ask_family(&self, name: &Name, kind: RecordType) -> Found {
        match self.query(name, kind).await {
            Ok(Some(lookup)) => addresses(&lookup, None),
            Ok(None) => Found::Nothing,
            Err(failure) => Found::Failed(failure),
        }
    }

    /// One server after the other until one answers. The silent ones are asked again.
    async fn query(&self, name: &Name, kind: RecordType) -> Result<Option<Lookup>, Failure> {
        let mut causes: Vec<Option<Cause>> = vec![None; self.servers.len()];
        for _ in 0..self.attempts {
            for (server, cause) in self.servers.iter().zip(&mut causes) {
                if !matches!(cause, None | Some(Cause::Timeout { .. })) {
                    continue;
                }
                let error = match server.resolver.lookup(name.clone(), kind).await {
                    Ok(lookup) => return Ok(Some(lookup)),
                    Err(error) => error,
                };
                *cause = Some(match error {
                    NetError::Dns(DnsError::NoRecordsFound(NoRecords {
                        response_code, ..
                    })) => match response_code {
                        ResponseCode::NoError => return Ok(None),
                        ResponseCode::NXDomain => {
                            let server = server.address;
                            return Err(Failure::NoSuchName { server });
                        }
                        code => Cause::Code(name_of(code)),
                    },
                    NetError::Dns(DnsError::ResponseCode(code)) => Cause::Code(name_of(code)),
                    NetError::Timeout => Cause::Timeout {
                        seconds: self.timeout.as_secs(),
                    },
                    error => Cause::Io(error.to_string()),
                });
            }
        }
        let servers = self.servers.iter().map(|server| server.address);
        let causes = servers.zip(causes);
        Err(Failure::Unanswered(
            causes
                .filter_map(|(server, cause)| Some((server, cause?)))
                .collect(),
        ))
    }

    /// Where the aliases of a name without addresses lead; none where it has no alias.
    async fn lost_alias(&self, name: &Name) -> Option<Failure> {
        let mut seen = vec![name.clone()];
        while seen.len() <= MAX_ALIASES {
            let last = seen.last()?;
            let lookup = self.query(last, RecordType::CNAME).await.ok()?;
            let answers = lookup.as_ref().map_or(&[][..], Lookup::answers);
            let next = answers.iter().find_map(|record| match &record.data {
                RData::CNAME(target) if record.name == *last => Some(target.0.clone()),
                _ => None,
            });
            let Some(next) = next else {
                let last = plain(last);
                return (seen.len() > 1).then_some(Failure::DeadEnd { last });
            };
            if seen.contains(&next) {
                let alias = plain(&next);
                return Some(Failure::Circle { alias });
            }
            seen.push(next);
        }
        let last = plain(seen.last()?);
        Some(Failure::DeadEnd { last })
    }
}

/// Whether a server said that there is nothing.
const fn is_negative(found: &Found) -> bool {
    matches!(
        found,
        Found::Nothing | Found::Failed(Failure::NoSuchName { .. })
    )
}

/// The addresses of an answer. Without a `ttl`, the shortest of all records on the way counts.
fn addresses(lookup: &Lookup, ttl: Option<Duration>) -> Found {
    let records = lookup.answers();
    let addresses: Vec<IpAddr> = records
        .iter()
        .filter_map(|record| record.data.ip_addr())
        .collect();
    let shortest = records.iter().map(|record| record.ttl).min();
    if addresses.is_empty() {
        return Found::Nothing;
    }
    Found::Addresses {
        addresses,
        ttl: ttl.unwrap_or_else(|| Duration::from_secs(shortest.unwrap_or(0).into())),
    }
}

/// As administrators know it.
fn name_of(code: ResponseCode) -> String {
    match code {
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        code => code.to_string(),
    }
}

/// Without the dot at the end.
fn plain(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_owned()
}
