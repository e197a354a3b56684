//! Changes of checksums when what they cover changes (RFC 1624, equation 3). Pure.

/// The checksum after the bytes `old` have become `new`: whole 16-bit words, in the same places.
pub(super) fn adjusted(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    assert!(old.len() == new.len() && old.len().is_multiple_of(2));
    let words = |bytes: &[u8]| -> Vec<u16> {
        let (pairs, _) = bytes.as_chunks::<2>();
        pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect()
    };
    let mut sum = u64::from(!checksum);
    for (old, new) in words(old).into_iter().zip(words(new)) {
        sum += u64::from(!old) + u64::from(new);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

/// The same for UDP (RFC 768): none stays none, and zero is sent as all ones.
pub(super) fn adjusted_udp(checksum: u16, old: &[u8], new: &[u8]) -> u16 {
    if checksum == 0 {
        return 0;
    }
    match adjusted(checksum, old, new) {
        0 => 0xffff,
        checksum => checksum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjusts_as_the_example_of_rfc_1624() {
        assert_eq!(adjusted(0xdd2f, &[0x55, 0x55], &[0x32, 0x85]), 0x0000);
        assert_eq!(adjusted_udp(0xdd2f, &[0x55, 0x55], &[0x32, 0x85]), 0xffff);
        assert_eq!(adjusted_udp(0, &[1, 2], &[3, 4]), 0);
    }
}
