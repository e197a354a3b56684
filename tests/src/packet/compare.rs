//! Says in which fields two packets differ. Pure.

use super::{Packet, fields};

/// The fields in which two IP packets differ, one a line; none if they are equal byte for byte.
pub fn difference(expected: &[u8], found: &[u8]) -> Option<String> {
    (expected != found).then(|| lines(&Packet::parse_ip(expected), &Packet::parse_ip(found)))
}

/// Fails unless two IP packets are equal byte for byte.
pub fn assert_same(what: &str, expected: &[u8], found: &[u8]) {
    if let Some(difference) = difference(expected, found) {
        panic!("{what} differs from what was sent:\n{difference}");
    }
}

fn lines(expected: &Packet, found: &Packet) -> String {
    let (expected, found) = (fields(expected), fields(found));
    let value = |list: &[(&'static str, String)], name| {
        list.iter()
            .find(|(other, _)| *other == name)
            .map_or("absent".to_owned(), |(_, value)| value.clone())
    };
    let mut names: Vec<&str> = expected
        .iter()
        .chain(&found)
        .map(|(name, _)| *name)
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    names
        .into_iter()
        .map(|name| (name, value(&expected, name), value(&found, name)))
        .filter(|(_, expected, found)| expected != found)
        .map(|(name, expected, found)| format!("  {name}: sent {expected}, found {found}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Udp;

    #[test]
    fn names_each_header_field_that_changed() {
        let sent = Udp::new("10.0.0.1:1000", "10.0.0.2:514", b"hello");
        let found = Udp {
            ttl: 63,
            payload: b"hallo".to_vec(),
            ..sent.clone()
        };
        let text = difference(&sent.packet(), &found.packet()).unwrap();
        for field in [
            "ipv4 ttl: sent 64, found 63",
            "ipv4 checksum",
            "udp checksum",
            "data: sent 68656c6c6f",
        ] {
            assert!(text.contains(field), "{field} is not in {text}");
        }
        assert!(!text.contains("identification"), "{text}");
    }

    /// Whatever single byte changes, a field shows it: the list covers the whole packet.
    #[test]
    fn every_byte_belongs_to_a_field() {
        for ends in [
            ["10.0.0.1:1000", "10.0.0.2:514"],
            ["[2001:db8::1]:1000", "[2001:db8::2]:514"],
        ] {
            let mut sent = Udp::new(ends[0], ends[1], b"hello");
            if ends[0].starts_with("10") {
                sent.options = vec![7, 7, 4, 0, 0, 0, 0, 0];
            } else {
                sent.extensions = vec![(0, vec![0, 0, 1, 4, 0, 0, 0, 0])];
            }
            let sent = sent.packet();
            for position in 0..sent.len() {
                let mut found = sent.clone();
                // The lowest bit: a length stays readable, a version stays what it is.
                found[position] ^= 1;
                let same_shape = found[0] == sent[0];
                let text = difference(&sent, &found).unwrap();
                assert!(
                    !text.is_empty() || !same_shape,
                    "byte {position} belongs to no field"
                );
            }
        }
    }
}
