//! `destinationAddress: Preserve` as direct server return: upstreams have the service's address and answer in the
//! node's place.
#![cfg(test)]

use std::{net::UdpSocket, time::Duration};

use udplb_tests::{
    agent::{Agent, forward},
    capture::Capture,
    lab::{Host, Lab},
    rows::Family,
};

const PORT: u16 = 5353;

/// Longer than an answer takes; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The address that clients ask, beside the node's own: a server would take no question whose source is an address of
/// its own.
fn service(family: Family) -> &'static str {
    family.choose("10.0.1.100", "2001:db8:1::100")
}

/// Client, node and two servers on one link. All but the client have the service's address, the servers on their
/// loopback, so that only the node says that it is there.
fn lab(name: &str) -> Lab {
    let lab = Lab::new(
        name,
        "
        client  eth0 10.0.1.2/24 2001:db8:1::2/64 -- lan port1
        node    eth0 10.0.1.1/24 2001:db8:1::1/64 -- lan port2
        server1 eth0 10.0.1.11/24 2001:db8:1::11/64 -- lan port3
        server2 eth0 10.0.1.12/24 2001:db8:1::12/64 -- lan port4
        switch lan
        ",
    );
    let [v4, v6] = [Family::V4, Family::V6].map(service);
    lab.host("node").ip_batch(&format!(
        "address add {v4}/32 dev eth0\naddress add {v6}/128 dev eth0 nodad preferred_lft 0\n"
    ));
    for server in ["server1", "server2"] {
        let server = lab.host(server);
        server.sysctl("ipv4/conf/all/arp_ignore", "1");
        server.sysctl("ipv4/conf/all/arp_announce", "2");
        server.ip_batch(&format!(
            "address add {v4}/32 dev lo\naddress add {v6}/128 dev lo nodad\n"
        ));
    }
    lab
}

/// Forwards the service's port to one destination with these upstreams.
fn config(upstreams: &str) -> String {
    let [v4, v6] = [Family::V4, Family::V6].map(service);
    let spec = format!(
        "
  interfaces: [eth0]
  match: {{addresses: [{v4}, '{v6}'], ports: [{{port: {PORT}}}]}}
  action: Forward
  destinations:
  - {{name: servers, strategy: SourcePort, destinationAddress: Preserve, upstreams: [{upstreams}]}}
"
    );
    forward("service", &spec)
}

fn socket(host: &Host, address: &str) -> UdpSocket {
    let socket = host.enter(|| UdpSocket::bind(address)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// A server on the service's own address that answers once.
fn answer_once(server: &UdpSocket) {
    let mut buffer = [0; 64];
    let (length, client) = server
        .recv_from(&mut buffer)
        .expect("the server hears nothing");
    let answer = [b"re: ", &buffer[..length]].concat();
    let _: usize = server.send_to(&answer, client).unwrap();
}

#[test]
fn the_client_is_answered_from_the_address_that_it_asked() {
    let lab = lab("direct");
    let upstreams = "{address: 10.0.1.11}, {address: '2001:db8:1::11'}";
    let _agent = Agent::start(lab.host("node"), &config(upstreams));
    let (client, server) = (lab.host("client"), lab.host("server1"));
    let mut at_node = Capture::link(lab.host("node"), "eth0");
    for family in [Family::V4, Family::V6] {
        let service = family.at(service(family), PORT);
        let server = socket(server, &service);
        let asking = socket(client, &family.at(family.sender(), 0));
        // Connected: only what comes from the address that was asked is heard.
        asking.connect(&service).unwrap();
        let _: usize = asking.send(b"question").unwrap();
        answer_once(&server);
        let mut buffer = [0; 64];
        let length = asking
            .recv(&mut buffer)
            .expect("the client hears no answer");
        assert_eq!(&buffer[..length], b"re: question", "{}", family.name());
        // The question came over the node, the answer did not.
        let port = asking.local_addr().unwrap().port();
        let questions = at_node.until(
            |packet| packet.is_udp_to(PORT) || packet.is_udp_to(port),
            |packet| packet.is_udp_to(PORT),
        );
        assert_eq!(questions, []);
        assert_eq!(at_node.arrived(|packet| packet.is_udp_to(port)), []);
    }
}

/// Every flow has one server, and each server has some: answers of all come from the one address.
#[test]
fn servers_share_the_flows() {
    const FLOWS: u16 = 32;
    let lab = lab("direct-shared");
    let upstreams = "{address: 10.0.1.11}, {address: 10.0.1.12}";
    let agent = Agent::start(lab.host("node"), &config(upstreams));
    let family = Family::V4;
    let service = family.at(service(family), PORT);
    let servers = ["server1", "server2"].map(|name| socket(lab.host(name), &service));
    std::thread::scope(|scope| {
        for (name, server) in ["1", "2"].into_iter().zip(&servers) {
            let _answering = scope.spawn(move || {
                let mut buffer = [0; 64];
                // Ends with the word that ends it.
                while let Ok((length, client)) = server.recv_from(&mut buffer) {
                    if &buffer[..length] == b"end" {
                        return;
                    }
                    let _: usize = server.send_to(name.as_bytes(), client).unwrap();
                }
            });
        }
        let mut answers: Vec<String> = Vec::new();
        for number in 0..FLOWS {
            let asking = socket(
                lab.host("client"),
                &family.at(family.sender(), 20_000 + number),
            );
            asking.connect(&service).unwrap();
            let answer = || {
                let _: usize = asking.send(b"question").unwrap();
                let mut buffer = [0; 64];
                let length = asking.recv(&mut buffer).expect("no answer");
                String::from_utf8_lossy(&buffer[..length]).into_owned()
            };
            let first = answer();
            assert_eq!(answer(), first, "a flow has one server");
            answers.push(first);
        }
        for name in ["server1", "server2"] {
            let ending = lab
                .host(name)
                .enter(|| UdpSocket::bind("127.0.0.1:0"))
                .unwrap();
            let _: usize = ending.send_to(b"end", &service).unwrap();
        }
        for name in ["1", "2"] {
            assert!(
                answers.iter().any(|answer| answer == name),
                "server{name} answered nobody: {answers:?}"
            );
        }
    });
    assert_eq!(
        agent.metrics().count("udplb_sent_packets_total", &[]),
        2 * u64::from(FLOWS)
    );
}
