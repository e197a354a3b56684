//! The packet as the kernel lends it: the only module that calls packet helpers.

use aya_ebpf::{
    bindings::{__sk_buff, BPF_F_INGRESS, BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR, bpf_redir_neigh},
    helpers::generated::{
        bpf_clone_redirect, bpf_csum_update, bpf_l4_csum_replace, bpf_redirect, bpf_redirect_neigh,
        bpf_skb_change_head, bpf_skb_load_bytes, bpf_skb_pull_data, bpf_skb_store_bytes,
        bpf_skb_vlan_pop, bpf_skb_vlan_push,
    },
};

use crate::Verdict;

/// `pkt_type` of frames by their link-layer destination (`linux/if_packet.h`).
const PACKET_BROADCAST: u32 = 1;
const PACKET_MULTICAST: u32 = 2;
const PACKET_OTHERHOST: u32 = 3;

/// Where something is sent.
#[derive(Clone, Copy)]
pub(crate) struct Gate {
    /// Index of the interface.
    pub(crate) interface: u32,
    /// 0: out of it; 1: in, as if it had arrived there.
    pub(crate) up: u32,
}

const _: () = assert!(BPF_F_INGRESS == 1);

/// The kernel refused.
#[derive(Clone, Copy)]
pub(crate) struct Refused;

#[inline(always)]
const fn accepted(result: i64) -> Result<(), Refused> {
    if result == 0 { Ok(()) } else { Err(Refused) }
}

/// A socket buffer at tc ingress; its data starts with the link header, where there is one.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Skb {
    raw: *mut __sk_buff,
}

/// A VLAN tag that the kernel keeps beside the packet, or none, in one word: the compiler would mix
/// the parts of an `Option` with whatever a register holds, which the verifier does not like.
#[derive(Clone, Copy)]
pub(crate) struct Tag(u32);

impl Tag {
    /// No tag.
    pub(crate) const NONE: Self = Self(0);

    /// Whether there is one: no tag protocol is 0.
    #[inline(always)]
    pub(crate) const fn is_some(self) -> bool {
        self.0 != 0
    }

    /// The same tag, unknown to the verifier.
    #[inline(always)]
    pub(crate) const fn hidden(self, zero: u32) -> Self {
        Self(self.0 ^ zero)
    }

    /// Protocol and control in one word; 0 for no tag.
    #[inline(always)]
    pub(crate) const fn word(self) -> u32 {
        self.0
    }

    /// Tag protocol, network byte order.
    #[inline(always)]
    pub(crate) const fn protocol(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Priority, drop eligible bit and VLAN number, host byte order.
    #[inline(always)]
    pub(crate) const fn control(self) -> u16 {
        (self.0 & 0xffff) as u16
    }
}

/// Reads one field of the context; the verifier wants each access at a constant offset.
macro_rules! field {
    ($skb:expr, $field:ident) => {
        // SAFETY: the kernel passes a valid context, and the field is readable for classifiers.
        unsafe { (*$skb.raw).$field }
    };
}

impl Skb {
    #[inline(always)]
    pub(crate) const fn new(raw: *mut core::ffi::c_void) -> Self {
        Self { raw: raw.cast() }
    }

    /// Bytes of the whole frame.
    #[inline(always)]
    pub(crate) fn len(self) -> u32 {
        field!(self, len)
    }

    /// Ethertype after any tag that the kernel took off, network byte order.
    #[inline(always)]
    pub(crate) fn protocol(self) -> u16 {
        field!(self, protocol) as u16
    }

    /// Index of the interface that the frame arrived on.
    #[inline(always)]
    pub(crate) fn interface(self) -> u32 {
        field!(self, ifindex)
    }

    /// Payload bytes of each segment of a GSO or GRO packet; 0 for a plain packet.
    #[inline(always)]
    pub(crate) fn gso_size(self) -> u32 {
        field!(self, gso_size)
    }

    /// Whether the frame's link-layer destination is another host.
    #[inline(always)]
    pub(crate) fn is_for_another_host(self) -> bool {
        field!(self, pkt_type) == PACKET_OTHERHOST
    }

