//! Images of a packet's Ethernet and IP headers: loaded, changed and compared on the stack.

use udplb_abi::address::{Address, mapped};

use crate::skb::{Refused, Skb};

/// Sums of 16-bit words in one's complement, not folded yet (RFC 1071). As native words, because a
/// sum in the packet's byte order is the byte-swapped native one.
pub(crate) type Sum = u64;

/// Folds a sum to the 32 bits that the kernel's checksum helpers take.
#[inline(always)]
pub(crate) const fn fold32(sum: Sum) -> u32 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    ((sum & 0xffff_ffff) + (sum >> 32)) as u32
}

/// Folds a sum to 16 bits.
#[inline(always)]
const fn fold16(sum: Sum) -> u16 {
    let sum = fold32(sum);
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// What a checksum over `old` must be changed by when `new` takes its place (RFC 1624).
#[inline(always)]
pub(crate) const fn change(old: u32, new: u32) -> Sum {
    !old as Sum + new as Sum
}

/// The Ethernet header and the fixed part of an IP header.
pub(crate) trait Headers: Copy {
    /// Whether no checksum of the IP header covers what a rewrite changes (IPv6).
    const HEADER_HAS_NO_CHECKSUM: bool;

    /// Loads the image whose Ethernet header starts at `offset`.
    fn load(skb: &Skb, offset: u32) -> Result<Self, Refused>;
    /// The bytes as they are on the wire, from offset 0 of the frame.
    fn bytes(&self) -> &[u8];
    /// Source address.
    fn source(&self) -> Address;
    /// Destination address.
    fn destination(&self) -> Address;
    /// TTL or hop limit.
    fn hops(&self) -> u8;
    /// Takes one hop off.
    fn spend_hop(&mut self);
    /// Sets the source address.
    fn set_source(&mut self, address: &Address);
    /// Sets the destination address.
    fn set_destination(&mut self, address: &Address);
    /// Sets both link-layer addresses.
    fn set_link(&mut self, destination: &[u8; 6], source: &[u8; 6]);
    /// Sum of both addresses: what changes of the pseudo header.
    fn pseudo_header(&self) -> u32;
    /// The 16-bit word that holds TTL or hop limit.
    fn hop_word(&self) -> u16;
}

/// Two bytes of room in front put the IP header on an eight-byte boundary.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct V4 {
    room: u16,
    ethernet: Ethernet,
    start: [u16; 4],
    hops: u8,
    protocol: u8,
    checksum: u16,
    source: u32,
    destination: u32,
    end: u32,
}

/// See [`V4`].
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct V6 {
    room: u16,
    ethernet: Ethernet,
    start: [u16; 3],
    next_header: u8,
    hops: u8,
    source: [u32; 4],
    destination: [u32; 4],
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Ethernet {
    destination: [u8; 6],
    source: [u8; 6],
    kind: u16,
}

const ROOM: usize = 2;
const V4_LENGTH: usize = 34;
const V6_LENGTH: usize = 54;

const _: () = assert!(core::mem::offset_of!(V4, end) == ROOM + V4_LENGTH);
const _: () = assert!(size_of::<V6>() == ROOM + V6_LENGTH);

impl Headers for V4 {
    const HEADER_HAS_NO_CHECKSUM: bool = false;

    #[inline(always)]
    fn load(skb: &Skb, offset: u32) -> Result<Self, Refused> {
        // SAFETY: integers; zero is a value of each.
        let mut image: Self = unsafe { core::mem::zeroed() };
        // SAFETY: the range is inside `image`, whose every byte pattern is a value.
        skb.load(offset, unsafe {
            core::slice::from_raw_parts_mut((&raw mut image).cast::<u8>().add(ROOM), V4_LENGTH)
        })?;
        Ok(image)
    }

    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        // SAFETY: the range is inside `self`; no byte of it is padding.
        unsafe { core::slice::from_raw_parts((&raw const *self).cast::<u8>().add(ROOM), V4_LENGTH) }
    }

    #[inline(always)]
    fn source(&self) -> Address {
        mapped(self.source.to_ne_bytes())
    }

    #[inline(always)]
    fn destination(&self) -> Address {
        mapped(self.destination.to_ne_bytes())
    }

    #[inline(always)]
    fn hops(&self) -> u8 {
        self.hops
    }

    #[inline(always)]
    fn spend_hop(&mut self) {
        let old = self.hop_word();
        self.hops -= 1;
        self.adjust(u32::from(old), u32::from(self.hop_word()));
    }

    #[inline(always)]
    fn set_source(&mut self, address: &Address) {
        let new = last_word(address);
        self.adjust(self.source, new);
        self.source = new;
    }

    #[inline(always)]
    fn set_destination(&mut self, address: &Address) {
        let new = last_word(address);
        self.adjust(self.destination, new);
        self.destination = new;
    }

    #[inline(always)]
    fn set_link(&mut self, destination: &[u8; 6], source: &[u8; 6]) {
        self.ethernet.destination = *destination;
        self.ethernet.source = *source;
    }

    #[inline(always)]
    fn pseudo_header(&self) -> u32 {
        fold32(Sum::from(self.source) + Sum::from(self.destination))
    }

    #[inline(always)]
    fn hop_word(&self) -> u16 {
        u16::from_ne_bytes([self.hops, self.protocol])
    }
}

