//! Images of a packet's Ethernet and IP headers: loaded, changed and compared on the stack.

use core::mem::MaybeUninit;

use udplb_abi::{address::Family, next_hop::LINK_HEADER};

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

/// An address as the four words of a [`udplb_abi::address::Address`].
pub(crate) type Words = [u32; 4];

/// The middle word of an IPv4 address in its mapped form.
pub(crate) const MAPPED: u32 = 0xffff_u32.to_be();

/// Bytes of the link header on Ethernet, for the images below.
pub(crate) const ETHERNET: usize = LINK_HEADER as usize;
/// The same on devices whose frames are bare IP packets.
pub(crate) const NONE: usize = 0;

/// The link header and the fixed part of an IP header.
pub(crate) trait Headers: Copy {
    /// Bytes of the link header.
    const LINK: u32;
    /// Address family.
    const FAMILY: Family;
    /// Whether no checksum of the IP header covers what a rewrite changes (IPv6).
    const HEADER_HAS_NO_CHECKSUM: bool;

    /// Bytes of both headers.
    const LENGTH: usize;
    /// Where they begin in an image.
    const START: usize = IP - Self::LINK as usize;

    /// Source address.
    fn source(&self) -> Words;
    /// Destination address.
    fn destination(&self) -> Words;
    /// TTL or hop limit.
    fn hops(&self) -> u8;
    /// Takes one hop off.
    fn spend_hop(&mut self);
    /// Sets the source address.
    fn set_source(&mut self, address: &Words);
    /// Sets the destination address.
    fn set_destination(&mut self, address: &Words);
    /// Sets both link-layer addresses, the destination first; `keeps` 1: leaves them, and `addresses` are all zero.
    fn set_link(&mut self, addresses: &[u16; 6], keeps: u32);
    /// Sum of both addresses: what changes of the pseudo header.
    fn pseudo_header(&self) -> u32;
    /// The 16-bit word that holds TTL or hop limit.
    fn hop_word(&self) -> u16;
    /// The identification that fragments of a datagram share, as it is on the wire; none where that is in a
    /// header of its own (IPv6).
    fn identification(&self) -> Option<u16>;
    /// Sets it, where it is here.
    fn set_identification(&mut self, identification: u16);
}

/// Two bytes of room in front put the IP header on an eight-byte boundary. Where there is no link header, its place is
/// room as well.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct V4<const LINK: usize> {
    room: u16,
    ethernet: Ethernet,
    /// Version and TOS, length, identification, flags and fragment offset.
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
pub(crate) struct V6<const LINK: usize> {
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
    addresses: [u16; 6],
    kind: u16,
}

impl Ethernet {
    #[inline(always)]
    fn set(&mut self, addresses: &[u16; 6], keeps: u32) {
        for (own, new) in self.addresses.iter_mut().zip(addresses) {
            *own = *own * keeps as u16 + new;
        }
    }
}

/// Where the IP header begins in an image.
const IP: usize = 16;
const V4_LENGTH: usize = 20;
/// In the start of an IPv4 header.
const IDENTIFICATION: usize = 2;
const V6_LENGTH: usize = 40;

const _: () = assert!(core::mem::offset_of!(V4<ETHERNET>, start) == IP);
const _: () = assert!(core::mem::offset_of!(V6<ETHERNET>, start) == IP);
const _: () = assert!(core::mem::offset_of!(V4<ETHERNET>, end) == IP + V4_LENGTH);
const _: () = assert!(size_of::<V6<ETHERNET>>() == IP + V6_LENGTH);

impl<const LINK: usize> Headers for V4<LINK> {
    const LINK: u32 = LINK as u32;
    const FAMILY: Family = Family::V4;
    const LENGTH: usize = LINK + V4_LENGTH;
    const HEADER_HAS_NO_CHECKSUM: bool = false;

    #[inline(always)]
    fn source(&self) -> Words {
        [0, 0, MAPPED, self.source]
    }