    /// Whether the frame's link-layer destination is a group of hosts or all of them.
    #[inline(always)]
    pub(crate) fn is_for_many(self) -> bool {
        matches!(field!(self, pkt_type), PACKET_BROADCAST | PACKET_MULTICAST)
    }

    /// Whether there is a VLAN tag, as a word: 0 where there is none.
    #[inline(always)]
    pub(crate) fn tagged(self) -> u32 {
        field!(self, vlan_present)
    }

    /// The outermost VLAN tag.
    #[inline(always)]
    pub(crate) fn tag(self) -> Tag {
        if self.tagged() == 0 {
            return Tag::NONE;
        }
        Tag(field!(self, vlan_proto) << 16 | field!(self, vlan_tci) & 0xffff)
    }

    /// `length` bytes from `offset` for direct reading, pulled together first where they are
    /// scattered. `None` where the frame is shorter.
    #[inline(always)]
    pub(crate) fn readable(self, offset: u32, length: u32) -> Option<Bytes> {
        if let Some(bytes) = self.contiguous(offset, length) {
            return Some(bytes);
        }
        let end = offset + length;
        if self.len() < end {
            return None;
        }
        // SAFETY: the context is valid; the helper moves bytes but changes none.
        let pulled = unsafe { bpf_skb_pull_data(self.raw, end) };
        accepted(pulled).ok()?;
        self.contiguous(offset, length)
    }

    #[inline(always)]
    fn contiguous(self, offset: u32, length: u32) -> Option<Bytes> {
        // The verifier follows one pointer from its check to its use: the offset goes into it first.
        let start = field!(self, data) as usize + offset as usize;
        if start + length as usize > field!(self, data_end) as usize {
            return None;
        }
        Some(Bytes { start })
    }

    /// Copies `length` bytes from `offset` of the packet.
    ///
    /// # Safety
    ///
    /// `target` must be good for writes of `length` bytes.
    #[inline(always)]
    pub(crate) unsafe fn load(
        &self,
        offset: u32,
        target: *mut u8,
        length: u32,
    ) -> Result<(), Refused> {
        // SAFETY: the kernel writes exactly `length` bytes.
        accepted(unsafe { bpf_skb_load_bytes(self.raw.cast(), offset, target.cast(), length) })
    }

    /// Writes bytes without a word on checksums.
    #[inline(always)]
    pub(crate) fn store(self, offset: u32, bytes: &[u8]) -> Result<(), Refused> {
        // SAFETY: the kernel reads exactly `len` bytes, all of them in `bytes`.
        accepted(unsafe {
            bpf_skb_store_bytes(
                self.raw,
                offset,
                bytes.as_ptr().cast(),
                bytes.len() as u32,
                0,
            )
        })
    }

    /// Adjusts a UDP checksum to a change of the pseudo header; zero stays zero.
    #[inline(always)]
    pub(crate) fn adjust_pseudo_header(self, check: u32, change: u32) -> Result<(), Refused> {
        let flags = u64::from(BPF_F_PSEUDO_HDR) | u64::from(BPF_F_MARK_MANGLED_0);
        // SAFETY: the context is valid and the kernel checks the offset.
        accepted(unsafe { bpf_l4_csum_replace(self.raw, check, 0, u64::from(change), flags) })
    }

    /// Adjusts a UDP checksum to a changed 16-bit field, which is written already; zero stays zero.
    #[inline(always)]
    pub(crate) fn adjust_field(self, check: u32, old: u16, new: u16) -> Result<(), Refused> {
        let flags = u64::from(BPF_F_MARK_MANGLED_0) | size_of::<u16>() as u64;
        // SAFETY: the context is valid and the kernel checks the offset.
        accepted(unsafe {
            bpf_l4_csum_replace(self.raw, check, u64::from(old), u64::from(new), flags)
        })
    }

    /// Adds a change of the bytes to the checksum that hardware took over them (`CHECKSUM_COMPLETE`);
    /// in every other state there is none and nothing happens.
    #[inline(always)]
    pub(crate) fn adjust_hardware_sum(self, change: u32) {
        // SAFETY: the context is valid. The result tells whether there is such a checksum.
        let _state = unsafe { bpf_csum_update(self.raw, change) };
    }

