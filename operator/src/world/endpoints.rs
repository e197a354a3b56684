//! What a reference to a service stands for. Pure.

use std::{collections::BTreeSet, net::IpAddr};

use udplb_api::udp_forward::destination::{ServicePort, ServiceReference};
use udplb_plan::ServiceAnswer;

use super::{
    Services,
    facts::{EndpointFacts, ServiceFacts, ServicePortFacts, SliceFacts},
};

/// The endpoints of a service, or in words why there are none.
pub fn of(services: &Services, reference: &ServiceReference) -> ServiceAnswer {
    let Some(service) = services.services.get(&reference.name) else {
        return Err("does not exist".to_owned());
    };
    let port = port(service, reference.port.as_ref())?;
    let slices = services.slices.iter().map(|(_, slice)| slice);
    let slices: Vec<&SliceFacts> = slices
        .filter(|slice| slice.service == reference.name)
        .collect();
    let serving = |takes: fn(&EndpointFacts) -> bool| -> BTreeSet<(IpAddr, u16)> {
        let of_slice = |slice: &&SliceFacts| {
            let number = slice.ports.iter().find(|(name, _)| *name == port.name)?.1;
            let endpoints = slice.endpoints.iter().filter(|endpoint| takes(endpoint));
            let addresses = endpoints.flat_map(|endpoint| endpoint.addresses.clone());
            Some(addresses.map(move |address| (address, number)).collect())
        };
        slices
            .iter()
            .filter_map(of_slice)
            .collect::<Vec<Vec<_>>>()
            .concat()
            .into_iter()
            .collect()
    };
    // Where none takes new traffic, those on their way out are better than nobody.
    let ready = serving(|endpoint| endpoint.is_ready);
    let found = if ready.is_empty() {
        serving(|endpoint| endpoint.is_draining)
    } else {
        ready
    };
    if found.is_empty() {
        return Err("has no ready endpoint".to_owned());
    }
    Ok(found.into_iter().collect())
}

fn port<'a>(
    service: &'a ServiceFacts,
    wanted: Option<&ServicePort>,
) -> Result<&'a ServicePortFacts, String> {
    let ServiceFacts(ports) = service;
    let found = match wanted {
        None if ports.len() > 1 => {
            return Err(format!(
                "has several UDP ports: name one of {} with port",
                list(ports)
            ));
        }
        None => ports.first(),
        Some(ServicePort::Number(number)) => ports.iter().find(|port| port.number == *number),
        Some(ServicePort::Name(name)) => ports.iter().find(|port| port.name == *name),
    };
    found.ok_or_else(|| match wanted {
        _ if ports.is_empty() => "has no UDP port".to_owned(),
        Some(ServicePort::Number(number)) => {
            format!("has no UDP port {number}: it has {}", list(ports))
        }
        Some(ServicePort::Name(name)) => {
            format!("has no UDP port named {name}: it has {}", list(ports))
        }
        None => "has no UDP port".to_owned(),
    })
}

fn list(ports: &[ServicePortFacts]) -> String {
    let texts = ports.iter().map(|port| match port.name.as_str() {
        "" => port.number.to_string(),
        name => format!("{name} ({})", port.number),
    });
    texts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event;

    use super::*;

    fn service(ports: &[(&str, u16)]) -> ServiceFacts {
        let port = |&(name, number): &(&str, u16)| ServicePortFacts {
            name: name.to_owned(),
            number,
        };
        ServiceFacts(ports.iter().map(port).collect())
    }

    fn endpoint(address: &str, is_ready: bool, is_draining: bool) -> EndpointFacts {
        EndpointFacts {
            addresses: vec![address.parse().unwrap()],
            is_ready,
            is_draining,
        }
    }

    fn services(ports: &[(&str, u16)], endpoints: &[EndpointFacts]) -> Services {
        let mut services = Services::default();
        let collector = || "collector".to_owned();
        let _ = services
            .services
            .take(Event::Apply((collector(), service(ports))));
        let slice = SliceFacts {
            service: collector(),
            ports: vec![("syslog".to_owned(), 10_514), ("flow".to_owned(), 2_055)],
            endpoints: endpoints.to_vec(),
        };
        let _ = services
            .slices
            .take(Event::Apply(("collector-1".to_owned(), slice)));
        services
    }

    fn reference(port: Option<ServicePort>) -> ServiceReference {
        ServiceReference {
            name: "collector".to_owned(),
            port,
        }
    }

    fn named(name: &str) -> ServicePort {
        ServicePort::Name(name.to_owned())
    }

    const PORTS: [(&str, u16); 2] = [("syslog", 514), ("flow", 9_996)];

    #[test]
    fn ready_endpoints_serve_and_draining_ones_where_none_is_ready() {
        let ready = endpoint("10.1.0.1", true, false);
        let draining = endpoint("10.1.0.2", false, true);
        let dead = endpoint("10.1.0.3", false, false);
        let answer = |endpoints: &[EndpointFacts]| {
            of(
                &services(&PORTS, endpoints),
                &reference(Some(named("syslog"))),
            )
        };
        let at = |address: &str| Ok(vec![(address.parse().unwrap(), 10_514)]);
        assert_eq!(answer(&[ready, draining.clone()]), at("10.1.0.1"));
        assert_eq!(answer(&[dead.clone(), draining]), at("10.1.0.2"));
        assert_eq!(answer(&[dead]), Err("has no ready endpoint".to_owned()));
    }

    /// The number is the service's, the endpoint listens on another.
    #[test]
    fn a_port_is_found_by_name_and_by_number() {
        let services = services(&PORTS, &[endpoint("10.1.0.1", true, false)]);
        let number = |port| of(&services, &reference(Some(ServicePort::Number(port))));
        assert_eq!(
            number(9_996),
            Ok(vec![("10.1.0.1".parse().unwrap(), 2_055)])
        );
        assert_eq!(
            number(515),
            Err("has no UDP port 515: it has syslog (514), flow (9996)".to_owned())
        );
        assert_eq!(
            of(&services, &reference(Some(named("sflow")))),
            Err("has no UDP port named sflow: it has syslog (514), flow (9996)".to_owned())
        );
        assert_eq!(
            of(&services, &reference(None)),
            Err(
                "has several UDP ports: name one of syslog (514), flow (9996) with port".to_owned()
            )
        );
    }

    #[test]
    fn what_is_not_there_is_named() {
        let tcp_only = services(&[], &[]);
        assert_eq!(
            of(&tcp_only, &reference(None)),
            Err("has no UDP port".to_owned())
        );
        let nothing = Services::default();
        assert_eq!(
            of(&nothing, &reference(None)),
            Err("does not exist".to_owned())
        );
    }
}