impl V4 {
    /// Carries a change of the header over into its checksum.
    #[inline(always)]
    fn adjust(&mut self, old: u32, new: u32) {
        let sum = Sum::from(!self.checksum) + change(old, new);
        self.checksum = !fold16(sum);
    }
}

impl Headers for V6 {
    const HEADER_HAS_NO_CHECKSUM: bool = true;

    #[inline(always)]
    fn load(skb: &Skb, offset: u32) -> Result<Self, Refused> {
        // SAFETY: integers; zero is a value of each.
        let mut image: Self = unsafe { core::mem::zeroed() };
        // SAFETY: the range is inside `image`, whose every byte pattern is a value.
        skb.load(offset, unsafe {
            core::slice::from_raw_parts_mut((&raw mut image).cast::<u8>().add(ROOM), V6_LENGTH)
        })?;
        Ok(image)
    }

    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        // SAFETY: the range is inside `self`; no byte of it is padding.
        unsafe { core::slice::from_raw_parts((&raw const *self).cast::<u8>().add(ROOM), V6_LENGTH) }
    }

    #[inline(always)]
    fn source(&self) -> Address {
        address(&self.source)
    }

    #[inline(always)]
    fn destination(&self) -> Address {
        address(&self.destination)
    }

    #[inline(always)]
    fn hops(&self) -> u8 {
        self.hops
    }

    #[inline(always)]
    fn spend_hop(&mut self) {
        self.hops -= 1;
    }

    #[inline(always)]
    fn set_source(&mut self, address: &Address) {
        self.source = words(address);
    }

    #[inline(always)]
    fn set_destination(&mut self, address: &Address) {
        self.destination = words(address);
    }

    #[inline(always)]
    fn set_link(&mut self, destination: &[u8; 6], source: &[u8; 6]) {
        self.ethernet.destination = *destination;
        self.ethernet.source = *source;
    }

    #[inline(always)]
    fn pseudo_header(&self) -> u32 {
        let mut sum = 0;
        for word in 0..4 {
            sum += Sum::from(self.source[word]) + Sum::from(self.destination[word]);
        }
        fold32(sum)
    }

    #[inline(always)]
    fn hop_word(&self) -> u16 {
        u16::from_ne_bytes([self.next_header, self.hops])
    }
}

#[inline(always)]
const fn last_word(address: &Address) -> u32 {
    let [.., a, b, c, d] = *address;
    u32::from_ne_bytes([a, b, c, d])
}

#[inline(always)]
const fn words(address: &Address) -> [u32; 4] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *address;
    [
        u32::from_ne_bytes([a, b, c, d]),
        u32::from_ne_bytes([e, f, g, h]),
        u32::from_ne_bytes([i, j, k, l]),
        u32::from_ne_bytes([m, n, o, p]),
    ]
}

#[inline(always)]
const fn address(words: &[u32; 4]) -> Address {
    let [first, second, third, fourth] = *words;
    let [a, b, c, d] = first.to_ne_bytes();
    let [e, f, g, h] = second.to_ne_bytes();
    let [i, j, k, l] = third.to_ne_bytes();
    let [m, n, o, p] = fourth.to_ne_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}