    #[inline(always)]
    fn destination(&self) -> Words {
        [0, 0, MAPPED, self.destination]
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
    fn set_source(&mut self, address: &Words) {
        let new = address[3];
        self.adjust(self.source, new);
        self.source = new;
    }

    #[inline(always)]
    fn set_destination(&mut self, address: &Words) {
        let new = address[3];
        self.adjust(self.destination, new);
        self.destination = new;
    }

    #[inline(always)]
    fn set_link(&mut self, addresses: &[u16; 6], keeps: u32) {
        if LINK == ETHERNET {
            self.ethernet.set(addresses, keeps);
        }
    }

    #[inline(always)]
    fn pseudo_header(&self) -> u32 {
        fold32(Sum::from(self.source) + Sum::from(self.destination))
    }

    #[inline(always)]
    fn hop_word(&self) -> u16 {
        u16::from_ne_bytes([self.hops, self.protocol])
    }

    #[inline(always)]
    fn identification(&self) -> Option<u16> {
        Some(self.start[IDENTIFICATION])
    }

    #[inline(always)]
    fn set_identification(&mut self, identification: u16) {
        let old = self.start[IDENTIFICATION];
        self.adjust(u32::from(old), u32::from(identification));
        self.start[IDENTIFICATION] = identification;
    }
}

impl<const LINK: usize> V4<LINK> {
    /// Carries a change of the header over into its checksum.
    #[inline(always)]
    fn adjust(&mut self, old: u32, new: u32) {
        let sum = Sum::from(!self.checksum) + change(old, new);
        self.checksum = !fold16(sum);
    }
}

impl<const LINK: usize> Headers for V6<LINK> {
    const LINK: u32 = LINK as u32;
    const FAMILY: Family = Family::V6;
    const LENGTH: usize = LINK + V6_LENGTH;
    const HEADER_HAS_NO_CHECKSUM: bool = true;

    #[inline(always)]
    fn source(&self) -> Words {
        self.source
    }

    #[inline(always)]
    fn destination(&self) -> Words {
        self.destination
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
    fn set_source(&mut self, address: &Words) {
        self.source = *address;
    }

    #[inline(always)]
    fn set_destination(&mut self, address: &Words) {
        self.destination = *address;
    }

    #[inline(always)]
    fn set_link(&mut self, addresses: &[u16; 6], keeps: u32) {
        if LINK == ETHERNET {
            self.ethernet.set(addresses, keeps);
        }
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

    #[inline(always)]
    fn identification(&self) -> Option<u16> {
        None
    }

    #[inline(always)]
    fn set_identification(&mut self, _identification: u16) {}
}

/// Loads the headers of a packet that start at `offset`, in place: a copy would take the stack twice.
#[inline(always)]
pub(crate) fn load<H: Headers>(
    image: &mut MaybeUninit<H>,
    skb: Skb,
    offset: u32,
) -> Result<&mut H, Refused> {
    const WORD: usize = size_of::<u64>();
    let words = image.as_mut_ptr().cast::<u64>();
    let start = words.cast::<u8>();
    // SAFETY: an image is a multiple of eight bytes long and aligned to eight, and holds `LENGTH` bytes from `START`.
    // All of them are parts of integers, and what the packet does not fill is zero: before Linux 6.3, the verifier
    // lets nobody copy what was never written.
    unsafe {
        words.cast::<[u64; IP / WORD]>().write([0; _]);
        words.add(size_of::<H>() / WORD - 1).write(0);
        skb.load(offset, start.add(H::START), H::LENGTH as u32)?;
        Ok(image.assume_init_mut())
    }
}

/// The headers as they are on the wire, from offset 0 of the frame.
#[inline(always)]
pub(crate) fn bytes<H: Headers>(headers: &H) -> &[u8] {
    let start = (&raw const *headers).cast::<u8>();
    // SAFETY: an image holds `LENGTH` initialised bytes from `START`.
    unsafe { core::slice::from_raw_parts(start.add(H::START), H::LENGTH) }
}