    /// What a classifier told of the packet; of no meaning on ingress.
    #[inline(always)]
    pub(crate) fn class_index(self) -> u32 {
        field!(self, tc_index)
    }

    /// Sets that, 16 bits.
    #[inline(always)]
    pub(crate) fn set_class_index(self, index: u32) {
        // SAFETY: the kernel passes a valid context, and classifiers may write the field.
        unsafe { (*self.raw).tc_index = index };
    }

    /// The mark that firewalls and routing rules go by.
    #[inline(always)]
    pub(crate) fn mark(self) -> u32 {
        field!(self, mark)
    }

    /// Sets the mark.
    #[inline(always)]
    pub(crate) fn set_mark(self, mark: u32) {
        // SAFETY: the kernel passes a valid context, and classifiers may write the field.
        unsafe { (*self.raw).mark = mark };
    }

    /// Makes room for a link header in front of a packet that has none.
    #[inline(always)]
    pub(crate) fn make_room(self, length: u32) -> Result<(), Refused> {
        // SAFETY: the context is valid.
        accepted(unsafe { bpf_skb_change_head(self.raw, length, 0) })
    }

    /// Takes the outermost VLAN tag off.
    #[inline(always)]
    pub(crate) fn pop_tag(self) -> Result<(), Refused> {
        // SAFETY: the context is valid.
        accepted(unsafe { bpf_skb_vlan_pop(self.raw) })
    }

    /// Puts a VLAN tag on.
    #[inline(always)]
    pub(crate) fn push_tag(self, tag: Tag) -> Result<(), Refused> {
        // SAFETY: the context is valid.
        accepted(unsafe { bpf_skb_vlan_push(self.raw, tag.protocol(), tag.control()) })
    }

    /// Sends a copy out of an interface, or has it arrive there.
    ///
    /// The helper's result is 0, an errno, or a positive drop code of the egress path: only 0 is
    /// success. It unshares the headers of the original, so that writing them again cannot fail.
    #[inline(always)]
    pub(crate) fn send_copy(self, Gate { interface, up }: Gate) -> Result<(), Refused> {
        // SAFETY: the context is valid.
        accepted(unsafe { bpf_clone_redirect(self.raw, interface, u64::from(up)) })
    }
}

/// The redirect helpers return the verdict that the program should end with.
#[inline(always)]
const fn redirected(verdict: i64) -> Result<(), Refused> {
    if verdict == Verdict::Redirect as i64 {
        Ok(())
    } else {
        Err(Refused)
    }
}

/// Sends the packet itself out of an interface, or has it arrive there, once the program has ended.
#[inline(always)]
pub(crate) fn redirect(Gate { interface, up }: Gate) -> Result<(), Refused> {
    // SAFETY: takes plain numbers.
    let verdict = unsafe { bpf_redirect(interface, u64::from(up)) };
    redirected(verdict)
}

/// Sends it out of an interface, but has the kernel find the neighbour's link-layer address; packets wait in the
/// neighbour's queue meanwhile (about 100 of them).
#[inline(always)]
pub(crate) fn redirect_to_neighbour(
    interface: u32,
    mut neighbour: bpf_redir_neigh,
) -> Result<(), Refused> {
    // SAFETY: the kernel reads the structure of that size before the helper returns.
    let verdict = unsafe {
        bpf_redirect_neigh(
            interface,
            &raw mut neighbour,
            size_of::<bpf_redir_neigh>() as i32,
            0,
        )
    };
    redirected(verdict)
}

/// Bytes of the packet that were checked to be there.
#[derive(Clone, Copy)]
pub(crate) struct Bytes {
    start: usize,
}

impl Bytes {
    /// The byte at `offset` from the first one, which must be below the length that was asked for: the verifier refuses
    /// the whole program otherwise.
    #[inline(always)]
    pub(crate) fn u8(self, offset: usize) -> u8 {
        // SAFETY: in bounds, see above; a byte has no alignment.
        unsafe { *((self.start + offset) as *const u8) }
    }

    /// Two bytes in network order. Read one by one: packets are not aligned.
    #[inline(always)]
    pub(crate) fn u16(self, offset: usize) -> u16 {
        u16::from_be_bytes([self.u8(offset), self.u8(offset + 1)])
    }
}
